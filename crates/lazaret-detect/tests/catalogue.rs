//! The page that says which rule sees which technique names rules that there are.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use lazaret_detect::{CHECKS, Pack};

/// Findings that compare an image with something beside it, and are made after it was judged.
const LATER: &[&str] = &["stealth/one-platform-differs", "stealth/false-base"];

#[test]
fn every_rule_that_the_catalogue_names_is_there_and_every_row_is() {
    let page = include_str!("../../../docs/CATALOGUE.md");
    let pack = Pack::load(&[], None).unwrap();
    let mut known: BTreeSet<String> = pack.rules().iter().map(|rule| rule.rule.id.clone()).collect();
    known.extend(CHECKS.iter().map(|check| check.rule().id));
    known.extend(LATER.iter().map(|id| (*id).to_owned()));
    let rows: Vec<&str> =
        page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| #")).collect();
    assert_eq!(rows.len(), 60);
    for (number, row) in rows.iter().enumerate() {
        assert!(row.starts_with(&format!("| {} |", number + 1)), "{row}");
        let named = row.split('`').skip(1).step_by(2).filter(|word| {
            let mut parts = word.split('/');
            matches!((parts.next(), parts.next(), parts.next()), (Some(a), Some(b), None) if !a.is_empty() && b.len() > 3)
        });
        for id in named {
            assert!(known.contains(id), "row {} names `{id}`, which is no rule", number + 1);
        }
    }
}
