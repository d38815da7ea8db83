rule miner_program : elf
{
    meta:
        title = "carry a program that mines cryptocurrency for a pool"
        explanation = "The program holds several independent parts of a miner: the option texts of one, the names of proof-of-work algorithms, and the protocol that pools speak. A name alone never counts here. Whoever runs it pays for the computing, and whoever owns the wallet is paid. Do not run the image unless you want exactly this miner."
        class = "malware"
        severity = "high"
        confidence = "high"
        attack = "T1496.001"
        reference = "https://attack.mitre.org/techniques/T1496/001/"
    strings:
        $option_donate = "--donate-level"
        $option_hint = "--cpu-max-threads-hint"
        $option_pages = "--randomx-1gb-pages"
        $option_mode = "--randomx-mode"
        $option_rig = "--rig-id"
        $option_nicehash = "--nicehash"
        $option_affinity = "--cpu-affinity"
        $option_av = "--av=N"
        $option_coinbase = "--coinbase-addr"
        $option_sbr = "--disable-gpu"
        $protocol_tcp = "stratum+tcp://"
        $protocol_ssl = "stratum+ssl://"
        $protocol_subscribe = "mining.subscribe"
        $protocol_authorize = "mining.authorize"
        $protocol_submit = "mining.submit"
        $protocol_job = "mining.notify"
        $protocol_keepalive = "keepalived"
        $protocol_login = "\"method\":\"login\""
        $work_rx = "rx/0"
        $work_wow = "rx/wow"
        $work_arq = "rx/arq"
        $work_cnr = "cn/r"
        $work_half = "cn/half"
        $work_heavy = "cn-heavy/"
        $work_lite = "cn-lite/"
        $work_chukwa = "argon2/chukwa"
        $work_kawpow = "kawpow"
        $work_ghost = "ghostrider"
        $work_astro = "astrobwt"
        $work_verus = "verushash"
        $work_cryptonight = "cryptonight"
    condition:
        uint32(0) == 0x464c457f and (
            (2 of ($option_*) and 1 of ($protocol_*)) or
            (3 of ($work_*) and 1 of ($option_*) and 1 of ($protocol_*)) or
            (4 of ($work_*) and 2 of ($protocol_*)) or
            (4 of ($option_*) and 2 of ($work_*))
        )
}

/* example: fires on a miner under another name
    ELF /usr/sbin/httpd-worker 0755
        Usage: httpd-worker [OPTIONS]
          -o, --url=URL                 URL of mining server, stratum+tcp://
              --donate-level=N          donate level
              --cpu-max-threads-hint=N  maximum CPU threads count
              --rig-id=ID               rig identifier
        rx/0
        cn/half
    ENTRYPOINT ["/usr/sbin/httpd-worker"]
*/
/* example: quiet on a filter that knows the protocol and the name of one algorithm
    ELF /usr/bin/filterd 0755
        stratum+tcp://
        cryptonight
    FILE /etc/filter/words.txt
        --donate-level
        --cpu-max-threads-hint
        stratum+tcp://
        rx/0
        cn/r
        kawpow
        ghostrider
    ENTRYPOINT ["/usr/bin/filterd"]
*/
