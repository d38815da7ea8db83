//! Text from an image, made safe to show.

use std::borrow::Cow;

/// Whether a character could act on a terminal or reorder a line instead of being seen:
/// control characters, bidirectional controls (Unicode UAX #9; the "Trojan Source" set),
/// zero-width and other invisible format characters, tags and private use.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff0}'..='\u{fffc}' | '\u{fffe}'..='\u{ffff}' | '\u{e000}'..='\u{f8ff}'
            | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..='\u{10ffff}')
}

/// `text` with every character that could act on a terminal written as an escape (`\x1b`,
/// `\u{202e}`); new lines become `\n`, so the result is always one line.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if acts(c) && (c as u32) < 0x80 => out.push_str(&format!("\\x{:02x}", c as u32)),
            c if acts(c) => out.push_str(&format!("\\u{{{:x}}}", c as u32)),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// [`visible`], cut to at most `most` characters with `…` where something was cut.
pub fn one_line(text: &str, most: usize) -> String {
    let shown = visible(text);
    if shown.chars().count() <= most {
        return shown.into_owned();
    }
    let mut out: String = shown.chars().take(most.saturating_sub(1)).collect();
    out.push('…');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_an_image_can_act_on_a_terminal() {
        assert_eq!(visible("plain ünïcode"), "plain ünïcode");
        assert_eq!(visible("\u{1b}]0;x\u{7}\u{202e}gpj\n"), "\\x1b]0;x\\x07\\u{202e}gpj\\n");
        assert_eq!(visible("\u{9b}31m"), "\\u{9b}31m");
        assert_eq!(one_line("abcdef", 4), "abc…");
    }
}
