//! Programs that print their arguments.

use super::format;
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
    let mut out = String::new();
    loop {
        let before = values.len();
        // An escape never makes a conversion: `\045` is a percent sign and nothing more.
        let mut rest = *format;
        while let Some(at) = rest.find('%') {
            out.push_str(&ansi(&rest[..at]));
            let (flags, conversion, after) = format::take(&rest[at + 1..])?;
            rest = after;
            if conversion == '%' {
                out.push('%');
                continue;
            }
            let value = values.first().copied().unwrap_or_default();
            values = values.get(1..).unwrap_or_default();
            let decoded;
            let value = if conversion == 'b' {
                decoded = ansi(value);
                decoded.as_str()
            } else {
                value
            };
            out.push_str(&format::apply(flags, conversion, value)?);
            if out.len() > most {
                return None;
            }
        }
        out.push_str(&ansi(rest));
        if out.len() > most {
            return None;
        }
        if values.is_empty() || values.len() == before {
            return Some(out);
        }
    }
}

/// A number as `printf` and its relatives read it.
pub(crate) fn number(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.is_empty() {
        return Some(0);
    }
    if let Some(c) = text.strip_prefix(['\'', '"']) {
        return c.chars().next().map(|c| i64::from(u32::from(c)));
    }
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return i64::from_str_radix(hex, 16).ok();
    }
    match text.strip_prefix('0').filter(|t| !t.is_empty()) {
        Some(octal) => i64::from_str_radix(octal, 8).ok(),
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
