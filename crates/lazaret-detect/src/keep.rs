//! Which contents later stages will want to read.

use lazaret_model::{EntryPath, Fact, FactKind, TextKind};

use crate::Subject;
use crate::analyzers::{is_bulk, is_script, is_text, text_content};

/// Raised whenever another content would be kept than before.
pub(crate) const VERSION: u32 = 4;

/// The largest content that is kept.
const LARGEST: u64 = 1 << 20;
/// The largest package database that is kept.
const LARGEST_DATABASE: u64 = 16 << 20;
/// The largest text that is kept because something was seen in it.
const LARGEST_EVIDENCE: u64 = 512 << 10;
/// The largest text of no known kind that is kept: scripts read single values from such files
/// (`/var/lib/dpkg/arch`), and a layer read twice for one of them costs as much as all of them.
const LARGEST_STATE: u64 = 4 << 10;
/// The largest configuration that is kept for its name alone.
const LARGEST_CONFIG: u64 = 64 << 10;

/// Whether the content belongs to what later stages read: what starts, what configures it, and what
/// was evidence.
///
/// This only saves reading a layer twice. What is not kept was looked at by every analyzer all
/// the same, and can be asked for again.
pub(crate) fn keep(subject: &Subject<'_>, facts: &[Fact]) -> bool {
    if !subject.is_whole() || subject.bytes.is_empty() || subject.size > LARGEST_DATABASE {
        return false;
    }
    let top = subject.inside.is_empty();
    if top && is_package_database(subject.path) {
        return true;
    }
    if subject.size > LARGEST {
        return false;
    }
    let evidence = facts.iter().any(|fact| {
        matches!(
            fact.kind,
            FactKind::Indicator(_) | FactKind::ByteMatch { .. } | FactKind::MinerConfig { .. }
        )
    });
    if evidence && subject.size <= LARGEST_EVIDENCE && is_text(subject.bytes) {
        return true;
    }
    // A member of an archive has no place at which anything could start it.
    if !top || subject.path.as_bytes().starts_with(PACKAGE_SCRIPTS) {
        return false;
    }
    if is_start_file(subject.path) || subject.path.as_bytes().ends_with(b".dist-info/RECORD") {
        return true;
    }
    let Some(text) = text_content(subject.path, subject.inside, subject.mode, subject.bytes) else {
        return false;
    };
    if subject.mode & 0o111 != 0 || text.shebang.is_some() {
        return true;
    }
    if is_bulk(subject.path) || subject.path.as_bytes().starts_with(MODULES) {
        return false;
    }
    match text.kind {
        TextKind::Crontab | TextKind::SystemdUnit => true,
        kind if is_script(kind) => true,
        TextKind::Json | TextKind::Yaml => subject.size <= LARGEST_CONFIG,
        _ if subject.size <= LARGEST_STATE && !subject.path.as_bytes().starts_with(SHARED) => true,
        _ => subject.size <= LARGEST_CONFIG && is_config(subject.path),
    }
}

/// What programs of all machines share and no script reads a value from.
const SHARED: &[u8] = b"usr/share/";

/// Debian's `node_modules`: thousands of small scripts that other scripts load by name.
const MODULES: &[u8] = b"usr/share/nodejs/";

/// dpkg's lists of files, which say what is owned, and its scripts, which nothing in a container runs.
const PACKAGE_SCRIPTS: &[u8] = b"var/lib/dpkg/info/";

/// Databases of packages: dpkg, apk, rpm in its three formats.
fn is_package_database(path: &EntryPath) -> bool {
    let raw = path.as_bytes();
    matches!(
        raw,
        b"var/lib/dpkg/status"
            | b"var/lib/dpkg/diversions"
            | b"lib/apk/db/installed"
            | b"usr/lib/apk/db/installed"
            | b"var/lib/rpm/Packages"
            | b"var/lib/rpm/Packages.db"
            | b"var/lib/rpm/rpmdb.sqlite"
            | b"usr/lib/sysimage/rpm/Packages"
            | b"usr/lib/sysimage/rpm/Packages.db"
            | b"usr/lib/sysimage/rpm/rpmdb.sqlite"
    ) || raw.starts_with(b"var/lib/dpkg/status.d/")
        || raw.starts_with(PACKAGE_SCRIPTS) && (raw.ends_with(b".list") || raw.ends_with(b".md5sums"))
}

/// Files that something reads at its start whatever is in them, binary or not. Hosts' directories
/// that are mounted somewhere (`mnt/etc/…`) count as well, so the end of the path decides.
fn is_start_file(path: &EntryPath) -> bool {
    let raw = path.as_bytes();
    let ends = |tail: &[u8]| {
        raw.strip_suffix(tail).is_some_and(|before| before.is_empty() || before.ends_with(b"/"))
    };
    const FILES: [&[u8]; 23] = [
        // Read by the daily job of every Debian image.
        b"var/lib/apt/extended_states",
        b"etc/ld.so.preload",
        b"etc/passwd",
        b"etc/shadow",
        b"etc/group",
        b"etc/gshadow",
        b"etc/sudoers",
        b"etc/crontab",
        b"etc/anacrontab",
        b"etc/environment",
        b"etc/profile",
        b"etc/bash.bashrc",
        b"etc/inittab",
        b"etc/rc.local",
        b"etc/hosts",
        b"etc/hosts.deny",
        b"etc/hosts.allow",
        b"etc/os-release",
        b"usr/lib/os-release",
        b"etc/ssh/sshd_config",
        b".ssh/authorized_keys",
        b".ssh/authorized_keys2",
        b"etc/supervisord.conf",
    ];
    const DIRS: [&[u8]; 27] = [
        // Sourced by every init script.
        b"lib/lsb/",
        b"etc/cron.d/",
        b"etc/cron.hourly/",
        b"etc/cron.daily/",
        b"etc/cron.weekly/",
        b"etc/cron.monthly/",
        b"var/spool/cron/",
        b"etc/crontabs/",
        b"etc/periodic/",
        b"etc/init.d/",
        b"etc/profile.d/",
        b"etc/sudoers.d/",
        b"etc/systemd/",
        b"lib/systemd/system/",
        b"usr/lib/systemd/system/",
        b"etc/supervisor/",
        b"etc/supervisord.d/",
        b"etc/s6/",
        b"etc/s6-overlay/",
        b"etc/services.d/",
        b"etc/cont-init.d/",
        b"etc/service/",
        b"etc/sv/",
        b"etc/runit/",
        b"etc/ssh/",
        b"etc/pam.d/",
        b"docker-entrypoint.d/",
    ];
    let name = path.file_name();
    FILES.iter().any(|file| ends(file))
        || DIRS
            .iter()
            .any(|dir| memchr::memmem::find(raw, dir).is_some_and(|at| at == 0 || raw[at - 1] == b'/'))
        || name.starts_with(b"authorized_keys")
        || matches!(
            name,
            b".bashrc"
                | b".profile"
                | b".bash_profile"
                | b".bash_login"
                | b".bash_logout"
                | b".bash_aliases"
                | b".zshrc"
                | b".zshenv"
                | b".netrc"
                | b".pgpass"
        )
}

/// Names that configurations have.
fn is_config(path: &EntryPath) -> bool {
    let name = path.file_name();
    if name.starts_with(b".env") || path.as_bytes().starts_with(b"etc/") {
        return true;
    }
    let Some(dot) = memchr::memrchr(b'.', name) else { return false };
    matches!(
        &name[dot + 1..],
        b"conf"
            | b"cfg"
            | b"ini"
            | b"env"
            | b"toml"
            | b"properties"
            | b"xml"
            | b"config"
            | b"rc"
            | b"list"
            | b"service"
            | b"desktop"
    ) && !path.as_bytes().starts_with(b"usr/share/")
}

#[cfg(test)]
mod tests {
    use lazaret_model::{Indicator, IndicatorKind};

    use super::*;

    fn kept(path: &str, mode: u32, bytes: &[u8], kinds: &[FactKind], inside: &[String]) -> bool {
        let path = EntryPath::from(path);
        let subject = Subject { path: &path, inside, mode, size: bytes.len() as u64, bytes, offset: 0 };
        let facts: Vec<Fact> = kinds.iter().map(|kind| subject.fact(kind.clone())).collect();
        keep(&subject, &facts)
    }

    #[test]
    fn what_starts_and_what_configures_is_kept() {
        for (path, mode, bytes) in [
            ("start.sh", 0o644, &b"echo\n"[..]),
            ("opt/run", 0o755, b"echo\n"),
            ("opt/logo.jpg", 0o644, b"#!/bin/sh\n"),
            ("mnt/etc/cron.d/x", 0o644, b"* * * * * root x\n"),
            ("opt/jobs.txt", 0o644, b"* * * * * /bin/x\n"),
            ("etc/ld.so.preload", 0o644, b"/lib/x.so\n"),
            ("home/u/.ssh/authorized_keys", 0o600, b"ssh-rsa x\n"),
            ("etc/passwd", 0o644, b"root:x\n"),
            ("host/root/.bashrc", 0o644, b"x\n"),
            ("etc/supervisor/conf.d/a.conf", 0o644, b"[program:x]\n"),
            ("opt/app/config.json", 0o644, b"{\"a\":1}"),
            ("opt/app/.env", 0o644, b"A=1\n"),
            ("usr/lib/systemd/system/a.service", 0o644, b"[Unit]\n"),
            ("usr/lib/lsb/init-functions", 0o644, b"log_begin_msg () {\n}\n"),
            ("var/lib/apt/extended_states", 0o644, b"Package: x\n"),
        ] {
            assert!(kept(path, mode, bytes, &[], &[]), "{path}");
        }
        assert!(kept("var/lib/dpkg/status", 0o644, &vec![b'a'; 4 << 20], &[], &[]));
    }

    #[test]
    fn binaries_documentation_libraries_and_large_files_are_not_kept() {
        assert!(!kept("usr/bin/x", 0o755, b"\x7fELF\0\0\0\0", &[], &[]));
        assert!(!kept("usr/share/doc/x/a.sh", 0o644, b"echo\n", &[], &[]));
        assert!(!kept("usr/lib/python3/dist-packages/a.py", 0o644, b"import os\n", &[], &[]));
        assert!(!kept("var/lib/dpkg/info/a.postinst", 0o755, b"#!/bin/sh\n", &[], &[]));
        assert!(!kept("usr/share/nodejs/x/index.js", 0o644, b"module.exports = 1\n", &[], &[]));
        assert!(!kept("usr/share/a/a.txt", 0o644, b"words\n", &[], &[]));
        assert!(!kept("srv/a.txt", 0o644, "words\n".repeat(1_000).as_bytes(), &[], &[]));
        assert!(kept("srv/a.txt", 0o644, b"words\n", &[], &[]), "a value that a script may read");
        assert!(!kept("start.sh", 0o755, &vec![b'#'; (1 << 20) + 1], &[], &[]));
        assert!(!kept("x.zip", 0o644, b"#!/bin/sh\n", &[], &["a.sh".to_owned()]));
    }

    #[test]
    fn text_in_which_something_was_seen_is_kept_wherever_it_is() {
        let seen = [FactKind::Indicator(Indicator::new(IndicatorKind::Wallet, "xmr:4"))];
        assert!(kept("usr/share/doc/x/a", 0o644, b"words\n", &seen, &[]));
        assert!(kept("x.zip", 0o644, b"words\n", &seen, &["a".to_owned()]));
        assert!(!kept("usr/lib/x.so", 0o644, b"\x7fELF\0\0\0", &seen, &[]));
        assert!(!kept("srv/a", 0o644, &vec![b'a'; (512 << 10) + 1], &seen, &[]));
    }

    #[test]
    fn a_window_is_not_kept() {
        let path = EntryPath::from("start.sh");
        let subject = Subject { path: &path, inside: &[], mode: 0o755, size: 99, bytes: b"echo", offset: 0 };
        assert!(!keep(&subject, &[]));
    }
}
