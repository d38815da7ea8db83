rule cgroup_escape_script : script
{
    meta:
        title = "break out of the container through a control group"
        explanation = "A script makes a control group, sets the program that the kernel runs on the host when the group is empty, and points it back into the container: the known way from a privileged container to root on the host."
        class = "malware"
        severity = "critical"
        confidence = "medium"
        attack = "T1611"
        reference = "https://attack.mitre.org/techniques/T1611/"
    strings:
        $notify = "notify_on_release"
        $agent = "release_agent"
        $overlay1 = "perdir="
        $overlay2 = "upperdir"
        $overlay3 = "host_path"
        $mount = "mount -t cgroup"
        $procs = "cgroup.procs"
        $core = "/proc/sys/kernel/core_pattern"
        $layer = "upperdir="
    condition:
        filesize < 64KB and uint16(0) == 0x2123 and (($notify and $agent and ($procs or $mount) and 1 of ($overlay*)) or ($core and $layer))
}

/* example: fires on the known steps
    FILE /e.sh 0755
        #!/bin/sh
        mkdir /tmp/g && mount -t cgroup -o rdma cgroup /tmp/g && mkdir /tmp/g/x
        echo 1 > /tmp/g/x/notify_on_release
        host_path=`sed -n 's/x perdir=y/z/p' /proc/mounts`
        echo "$host_path/cmd" > /tmp/g/release_agent
        sh -c "echo \$\$ > /tmp/g/x/cgroup.procs"
*/
/* example: quiet on a script that mounts control groups
    FILE /usr/bin/cgroupfs-mount 0755
        #!/bin/sh
        mount -t cgroup -o cpu cgroup /sys/fs/cgroup/cpu
        cat /sys/fs/cgroup/cpu/notify_on_release
*/
