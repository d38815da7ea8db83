//! JSON that is safe to look at.

use std::borrow::Cow;

use lazaret_model::visible;
use serde::Serialize;

/// `value` as indented JSON with a line break at its end, in which nothing acts on a terminal.
pub fn pretty(value: &impl Serialize) -> String {
    let text =
        serde_json::to_string_pretty(value).expect("own types have string keys and no failing serialiser");
    let mut out = escape(&text);
    out.push('\n');
    out
}

/// `value` as JSON on one line with a line break at its end.
pub fn compact(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).expect("own types have string keys and no failing serialiser");
    let mut out = escape(&text);
    out.push('\n');
    out
}

/// JSON escapes control characters only below U+0020. The others that act on a terminal or turn
/// a line around (C1 controls, bidirectional controls, …) can stand only inside strings, where
/// `\uXXXX` says the same, so the value is untouched and the text is safe to print.
fn escape(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut buffer = [0u8; 4];
    for c in json.chars() {
        // The line breaks of indented JSON are outside of strings and stay.
        let acts = c >= '\u{7f}' && matches!(visible(c.encode_utf8(&mut buffer)), Cow::Owned(_));
        if acts {
            let mut units = [0u16; 2];
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_acts_is_escaped_and_the_value_stays() {
        let hostile = "a\u{1b}[31m\u{9b}\u{202e}\u{7f}\u{e0041}\u{2028}ü漢";
        let json = compact(&hostile);
        assert!(json.trim_end().chars().all(|c| !c.is_control()), "{json}");
        assert!(!json.contains(['\u{202e}', '\u{e0041}', '\u{2028}']));
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), hostile);
    }
}
