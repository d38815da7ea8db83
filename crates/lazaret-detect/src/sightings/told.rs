//! Where a thing is only spoken of: manuals, comments, what a script says to people, samples. And where keys
//! of machines are kept, which nobody logs in with.

use lazaret_model::{EntryPath, Fact, FactKind, Indicator, IndicatorKind};

use crate::case::Case;

/// Bytes of a file that is read for it.
const LARGEST: usize = 256 << 10;

/// Whether a file tells people of something: the wallet in a miner's manual is that of the miner's author,
/// and whoever took over the manual has no part in it.
pub(super) fn is_about_something_else(path: &EntryPath) -> bool {
    const BEGINS: [&str; 8] =
        ["readme", "license", "licence", "copying", "changelog", "contributing", "authors", "donat"];
    const ENDS: [&str; 6] = [".md", ".rst", ".adoc", ".markdown", ".html", ".htm"];
    const DIRS: [&str; 4] = ["usr/share/doc/", "usr/local/share/doc/", "usr/share/man/", "usr/share/info/"];
    let path = path.to_str().to_ascii_lowercase();
    let name = path.rsplit('/').next().unwrap_or_default();
    BEGINS.iter().any(|begin| name.starts_with(begin))
        || ENDS.iter().any(|end| name.ends_with(end))
        || DIRS.iter().any(|dir| path.starts_with(dir))
        || is_sample(name)
}

/// `config.example.json`, `pools.txt.sample`, `wallet.conf.dist`.
fn is_sample(name: &str) -> bool {
    let mut words = name.split(|c: char| !c.is_ascii_alphanumeric());
    words.any(|word| {
        matches!(word, "example" | "examples" | "sample" | "samples" | "dist" | "template" | "tmpl")
    })
}

/// Whether a file is where keys of machines are kept (`sshd(8)`, "SSH_KNOWN_HOSTS FILE FORMAT"; the keys of the
/// machine itself): they tell a machine, and let nobody in.
pub(super) fn keeps_host_keys(path: &EntryPath) -> bool {
    let path = path.to_str().to_ascii_lowercase();
    let name = path.rsplit('/').next().unwrap_or_default();
    name.contains("known_hosts")
        || name.contains("known-hosts")
        || name.starts_with("ssh_host_") && name.ends_with(".pub")
}

/// Whether a text names something in comments, and in what it says to people, only.
pub(super) fn is_only_told(case: &Case<'_>, layer: usize, fact: &Fact, indicator: &Indicator) -> bool {
    if fact.line.is_none() || !fact.inside.is_empty() {
        return false;
    }
    let is_text = |other: &&Fact| other.inside.is_empty() && matches!(other.kind, FactKind::Text { .. });
    if !case.facts_of(layer, &fact.path).iter().any(is_text) {
        return false;
    }
    let seen = case.view.lookup(&fact.path).filter(|found| found.data_layer == layer);
    let Some(bytes) =
        seen.and_then(|found| found.data.content).and_then(|content| case.contents.get(&content))
    else {
        return false;
    };
    if bytes.len() > LARGEST {
        return false;
    }
    let needle = match indicator.kind {
        IndicatorKind::Wallet => indicator.value.split_once(':').map(|(_, address)| address),
        _ => indicator.value.split_once(' ').map(|(_, blob)| blob),
    };
    let Some(needle) = needle.map(|needle| needle.trim_end_matches('=')) else { return false };
    is_told(&String::from_utf8_lossy(&bytes), needle)
}

/// Whether `text` has `needle`, and only in lines that do nothing with it.
fn is_told(text: &str, needle: &str) -> bool {
    let mut lines = text.lines().filter(|line| line.contains(needle)).peekable();
    lines.peek().is_some() && lines.all(|line| is_comment(line) || is_said(line, needle))
}

fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    ["#", "//", ";", "* ", "/*", "<!--", "REM ", "rem "].iter().any(|start| line.starts_with(start))
        && !line.starts_with("#!")
}

/// Whether the command of a line that has `needle` says it to people: it prints, into no file and to no
/// other program.
fn is_said(line: &str, needle: &str) -> bool {
    const SAYS: [&str; 10] =
        ["echo", "printf", "print", "puts", "usage", "die", "warn", "error", "console.log", "log"];
    let Some(at) = line.find(needle) else { return false };
    let plain = unquoted(line);
    // Quoted text was blanked, so that what is left of it are commands.
    let is_end = |c: char| matches!(c, ';' | '&' | '|' | '{' | '}');
    // `2>&1` and `>&2` go to people still.
    let ends = |part: &str| part.rfind(is_end).map_or(0, |end| end + 1);
    let begin = plain.get(..at).map_or(0, ends);
    let end = plain.get(at..).and_then(|rest| rest.find([';', '|', '}'])).map_or(plain.len(), |end| at + end);
    let (Some(command), Some(blank)) = (line.get(begin..end), plain.get(begin..end)) else { return false };
    if blank.replace(">&2", "").replace("2>&1", "").contains('>')
        || plain.get(end..).is_some_and(|c| c.starts_with('|') && !c.starts_with("||"))
    {
        return false;
    }
    let command = command.trim_start();
    let command =
        ["then ", "else ", "do "].iter().find_map(|word| command.strip_prefix(word)).unwrap_or(command);
    let word = command.trim_start().split(|c: char| c.is_whitespace() || c == '(').next().unwrap_or_default();
    SAYS.contains(&word)
}

/// A line with blanks for all that stands in quotes, of the same length.
fn unquoted(line: &str) -> String {
    let mut quote = None;
    let mut out = String::with_capacity(line.len());
    for c in line.chars() {
        let inside = quote.is_some();
        match quote {
            Some(open) if open == c => quote = None,
            None if matches!(c, '"' | '\'') => quote = Some(c),
            _ => {}
        }
        if inside {
            out.extend(std::iter::repeat_n(' ', c.len_utf8()));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_messages_only_speak_of_a_wallet() {
        for text in [
            "#!/bin/sh\n# Usage: setup.sh WALLET   e.g. setup.sh 4WALLET\nW=$1\n",
            "if [ -z \"$1\" ]; then echo \"> setup.sh <wallet>\"; echo \"ERROR: e.g. 4WALLET\"; exit 1; fi\n",
            "echo 'Thanks! 4WALLET' >&2\n",
            "print(\"donate to 4WALLET | thanks\")\n",
            "  // 4WALLET\n",
        ] {
            assert!(is_told(text, "4WALLET"), "{text}");
        }
    }

    #[test]
    fn what_goes_into_a_file_a_variable_or_a_program_is_not_only_spoken_of() {
        for text in [
            "W=4WALLET\n",
            "# pay 4WALLET\n/opt/m -u 4WALLET\n",
            "echo '{\"user\":\"4WALLET\"}' > /etc/m.json\n",
            "echo 4WALLET >> w\n",
            "printf '%s' 4WALLET | /opt/m\n",
            "echo start; /opt/m -u 4WALLET\n",
            "echo start && /opt/m -u 4WALLET\n",
            "\"user\": \"4WALLET\",\n",
            "nothing",
        ] {
            assert!(!is_told(text, "4WALLET"), "{text}");
        }
    }

    #[test]
    fn files_with_keys_of_machines_are_told_by_their_names() {
        for path in [
            "root/.ssh/known_hosts",
            "etc/ssh/ssh_known_hosts",
            "etc/ssh/ssh_host_rsa_key.pub",
            "x/known_hosts.old",
        ] {
            assert!(keeps_host_keys(&EntryPath::from(path)), "{path}");
        }
        for path in ["root/.ssh/authorized_keys", "root/.ssh/id_rsa.pub", "opt/ssh_host.sh"] {
            assert!(!keeps_host_keys(&EntryPath::from(path)), "{path}");
        }
    }
}
