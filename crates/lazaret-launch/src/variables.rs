//! `$NAME` and `${NAME…}` in compose files and Dockerfiles.

/// Depth of defaults inside defaults.
const DEPTH: u32 = 16;
/// Bytes of one text after substitution.
const LONGEST: usize = 1 << 20;

/// Substitutes variables the way compose and Dockerfiles do: `$X`, `${X}`, `${X:-default}`,
/// `${X-default}`, `${X:+other}`, `${X+other}`, `${X:?error}`; `$$` is a dollar where `dollars`
/// (compose), `\$` where not (Dockerfiles). A variable without a value stays as written, so that
/// it reads as unknown.
pub(crate) fn substitute(text: &str, dollars: bool, value: &dyn Fn(&str) -> Option<String>) -> String {
    inner(text, dollars, value, 0)
}

fn inner(text: &str, dollars: bool, value: &dyn Fn(&str) -> Option<String>, depth: u32) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['$', '\\']) {
        if out.len() > LONGEST {
            return out;
        }
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix('\\') {
            if !dollars && after.starts_with('$') {
                out.push('$');
                rest = &after[1..];
            } else {
                out.push('\\');
                rest = after;
            }
            continue;
        }
        let after = &rest[1..];
        if dollars && after.starts_with('$') {
            out.push('$');
            rest = &after[1..];
        } else if let Some(body) = after.strip_prefix('{') {
            let Some(end) = closing(body) else {
                out.push_str(rest);
                return out;
            };
            let whole = &body[..end];
            let name_end =
                whole.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(whole.len());
            let (name, operator) = whole.split_at(name_end);
            out.push_str(&braced(name, operator, &rest[..end + 3], dollars, value, depth));
            rest = &body[end + 1..];
        } else {
            let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(after.len());
            let name = &after[..end];
            match (name.is_empty(), value(name)) {
                (false, Some(found)) => out.push_str(&found),
                _ => out.push_str(&rest[..=end]),
            }
            rest = &after[end..];
        }
    }
    out.push_str(rest);
    out
}

fn braced(
    name: &str,
    operator: &str,
    written: &str,
    dollars: bool,
    value: &dyn Fn(&str) -> Option<String>,
    depth: u32,
) -> String {
    let found = value(name);
    let filled = found.as_ref().is_some_and(|v| !v.is_empty());
    let (sign, word) = match operator.strip_prefix(':') {
        Some(rest) => (rest.chars().next().map(|c| (c, true)), rest.get(1..).unwrap_or_default()),
        None => (operator.chars().next().map(|c| (c, false)), operator.get(1..).unwrap_or_default()),
    };
    let deeper = |word: &str| {
        if depth >= DEPTH { word.to_owned() } else { inner(word, dollars, value, depth + 1) }
    };
    match sign {
        None => found.unwrap_or_else(|| written.to_owned()),
        Some(('-', true)) if !filled => deeper(word),
        Some(('-', false)) if found.is_none() => deeper(word),
        Some(('+', true)) => {
            if filled {
                deeper(word)
            } else {
                String::new()
            }
        }
        Some(('+', false)) => {
            if found.is_some() {
                deeper(word)
            } else {
                String::new()
            }
        }
        Some(_) => found.unwrap_or_else(|| written.to_owned()),
    }
}

/// The position of the brace that closes, nested ones passed over.
fn closing(text: &str) -> Option<usize> {
    let mut open = 0_u32;
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'{' if at > 0 && bytes[at - 1] == b'$' => open += 1,
            b'}' if open == 0 => return Some(at),
            b'}' => open -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_take_their_value_or_their_default() {
        let value = |name: &str| match name {
            "A" => Some("1".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        for (text, expected) in [
            ("$A/${A}x", "1/1x"),
            ("${B:-two}", "two"),
            ("${EMPTY:-two}${EMPTY-three}", "two"),
            ("${B:-${A}}", "1"),
            ("${A:+yes}${B:+no}", "yes"),
            ("${B:?must be set}", "${B:?must be set}"),
            ("$B/$$A", "$B/$A"),
            ("100%", "100%"),
            ("${A", "${A"),
            ("$", "$"),
        ] {
            assert_eq!(substitute(text, true, &value), expected, "{text}");
        }
        assert_eq!(substitute("\\$A $A", false, &value), "$A 1");
    }
}
