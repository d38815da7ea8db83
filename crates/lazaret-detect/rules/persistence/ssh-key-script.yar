rule ssh_key_script : script
{
    meta:
        title = "plant a stranger's SSH key"
        explanation = "A script holds a public key and adds it to the keys that may log in. Whoever has the private half can then log in where the script ran; with the host's files mounted, on the host. Ask whose key it is."
        class = "malware"
        severity = "high"
        confidence = "medium"
        attack = "T1098.004"
        reference = "https://attack.mitre.org/techniques/T1098/004/"
    strings:
        $rsa = /ssh-rsa AAAA[0-9A-Za-z+\/=]{40,1200}[^\n]{0,120}>>[^\n]{1,80}authorized_keys/
        $ed = /ssh-ed25519 AAAA[0-9A-Za-z+\/=]{40,200}[^\n]{0,120}>>[^\n]{1,80}authorized_keys/
        $append = ">> /root/.ssh/authorized_keys"
        $key = "ssh-rsa AAAA"
    condition:
        filesize < 256KB and uint16(0) == 0x2123 and (1 of ($rsa, $ed) or ($append and $key))
}

/* example: fires on a key and where it goes
    FILE /k.sh 0755
        #!/bin/sh
        mkdir -p /root/.ssh
        echo "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQDexampleexampleexampleexampleexampleexample nobody@example.invalid" >> /root/.ssh/authorized_keys
*/
/* example: quiet on a script that takes the key from its user
    FILE /usr/bin/entry.sh 0755
        #!/bin/sh
        echo "$SSH_PUBLIC_KEY" >> /root/.ssh/authorized_keys
        exec /usr/sbin/sshd -D
*/
