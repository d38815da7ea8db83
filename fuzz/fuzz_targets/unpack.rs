//! Any program: what a packer hid in it and what was put into it, within a budget.
#![no_main]

use lazaret_detect::open_program;
use libfuzzer_sys::fuzz_target;

/// Small, so that it is reached.
const MOST: usize = 1 << 16;

fuzz_target!(|data: &[u8]| {
    let bytes = [b"\x7fELF", data].concat();
    for (name, inner) in open_program(&bytes, MOST) {
        assert!(name.starts_with('('), "{name}");
        assert!(inner.len() <= 2 * MOST + bytes.len(), "{name} has {} bytes", inner.len());
    }
});
