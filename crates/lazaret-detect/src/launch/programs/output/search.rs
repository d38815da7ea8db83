//! Programs with patterns: `sed`, `grep`, `awk`.

use super::super::awk::Awk;
use super::{Change, Plan, whole};
use crate::launch::sed;
use crate::shell::Value;

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
                "-E" | "-r" | "--regexp-extended" => extended = true,
                "-u" | "-s" | "--posix" => {}
                "-ne" | "-nr" | "-nE" | "-rn" | "-En" | "-re" | "-Ee" => {
                    quiet |= arg.contains('n');
                    extended |= arg.contains(['r', 'E']);
                    if arg.ends_with('e') {
                        scripts.push(rest.next()?);
                    }
                }
                "-i" | "-f" => return None,
                arg if arg.starts_with('-') && arg.len() > 1 => return None,
                arg if scripts.is_empty() => scripts.push(arg),
                file => files.push(file),
            }
        }
        let mut steps = Vec::new();
        for script in scripts {
            steps.extend(sed::Step::parse_all(script, extended)?);
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

    pub(super) fn awk(args: &[&'s str]) -> Option<Self> {
        let mut set: Vec<(String, String)> = Vec::new();
        let mut program = None;
        let mut files = Vec::new();
        let mut rest = args.iter().copied();
        while let Some(arg) = rest.next() {
            if program.is_some() {
                // `name=value` among the files sets a variable; that is not followed.
                files.push(arg);
                continue;
            }
            let own = |short: &str| arg.strip_prefix(short).filter(|v| !v.is_empty());
            if let Some(separator) = own("-F").or_else(|| if arg == "-F" { rest.next() } else { None }) {
                let separator = if separator == "t" { "\t" } else { separator };
                set.push(("FS".to_owned(), separator.to_owned()));
            } else if let Some(value) = own("-v").or_else(|| if arg == "-v" { rest.next() } else { None }) {
                let (name, value) = value.split_once('=')?;
                set.push((name.to_owned(), value.to_owned()));
            } else if arg.starts_with('-') && arg.len() > 1 {
                return None;
            } else {
                program = Some(arg);
            }
        }
        let awk = Awk::read(program?, set)?;
        let needs_input = awk.reads();
        let change: Change<'s> = Box::new(move |input, know, most| {
            Some(Value { text: awk.run(&input.text, most)?, know, fetched: None })
        });
        if !needs_input {
            files = vec!["/dev/null"];
        }
        Some(Self { files, change })
    }
}
