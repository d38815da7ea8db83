//! Any content, searched for SSH public keys.
#![no_main]

mod analyzer;

use std::sync::LazyLock;

use lazaret_detect::Examiner;
use libfuzzer_sys::fuzz_target;

static EXAMINER: LazyLock<Examiner> = LazyLock::new(|| Examiner::only(&["ssh-key"]));

fuzz_target!(|data: &[u8]| analyzer::examine(&EXAMINER, b"", data));
