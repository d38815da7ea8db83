rule escape_kit : elf
{
    meta:
        title = "carry a kit for breaking out of containers"
        explanation = "The program or script is one of the public kits that look for ways out of a container or through a cluster. In an image for security testing this is what it is for; in any other, it is there to be used against you."
        class = "dual-use"
        severity = "high"
        confidence = "high"
        attack = "T1611, T1613"
        reference = "https://attack.mitre.org/software/S0683/"
    strings:
        $botb = "github.com/brompwnie/botb"
        $botb2 = "[+] Break Out The Box"
        $peirates = "github.com/inguardians/peirates"
        $peirates2 = "Peirates:"
        $cdk = "github.com/cdk-team/CDK"
        $cdk2 = "auto-escape"
        $deepce = "Docker Enumeration, Escalation of Privileges and Container Escapes"
        $amicontained = "github.com/genuinetools/amicontained"
        $main = "main.main"
    condition:
        (uint32(0) == 0x464c457f and $main and (1 of ($botb*) or ($peirates and $peirates2) or ($cdk and $cdk2) or $amicontained)) or
        (uint16(0) == 0x2123 and filesize < 512KB and $deepce)
}

/* example: fires on a kit
    ELF /usr/bin/tool 0755
        github.com/brompwnie/botb/pkg/utils
        main.main
*/
/* example: quiet on an article
    FILE /usr/share/doc/escapes.md
        See github.com/brompwnie/botb and github.com/cdk-team/CDK (auto-escape).
*/
