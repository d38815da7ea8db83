//! What well-known programs are, in a few words.

/// What a program is, by its name; completes "`nginx`, …".
pub fn role(name: &str) -> Option<&'static str> {
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    Some(match name {
        "nginx" => "the web server nginx",
        "httpd" | "apache" | "apachectl" | "httpd-foreground" => "the Apache web server",
        "caddy" => "the web server Caddy",
        "haproxy" => "the load balancer HAProxy",
        "traefik" => "the proxy Traefik",
        "envoy" => "the proxy Envoy",
        "postgres" | "postmaster" => "the database PostgreSQL",
        "mariadbd" => "the database server MariaDB",
        "mysqld" => "the MySQL database server",
        "mongod" => "the database MongoDB",
        "redis-server" => "the data store Redis",
        "memcached" => "the cache memcached",
        "rabbitmq-server" => "the message broker RabbitMQ",
        "php-fpm" => "the PHP process manager",
        "java" => "the Java runtime",
        "node" | "nodejs" => "the JavaScript runtime Node.js",
        "python" | "pypy" => "the Python interpreter",
        "perl" => "the Perl interpreter",
        "ruby" => "the Ruby interpreter",
        "php" => "the PHP interpreter",
        "sshd" | "dropbear" => "an SSH server: whoever holds a key or a password may log in",
        "cron" | "crond" | "supercronic" | "dcron" => "a scheduler: what it runs by itself is told below",
        "supervisord" => "a supervisor of several services",
        "systemd" | "init" => "a service manager",
        "dockerd" => "a container engine",
        "containerd" => "a container engine",
        "tor" => "a client or relay of the Tor network",
        "squid" => "the proxy Squid",
        "named" => "a DNS server",
        "dnsmasq" => "a DNS and DHCP server",
        "unbound" => "a DNS resolver",
        "initdb" => "which makes a new, empty database",
        "mariadb-install-db" | "mysql_install_db" => "which makes a new, empty database",
        "psql" => "the client of PostgreSQL",
        "mysql" | "mariadb" => "the client of the database",
        "pg_ctl" => "which starts and stops PostgreSQL",
        "envsubst" => "which fills variables into a template",
        "nc" | "ncat" | "netcat" => "a tool that connects or listens on the network",
        "socat" => "a tool that ties connections, files and programs together",
        _ => return None,
    })
}

/// Programs that only look: they tell something and change nothing.
const LOOK: &[&str] = &[
    "[",
    "awk",
    "basename",
    "cat",
    "cksum",
    "cmp",
    "comm",
    "curl-config",
    "cut",
    "date",
    "df",
    "diff",
    "dig",
    "dirname",
    "du",
    "echo",
    "egrep",
    "env",
    "expr",
    "false",
    "fgrep",
    "file",
    "find",
    "findmnt",
    "free",
    "gawk",
    "getconf",
    "getent",
    "grep",
    "groups",
    "head",
    "host",
    "hostname",
    "id",
    "jq",
    "ldd",
    "ls",
    "lsb_release",
    "lscpu",
    "lsof",
    "mawk",
    "md5sum",
    "mountpoint",
    "my_print_defaults",
    "nproc",
    "nslookup",
    "od",
    "paste",
    "pgrep",
    "pidof",
    "printenv",
    "printf",
    "ps",
    "pwd",
    "pwgen",
    "readlink",
    "realpath",
    "rev",
    "sed",
    "seq",
    "sha1sum",
    "sha256sum",
    "sha512sum",
    "sort",
    "ss",
    "stat",
    "strings",
    "tail",
    "test",
    "tr",
    "true",
    "tty",
    "tput",
    "uname",
    "uniq",
    "uptime",
    "uuidgen",
    "wc",
    "which",
    "who",
    "whoami",
    "xxd",
    "yes",
    "base64",
    "dpkg-query",
    "dpkg",
    "netstat",
    "ip",
    "ifconfig",
    "mktemp",
    "pg_isready",
    "stty",
    "locale",
    "numfmt",
    "tac",
    "nl",
    "fold",
    "fmt",
    "column",
    "bc",
    "dc",
    "openssl",
];

/// Programs that keep house: folders, owners, rights, links.
const PREPARE: &[&str] = &[
    "mkdir",
    "chown",
    "chmod",
    "chgrp",
    "touch",
    "ln",
    "install",
    "mkfifo",
    "setfacl",
    "chcon",
    "restorecon",
    "rmdir",
    "sync",
    "ldconfig",
    "umask",
];

/// Programs that start another one and are told with it.
const WRAPPERS: &[&str] = &[
    "sh",
    "bash",
    "dash",
    "ash",
    "zsh",
    "ksh",
    "busybox",
    "nohup",
    "timeout",
    "nice",
    "ionice",
    "env",
    "tini",
    "dumb-init",
    "docker-init",
    "catatonit",
    "gosu",
    "su-exec",
    "setpriv",
    "su",
    "sudo",
    "runuser",
    "doas",
    "setsid",
    "stdbuf",
    "chroot",
    "nsenter",
    "unshare",
    "xargs",
    "find",
    "exec",
    "time",
    "command",
    "chpst",
    "setuidgid",
    "softlimit",
    "with-contenv",
    "cpulimit",
    "taskset",
    "start-stop-daemon",
    "flock",
    "script",
    "parallel",
    "watch",
    "unbuffer",
    "numactl",
    "chrt",
];

/// Whether a program only looks.
pub fn looks(name: &str, args: &[String]) -> bool {
    let writes = match name {
        "sed" => args.iter().any(|arg| arg.starts_with("-i") || arg.starts_with("--in-place")),
        "find" => args.iter().any(|arg| matches!(arg.as_str(), "-delete" | "-exec" | "-execdir" | "-ok")),
        "dpkg" => args
            .iter()
            .any(|arg| matches!(arg.as_str(), "-i" | "--install" | "-r" | "--remove" | "-P" | "--purge")),
        "ip" => args.iter().any(|arg| matches!(arg.as_str(), "add" | "del" | "set" | "replace" | "flush")),
        "openssl" => args.first().is_some_and(|arg| matches!(arg.as_str(), "s_client" | "s_server" | "enc")),
        "hostname" => args.iter().any(|arg| !arg.starts_with('-')),
        "yes" | "tail" => args.iter().any(|arg| arg == "-f" || arg == "-F"),
        _ => false,
    };
    let asks = args.iter().any(|arg| matches!(arg.as_str(), "--help" | "--version"));
    LOOK.contains(&name) && !writes || asks
}

/// Whether a program keeps house.
pub fn prepares(name: &str) -> bool {
    PREPARE.contains(&name)
}

/// Whether a program is told with the one that it starts.
pub fn wraps(name: &str) -> bool {
    WRAPPERS.contains(&name)
}

/// Whether a program runs a text or a script that it is given.
pub fn interprets(name: &str) -> bool {
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    matches!(
        name,
        "sh" | "bash"
            | "dash"
            | "ash"
            | "zsh"
            | "ksh"
            | "python"
            | "perl"
            | "ruby"
            | "php"
            | "node"
            | "nodejs"
            | "lua"
            | "pwsh"
    )
}

/// The language of an interpreter, for a sentence.
pub fn language(name: &str) -> Option<&'static str> {
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    Some(match name {
        "python" | "pypy" => "Python",
        "perl" => "Perl",
        "ruby" => "Ruby",
        "php" => "PHP",
        "node" | "nodejs" => "JavaScript",
        "lua" => "Lua",
        "pwsh" => "PowerShell",
        _ => return None,
    })
}

/// Whether a program fetches over the network.
pub fn fetches(name: &str) -> bool {
    matches!(
        name,
        "curl" | "wget" | "fetch" | "aria2c" | "axel" | "lwp-download" | "http" | "https" | "ftp" | "tftp"
    )
}

/// The name of a program without its folder.
pub fn base(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}
