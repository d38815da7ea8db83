//! What programs do, known by their names.

pub(super) mod archive;
mod awk;
pub(super) mod escapes;
pub(super) mod files;
pub(super) mod jar;
pub(super) mod net;
pub(super) mod output;
pub(super) mod powershell;
pub(super) mod scripts;
pub(super) mod wrap;

pub(super) use wrap::Inner;

use crate::shell::Status;

/// Whether a name is that of a shell.
pub(super) fn is_shell(name: &str) -> bool {
    matches!(
        name,
        "sh" | "bash"
            | "dash"
            | "ash"
            | "zsh"
            | "ksh"
            | "ksh93"
            | "mksh"
            | "rbash"
            | "-bash"
            | "-sh"
            | "hush"
    )
}

/// Whether a program runs what its arguments or its input hold.
pub(super) fn runs_code(name: &str) -> bool {
    let base = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    is_shell(name)
        || matches!(
            base,
            "python"
                | "perl"
                | "ruby"
                | "php"
                | "node"
                | "nodejs"
                | "lua"
                | "java"
                | "deno"
                | "bun"
                | "pwsh"
                | "powershell"
                | "tclsh"
                | "Rscript"
                | "groovy"
                | "pypy"
                | "gcc"
                | "cc"
                | "make"
                | "insmod"
                | "dpkg"
                | "rpm"
        )
}

/// Whether a program turns text into other text, which is worth to know under another name.
pub(super) fn is_coder(name: &str) -> bool {
    matches!(
        name,
        "base64"
            | "base32"
            | "xxd"
            | "od"
            | "openssl"
            | "gzip"
            | "gunzip"
            | "zcat"
            | "bzip2"
            | "xz"
            | "cat"
            | "tee"
            | "dd"
            | "sed"
            | "tr"
            | "rev"
            | "awk"
            | "head"
            | "tail"
            | "cut"
            | "echo"
            | "printf"
    )
}

/// Whether a name says what the program does, whatever file it links to.
pub(super) fn is_known(name: &str) -> bool {
    is_shell(name) || runs_code(name) || wrap::is_wrapper(name) || net::is_fetcher(name) || is_silent(name)
}

/// Programs whose arguments name files that they neither run nor take settings from.
pub(super) fn only_names_files(name: &str) -> bool {
    is_silent(name)
        || matches!(
            name,
            "echo"
                | "printf"
                | "ls"
                | "stat"
                | "file"
                | "dirname"
                | "basename"
                | "du"
                | "find"
                | "test"
                | "["
                | "grep"
                | "egrep"
                | "readlink"
                | "realpath"
                | "getent"
                | "id"
                | "sha256sum"
                | "md5sum"
                | "strip"
        )
}

/// Programs that put nothing out when all goes well.
pub(super) fn is_silent(name: &str) -> bool {
    matches!(
        name,
        "chmod"
            | "chown"
            | "chgrp"
            | "mkdir"
            | "rmdir"
            | "rm"
            | "cp"
            | "mv"
            | "ln"
            | "touch"
            | "sleep"
            | "install"
            | "chattr"
            | "kill"
            | "pkill"
            | "killall"
            | "truncate"
            | "sync"
            | "mount"
            | "umount"
            | "setcap"
            | "setfacl"
            | "unlink"
            | "mknod"
            | "mkfifo"
            | "modprobe"
            | "insmod"
            | "usermod"
            | "groupmod"
            | "shred"
    )
}

/// How a program is expected to end.
pub(super) fn status(name: &str) -> Status {
    match name {
        "grep" | "egrep" | "fgrep" | "zgrep" | "pgrep" | "pidof" | "diff" | "cmp" | "getent" | "ping"
        | "nc" | "ncat" | "mountpoint" | "id" | "stat" | "ls" | "dpkg" | "rpm" | "ps" | "expr"
        | "timeout" | "pg_isready" | "mysqladmin" | "systemctl" | "find" | "awk" | "lsof" | "ss"
        | "netstat" | "iptables" | "docker" => Status::Unknown,
        "echo" | "printf" | "cat" | "sleep" => Status::True,
        _ => Status::Fine,
    }
}
