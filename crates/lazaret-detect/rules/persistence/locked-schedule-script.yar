rule locked_schedule_script : script
{
    meta:
        title = "lock schedules or keys so that nobody can remove them"
        explanation = "A script makes crontabs, keys or the preload list immutable, or takes that lock of a rival away. Intruders do so to stay. Hardening guides lock other files."
        class = "malware"
        severity = "high"
        confidence = "medium"
        attack = "T1222.002"
        reference = "https://attack.mitre.org/techniques/T1222/002/"
    strings:
        $lock1 = "chattr +i /var/spool/cron"
        $lock2 = "chattr +ia /var/spool/cron"
        $lock3 = "chattr +i /etc/cron"
        $lock4 = "chattr +ia /etc/cron"
        $lock5 = "chattr +i /root/.ssh/authorized_keys"
        $lock6 = "chattr +ia /root/.ssh/authorized_keys"
        $lock7 = "chattr +i /etc/ld.so.preload"
        $lock8 = "chattr -i /etc/ld.so.preload"
        $lock9 = "chattr -ia /etc/ld.so.preload"
        $lock10 = "chattr -R -ia /var/spool/cron"
        $lock11 = "chattr -iua /var/spool/cron"
        $lock12 = "chattr -i /root/.ssh/authorized_keys"
        $lock13 = "tntrecht +"
    condition:
        filesize < 256KB and uint16(0) == 0x2123 and 1 of them
}

/* example: fires on a locked crontab
    FILE /i.sh 0755
        #!/bin/sh
        chattr +i /var/spool/cron/root
*/
/* example: quiet on a lock of something else
    FILE /h.sh 0755
        #!/bin/sh
        chattr +i /etc/resolv.conf
*/
