//! What drawings share: text that is cut to its room, and numbers as SVG has them.

use lazaret_model::visible;
use unicode_width::UnicodeWidthChar;

/// `text`, neutral, in at most `columns` columns of a font of fixed width.
pub fn cut(text: &str, columns: usize) -> String {
    let text = visible(text);
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide > columns {
            while used + 1 > columns {
                used -= out.pop().and_then(UnicodeWidthChar::width).unwrap_or(1);
            }
            out.push('…');
            return out;
        }
        out.push(c);
        used += wide;
    }
    out
}

/// The same, with what is in the middle left out: values that begin alike end differently.
pub fn cut_middle(text: &str, columns: usize) -> String {
    let text = visible(text);
    let ascii = text.is_ascii();
    if !ascii || text.len() <= columns || columns < 8 {
        return cut(&text, columns);
    }
    let tail = columns / 3;
    format!("{}…{}", &text[..columns - tail - 1], &text[text.len() - tail..])
}

/// A coordinate with one decimal.
pub fn at(value: f64) -> String {
    format!("{value:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_to_columns_and_not_to_characters() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abcde…");
        assert_eq!(cut("漢字漢字", 5), "漢字…");
        assert_eq!(cut("漢字漢字", 4), "漢…");
        assert_eq!(cut_middle("abcdefghijklmnop", 9), "abcde…nop");
    }
}
