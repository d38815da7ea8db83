//! `java -jar FILE`: what the class that the manifest names refers to. Bytecode is not followed, so
//! all that is stated here is possible and nothing certain (JVM specification, chapter 4.4).

use lazaret_model::{BehaviourKind, Budget, Certainty};
use lazaret_oci::{ArchiveFormat, NestedBudget, walk};

use super::super::paper::Paper;
use super::super::process::{self, absolute};
use crate::Found;
use crate::shell::{Input, Start, Value, World};

/// The longest class that is read.
const LONGEST: usize = 1 << 20;
/// Behaviours of one class that are stated.
const MOST: usize = 24;

/// States what the main class of a started archive may do.
pub(crate) fn follow(paper: &mut Paper<'_>, start: &Start, name: &str) {
    if !matches!(name, "java" | "javaw") {
        return;
    }
    let args = &start.argv[1..];
    let at = args.iter().position(|v| v.text == "-jar");
    let Some(path) = at.and_then(|at| args.get(at + 1)).and_then(Value::known) else { return };
    let place = absolute(&start.cwd, path);
    let Some(bytes) = held(paper, &place) else { return };
    let because = || start.because.clone();
    if !paper.spend(64 + (bytes.len() as u64 >> 10), &because) {
        return;
    }
    let Some(class) = main_class(&bytes).and_then(|bytes| Constants::read(&bytes)) else { return };
    class.state(paper, start);
}

/// The archive, where a step wrote it or its bytes were kept.
fn held(paper: &Paper<'_>, place: &str) -> Option<Vec<u8>> {
    if let Some(written) = paper.written.get(place) {
        return written.content.as_ref().filter(|v| v.is_known() && !written.removed).map(Value::bytes);
    }
    let found = paper.find(place).filter(Found::is_file)?;
    Some(crate::reads::content(paper.contents, &found.data.content?)?.to_vec())
}

/// The bytes of one member of an archive.
fn member(archive: &[u8], name: &str) -> Option<Vec<u8>> {
    let limits = Budget { nested_bytes: 64 << 20, entries: 50_000, ..Budget::default() };
    let mut out = None;
    walk(archive, ArchiveFormat::Zip, &NestedBudget::new(&limits, None), &mut |member| {
        let whole = member.offset == 0 && member.bytes.len() as u64 == member.size;
        if whole && member.bytes.len() <= LONGEST && matches!(member.inside, [own] if own == name) {
            out = Some(member.bytes.to_vec());
        }
    });
    out
}

fn main_class(archive: &[u8]) -> Option<Vec<u8>> {
    let manifest = String::from_utf8(member(archive, "META-INF/MANIFEST.MF")?).ok()?;
    // A long line goes on after a line end and a blank.
    let manifest = manifest.replace("\r\n", "\n").replace("\n ", "");
    let value = |key: &str| manifest.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
    // Spring's launcher names the program's own class beside itself.
    let own = value("Start-Class:").map(|name| format!("BOOT-INF/classes/{}.class", name.replace('.', "/")));
    let named = value("Main-Class:").map(|name| format!("{}.class", name.replace('.', "/")));
    own.and_then(|name| member(archive, &name)).or_else(|| member(archive, &named?))
}

/// What a class refers to.
#[derive(Default)]
struct Constants {
    texts: Vec<String>,
    /// Classes and the methods of them that are called, `java/lang/Runtime.exec`.
    calls: Vec<String>,
}

enum Constant {
    Text(String),
    Class(u16),
    Literal(u16),
    Method(u16, u16),
    Name(u16),
    Other,
}

impl Constants {
    fn read(class: &[u8]) -> Option<Self> {
        let mut rest = class.strip_prefix(b"\xca\xfe\xba\xbe")?.get(4..)?;
        let mut take = |count: usize| -> Option<&[u8]> {
            let (head, tail) = rest.split_at_checked(count)?;
            rest = tail;
            Some(head)
        };
        let half = |bytes: &[u8], at: usize| -> u16 {
            u16::from_be_bytes([bytes.get(at).copied().unwrap_or(0), bytes.get(at + 1).copied().unwrap_or(0)])
        };
        let count = usize::from(half(take(2)?, 0));
        let mut all = vec![Constant::Other];
        while all.len() < count {
            let constant = match take(1)?[0] {
                1 => {
                    let length = usize::from(half(take(2)?, 0));
                    Constant::Text(String::from_utf8_lossy(take(length)?).into_owned())
                }
                3 | 4 | 17 | 18 => {
                    take(4)?;
                    Constant::Other
                }
                // These take two places.
                5 | 6 => {
                    take(8)?;
                    all.push(Constant::Other);
                    Constant::Other
                }
                7 => Constant::Class(half(take(2)?, 0)),
                8 => Constant::Literal(half(take(2)?, 0)),
                9 => {
                    take(4)?;
                    Constant::Other
                }
                10 | 11 => {
                    let pair = take(4)?;
                    Constant::Method(half(pair, 0), half(pair, 2))
                }
                12 => Constant::Name(half(take(4)?, 0)),
                15 => {
                    take(3)?;
                    Constant::Other
                }
                16 | 19 | 20 => {
                    take(2)?;
                    Constant::Other
                }
                _ => return None,
            };
            all.push(constant);
        }
        let text = |at: u16| match all.get(usize::from(at)) {
            Some(Constant::Text(text)) => Some(text.as_str()),
            _ => None,
        };
        let class = |at: u16| match all.get(usize::from(at)) {
            Some(Constant::Class(name)) => text(*name),
            _ => None,
        };
        let mut out = Self::default();
        for constant in &all {
            match constant {
                Constant::Literal(at) => out.texts.extend(text(*at).map(str::to_owned)),
                Constant::Method(owner, name) => {
                    let name = match all.get(usize::from(*name)) {
                        Some(Constant::Name(name)) => text(*name),
                        _ => None,
                    };
                    out.calls.extend(class(*owner).zip(name).map(|(owner, name)| format!("{owner}.{name}")));
                }
                _ => {}
            }
        }
        Some(out)
    }

    fn calls(&self, names: &[&str]) -> bool {
        self.calls.iter().any(|call| names.contains(&call.as_str()))
    }

    fn state(&self, paper: &mut Paper<'_>, start: &Start) {
        let texts: Vec<&str> = self.texts.iter().map(String::as_str).filter(|t| t.len() < 4096).collect();
        if self.calls(&["java/lang/Runtime.exec", "java/lang/ProcessBuilder.<init>"]) {
            for argv in commands(&texts).into_iter().take(MOST) {
                let next = Start {
                    argv,
                    certainty: Certainty::May,
                    input: Input::default(),
                    parent: start.argv.first().map(|v| v.text.clone()),
                    piped: true,
                    ..start.clone()
                };
                process::start(paper, next);
            }
        }
        let connects = self.calls.iter().any(|call| call.starts_with("java/net/"));
        let addresses = texts.iter().filter(|t| connects && is_address(t));
        for text in addresses.take(MOST) {
            let rest = text.split_once("://").map_or(*text, |(_, rest)| rest);
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let (host, port) = authority.rsplit_once(':').unwrap_or((authority, ""));
            let kind = BehaviourKind::Network {
                host: host.to_owned(),
                port: port.parse().ok(),
                url: text.contains("://").then(|| (*text).to_owned()),
                by: "java".to_owned(),
            };
            paper.state(kind, Certainty::May, start.because.clone());
        }
    }
}

/// An address as a text of its own.
fn is_address(text: &str) -> bool {
    let url = ["http://", "https://", "tcp://"].iter().any(|s| text.len() > s.len() && text.starts_with(s));
    let host = text.split(':').next().unwrap_or_default();
    url || host.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

/// The commands that texts are: a line for a shell, or the words of a program that stand one after
/// the other.
fn commands(texts: &[&str]) -> Vec<Vec<Value>> {
    let mut out = Vec::new();
    let words = |list: &[&str]| list.iter().map(|w| Value::plain(*w)).collect::<Vec<_>>();
    let is_shell = |text: &str| super::is_shell(crate::shell::program_name(text));
    let mut at = 0;
    while let Some(text) = texts.get(at) {
        at += 1;
        if is_shell(text) {
            match texts.get(at..) {
                Some(["-c", line, ..]) => out.push(words(&[text, "-c", line])),
                _ => out.push(words(&[text])),
            }
            continue;
        }
        let first = text.split_whitespace().next().unwrap_or_default();
        let program = crate::shell::program_name(first);
        if text.contains(' ') && super::is_known(program) {
            out.push(crate::launch::command_words(text).to_vec());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A class with these literals, that calls these methods.
    fn class(texts: &[&str], calls: &[(&str, &str)]) -> Vec<u8> {
        let mut pool: Vec<u8> = Vec::new();
        let mut count = 1u16;
        let mut add = |bytes: Vec<u8>| {
            pool.extend(bytes);
            count += 1;
            count - 1
        };
        let text = |t: &str| [&[1u8][..], &(t.len() as u16).to_be_bytes(), t.as_bytes()].concat();
        let one = |tag: u8, at: u16| [&[tag][..], &at.to_be_bytes()].concat();
        let two = |tag: u8, a: u16, b: u16| [&[tag][..], &a.to_be_bytes(), &b.to_be_bytes()].concat();
        for literal in texts {
            let at = add(text(literal));
            add(one(8, at));
        }
        add(vec![5, 0, 0, 0, 0, 0, 0, 0, 1]);
        // A long takes two places.
        add(Vec::new());
        for (owner, name) in calls {
            let at = add(text(owner));
            let owner = add(one(7, at));
            let name = add(text(name));
            let kind = add(text("()V"));
            let pair = add(two(12, name, kind));
            add(two(10, owner, pair));
        }
        [b"\xca\xfe\xba\xbe\0\0\0\x34".as_slice(), &count.to_be_bytes(), &pool].concat()
    }

    #[test]
    fn literals_and_calls_are_read_and_damage_is_no_class() {
        let bytes = class(&["/bin/sh", "-c", "id", "http://192.0.2.1/a"], &[("java/lang/Runtime", "exec")]);
        let read = Constants::read(&bytes).unwrap();
        assert!(read.calls(&["java/lang/Runtime.exec"]));
        let texts: Vec<&str> = read.texts.iter().map(String::as_str).collect();
        let told: Vec<Vec<String>> =
            commands(&texts).into_iter().map(|c| c.into_iter().map(|w| w.text).collect()).collect();
        assert_eq!(told, [["/bin/sh", "-c", "id"]]);
        for end in 0..bytes.len() {
            assert!(Constants::read(&bytes[..end]).is_none(), "{end}");
        }
    }

    #[test]
    fn settings_are_neither_commands_nor_addresses() {
        assert!(commands(&["sh.path", "Usage: java -jar x", "server.port", "a b c"]).is_empty());
        assert!(!is_address("1.2.3") && !is_address("127.0.0.1") && !is_address("http://"));
        assert!(is_address("192.0.2.1") && is_address("https://example.test/x"));
    }
}
