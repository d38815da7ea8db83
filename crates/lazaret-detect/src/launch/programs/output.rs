//! What programs put out whose output depends on nothing but text: computed for real, so that a
//! payload hidden under several stages is read as what it is.

use std::io::Read;

use super::super::process::absolute;
use crate::shell::{Know, Value, ansi, program_name};

/// What a program finds.
pub(crate) struct Context<'s> {
    pub args: &'s [Value],
    pub stdin: Option<&'s Value>,
    pub cwd: &'s str,
    pub root: bool,
    /// The longest output in bytes.
    pub most: usize,
}

type Reader<'r> = &'r mut dyn FnMut(&str) -> Option<Value>;

/// The output of `name`; None where it is not known on paper.
pub(crate) fn of(name: &str, context: &Context<'_>, read: Reader<'_>) -> Option<Value> {
    let args: Vec<&str> = context.args.iter().map(|v| v.text.as_str()).collect();
    let know = context.args.iter().map(|v| v.know).min().unwrap_or(Know::Sure);
    // Names of options and files must be known; words that are only handed on need not.
    let text = |text: String| Some(Value { text, know, fetched: None });
    match name {
        "echo" => {
            let fetched = context.args.iter().find_map(|v| v.fetched.clone());
            Some(Value { text: echo(&args), know: shown(know), fetched })
        }
        "printf" => {
            let fetched = context.args.iter().find_map(|v| v.fetched.clone());
            Some(Value { text: printf(&args, context.most)?, know: shown(know), fetched })
        }
        "dirname" => text(format!("{}\n", dirname(args.last()?))),
        "basename" => {
            let operands: Vec<&str> = args.iter().copied().filter(|a| !a.starts_with('-')).collect();
            let base = program_name(operands.first()?.trim_end_matches('/'));
            let cut = operands.get(1).and_then(|s| base.strip_suffix(s)).filter(|b| !b.is_empty());
            text(format!("{}\n", cut.unwrap_or(base)))
        }
        "readlink" | "realpath" => {
            let path = args.iter().rev().find(|a| !a.starts_with('-'))?;
            text(format!("{}\n", absolute(context.cwd, path)))
        }
        "pwd" => text(format!("{}\n", context.cwd)),
        "id" if args.contains(&"-u") && context.root => Some(Value::plain("0\n")),
        "id" if args.contains(&"-u") => Some(Value::plain("1000\n")),
        "whoami" if context.root => Some(Value::plain("root\n")),
        "uname" if args.is_empty() || args == ["-s"] => Some(Value::plain("Linux\n")),
        // A fresh container has no table.
        "crontab" if args.contains(&"-l") => Some(Value::plain("")),
        "mktemp" => Some(Value::plain("/tmp/tmp.XXXXXXXXXX\n")),
        "seq" => {
            let numbers: Vec<i64> = args.iter().filter_map(|a| a.parse().ok()).collect();
            let (from, to) = match numbers[..] {
                [to] => (1, to),
                [from, to] => (from, to),
                _ => return None,
            };
            (to.saturating_sub(from) < 1000)
                .then(|| Value::sure((from..=to).map(|n| format!("{n}\n")).collect::<String>()))
        }
        "true" | "false" | ":" => Some(Value::empty()),
        _ => filter(name, &args, context, read),
    }
}

/// Text with unknown words in it is not known, but is still text that can be shown.
fn shown(know: Know) -> Know {
    if know == Know::Unset { Know::Unknown } else { know }
}

fn echo(args: &[&str]) -> String {
    let mut words = args;
    let (mut escapes, mut newline) = (false, true);
    while let Some(first) = words.first() {
        let is_option = first.len() > 1
            && first.starts_with('-')
            && first[1..].bytes().all(|b| matches!(b, b'e' | b'n' | b'E'));
        if !is_option {
            break;
        }
        escapes |= first.contains('e');
        newline &= !first.contains('n');
        words = &words[1..];
    }
    let mut text = words.join(" ");
    if escapes {
        text = ansi(&text);
    }
    if newline {
        text.push('\n');
    }
    text
}

fn printf(args: &[&str], most: usize) -> Option<String> {
    let args = if args.first() == Some(&"--") { &args[1..] } else { args };
    let (format, mut values) = args.split_first()?;
    if *format == "-v" {
        return None;
    }
    let format = ansi(format);
    let mut out = String::new();
    loop {
        let before = values.len();
        let mut chars = format.chars().peekable();
        while let Some(c) = chars.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            let mut flags = String::new();
            while let Some(&f) = chars.peek() {
                if !(f.is_ascii_digit() || "-+ #0.'".contains(f)) {
                    break;
                }
                flags.push(f);
                chars.next();
            }
            let conversion = chars.next()?;
            if conversion == '%' {
                out.push('%');
                continue;
            }
            let value = values.first().copied().unwrap_or_default();
            values = values.get(1..).unwrap_or_default();
            match conversion {
                's' => out.push_str(value),
                'b' => out.push_str(&ansi(value)),
                'q' => out.push_str(value),
                'c' => out.extend(value.chars().next()),
                'd' | 'i' | 'u' => out.push_str(&number(value)?.to_string()),
                'x' => out.push_str(&format!("{:x}", number(value)?)),
                'X' => out.push_str(&format!("{:X}", number(value)?)),
                'o' => out.push_str(&format!("{:o}", number(value)?)),
                _ => return None,
            }
        }
        if out.len() > most {
            return None;
        }
        if values.is_empty() || values.len() == before {
            return Some(out);
        }
    }
}

fn number(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.is_empty() {
        return Some(0);
    }
    if let Some(c) = text.strip_prefix(['\'', '"']) {
        return c.chars().next().map(|c| i64::from(u32::from(c)));
    }
    match text.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

fn dirname(path: &str) -> String {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rfind('/') {
        Some(0) => "/".to_owned(),
        Some(at) => trimmed[..at].to_owned(),
        None if path.starts_with('/') => "/".to_owned(),
        None => ".".to_owned(),
    }
}

/// Programs that make text of their input, or of files that they name.
fn filter(name: &str, args: &[&str], context: &Context<'_>, read: Reader<'_>) -> Option<Value> {
    let plan = Plan::of(name, args)?;
    let mut input = Value::empty();
    if plan.files.is_empty() {
        input = context.stdin?.clone();
    }
    for file in plan.files {
        let part = if matches!(file, "-" | "/dev/stdin") { context.stdin?.clone() } else { read(file)? };
        if !input.push(&part, context.most) {
            return None;
        }
    }
    let keep = input.fetched.clone();
    if !input.is_known() {
        return Some(Value { fetched: keep, ..Value::unknown(input.text) });
    }
    let know = input.know.min(context.args.iter().map(|v| v.know).min().unwrap_or(Know::Sure));
    if know < Know::Guess {
        return None;
    }
    let mut out = (plan.change)(&input, know, context.most)?;
    out.fetched = keep;
    (out.text.len() <= context.most).then_some(out)
}

type Change<'s> = Box<dyn Fn(&Value, Know, usize) -> Option<Value> + 's>;

struct Plan<'s> {
    files: Vec<&'s str>,
    change: Change<'s>,
}

fn lines<'s>(change: impl Fn(&str) -> String + 's) -> Change<'s> {
    Box::new(move |input, know, _| {
        let text = input.text.lines().map(|l| change(l) + "\n").collect();
        Some(Value { text, know, fetched: None })
    })
}

fn whole<'s>(change: impl Fn(&str) -> Option<String> + 's) -> Change<'s> {
    Box::new(move |input, know, _| Some(Value { text: change(&input.text)?, know, fetched: None }))
}

fn bytes<'s>(change: impl Fn(&[u8], usize) -> Option<Vec<u8>> + 's) -> Change<'s> {
    Box::new(move |input, know, most| Some(Value::from_bytes(&change(&input.bytes(), most)?, know)))
}

impl<'s> Plan<'s> {
    fn of(name: &str, args: &[&'s str]) -> Option<Self> {
        let has = |flags: &[&str]| args.iter().any(|a| flags.contains(a));
        let letter =
            |c: char| args.iter().any(|a| a.starts_with('-') && !a.starts_with("--") && a.contains(c));
        let operands: Vec<&'s str> =
            args.iter().copied().filter(|a| !a.starts_with('-') || *a == "-").collect();
        let all = |change: Change<'s>| Some(Self { files: operands.clone(), change });
        match name {
            "cat" | "tac" | "sort" | "uniq" | "fold" | "nl" if name == "cat" => {
                all(whole(|t| Some(t.to_owned())))
            }
            "tac" => all(whole(|t| Some(t.lines().rev().map(|l| format!("{l}\n")).collect()))),
            "sort" => all(whole(move |t| {
                let mut all: Vec<&str> = t.lines().collect();
                all.sort_unstable();
                Some(all.iter().map(|l| format!("{l}\n")).collect())
            })),
            "rev" => all(lines(|l| l.chars().rev().collect())),
            "base64" | "base32" => {
                let decode = letter('d') || letter('D') || has(&["--decode"]);
                let wide = name == "base64";
                let files = operands.iter().copied().filter(|o| o.parse::<u32>().is_err()).collect();
                let change = if decode {
                    bytes(move |input, _| decode_base(input, wide))
                } else {
                    bytes(move |input, _| {
                        let encoded = if wide {
                            data_encoding::BASE64.encode(input)
                        } else {
                            data_encoding::BASE32.encode(input)
                        };
                        Some((encoded + "\n").into_bytes())
                    })
                };
                Some(Self { files, change })
            }
            "openssl"
                if matches!(args.first(), Some(&"base64")) || has(&["-base64", "-a"]) && has(&["enc"]) =>
            {
                let plain = !args
                    .iter()
                    .any(|a| a.starts_with("-aes") || a.starts_with("-des") || *a == "-k" || *a == "-pass");
                let at = args.iter().position(|a| *a == "-in").and_then(|at| args.get(at + 1));
                (plain && letter('d')).then(|| Self {
                    files: at.into_iter().copied().collect(),
                    change: bytes(|input, _| decode_base(input, true)),
                })
            }
            "xxd" if letter('r') => {
                let files = operands.iter().copied().filter(|o| o.parse::<u32>().is_err()).collect();
                Some(Self { files, change: bytes(|input, _| decode_hex(input)) })
            }
            "gunzip" | "zcat" => all(bytes(gunzip)),
            "gzip" if letter('d') || has(&["--decompress"]) => all(bytes(gunzip)),
            "tr" => {
                let change = translate(&operands, letter('d'), letter('c'), letter('s'))?;
                Some(Self { files: Vec::new(), change: whole(move |t| Some(change(t))) })
            }
            "head" | "tail" => Self::ends(name, args),
            "cut" => Self::cut(args),
            "sed" => Self::sed(args),
            "grep" | "egrep" | "fgrep" => Self::grep(name, args),
            "awk" | "gawk" | "mawk" => Self::awk(args),
            _ => None,
        }
    }

    fn ends(name: &str, args: &[&'s str]) -> Option<Self> {
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

    fn cut(args: &[&'s str]) -> Option<Self> {
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
        let change = lines(move |line| {
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

    fn sed(args: &[&'s str]) -> Option<Self> {
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
            steps.push(super::super::sed::Step::parse(script, extended)?);
        }
        let change = whole(move |t| super::super::sed::run(&steps, t, quiet));
        Some(Self { files, change })
    }

    fn grep(name: &str, args: &[&'s str]) -> Option<Self> {
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
            super::super::sed::basic(raw)
        };
        let regex = super::super::sed::build(&source, flags.contains('i'))?;
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
    fn awk(args: &[&'s str]) -> Option<Self> {
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
        let change = lines(move |line| {
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

/// Decodes what is there up to the first thing that is no code, as `base64 -d` puts it out.
fn decode_base(input: &[u8], wide: bool) -> Option<Vec<u8>> {
    let clean: Vec<u8> = input.iter().copied().filter(|b| !b.is_ascii_whitespace() && *b != b'=').collect();
    let good = clean
        .iter()
        .position(|b| {
            if wide {
                !(b.is_ascii_alphanumeric() || b"+/".contains(b))
            } else {
                !(b.is_ascii_uppercase() || (b'2'..=b'7').contains(b))
            }
        })
        .unwrap_or(clean.len());
    let mut end = good;
    let encoding = if wide { data_encoding::BASE64_NOPAD } else { data_encoding::BASE32_NOPAD };
    if wide && end % 4 == 1 {
        end -= 1;
    }
    let mut spec = encoding.specification();
    spec.check_trailing_bits = false;
    let encoding = spec.encoding().ok()?;
    encoding.decode(&clean[..end]).ok()
}

fn decode_hex(input: &[u8]) -> Option<Vec<u8>> {
    let clean: Vec<u8> =
        input.iter().copied().filter(u8::is_ascii_hexdigit).map(|b| b.to_ascii_lowercase()).collect();
    data_encoding::HEXLOWER.decode(&clean[..clean.len() & !1]).ok()
}

fn gunzip(input: &[u8], most: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut reader = flate2::read::MultiGzDecoder::new(input).take(most as u64 + 1);
    reader.read_to_end(&mut out).ok()?;
    (out.len() <= most).then_some(out)
}

type Translate = Box<dyn Fn(&str) -> String>;

fn translate(operands: &[&str], delete: bool, complement: bool, squeeze: bool) -> Option<Translate> {
    let from = set(operands.first()?)?;
    let outside = move |from: &[char], c: char| from.contains(&c) != complement;
    if delete {
        return Some(Box::new(move |t| t.chars().filter(|&c| !outside(&from, c)).collect()));
    }
    let Some(to) = operands.get(1) else {
        return squeeze.then(|| {
            let change: Translate = Box::new(move |t| {
                let mut out = String::new();
                for c in t.chars() {
                    if !(outside(&from, c) && out.ends_with(c)) {
                        out.push(c);
                    }
                }
                out
            });
            change
        });
    };
    let to = set(to)?;
    let last = *to.last()?;
    Some(Box::new(move |t| {
        let mut out = String::with_capacity(t.len());
        for c in t.chars() {
            let next = if complement {
                if from.contains(&c) { c } else { last }
            } else {
                match from.iter().position(|f| *f == c) {
                    Some(at) => to.get(at).copied().unwrap_or(last),
                    None => c,
                }
            };
            if !(squeeze && next != c && out.ends_with(next)) {
                out.push(next);
            }
        }
        out
    }))
}

fn set(text: &str) -> Option<Vec<char>> {
    let text = ansi(text);
    let text = text
        .strip_prefix('[')
        .and_then(|t| t.strip_suffix(']'))
        .filter(|t| !t.starts_with(':'))
        .unwrap_or(&text);
    let chars: Vec<char> = text.chars().collect();
    let mut out = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        if chars[at] == '[' && chars.get(at + 1) == Some(&':') {
            let rest: String = chars[at..].iter().collect();
            let (name, _) = rest[2..].split_once(":]")?;
            let range = |from: char, to: char, out: &mut Vec<char>| out.extend(from..=to);
            match name {
                "upper" => range('A', 'Z', &mut out),
                "lower" => range('a', 'z', &mut out),
                "digit" => range('0', '9', &mut out),
                "alpha" | "alnum" => {
                    range('A', 'Z', &mut out);
                    range('a', 'z', &mut out);
                    if name == "alnum" {
                        range('0', '9', &mut out);
                    }
                }
                "space" => out.extend([' ', '\t', '\n', '\r']),
                _ => return None,
            }
            at += name.len() + 4;
        } else if chars.get(at + 1) == Some(&'-') && chars.get(at + 2).is_some_and(|e| *e >= chars[at]) {
            let (from, to) = (chars[at], chars[at + 2]);
            if u32::from(to) - u32::from(from) > 512 {
                return None;
            }
            out.extend(from..=to);
            at += 3;
        } else {
            out.push(chars[at]);
            at += 1;
        }
    }
    Some(out)
}
