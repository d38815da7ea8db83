rule redis_cron_script : script
{
    meta:
        title = "break into Redis servers and plant schedules there"
        explanation = "A script tells a Redis server to save its data as a crontab or as SSH keys. This turns an open Redis into a shell on its host; nothing else is gained by it."
        class = "malware"
        severity = "high"
        confidence = "high"
        attack = "T1210, T1053.003"
        reference = "https://attack.mitre.org/techniques/T1210/"
    strings:
        $dir1 = "config set dir /var/spool/cron"
        $dir2 = "config set dir /etc/cron.d"
        $dir3 = "config set dir /root/.ssh"
        $dir4 = "CONFIG SET dir /var/spool/cron"
        $dir5 = "CONFIG SET dir /root/.ssh"
        $dir6 = "CONFIG SET dir /etc/cron.d"
        $socket = "create_connection("
        $random = "random.randint("
        $name1 = "config set dbfilename"
        $name2 = "CONFIG SET dbfilename"
    condition:
        filesize < 256KB and (uint16(0) == 0x2123 or ($socket and $random)) and 1 of ($dir*) and 1 of ($name*)
}

/* example: fires on the two settings
    FILE /r.sh 0755
        #!/bin/sh
        redis-cli -h $1 config set dir /var/spool/cron/
        redis-cli -h $1 config set dbfilename root
*/
/* example: quiet on a server that is told where its data goes
    FILE /r.sh 0755
        #!/bin/sh
        redis-cli config set dir /data
        redis-cli config set dbfilename dump.rdb
*/
