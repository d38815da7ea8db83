rule docker_api_hunter : script
{
    meta:
        title = "look for open Docker or Kubernetes machines and move into them"
        explanation = "A script scans networks for the ports of container engines and starts containers on what it finds: this is how the worms of this field spread. From your machine it attacks others."
        class = "malware"
        severity = "critical"
        confidence = "high"
        attack = "T1046, T1610"
        reference = "https://attack.mitre.org/groups/G0139/"
    strings:
        $scan1 = "masscan "
        $scan2 = "zgrab "
        $scan3 = "pnscan "
        $scan4 = "zmap "
        $scan5 = "api.shodan.io/shodan/host/search"
        $port1 = "2375"
        $port2 = "2376"
        $port3 = "10250"
        $into1 = "docker -H "
        $into2 = "/containers/create"
        $into3 = "DOCKER_HOST=tcp://"
        $into4 = "docker -H tcp://"
        $into5 = "--host=tcp://"
    condition:
        filesize < 256KB and uint16(0) == 0x2123 and 1 of ($scan*) and 1 of ($port*) and 1 of ($into*)
}

/* example: fires on the loop of a worm
    FILE /s.sh 0755
        #!/bin/bash
        masscan 198.51.100.0/24 -p2375 --rate=1000 | awk '{print $6}' | while read ip; do
        docker -H tcp://$ip:2375 run -d --privileged -v /:/mnt alpine sh -c x
        done
*/
/* example: quiet on a scan of one's own network
    FILE /audit.sh 0755
        #!/bin/bash
        masscan 198.51.100.0/24 -p22,80,2375 -oL /tmp/report
        mail -s report ops@example.org < /tmp/report
*/
