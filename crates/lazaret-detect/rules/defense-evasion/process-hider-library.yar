rule process_hider_library : elf
{
    meta:
        title = "hide processes from whoever looks for them"
        explanation = "A library replaces the function that lists directories and leaves out the entries of one process below /proc. Preloaded, it makes that process invisible to ps and top. Nothing legitimate needs it."
        class = "malware"
        severity = "critical"
        confidence = "high"
        attack = "T1574.006, T1014"
        reference = "https://attack.mitre.org/techniques/T1574/006/"
    strings:
        $fd = "/proc/self/fd/%d"
        $stat = "/proc/%s/stat"
        $scan = "%d (%[^)]s"
        $readdir = "readdir"
        $hide1 = "process_to_filter"
        $hide2 = "is_invisible"
        $hide3 = "hide_procname"
    condition:
        uint32(0) == 0x464c457f and filesize < 1MB and $readdir and (($fd and $stat and $scan) or ($stat and 1 of ($hide*)))
}

/* example: fires on the library
    ELF /usr/local/lib/libsystem.so 0644 shared symbols=readdir,readdir64
        /proc/self/fd/%d
        /proc/%s/stat
        %d (%[^)]s
        Error in dlsym: %s
*/
/* example: quiet on a tool that lists processes
    ELF /usr/bin/pslist 0755 imports=readdir
        /proc/%s/stat
        %d (%s)
*/
