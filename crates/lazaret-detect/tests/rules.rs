//! Every built-in rule keeps its promises: its form, the examples on which it must fire, the
//! near-misses on which it must not.
#![allow(clippy::unwrap_used)]

use lazaret_detect::{Language, Pack, check_examples, try_recipe};

#[test]
fn every_built_in_rule_keeps_its_promises() {
    let pack = Pack::load(&[], None).unwrap();
    let problems = check_examples(&pack, |recipe| {
        Ok(try_recipe(&pack, recipe).findings.into_iter().map(|finding| finding.rule.id).collect())
    });
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(told.is_empty(), "{} problems:\n{}", told.len(), told.join("\n"));
}

#[test]
fn both_languages_have_built_in_rules_and_nothing_of_them_is_left_out() {
    let pack = Pack::load(&[], None).unwrap();
    for language in [Language::Yara, Language::Sigma] {
        assert!(pack.rules().iter().any(|rule| rule.language == language && rule.built_in));
    }
    assert!(pack.left_out().is_empty(), "{:?}", pack.left_out());
}
