//! What kind of text a content is.

use std::borrow::Cow;

use lazaret_model::{EntryPath, Fact, FactKind, TextKind};
use memchr::{memchr, memmem};

use crate::{Analyzer, Subject};

/// How much of a content is looked at to tell text from binary.
const LOOK: usize = 4096;

/// States what kind of text a content is: by what stands in it first, by its name second.
///
/// Nothing is stated of plain text, JSON and YAML in directories of documentation and data, which
/// hold thousands of them and nothing that starts.
pub(crate) struct Text;

impl Analyzer for Text {
    fn name(&self) -> &'static str {
        "text"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, subject: &Subject<'_>) -> bool {
        subject.offset == 0 && !subject.bytes.is_empty()
    }

    fn analyze(&self, subject: &Subject<'_>, facts: &mut Vec<Fact>) -> Result<(), String> {
        let Some(text) = text_content(subject.path, subject.inside, subject.mode, subject.bytes) else {
            return Ok(());
        };
        let quiet = match text.kind {
            TextKind::Plain => subject.mode & 0o111 == 0 && !poses_as_media(subject.path),
            TextKind::Json | TextKind::Yaml => is_bulk(subject.path),
            _ => false,
        };
        if quiet && text.shebang.is_none() {
            return Ok(());
        }
        facts.push(subject.fact(FactKind::Text { kind: text.kind, shebang: text.shebang }));
        Ok(())
    }
}

/// What [`text_content`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextContent {
    /// What kind of text.
    pub kind: TextKind,
    /// The interpreter and its arguments after `#!`, if there is one, at most 255 bytes as the
    /// kernel reads them.
    pub shebang: Option<String>,
}

/// Tells what kind of text the content of the file at `path` is, None where it is binary or empty.
///
/// `bytes` may be the beginning only. A `#!` line decides before all else, whatever follows it,
/// because the kernel looks no further (Linux, `fs/binfmt_script.c`); then the content's own
/// marks; then place and name.
pub fn text_content(path: &EntryPath, inside: &[String], mode: u32, bytes: &[u8]) -> Option<TextContent> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.is_empty() {
        return None;
    }
    if let Some(shebang) = shebang(bytes) {
        let kind = interpreter_kind(&shebang).unwrap_or(TextKind::Plain);
        return Some(TextContent { kind, shebang: Some(shebang) });
    }
    // The place of a member in its archive says nothing about where it will stand.
    let whole;
    let name: &EntryPath = match inside.last() {
        None => path,
        Some(member) => {
            whole = EntryPath::from(member.as_str());
            &whole
        }
    };
    let by_name = if inside.is_empty() { place_kind(name) } else { None }.or_else(|| name_kind(name));
    if !is_text(bytes) {
        // A shell runs a script with stray zero bytes as long as the first line has none
        // (bash, `check_binary_file`; dash does not look at all).
        let first_line = &bytes[..memchr(b'\n', bytes).unwrap_or(0).min(LOOK)];
        let script = by_name.filter(|&kind| is_script(kind) || kind == TextKind::Crontab)?;
        return (!first_line.is_empty() && is_text(first_line) && is_text_despite_zeros(bytes))
            .then_some(TextContent { kind: script, shebang: None });
    }
    let kind = content_kind(bytes).or(by_name).unwrap_or_else(|| {
        // A file without `#!` that is started all the same is run by /bin/sh (POSIX, execvp).
        let bare = inside.is_empty() && !name.file_name().contains(&b'.');
        if mode & 0o111 != 0 && bare { TextKind::Shell } else { TextKind::Plain }
    });
    Some(TextContent { kind, shebang: None })
}

/// Whether a kind of text is a program for an interpreter.
pub(crate) fn is_script(kind: TextKind) -> bool {
    !matches!(
        kind,
        TextKind::Crontab | TextKind::SystemdUnit | TextKind::Json | TextKind::Yaml | TextKind::Plain
    )
}

/// Whether `bytes` begin as text does: UTF-8, UTF-16 with a byte order mark, or Latin-1.
pub(crate) fn is_text(bytes: &[u8]) -> bool {
    if is_utf16(bytes) {
        return true;
    }
    let head = &bytes[..bytes.len().min(LOOK)];
    if memchr(0, head).is_some() {
        return false;
    }
    let (mut control, mut high) = (0, 0);
    // Sums of so few bytes fit into one byte each, which the compiler counts many at a time.
    for part in head.chunks(255) {
        let (mut low, mut above) = (0u8, 0u8);
        for &b in part {
            let blank = (0x08..=0x0d).contains(&b) & (b != 0x0b) | (b == 0x1b);
            low += u8::from(((b < 0x20) & !blank) | (b == 0x7f));
            above += u8::from(b >= 0x80);
        }
        control += usize::from(low);
        high += usize::from(above);
    }
    // Latin-1 prose has few high bytes; compressed data has half.
    let utf8 = high == 0
        || match std::str::from_utf8(head) {
            Ok(_) => true,
            Err(error) => error.error_len().is_none(),
        };
    control * 64 <= head.len() && (utf8 || high * 3 <= head.len())
}

/// The same with zero bytes allowed, as long as they are few.
fn is_text_despite_zeros(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(LOOK)];
    let odd = head.iter().filter(|&&b| b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r') || b >= 0x7f).count();
    odd * 8 <= head.len()
}

fn is_utf16(bytes: &[u8]) -> bool {
    // A mark alone is too little (it begins some MPEG audio): every other byte of the first
    // characters must be zero as it is in any text in Latin letters.
    let zeros = |from: usize| bytes.iter().skip(from).step_by(2).take(16).filter(|&&b| b == 0).count();
    let count = (bytes.len() / 2).saturating_sub(1).min(16);
    count > 0
        && (bytes.starts_with(b"\xff\xfe") && zeros(3) * 2 >= count
            || bytes.starts_with(b"\xfe\xff") && zeros(2) * 2 >= count)
}

/// The text of a content: UTF-16 decoded, all else as UTF-8 with what is invalid replaced.
pub(crate) fn decoded(bytes: &[u8]) -> Cow<'_, str> {
    if !is_utf16(bytes) {
        return String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
    }
    let little = bytes[0] == 0xff;
    let units = bytes[2..].chunks_exact(2).map(|pair| {
        let pair = [pair[0], pair[1]];
        if little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) }
    });
    Cow::Owned(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
}

/// The interpreter line, as the kernel reads it: at most 255 bytes, blanks around it dropped.
fn shebang(bytes: &[u8]) -> Option<String> {
    let rest = bytes.strip_prefix(b"#!")?;
    let rest = &rest[..rest.len().min(253)];
    let line = &rest[..memchr(b'\n', rest).unwrap_or(rest.len())];
    let line = &line[..memchr(0, line).unwrap_or(line.len())];
    let line = line.trim_ascii();
    // `#![allow(…)]` opens Rust source.
    let first = *line.first()?;
    if !(first == b'/' || first == b'.' || first.is_ascii_alphanumeric()) {
        return None;
    }
    Some(String::from_utf8_lossy(line).into_owned())
}

/// The kind of script that an interpreter line names; sees through `env`, `busybox` and their
/// options and assignments.
fn interpreter_kind(shebang: &str) -> Option<TextKind> {
    for word in shebang.split_ascii_whitespace() {
        let base = word.rsplit('/').next().unwrap_or(word);
        if matches!(base, "env" | "busybox" | "toybox" | "nice" | "setsid" | "exec") {
            continue;
        }
        // `env -S`, `env -i`, `NAME=value`; `env -S'bash` after a quote.
        let base = base.trim_matches(['\'', '"']);
        let base = base.strip_prefix("-S").unwrap_or(base);
        if base.is_empty() || base.starts_with('-') || base.contains('=') {
            continue;
        }
        let base = base.rsplit('/').next().unwrap_or(base);
        let stem = base.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
        return match stem {
            "sh" | "bash" | "dash" | "ash" | "ksh" | "mksh" | "zsh" | "rbash" | "csh" | "tcsh" | "fish"
            | "posh" | "yash" => Some(TextKind::Shell),
            "with-contenv" | "execlineb" | "openrc-run" | "runscript" | "rc" => Some(TextKind::Shell),
            "python" | "pypy" => Some(TextKind::Python),
            "perl" => Some(TextKind::Perl),
            "php" => Some(TextKind::Php),
            "ruby" | "jruby" => Some(TextKind::Ruby),
            "node" | "nodejs" | "deno" | "bun" | "gjs" => Some(TextKind::JavaScript),
            "lua" | "luajit" | "texlua" => Some(TextKind::Lua),
            "awk" | "gawk" | "mawk" | "nawk" => Some(TextKind::Awk),
            "pwsh" | "powershell" => Some(TextKind::PowerShell),
            _ => None,
        };
    }
    None
}

/// What the content itself says.
fn content_kind(bytes: &[u8]) -> Option<TextKind> {
    let text = bytes.trim_ascii_start();
    let head = &text[..text.len().min(LOOK)];
    if head.len() >= 5 && head[..5].eq_ignore_ascii_case(b"<?php") {
        return Some(TextKind::Php);
    }
    if head.starts_with(b"[") && is_unit(head) {
        return Some(TextKind::SystemdUnit);
    }
    if looks_json(head) {
        return Some(TextKind::Json);
    }
    if head.starts_with(b"---\n") || head.starts_with(b"%YAML") || head.starts_with(b"---\r\n") {
        return Some(TextKind::Yaml);
    }
    if is_crontab(text) {
        return Some(TextKind::Crontab);
    }
    None
}

fn is_unit(head: &[u8]) -> bool {
    let section =
        |name: &str| head.starts_with(name.as_bytes()) || memmem::find(head, name.as_bytes()).is_some();
    let any = ["[Service]", "[Timer]", "[Socket]", "[Path]", "[Mount]"].iter().any(|name| section(name));
    any && (section("[Unit]") || section("[Install]") || memmem::find(head, b"\nExec").is_some())
}

fn looks_json(head: &[u8]) -> bool {
    let after = |head: &[u8]| head.get(1..).unwrap_or_default().trim_ascii_start().first().copied();
    match head.first() {
        Some(b'{') => matches!(after(head), Some(b'"' | b'}')),
        Some(b'[') => match after(head) {
            Some(b'{' | b']' | b'[') => true,
            // `["a", …`: a section of an ini file never has the quote.
            Some(b'"') => true,
            _ => false,
        },
        _ => false,
    }
}

/// Whether every line is a comment, an assignment or a cron entry, and one is an entry
/// (crontab(5)).
fn is_crontab(text: &[u8]) -> bool {
    if text.len() > 65_536 {
        return false;
    }
    let mut entries = 0;
    for line in text.split(|&b| b == b'\n') {
        let line = line.trim_ascii();
        if line.is_empty() || line[0] == b'#' {
            continue;
        }
        if is_cron_entry(line) {
            entries += 1;
        } else if !is_assignment(line) {
            return false;
        }
    }
    entries > 0
}

fn is_assignment(line: &[u8]) -> bool {
    let name = &line[..memchr(b'=', line).unwrap_or(0)];
    let name = name.trim_ascii_end();
    !name.is_empty()
        && !name[0].is_ascii_digit()
        && name.iter().all(|&b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'"' | b'\''))
}

fn is_cron_entry(line: &[u8]) -> bool {
    let mut words = line.split(|b| b.is_ascii_whitespace()).filter(|word| !word.is_empty());
    if line[0] == b'@' {
        let every = words.next().unwrap_or_default();
        return matches!(
            every,
            b"@reboot"
                | b"@yearly"
                | b"@annually"
                | b"@monthly"
                | b"@weekly"
                | b"@daily"
                | b"@midnight"
                | b"@hourly"
        ) && words.next().is_some();
    }
    const NAMES: [&[u8]; 19] = [
        b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
        b"sun", b"mon", b"tue", b"wed", b"thu", b"fri", b"sat",
    ];
    let mut starred = false;
    for field in 0..5 {
        let Some(word) = words.next() else { return false };
        starred |= word[0] == b'*';
        let plain = word.iter().all(|b| b.is_ascii_digit() || matches!(b, b'*' | b'/' | b',' | b'-' | b'~'));
        let named = field >= 3
            && word.split(|b| matches!(b, b',' | b'-')).all(|part| {
                part.iter().all(u8::is_ascii_digit)
                    || NAMES.iter().any(|name| part.len() >= 3 && part[..3].eq_ignore_ascii_case(name))
            });
        if !(plain && word.iter().any(|b| b.is_ascii_digit() || *b == b'*') || named) {
            return false;
        }
    }
    // A table of numbers has five columns too: an entry has a command, which begins like a word,
    // a path or a group, and nearly always one starred field.
    words.next().is_some_and(|command| {
        command[0].is_ascii_alphabetic() && starred
            || matches!(command[0], b'/' | b'(' | b'[' | b'{' | b'.' | b'_')
    })
}

/// Where a file stands, with mounts of the host looked through (`mnt/etc/crontab`).
fn place_kind(path: &EntryPath) -> Option<TextKind> {
    let full = path.to_str();
    let parent = full.rsplit_once('/').map_or("", |(parent, _)| parent);
    let in_dir = |dir: &str| {
        parent == dir || parent.ends_with(dir) && parent[..parent.len() - dir.len()].ends_with('/')
    };
    let name = full.rsplit('/').next().unwrap_or_default();
    if name == "crontab" && in_dir("etc")
        || name == "anacrontab"
        || in_dir("cron.d")
        || in_dir("crontabs")
        || in_dir("var/spool/cron")
        || in_dir("var/spool/cron/tabs")
    {
        return Some(TextKind::Crontab);
    }
    if (in_dir("systemd/system") || in_dir("systemd/user") || parent.contains("systemd/system/"))
        && has_unit_suffix(name)
    {
        return Some(TextKind::SystemdUnit);
    }
    if in_dir("etc/init.d")
        || in_dir("etc/profile.d")
        || in_dir("etc/rc.d/init.d")
        || parent
            .rsplit('/')
            .next()
            .is_some_and(|dir| matches!(dir, "cron.hourly" | "cron.daily" | "cron.weekly" | "cron.monthly"))
    {
        return Some(TextKind::Shell);
    }
    None
}

fn has_unit_suffix(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, ext)| {
        matches!(ext, "service" | "timer" | "socket" | "path" | "mount" | "automount" | "target" | "conf")
    })
}

/// What the name says.
fn name_kind(path: &EntryPath) -> Option<TextKind> {
    let name = path.file_name();
    let lower = name.to_ascii_lowercase();
    match lower.as_slice() {
        b".bashrc" | b".bash_profile" | b".bash_login" | b".bash_logout" | b".bash_aliases" | b".profile"
        | b".zshrc" | b".zshenv" | b".zprofile" | b".zlogin" | b".kshrc" | b".ashrc" | b"bash.bashrc"
        | b"bashrc" | b"profile" | b"rc.local" | b"zshrc" | b".xprofile" | b".shinit" => {
            return Some(TextKind::Shell);
        }
        _ => {}
    }
    let dot = lower.iter().rposition(|&b| b == b'.')?;
    Some(match &lower[dot + 1..] {
        b"sh" | b"bash" | b"zsh" | b"ksh" | b"ash" | b"dash" | b"csh" | b"bats" => TextKind::Shell,
        b"py" | b"pyw" | b"pth" => TextKind::Python,
        b"pl" | b"pm" | b"cgi" => TextKind::Perl,
        b"php" | b"phtml" | b"php5" | b"php7" | b"inc" => TextKind::Php,
        b"rb" => TextKind::Ruby,
        b"js" | b"mjs" | b"cjs" => TextKind::JavaScript,
        b"lua" => TextKind::Lua,
        b"awk" => TextKind::Awk,
        b"ps1" | b"psm1" => TextKind::PowerShell,
        b"json" | b"jsonc" => TextKind::Json,
        b"yaml" | b"yml" => TextKind::Yaml,
        b"service" | b"timer" => TextKind::SystemdUnit,
        b"cron" | b"crontab" => TextKind::Crontab,
        _ => return None,
    })
}

/// Directories of documentation and data, where thousands of texts stand and none is started.
pub(crate) fn is_bulk(path: &EntryPath) -> bool {
    const BULK: [&[u8]; 16] = [
        b"usr/share/doc/",
        b"usr/share/man/",
        b"usr/share/info/",
        b"usr/share/locale/",
        b"usr/share/zoneinfo/",
        b"usr/share/i18n/",
        b"usr/share/icons/",
        b"usr/share/mime/",
        b"usr/share/licenses/",
        b"usr/share/X11/",
        b"usr/share/fonts/",
        b"usr/share/help/",
        b"usr/share/javascript/",
        b"usr/include/",
        b"usr/lib/locale/",
        b"usr/share/common-licenses/",
    ];
    let raw = path.as_bytes();
    BULK.iter().any(|dir| raw.starts_with(dir))
        || [
            &b"/node_modules/"[..],
            b"/site-packages/",
            b"/dist-packages/",
            b"/gems/",
            b"/lib/python3",
            b"/share/perl",
            b"/perl/5",
            b"/perl5/",
            b"/perl-base/",
            b"/lib/go/src/",
            b"/go/pkg/mod/",
        ]
        .iter()
        .any(|part| memmem::find(raw, part).is_some())
}

/// Whether a name promises pictures, sound or the like.
fn poses_as_media(path: &EntryPath) -> bool {
    let name = path.file_name().to_ascii_lowercase();
    let Some(dot) = name.iter().rposition(|&b| b == b'.') else { return false };
    matches!(
        &name[dot + 1..],
        b"jpg"
            | b"jpeg"
            | b"png"
            | b"gif"
            | b"ico"
            | b"bmp"
            | b"webp"
            | b"mp3"
            | b"mp4"
            | b"pdf"
            | b"woff"
            | b"ttf"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn kind_of(path: &str, mode: u32, bytes: &[u8]) -> Option<TextKind> {
        text_content(&path.into(), &[], mode, bytes).map(|text| text.kind)
    }

    #[test]
    fn a_shebang_decides_before_the_name() {
        for (line, kind) in [
            ("#!/bin/sh\nx", TextKind::Shell),
            ("#! /usr/bin/env bash\nx", TextKind::Shell),
            ("#!/usr/bin/env -S A=1 python3.11 -u\n", TextKind::Python),
            ("#!/usr/bin/env -Snode --x\n", TextKind::JavaScript),
            ("#!/bin/busybox ash", TextKind::Shell),
            ("#!/usr/bin/perl5.36 -w", TextKind::Perl),
            ("#!/command/with-contenv bash", TextKind::Shell),
            ("#!/usr/bin/gawk -f", TextKind::Awk),
            ("#!/opt/own/thing", TextKind::Plain),
        ] {
            let text = text_content(&"srv/logo.jpg".into(), &[], 0o644, line.as_bytes()).unwrap();
            assert_eq!(text.kind, kind, "{line}");
            assert!(text.shebang.is_some(), "{line}");
        }
        let with_payload = b"#!/bin/sh\nexit 0\n\0\0\0\x01\x02binary";
        assert_eq!(kind_of("x.run", 0o755, with_payload), Some(TextKind::Shell));
        assert_eq!(text_content(&"a.rs".into(), &[], 0o644, b"#![allow(x)]\n").unwrap().shebang, None);
    }

    #[test]
    fn binary_is_no_text_whatever_its_name() {
        assert_eq!(kind_of("a.txt", 0o644, b"\x7fELF\x02\x01\x01\0\0\0\0"), None);
        let noise: Vec<u8> = (0..4096u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8 | 1).collect();
        assert_eq!(kind_of("a.sh", 0o644, &noise), None);
        assert_eq!(kind_of("a.txt", 0o644, b""), None);
    }

    #[test]
    fn a_script_keeps_its_kind_with_a_stray_zero_byte() {
        assert_eq!(kind_of("a.sh", 0o644, b"echo one\necho \0 two three four five\n"), Some(TextKind::Shell));
        assert_eq!(kind_of("a.dat", 0o644, b"echo one\necho \0 two three four five\n"), None);
    }

    #[test]
    fn encodings_other_than_utf8_are_text() {
        let wide: Vec<u8> =
            [0xff, 0xfe].into_iter().chain("{ hello }".encode_utf16().flat_map(u16::to_le_bytes)).collect();
        assert_eq!(kind_of("a.txt", 0o644, &wide), Some(TextKind::Plain));
        assert_eq!(decoded(&wide), "{ hello }");
        assert_eq!(kind_of("a.txt", 0o644, b"caf\xe9 au lait, s'il vous pla\xeet"), Some(TextKind::Plain));
        assert_eq!(kind_of("a.sh", 0o644, b"\xef\xbb\xbfecho hi\n"), Some(TextKind::Shell));
    }

    #[test]
    fn crontabs_are_known_by_place_and_by_content() {
        let entry = b"SHELL=/bin/sh\n# m h\n*/5 * * * * root curl http://host.invalid/a.jpg\n";
        assert_eq!(kind_of("opt/jobs", 0o644, entry), Some(TextKind::Crontab));
        assert_eq!(kind_of("x", 0o644, b"@reboot /opt/run\n"), Some(TextKind::Crontab));
        assert_eq!(kind_of("x", 0o644, b"17 3 1 jan mon /opt/run\n"), Some(TextKind::Crontab));
        assert_eq!(kind_of("mnt/etc/cron.d/x", 0o644, b"# nothing yet\n"), Some(TextKind::Crontab));
        assert_eq!(kind_of("var/spool/cron/crontabs/root", 0o600, b"# none\n"), Some(TextKind::Crontab));
        for no in
            [&b"1 2 3 4 5 6\n7 8 9 10 11 12\n"[..], b"* * * * * not a cron\nbut prose\n", b"@media print {\n"]
        {
            assert_eq!(kind_of("x", 0o644, no), Some(TextKind::Plain), "{}", String::from_utf8_lossy(no));
        }
    }

    #[test]
    fn units_json_yaml_and_php_are_known_by_content() {
        assert_eq!(
            kind_of("a", 0o644, b"[Unit]\nDescription=x\n[Service]\nExecStart=/x\n"),
            Some(TextKind::SystemdUnit)
        );
        assert_eq!(kind_of("a", 0o644, b"[section]\nkey=value\n"), Some(TextKind::Plain));
        assert_eq!(kind_of("a", 0o644, b"  {\n \"pools\": []}"), Some(TextKind::Json));
        assert_eq!(kind_of("a", 0o644, b"{ echo; }"), Some(TextKind::Plain));
        assert_eq!(kind_of("a", 0o644, b"---\na: b\n"), Some(TextKind::Yaml));
        assert_eq!(kind_of("a.txt", 0o644, b"<?php eval(1);"), Some(TextKind::Php));
    }

    #[test]
    fn an_executable_text_without_a_shebang_is_for_the_shell() {
        assert_eq!(kind_of("usr/bin/thing", 0o755, b"echo hi\n"), Some(TextKind::Shell));
        assert_eq!(kind_of("usr/bin/thing", 0o644, b"echo hi\n"), Some(TextKind::Plain));
        assert_eq!(kind_of("opt/README.txt", 0o777, b"echo hi\n"), Some(TextKind::Plain));
    }

    #[test]
    fn a_quiet_text_states_nothing() {
        let subject = |path, mode, bytes| -> usize {
            let path = EntryPath::from(path);
            let mut facts = Vec::new();
            let size = <[u8]>::len(bytes) as u64;
            let subject = Subject { path: &path, inside: &[], mode, size, bytes, offset: 0 };
            Text.analyze(&subject, &mut facts).unwrap();
            facts.len()
        };
        assert_eq!(subject("usr/share/doc/x/copyright", 0o644, b"words"), 0);
        assert_eq!(subject("usr/share/doc/x/a.json", 0o644, b"{\"a\":1}"), 0);
        assert_eq!(subject("etc/a.json", 0o644, b"{\"a\":1}"), 1);
        assert_eq!(subject("tmp/logo.jpg", 0o644, b"words"), 1);
    }
}
