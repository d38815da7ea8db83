//! Any text, searched for every kind of indicator: each stands where it is said to be.
#![no_main]

use lazaret_detect::{indicators_in_text, is_dynamic_dns};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = is_dynamic_dns(text);
    for (at, indicator) in indicators_in_text(text) {
        assert!(at <= text.len() && text.is_char_boundary(at), "{indicator:?} at {at}");
    }
});
