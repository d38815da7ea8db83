rule compiled_shell_script : elf
{
    meta:
        title = "hide a shell script inside a program"
        explanation = "The program was made by shc, which encrypts a shell script and carries it along: what it does cannot be read. Some vendors do so to protect their work; attackers do so to hide theirs. Ask for the script."
        class = "dual-use"
        severity = "medium"
        confidence = "high"
        attack = "T1027"
        reference = "https://attack.mitre.org/techniques/T1027/"
    strings:
        $argv = "E: neither argv[0] nor $_ works."
        $exec = "=%lu %d"
        $mem = "%lu %d%c"
        $has = "has expired!"
    condition:
        uint32(0) == 0x464c457f and filesize < 4MB and $argv and 1 of ($exec, $mem, $has)
}

/* example: fires on the marks of the compiler
    ELF /usr/local/bin/start 0755
        E: neither argv[0] nor $_ works.
        x%lu=%lu %d
        has expired!
*/
/* example: quiet on a program with an expiry message
    ELF /usr/local/bin/app 0755
        the licence has expired!
        %lu %d
*/
