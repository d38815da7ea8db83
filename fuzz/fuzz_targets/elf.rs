//! Any program: what follows the magic of an ELF file.
#![no_main]

mod analyzer;

use std::sync::LazyLock;

use lazaret_detect::Examiner;
use libfuzzer_sys::fuzz_target;

static EXAMINER: LazyLock<Examiner> = LazyLock::new(|| Examiner::only(&["elf"]));

fuzz_target!(|data: &[u8]| analyzer::examine(&EXAMINER, b"\x7fELF", data));
