rule trace_wiping_script : text
{
    meta:
        title = "carry a script that wipes logs as intruders do"
        explanation = "A script empties the records of log-ins and mail of the machine, as a series of known intrusion scripts does. Cleaning an image before it is published removes files once; this runs on the machine of whoever starts it."
        class = "malware"
        severity = "medium"
        confidence = "medium"
        attack = "T1070.002, T1070.003"
        reference = "https://attack.mitre.org/techniques/T1070/002/"
    strings:
        $wipe1 = "echo 0>/var/spool/mail/root"
        $wipe2 = "echo 0>/var/log/wtmp"
        $wipe3 = "echo 0>/var/log/secure"
        $wipe4 = "echo 0>/var/log/cron"
        $wipe5 = "echo 0>/root/.bash_history"
        $wipe6 = "echo 0> /var/log/wtmp"
        $wipe7 = "echo > /var/spool/mail/root"
        $wipe8 = "echo > /var/log/wtmp"
        $wipe9 = "cat /dev/null >/var/log/secure"
        $wipe10 = "cat /dev/null > /var/log/secure"
    condition:
        filesize < 256KB and uint32(0) != 0x464c457f and 2 of them
}

/* example: fires on the series
    FILE /a.sh 0755
        #!/bin/sh
        echo 0>/var/spool/mail/root
        echo 0>/var/log/wtmp
        echo 0>/var/log/secure
*/
/* example: quiet on a clean-up before publishing
    FILE /cleanup.sh 0755
        #!/bin/sh
        rm -rf /var/log/*.log /tmp/build
        history -c
*/
