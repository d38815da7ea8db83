//! Programs with patterns: `sed`, `grep`, `awk`.

use super::{Plan, each_line, whole};
use crate::launch::sed;

impl<'s> Plan<'s> {
    pub(super) fn sed(args: &[&'s str]) -> Option<Self> {
        let mut scripts = Vec::new();
        let mut files = Vec::new();
        let mut quiet = false;
        let mut extended = false;
        let mut rest = args.iter().copied();
        while let Some(arg) = rest.next() {
            match arg {
                "-e" | "--expression" => scripts.push(rest.next()?),
                "-n" => quiet = true,
                "-E" | "-r" => extended = true,
                "-i" | "-f" => return None,
                arg if arg.starts_with('-') && arg.len() > 1 => return None,
                arg if scripts.is_empty() => scripts.push(arg),
                file => files.push(file),
            }
        }
        let mut steps = Vec::new();
        for script in scripts {
            steps.push(sed::Step::parse(script, extended)?);
        }
        let change = whole(move |t| sed::run(&steps, t, quiet));
        Some(Self { files, change })
    }

    pub(super) fn grep(name: &str, args: &[&'s str]) -> Option<Self> {
        let mut pattern = None;
        let mut files = Vec::new();
        let flags: String =
            args.iter().filter(|a| a.starts_with('-') && !a.starts_with("--")).map(|a| &a[1..]).collect();
        let mut rest = args.iter().copied();
        while let Some(arg) = rest.next() {
            match arg {
                "-e" => pattern = Some(rest.next()?),
                "-m" | "-A" | "-B" | "-C" => return None,
                arg if arg.starts_with('-') => {}
                arg if pattern.is_none() => pattern = Some(arg),
                file => files.push(file),
            }
        }
        if flags.chars().any(|c| !"ivoqEFPashe".contains(c)) {
            return None;
        }
        let raw = pattern?;
        let extended = name == "egrep" || flags.contains(['E', 'P']);
        let source = if name == "fgrep" || flags.contains('F') {
            regex::escape(raw)
        } else if extended {
            raw.to_owned()
        } else {
            sed::basic(raw)
        };
        let regex = sed::build(&source, flags.contains('i'))?;
        let (invert, only, quiet) = (flags.contains('v'), flags.contains('o'), flags.contains('q'));
        let change = whole(move |t| {
            let mut out = String::new();
            for line in t.lines().filter(|l| regex.is_match(l) != invert) {
                if quiet {
                    break;
                }
                if only {
                    for hit in regex.find_iter(line) {
                        out.push_str(hit.as_str());
                        out.push('\n');
                    }
                } else {
                    out.push_str(line);
                    out.push('\n');
                }
            }
            Some(out)
        });
        Some(Self { files, change })
    }

    /// `awk '{print $n}'`, with a separator.
    pub(super) fn awk(args: &[&'s str]) -> Option<Self> {
        let mut separator = None;
        let mut program = None;
        let mut files = Vec::new();
        let mut rest = args.iter().copied();
        while let Some(arg) = rest.next() {
            match arg {
                "-F" => separator = Some(rest.next()?),
                "-v" => return None,
                arg if arg.starts_with("-F") => separator = Some(&arg[2..]),
                arg if program.is_none() => program = Some(arg),
                file => files.push(file),
            }
        }
        let body = program?.trim().strip_prefix('{')?.strip_suffix('}')?.trim();
        let wanted = body.strip_prefix("print")?.trim().trim_end_matches(';').trim();
        let mut fields = Vec::new();
        for field in wanted.split(',') {
            let field = field.trim();
            fields.push(match field {
                "" | "$0" => 0,
                "$NF" => usize::MAX,
                other => other.strip_prefix('$')?.parse().ok()?,
            });
        }
        let change = each_line(move |line| {
            let parts: Vec<&str> = match separator {
                Some(s) if s != " " => line.split(s).collect(),
                _ => line.split_whitespace().collect(),
            };
            let pick = |n: usize| match n {
                0 => line,
                usize::MAX => parts.last().copied().unwrap_or_default(),
                n => parts.get(n - 1).copied().unwrap_or_default(),
            };
            fields.iter().map(|n| pick(*n)).collect::<Vec<_>>().join(" ")
        });
        Some(Self { files, change })
    }
}
