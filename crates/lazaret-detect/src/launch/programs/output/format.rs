//! `%5s`, `%-10d`, `%08x`: one conversion of a format.

/// What stands between `%` and the conversion.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Flags {
    left: bool,
    zero: bool,
    plus: bool,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
}

/// The widest field that is made.
const MOST_WIDTH: usize = 4096;

/// Takes the flags and the conversion behind a `%`; what follows is the rest. None where there is
/// no conversion.
pub(crate) fn take(text: &str) -> Option<(Flags, char, &str)> {
    let mut flags = Flags::default();
    let mut rest = text;
    while let Some(c) = rest.chars().next().filter(|c| "-0+ #'".contains(*c)) {
        match c {
            '-' => flags.left = true,
            '0' => flags.zero = true,
            '+' => flags.plus = true,
            '#' => flags.alternate = true,
            _ => {}
        }
        rest = &rest[1..];
    }
    let number = |rest: &mut &str| {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let value = rest[..end].parse::<usize>().unwrap_or(0).min(MOST_WIDTH);
        *rest = &rest[end..];
        value
    };
    flags.width = number(&mut rest);
    if let Some(after) = rest.strip_prefix('.') {
        rest = after;
        flags.precision = Some(number(&mut rest));
    }
    let rest = rest.trim_start_matches(['l', 'h', 'q', 'j', 'z', 't']);
    let conversion = rest.chars().next()?;
    Some((flags, conversion, &rest[conversion.len_utf8()..]))
}

/// A value in the form that a conversion asks for. None where the conversion is not known.
pub(crate) fn apply(flags: Flags, conversion: char, value: &str) -> Option<String> {
    let number = || super::print::number(value);
    let mut numeric = true;
    let body = match conversion {
        's' | 'b' | 'q' => {
            numeric = false;
            match flags.precision {
                Some(most) => value.chars().take(most).collect(),
                None => value.to_owned(),
            }
        }
        'c' => {
            numeric = false;
            value.chars().take(1).collect()
        }
        'd' | 'i' | 'u' => {
            let number = number()?;
            if flags.plus && number >= 0 { format!("+{number}") } else { number.to_string() }
        }
        'x' => format!("{}{:x}", if flags.alternate { "0x" } else { "" }, number()?),
        'X' => format!("{}{:X}", if flags.alternate { "0X" } else { "" }, number()?),
        'o' => format!("{}{:o}", if flags.alternate { "0" } else { "" }, number()?),
        'f' | 'F' => {
            let value: f64 = value.trim().parse().unwrap_or(0.0);
            let precision = flags.precision.unwrap_or(6).min(64);
            format!("{value:.precision$}")
        }
        'g' | 'e' => value.trim().parse::<f64>().unwrap_or(0.0).to_string(),
        _ => return None,
    };
    let missing = flags.width.saturating_sub(body.chars().count());
    if missing == 0 {
        return Some(body);
    }
    Some(match (flags.left, flags.zero && numeric) {
        (true, _) => format!("{body}{}", " ".repeat(missing)),
        (_, true) => match body.strip_prefix('-') {
            Some(digits) => format!("-{}{digits}", "0".repeat(missing)),
            None => format!("{}{body}", "0".repeat(missing)),
        },
        _ => format!("{}{body}", " ".repeat(missing)),
    })
}
