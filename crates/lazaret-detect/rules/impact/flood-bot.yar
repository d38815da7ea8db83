rule flood_bot : elf
{
    meta:
        title = "carry a bot that floods targets on order"
        explanation = "The program holds the attack names and habits of the Gafgyt and Mirai families: it waits for orders, floods the targets it is given, and spreads with default passwords. Do not run the image."
        class = "malware"
        severity = "critical"
        confidence = "high"
        attack = "T1498, T1499"
        reference = "https://attack.mitre.org/techniques/T1498/"
    strings:
        $flood_udp = "UDPFLOOD"
        $flood_http = "HTTPFLOOD"
        $flood_syn = "SYNFLOOD"
        $flood_ack = "ACKFLOOD"
        $flood_vse = "VSEFLOOD"
        $flood_std = "STDFLOOD"
        $flood_stomp = "STOMPFLOOD"
        $stop = "LOLNOGTFO"
        $killattack = "KILLATTK"
        $duck = "GETLOCALIP"
        $source = "TSource Engine Query"
        $watchdog = "/dev/misc/watchdog"
        $maps = "/proc/net/tcp"
        $busybox = "/bin/busybox"
        $applet = "applet not found"
        $low_udp = "udp_flood"
        $low_tcp = "tcp_flood"
        $low_syn = "syn_flood"
        $low_http = "http_flood"
        $low_get = "httpget_flood"
        $low_ssl = "ssl_flood"
        $low_loris = "slowloris_flood"
        $worker = "http-flood"
        $order_id = "bot_id"
        $order_list = "target list"
        $order_hit = "attacking %s"
        $agent = "User-Agent: "
        $enable = "enable\x00system\x00shell\x00"
    condition:
        uint32(0) == 0x464c457f and (
            3 of ($flood_*) or
            (1 of ($flood_*) and 1 of ($stop, $killattack, $duck)) or
            (3 of ($low_*) and 1 of ($order_*)) or
            (1 of ($low_*, $worker) and 2 of ($order_*) and $agent) or
            ($source and $watchdog and $maps) or
            ($watchdog and $busybox and $applet and $maps) or
            ($enable and $busybox and $source)
        )
}

/* example: fires on the names of its attacks
    ELF /opt/app/agent 0755
        UDPFLOOD
        HTTPFLOOD
        SYNFLOOD
    ENTRYPOINT ["/opt/app/agent"]
*/
/* example: fires on a flooder that is given its targets
    ELF /usr/bin/web 0755
        target list
        http-flood worker %d
        User-Agent: %s
        attacking %s
    ENTRYPOINT ["/usr/bin/web"]
*/
/* example: quiet on an intrusion detector that names floods and on a load generator
    ELF /usr/bin/ids 0755
        udp_flood
        syn_flood
        tcp_flood
    ELF /usr/bin/loadgen 0755
        attacking %s
        User-Agent: loadgen
    ENTRYPOINT ["/usr/bin/ids"]
*/
/* example: quiet on a firewall that names one attack and on a game client
    ELF /usr/sbin/fwd 0755
        SYNFLOOD
        /proc/net/tcp
    ELF /usr/games/client 0755
        TSource Engine Query
    ENTRYPOINT ["/usr/sbin/fwd"]
*/
