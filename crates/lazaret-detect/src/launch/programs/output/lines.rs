//! Parts of lines, and lines of texts.

use super::{Plan, each_line, whole};

impl<'s> Plan<'s> {
    pub(super) fn ends(name: &str, args: &[&'s str]) -> Option<Self> {
        let mut count = "10";
        let mut by_bytes = false;
        let mut files = Vec::new();
        let mut rest = args.iter().copied();
        while let Some(arg) = rest.next() {
            match arg {
                "-n" | "--lines" => count = rest.next()?,
                "-c" | "--bytes" => {
                    count = rest.next()?;
                    by_bytes = true;
                }
                "-q" | "-" => {}
                "-f" | "-F" => return None,
                arg if arg.starts_with("-n") => count = &arg[2..],
                arg if arg.starts_with("-c") => {
                    count = &arg[2..];
                    by_bytes = true;
                }
                arg if arg.starts_with("--lines=") => count = &arg[8..],
                arg if arg.starts_with("--bytes=") => {
                    count = &arg[8..];
                    by_bytes = true;
                }
                arg if arg.starts_with('-') || arg.starts_with('+') => count = arg.trim_start_matches('-'),
                file => files.push(file),
            }
        }
        let from_start = count.starts_with('+');
        let but = count.starts_with('-');
        let n: usize = count.trim_start_matches(['+', '-']).parse().ok()?;
        let first = name == "head";
        let change = whole(move |t| {
            let parts: Vec<&str> = if by_bytes {
                t.split_inclusive(|_| true).collect()
            } else {
                t.split_inclusive('\n').collect()
            };
            let len = parts.len();
            let range = match (first, from_start, but) {
                (true, _, true) => 0..len.saturating_sub(n),
                (true, _, _) => 0..n.min(len),
                (false, true, _) => n.saturating_sub(1).min(len)..len,
                (false, ..) => len.saturating_sub(n)..len,
            };
            Some(parts[range].concat())
        });
        Some(Self { files, change })
    }

    pub(super) fn cut(args: &[&'s str]) -> Option<Self> {
        let (mut delimiter, mut fields, mut chars) = ("\t", None, None);
        let mut files = Vec::new();
        let mut rest = args.iter().copied();
        while let Some(arg) = rest.next() {
            match arg {
                "-d" => delimiter = rest.next()?,
                "-f" => fields = Some(rest.next()?),
                "-c" | "-b" => chars = Some(rest.next()?),
                arg if arg.starts_with("-d") => delimiter = &arg[2..],
                arg if arg.starts_with("-f") => fields = Some(&arg[2..]),
                arg if arg.starts_with("-c") || arg.starts_with("-b") => chars = Some(&arg[2..]),
                arg if arg.starts_with('-') => {}
                file => files.push(file),
            }
        }
        let list = ranges(fields.or(chars)?)?;
        let by_chars = fields.is_none();
        let picked = move |n: usize| list.iter().any(|(a, b)| (*a..=*b).contains(&n));
        let change = each_line(move |line| {
            if by_chars {
                return line.chars().enumerate().filter(|(n, _)| picked(n + 1)).map(|(_, c)| c).collect();
            }
            if !line.contains(delimiter) {
                return line.to_owned();
            }
            let parts: Vec<&str> =
                line.split(delimiter).enumerate().filter(|(n, _)| picked(n + 1)).map(|(_, p)| p).collect();
            parts.join(delimiter)
        });
        Some(Self { files, change })
    }
}

fn ranges(list: &str) -> Option<Vec<(usize, usize)>> {
    list.split(',')
        .map(|part| match part.split_once('-') {
            Some((a, b)) => {
                let from = if a.is_empty() { 1 } else { a.parse().ok()? };
                Some((from, if b.is_empty() { usize::MAX } else { b.parse().ok()? }))
            }
            None => part.parse().ok().map(|n| (n, n)),
        })
        .collect()
}
