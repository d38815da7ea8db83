rule backdoored_liblzma : elf
{
    meta:
        title = "let its maker in through the SSH server"
        explanation = "The library holds the machine code that was added to liblzma 5.6.0 and 5.6.1 (CVE-2024-3094): loaded into sshd, it runs commands of whoever holds its key. Use an image whose liblzma is older or newer."
        class = "malware"
        severity = "critical"
        confidence = "high"
        attack = "T1195.002, T1554"
        reference = "https://www.openwall.com/lists/oss-security/2024/03/29/4"
    strings:
        $code = { f3 0f 1e fa 55 48 89 f5 4c 89 ce 53 89 fb 81 e7 00 00 00 80 48 83 ec 28 48 89 54 24 18 48 89 4c 24 10 }
        // The release, and the resolver that only the backdoored builds carry by this name.
        $release0 = "5.6.0"
        $release1 = "5.6.1"
        $resolver = "_get_cpuid"
        $crc = "lzma_crc64"
    condition:
        uint32(0) == 0x464c457f and ($code or (1 of ($release*) and $resolver and $crc))
}

/* example: fires on the added code
    BASE64 /usr/lib/x86_64-linux-gnu/liblzma.so.5.6.1 0644 f0VMRgIBAQDzDx76VUiJ9UyJzlOJ+4HnAAAAgEiD7ChIiVQkGEiJTCQQ
*/
/* example: quiet on the library of the same version without it
    ELF /usr/lib/x86_64-linux-gnu/liblzma.so.5.6.1 0644 shared
        5.6.1
        lzma_crc64
*/
