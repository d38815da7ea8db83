//! Programs that print their arguments.

use crate::shell::ansi;

pub(super) fn echo(args: &[&str]) -> String {
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

pub(super) fn printf(args: &[&str], most: usize) -> Option<String> {
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

pub(super) fn dirname(path: &str) -> String {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rfind('/') {
        Some(0) => "/".to_owned(),
        Some(at) => trimmed[..at].to_owned(),
        None if path.starts_with('/') => "/".to_owned(),
        None => ".".to_owned(),
    }
}
