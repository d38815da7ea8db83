rule memory_only_packer : elf
{
    meta:
        title = "unpack a program that never touches the disk"
        explanation = "The program is an Ezuri stub: it decrypts another program and runs it from memory, so that no scanner of files sees it. Nothing but hiding is gained by that."
        class = "malware"
        severity = "critical"
        confidence = "high"
        attack = "T1027.002, T1620"
        reference = "https://attack.mitre.org/software/S0601/"
    strings:
        $run = "main.runFromMemory"
        $decrypt = "main.aesDec"
        $create = "/proc/self/fd/%d"
    condition:
        uint32(0) == 0x464c457f and $run and ($decrypt or $create)
}

/* example: fires on the stub's functions
    ELF /usr/bin/containerd-shim 0755
        main.runFromMemory
        main.aesDec
    ENTRYPOINT ["/usr/bin/containerd-shim"]
*/
/* example: quiet on a program that lists its descriptors
    ELF /usr/bin/lsfd 0755
        /proc/self/fd/%d
        main.main
    ENTRYPOINT ["/usr/bin/lsfd"]
*/
