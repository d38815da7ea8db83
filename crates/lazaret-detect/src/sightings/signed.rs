//! Names that whoever wrote a file left in it: the comment behind an SSH key, `somebody@machine` in a
//! comment of a script.

use lazaret_model::{FactKind, IndicatorKind, Location, TextKind};

use super::builder::person;
use super::gathered::Gathered;
use super::own::Own;
use crate::case::Case;

/// Files that are read for it.
const FILES: usize = 400;
/// Bytes of a file, and lines of a script, that are read.
const LARGEST: usize = 64 << 10;
const LINES: usize = 60;

pub(super) fn of(case: &Case<'_>, own: &Own<'_>, gathered: &mut Gathered<'_>) {
    let mut read = 0;
    for (layer, path, facts) in own.files() {
        let (mut key, mut script) = (false, false);
        for fact in facts.iter().filter(|fact| fact.inside.is_empty()) {
            match &fact.kind {
                FactKind::Indicator(indicator) => key |= indicator.kind == IndicatorKind::SshKey,
                // A file that is read for its comments.
                FactKind::Text { kind, .. } => script |= has_hash_comments(*kind),
                _ => {}
            }
        }
        if !key && !script {
            continue;
        }
        let seen = case.view.lookup(path).filter(|found| found.data_layer == layer);
        let Some(content) = seen.and_then(|found| found.data.content) else { continue };
        if read >= FILES || !own.is_own(layer, path) {
            continue;
        }
        let Some(bytes) = case.contents.get(&content).filter(|bytes| bytes.len() <= LARGEST) else {
            continue;
        };
        read += 1;
        if memchr::memchr(b'@', &bytes).is_none() && memchr::memmem::find(&bytes, b" AAAA").is_none() {
            continue;
        }
        let text = String::from_utf8_lossy(&bytes);
        for (number, line) in text.lines().enumerate() {
            let place =
                || Location::file(layer, path.clone()).at_line(u32::try_from(number + 1).unwrap_or(u32::MAX));
            if let Some(comment) = behind_key(line) {
                person(comment, &place(), gathered);
            }
            if script && number < LINES && line.trim_start().starts_with('#') && !line.starts_with("#!") {
                for word in line.split(|c: char| c.is_whitespace() || "<>()\"',;".contains(c)) {
                    if is_at_machine(word) {
                        person(word, &place(), gathered);
                    }
                }
            }
        }
    }
}

fn has_hash_comments(kind: TextKind) -> bool {
    matches!(
        kind,
        TextKind::Shell
            | TextKind::Python
            | TextKind::Perl
            | TextKind::Ruby
            | TextKind::Crontab
            | TextKind::SystemdUnit
    )
}

/// What stands behind a public key (`sshd(8)`, "AUTHORIZED_KEYS FILE FORMAT"): its comment.
fn behind_key(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once(" AAAA")?;
    let (_, comment) = rest.split_once(' ')?;
    let end = comment.find(['"', '\'', '>', '|', '\\', ';']).unwrap_or(comment.len());
    Some(comment[..end].trim())
}

/// Whether a word is `somebody@machine`, with a name that a machine has at home. Mail addresses in
/// comments are those of authors, who are seldom the image's.
fn is_at_machine(word: &str) -> bool {
    const VERSIONS: [&str; 8] = ["latest", "next", "stable", "main", "master", "beta", "edge", "current"];
    let Some((login, machine)) = word.split_once('@') else { return false };
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    (2..=32).contains(&login.len())
        && (2..=63).contains(&machine.len())
        && plain(login)
        && plain(machine)
        && machine.starts_with(|c: char| c.is_ascii_alphabetic())
        && !VERSIONS.contains(&machine)
        && !(machine.starts_with('v') && machine[1..].starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_comment_of_a_key_is_what_stands_behind_it() {
        assert_eq!(behind_key("ssh-ed25519 AAAAC3Nz kim@forge"), Some("kim@forge"));
        assert_eq!(behind_key("echo 'ssh-rsa AAAAB3Nz kim@forge' >> x"), Some("kim@forge"));
        assert_eq!(behind_key("ssh-ed25519 AAAAC3Nz"), None);
        assert_eq!(behind_key("# no key"), None);
    }

    #[test]
    fn versions_and_mail_addresses_are_no_machines() {
        for word in ["dm117@build7", "root@forge"] {
            assert!(is_at_machine(word), "{word}");
        }
        for word in
            ["pkg@latest", "node@18", "tool@v2", "somebody@example.test", "@param", "git@github.com:a/b"]
        {
            assert!(!is_at_machine(word), "{word}");
        }
    }
}
