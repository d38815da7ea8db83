rule host_wiper_script : script
{
    meta:
        title = "carry a script that destroys the host's files"
        explanation = "A script removes or overwrites everything below a mount of the host, or the disks themselves. Deleting the container does not bring the files back."
        class = "malware"
        severity = "critical"
        confidence = "medium"
        attack = "T1485, T1561"
        reference = "https://attack.mitre.org/techniques/T1485/"
    strings:
        $root = "rm -rf --no-preserve-root /"
        $root2 = "rm -rf / --no-preserve-root"
        $host1 = "rm -rf /host/"
        $host2 = "rm -rf /mnt/host"
        $host3 = "rm -rf /hostfs/"
        $host4 = "rm -rf /rootfs/"
        $disk1 = "dd if=/dev/urandom of=/dev/sd"
        $disk2 = "dd if=/dev/zero of=/dev/sd"
        $disk3 = "dd if=/dev/urandom of=/dev/nvme"
        $disk4 = "dd if=/dev/zero of=/dev/nvme"
        $boot = "/boot"
        $reboot = "reboot"
        $find = "-delete"
        $loop = "lsblk"
    condition:
        filesize < 64KB and uint16(0) == 0x2123 and (
            1 of ($root*) or
            (1 of ($host*) and 1 of ($boot, $reboot, $find)) or
            (1 of ($disk*) and 1 of ($loop, $reboot))
        )
}

/* example: fires on a script that wipes what is mounted
    FILE /wipe.sh 0755
        #!/bin/sh
        rm -rf /mnt/host/home /mnt/host/boot
        chroot /mnt/host reboot -f
    ENTRYPOINT ["/wipe.sh"]
*/
/* example: quiet on a build script that cleans its own tree
    FILE /build.sh 0755
        #!/bin/sh
        rm -rf /rootfs.tmp/usr/share/doc
        find /out -name '*.pyc' -delete
*/
