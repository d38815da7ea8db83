//! Parts of lines, and lines of texts.

use super::{Change, Plan, bytes, each_line, whole};

impl<'s> Plan<'s> {
    /// Programs that put lines in another order, or part and join them.
    pub(super) fn lines(name: &str, args: &[&'s str]) -> Option<Self> {
        let mut flags = String::new();
        let mut values: Vec<(&str, &'s str)> = Vec::new();
        let mut files = Vec::new();
        let with_value = match name {
            "sort" => "koStT",
            "uniq" => "fsw",
            "fold" | "fmt" => "w",
            "nl" => "bsvwiln",
            "paste" => "d",
            "strings" => "n",
            _ => "",
        };
        let mut rest = args.iter().copied();
        while let Some(arg) = rest.next() {
            let Some(short) = arg.strip_prefix('-').filter(|s| !s.is_empty()) else {
                files.push(arg);
                continue;
            };
            if short.starts_with('-') {
                flags.push_str(match short {
                    "-reverse" => "r",
                    "-numeric-sort" => "n",
                    "-unique" => "u",
                    "-count" => "c",
                    "-serial" => "s",
                    "-lines" => "l",
                    "-bytes" => "c",
                    _ => return None,
                });
                continue;
            }
            let at = short.find(|c| with_value.contains(c));
            flags.push_str(&short[..at.unwrap_or(short.len())]);
            if let Some(at) = at {
                let own = &short[at + 1..];
                values.push((&short[at..=at], if own.is_empty() { rest.next()? } else { own }));
            }
        }
        let value = |name: &str| values.iter().rev().find(|(n, _)| *n == name).map(|(_, v)| *v);
        let on = |c: char| flags.contains(c);
        let change = match name {
            "cat" if on('n') || on('b') => {
                whole(|t| Some(t.lines().enumerate().map(|(n, l)| format!("{:6}\t{l}\n", n + 1)).collect()))
            }
            "cat" => whole(|t| Some(t.to_owned())),
            "tac" => whole(|t| Some(t.lines().rev().map(|l| format!("{l}\n")).collect())),
            "rev" => each_line(|l| l.chars().rev().collect()),
            "sort" => sort(flags.clone(), value("k"), value("t"))?,
            "uniq" => {
                let (count, repeated, single) = (on('c'), on('d'), on('u'));
                whole(move |t| Some(uniq(t, count, repeated, single)))
            }
            "fold" => {
                let width = value("w").map_or(Some(80), |w| w.parse::<usize>().ok()).filter(|w| *w > 0)?;
                each_line(move |l| {
                    let chars: Vec<char> = l.chars().collect();
                    let rows: Vec<String> = chars.chunks(width).map(|row| row.iter().collect()).collect();
                    rows.join("\n")
                })
            }
            "nl" => {
                let between = value("s").unwrap_or("\t").to_owned();
                let width = value("w").map_or(Some(6), |w| w.parse::<usize>().ok()).filter(|w| *w < 64)?;
                let every = value("b") == Some("a");
                whole(move |t| {
                    let mut number = 0;
                    let mut out = String::new();
                    for line in t.lines() {
                        if line.is_empty() && !every {
                            out.push('\n');
                            continue;
                        }
                        number += 1;
                        out.push_str(&format!("{number:width$}{between}{line}\n"));
                    }
                    Some(out)
                })
            }
            "wc" => {
                let shown: Vec<char> = flags.chars().collect();
                let file = files.first().copied().map(str::to_owned);
                whole(move |t| {
                    let count = |c: char| match c {
                        'l' => t.matches('\n').count(),
                        'w' => t.split_whitespace().count(),
                        'm' => t.chars().count(),
                        _ => crate::shell::Value::sure(t).bytes().len(),
                    };
                    let kinds = if shown.is_empty() { &['l', 'w', 'c'][..] } else { &shown[..] };
                    let counts: Vec<String> = kinds.iter().map(|c| count(*c).to_string()).collect();
                    let name = file.as_ref().filter(|f| *f != "-").map_or(String::new(), |f| format!(" {f}"));
                    Some(format!("{}{name}\n", counts.join(" ")))
                })
            }
            "paste" if files.len() < 2 => {
                let delimiters: Vec<char> = crate::shell::ansi(value("d").unwrap_or("\t")).chars().collect();
                let (serial, columns) =
                    (on('s'), files.len().max(args.iter().filter(|a| **a == "-").count()));
                files.truncate(1);
                whole(move |t| {
                    if !serial && columns < 2 {
                        return Some(t.to_owned());
                    }
                    let mut out = String::new();
                    for (n, line) in t.lines().enumerate() {
                        if n > 0 {
                            out.extend(delimiters.get((n - 1) % delimiters.len().max(1)));
                        }
                        out.push_str(line);
                    }
                    Some(out + "\n")
                })
            }
            "strings" => {
                let least = value("n").map_or(Some(4), |n| n.parse::<usize>().ok())?;
                whole(move |t| {
                    let parts = t.split(|c: char| !(c.is_ascii_graphic() || c == ' ' || c == '\t'));
                    Some(parts.filter(|p| p.len() >= least).map(|p| format!("{p}\n")).collect())
                })
            }
            _ => return None,
        };
        Some(Self { files, change })
    }

    /// `dd` with `bs`, `skip` and `count`, to its output.
    pub(super) fn dd(args: &[&'s str]) -> Option<Self> {
        let value = |name: &str| args.iter().find_map(|a| a.strip_prefix(name)?.strip_prefix('='));
        let number = |name: &str, otherwise: usize| match value(name) {
            Some(text) => sized(text),
            None => Some(otherwise),
        };
        let size = number("bs", 0)?.max(number("ibs", 0)?);
        let size = if size == 0 { 512 } else { size };
        let (skip, count) = (number("skip", 0)?, number("count", usize::MAX)?);
        if value("conv").is_some_and(|c| c.contains("case") || c.contains("swab")) {
            return None;
        }
        let change = bytes(move |input, _| {
            let from = skip.saturating_mul(size).min(input.len());
            let to = from.saturating_add(count.saturating_mul(size)).min(input.len());
            Some(input[from..to].to_vec())
        });
        Some(Self { files: value("if").into_iter().collect(), change })
    }

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
        let range = move |len: usize| match (first, from_start, but) {
            (true, _, true) => 0..len.saturating_sub(n),
            (true, _, _) => 0..n.min(len),
            (false, true, _) => n.saturating_sub(1).min(len)..len,
            (false, ..) => len.saturating_sub(n)..len,
        };
        let change = if by_bytes {
            bytes(move |input, _| Some(input[range(input.len())].to_vec()))
        } else {
            whole(move |t| {
                let parts: Vec<&str> = t.split_inclusive('\n').collect();
                Some(parts[range(parts.len())].concat())
            })
        };
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

/// `1024`, `4k`, `1M`.
fn sized(text: &str) -> Option<usize> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = match &text[end..] {
        "" | "c" => 1,
        "k" | "K" | "KiB" => 1 << 10,
        "M" | "MiB" => 1 << 20,
        "w" => 2,
        "b" => 512,
        _ => return None,
    };
    text[..end].parse::<usize>().ok()?.checked_mul(unit)
}

fn sort<'s>(flags: String, key: Option<&str>, separator: Option<&'s str>) -> Option<Change<'s>> {
    let field = match key {
        Some(key) => {
            let digits = key.find(|c: char| !c.is_ascii_digit()).unwrap_or(key.len());
            Some(key[..digits].parse::<usize>().ok()?.checked_sub(1)?)
        }
        None => None,
    };
    let numeric = flags.contains(['n', 'g', 'V']) || key.is_some_and(|k| k.contains('n'));
    let reverse = flags.contains('r') || key.is_some_and(|k| k.contains('r'));
    if flags.contains(['R', 'c', 'C', 'm', 'M', 'h']) {
        return None;
    }
    Some(whole(move |t| {
        let mut all: Vec<&str> = t.lines().collect();
        let part = |line: &'_ str| -> String {
            match (field, separator) {
                (None, _) => line.to_owned(),
                (Some(n), Some(s)) => line.split(s).nth(n).unwrap_or_default().to_owned(),
                (Some(n), None) => line.split_whitespace().nth(n).unwrap_or_default().to_owned(),
            }
        };
        let number = |text: &str| -> i64 {
            let text = text.trim_start();
            let end = text.find(|c: char| !(c.is_ascii_digit() || c == '-')).unwrap_or(text.len());
            text[..end].parse().unwrap_or(0)
        };
        if numeric {
            all.sort_by_cached_key(|l| (number(&part(l)), (*l).to_owned()));
        } else if flags.contains('f') {
            all.sort_by_cached_key(|l| (part(l).to_uppercase(), (*l).to_owned()));
        } else {
            all.sort_by_cached_key(|l| (part(l), (*l).to_owned()));
        }
        if reverse {
            all.reverse();
        }
        if flags.contains('u') {
            all.dedup();
        }
        Some(all.iter().map(|l| format!("{l}\n")).collect())
    }))
}

fn uniq(text: &str, count: bool, repeated: bool, single: bool) -> String {
    let mut runs: Vec<(usize, &str)> = Vec::new();
    for line in text.lines() {
        match runs.last_mut() {
            Some((n, last)) if *last == line => *n += 1,
            _ => runs.push((1, line)),
        }
    }
    let kept = runs.into_iter().filter(|(n, _)| (!repeated || *n > 1) && (!single || *n == 1));
    kept.map(|(n, line)| if count { format!("{n:7} {line}\n") } else { format!("{line}\n") }).collect()
}
