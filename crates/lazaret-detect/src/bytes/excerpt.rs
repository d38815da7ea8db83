/// Longest excerpt of a match, in characters.
const LONGEST: usize = 200;

/// What is shown on each side of one matched string, in bytes.
const BESIDE: usize = 40;

/// The run of text around a match: up to the nearest line end, NUL or other control byte.
fn run(bytes: &[u8], start: usize, end: usize) -> (usize, usize) {
    let text = |b: u8| b == b'\t' || (b >= b' ' && b != 0x7f);
    let before = bytes[start.saturating_sub(BESIDE)..start].iter().rev().take_while(|&&b| text(b)).count();
    let after = bytes[end..bytes.len().min(end + BESIDE)].iter().take_while(|&&b| text(b)).count();
    (start - before, end + after)
}

/// What matched, as text: the matched places in the order given, each with the text around it,
/// joined by ` … `; at most 200 characters. Bytes that are no text become `.`.
pub(super) fn of(bytes: &[u8], places: impl Iterator<Item = (usize, usize)>) -> String {
    let mut out = String::new();
    let mut shown: Vec<(usize, usize)> = Vec::new();
    for (start, end) in places {
        if shown.iter().any(|&(from, to)| from <= start && end <= to) {
            continue;
        }
        let (from, to) = run(bytes, start, end.min(start + LONGEST).min(bytes.len()));
        let piece: String = String::from_utf8_lossy(&bytes[from..to])
            .chars()
            .map(|c| {
                if c == '\t' || c == '\n' {
                    ' '
                } else if c.is_control() || c == '\u{fffd}' {
                    '.'
                } else {
                    c
                }
            })
            .collect();
        let (piece, length) = (piece.trim(), out.chars().count());
        let joint = if out.is_empty() { "" } else { " … " };
        if length + joint.chars().count() + 8 > LONGEST {
            break;
        }
        out.push_str(joint);
        out.extend(piece.chars().take(LONGEST - length - joint.chars().count()));
        shown.push((from, to));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_around_a_match_is_shown_and_nothing_of_the_next_line() {
        let text = b"first\nbefore MATCH after\nlast";
        assert_eq!(of(text, [(13, 18)].into_iter()), "before MATCH after");
    }

    #[test]
    fn several_places_are_joined_and_one_line_is_shown_once() {
        let text = b"\0alpha\0\x01beta gamma\0";
        assert_eq!(of(text, [(1, 6), (8, 12), (13, 18)].into_iter()), "alpha … beta gamma");
    }

    #[test]
    fn an_excerpt_has_at_most_two_hundred_characters() {
        let text = "ü".repeat(4000);
        assert!(of(text.as_bytes(), [(0, 3000), (3500, 3600)].into_iter()).chars().count() <= 200);
        assert_eq!(of(b"\x7fELF", [(0, 4)].into_iter()), ".ELF");
    }

    #[test]
    fn every_place_in_rubbish_gives_a_short_line_without_control_characters() {
        let mut seed = 7u32;
        let mut rubbish = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Half of it text, so that lines, runs and broken UTF-8 all occur.
            if seed >> 31 == 0 { (seed >> 16) as u8 } else { b"ab \n\t\0"[(seed >> 16) as usize % 6] }
        };
        let bytes: Vec<u8> = (0..300).map(|_| rubbish()).collect();
        for start in 0..=bytes.len() {
            for end in start..=bytes.len() {
                let out = of(&bytes, [(start, end), (start / 2, end)].into_iter());
                assert!(out.chars().count() <= LONGEST, "{start}..{end}: {out:?}");
                assert!(!out.chars().any(char::is_control), "{start}..{end}: {out:?}");
            }
        }
    }
}
