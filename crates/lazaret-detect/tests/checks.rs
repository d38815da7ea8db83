//! Every check fires on its examples and on none of its near-misses.
#![allow(clippy::unwrap_used)]

use lazaret_detect::{CHECKS, Pack, try_recipe};
use lazaret_recipe::Recipe;

fn fired(pack: &Pack, text: &str) -> Vec<String> {
    let recipe = Recipe::parse(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    try_recipe(pack, &recipe).findings.into_iter().map(|finding| finding.rule.id).collect()
}

#[test]
fn checks_fire_on_their_examples() {
    let pack = Pack::load(&[], None).unwrap();
    for check in CHECKS {
        let id = check.rule().id;
        assert!(!check.fires().is_empty(), "{id} has no example that must fire");
        for text in check.fires() {
            let fired = fired(&pack, text);
            assert!(fired.contains(&id), "{id} stays quiet on\n{text}\nwhat fires: {fired:?}");
        }
    }
}

#[test]
fn checks_stay_quiet_on_their_near_misses() {
    let pack = Pack::load(&[], None).unwrap();
    for check in CHECKS {
        let id = check.rule().id;
        assert!(!check.quiet().is_empty(), "{id} has no near-miss");
        for text in check.quiet() {
            assert!(!fired(&pack, text).contains(&id), "{id} fires on\n{text}");
        }
    }
}

#[test]
fn check_ids_are_unique_and_lie_under_a_tactic() {
    let mut ids: Vec<String> = CHECKS.iter().map(|c| c.rule().id).collect();
    assert!(ids.iter().all(|id| id.contains('/')));
    ids.sort();
    let before = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), before);
}
