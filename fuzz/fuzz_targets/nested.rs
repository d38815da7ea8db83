//! Any archive, with archives in it.
#![no_main]

use lazaret_model::Budget;
use lazaret_oci::{NestedBudget, sniff, walk, walk_stream};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some(format) = sniff(data) else { return };
    let budget = Budget { nested_bytes: 32 << 20, whole_file: 1 << 18, entries: 20_000, ..Budget::default() };
    walk(data, format, &NestedBudget::new(&budget, None), &mut |member| {
        assert!(!member.inside.is_empty());
        assert!(member.offset + member.bytes.len() as u64 <= member.size);
    });
    walk_stream(data, data.len() as u64, format, &NestedBudget::new(&budget, None), &mut |_| {});
});
