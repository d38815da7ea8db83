rule hiding_kernel_module : elf
{
    meta:
        title = "load a kernel module that hides an intruder"
        explanation = "A kernel module replaces system calls so that files, processes or itself cannot be seen, or gives root to whoever knows its signal. A container image has no reason to carry it: loaded, it takes over the host."
        class = "malware"
        severity = "critical"
        confidence = "high"
        attack = "T1014, T1547.006"
        reference = "https://attack.mitre.org/techniques/T1014/"
    strings:
        $module = "vermagic="
        $name1 = "diamorphine"
        $name2 = "reptile_"
        $hook1 = "hacked_getdents"
        $hook2 = "hacked_kill"
        $hook3 = "hook_getdents"
        $hook4 = "hooked_getdents"
        $hook5 = "orig_getdents"
        $hide1 = "module_hide"
        $hide2 = "hide_module"
        $hide3 = "is_invisible"
        $hide4 = "hide_pid"
        $hide5 = "hide_tcp4_port"
        $root1 = "give_root"
        $root2 = "get_root"
        $root3 = "set_root"
    condition:
        uint32(0) == 0x464c457f and $module and (
            (1 of ($hook*) and 1 of ($hide*, $root*, $name*)) or (1 of ($hide*) and 1 of ($root*)) or
            (1 of ($name*) and 1 of ($hide*, $root*))
        )
}

/* example: fires on its functions
    ELF /lib/modules/m.ko 0644
        vermagic=5.10.0 SMP mod_unload
        hacked_getdents64
        give_root
        is_invisible
*/
/* example: quiet on a file-system module
    ELF /lib/modules/fs.ko 0644
        vermagic=5.10.0 SMP mod_unload
        iterate_dir
*/
