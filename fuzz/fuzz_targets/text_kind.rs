//! Any content: what kind of text it is.
#![no_main]

mod analyzer;

use std::sync::LazyLock;

use lazaret_detect::Examiner;
use libfuzzer_sys::fuzz_target;

static EXAMINER: LazyLock<Examiner> = LazyLock::new(|| Examiner::only(&["text"]));

fuzz_target!(|data: &[u8]| analyzer::examine(&EXAMINER, b"", data));
