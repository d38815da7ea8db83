//! A table of indicators for spreadsheets and for import elsewhere (RFC 4180).

use lazaret_model::{Campaign, one_line};

use super::members::{self, Names};
use super::shape;

/// Characters of one cell: what spreadsheets hold is 32,767.
const MOST: usize = 4_000;

/// What members have in common, then the digests of the images themselves.
pub fn render(campaign: &Campaign) -> String {
    let names = Names::of(campaign);
    let mut rows: Vec<[String; 10]> = vec![
        ["kind", "value", "bits", "images", "elsewhere", "alone", "why", "place", "members", "campaign"]
            .map(str::to_owned),
    ];
    let id = one_line(&campaign.id, 100);
    for shared in campaign.shared.iter().chain(&campaign.lone) {
        rows.push([
            shared.indicator.kind.name().to_owned(),
            cell(&shared.indicator.value),
            if shared.bits.is_finite() { format!("{:.3}", shared.bits.max(0.0)) } else { String::new() },
            shared.members.len().to_string(),
            shared.elsewhere.to_string(),
            if shape::speaks_alone(shared) { "yes" } else { "no" }.to_owned(),
            cell(&shared.why),
            cell(&shared.place),
            cell(&names.list(&shared.members, 50)),
            cell(&id),
        ]);
    }
    for member in &campaign.members {
        for digest in member.accused() {
            let kind = if *digest == member.digest { "image" } else { "manifest" };
            rows.push([
                kind.to_owned(),
                digest.to_string(),
                String::new(),
                "1".to_owned(),
                "0".to_owned(),
                "yes".to_owned(),
                cell(&member.why),
                String::new(),
                cell(&members::member_reference(member)),
                cell(&id),
            ]);
        }
    }
    let mut writer = ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(Vec::new());
    for row in rows {
        // Writing into memory fails only for rows of unequal length, and these are arrays.
        let _ = writer.write_record(row);
    }
    let bytes = writer.into_inner().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Text that no spreadsheet takes for a formula: an apostrophe stands before what would start one, also
/// after quotes and spaces, which some programs take off, and after a semicolon, at which programs of
/// many countries begin a new cell.
fn cell(text: &str) -> String {
    let text = one_line(text, MOST);
    let mut out = String::with_capacity(text.len() + 1);
    for (at, part) in text.split(';').enumerate() {
        if at > 0 {
            out.push(';');
        }
        let first = part.trim_start_matches(|c: char| c.is_whitespace() || "\"'".contains(c)).chars().next();
        if first.is_some_and(|c| "=+-@|%\\＝＋－＠".contains(c)) {
            out.push('\'');
        }
        out.push_str(part);
    }
    one_line(&out, MOST + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_begins_a_formula_wherever_a_program_lets_it_begin() {
        for (text, shown) in [
            ("plain; text", "plain; text"),
            ("=1+1", "'=1+1"),
            (" \"=1+1", "' \"=1+1"),
            ("\u{a0}=1+1", "'\u{a0}=1+1"),
            ("\u{3000}＝1", "'\u{3000}＝1"),
            ("a.example;=cmd|x;b", "a.example;'=cmd|x;b"),
            ("a;\" @x", "a;'\" @x"),
            ("\t=1", "'\\t=1"),
        ] {
            assert_eq!(cell(text), shown);
        }
    }
}
