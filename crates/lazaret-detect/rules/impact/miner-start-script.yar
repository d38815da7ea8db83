rule miner_start_script : script
{
    meta:
        title = "carry a script that starts a miner"
        explanation = "A script names a mining pool and the options of a miner, or prepares the machine for one (huge pages, model-specific registers) beside a pool. Look at what it starts and for which wallet."
        class = "malware"
        severity = "high"
        confidence = "medium"
        attack = "T1496.001"
        reference = "https://attack.mitre.org/techniques/T1496/001/"
    strings:
        $pool_tcp = "stratum+tcp://"
        $pool_ssl = "stratum+ssl://"
        $pool_tls = "stratum+tls://"
        $donate = "--donate-level"
        $hint = "--cpu-max-threads-hint"
        $coin = "--coin monero"
        $coin2 = "--coin=monero"
        $rx = "-a rx/0"
        $cn = "-a cryptonight"
        $rig = "--rig-id"
        $tls = "--nicehash"
        $huge = "vm.nr_hugepages"
        $msr = "modprobe msr"
        $background = "nohup "
        $hidden = "> /dev/null 2>&1 &"
        $hidden2 = ">/dev/null 2>&1 &"
    condition:
        uint16(0) == 0x2123 and filesize < 256KB and 1 of ($pool_*) and
        (1 of ($donate, $hint, $coin*, $rx, $cn, $rig, $tls, $huge, $msr) or (1 of ($background, $hidden*) and filesize < 8KB))
}

/* example: fires on a start script
    FILE /usr/local/bin/run.sh 0755
        #!/bin/sh
        sysctl -w vm.nr_hugepages=1280
        nohup /var/tmp/java-c -o stratum+tcp://pool.example.invalid:3333 -u x >/dev/null 2>&1 &
*/
/* example: quiet on a rule file and on a script that looks for miners
    FILE /etc/falco/falco_rules.yaml
        - rule: Detect crypto miners using the Stratum protocol
          condition: proc.cmdline contains "stratum+tcp://" or proc.cmdline contains "--donate-level"
    FILE /usr/local/bin/hunt.sh 0755
        #!/bin/sh
        grep -rl 'stratum+tcp://' /var/log/commands
*/
