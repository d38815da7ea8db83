//! Any bytes behind the magic of each compression.
#![no_main]

use lazaret_model::Budget;
use lazaret_oci::{NestedBudget, sniff, walk};
use libfuzzer_sys::fuzz_target;

const MAGIC: [&[u8]; 5] = [
    b"\x1f\x8b\x08\0\0\0\0\0\0\x03",
    b"\x28\xb5\x2f\xfd",
    b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4\x46",
    b"BZh9",
    b"\x50\x2a\x4d\x18",
];

fuzz_target!(|data: &[u8]| {
    let Some((choice, rest)) = data.split_first() else { return };
    let bytes = match MAGIC.get(*choice as usize) {
        Some(magic) => [magic, rest].concat(),
        None => rest.to_vec(),
    };
    let budget = Budget { nested_bytes: 32 << 20, whole_file: 1 << 18, ..Budget::default() };
    if let Some(format) = sniff(&bytes) {
        walk(&bytes, format, &NestedBudget::new(&budget, None), &mut |_| {});
    }
});
