//! Archives that a step unpacks: what is in them is there for the steps after.

use lazaret_model::Budget;
use lazaret_oci::{ArchiveFormat, NestedBudget, sniff, walk};

use crate::shell::{Know, Value};

/// Members of one archive that are followed.
const MOST_MEMBERS: usize = 512;
/// The longest member that is kept.
const LONGEST: usize = 1 << 20;
/// All members of one archive together, in bytes, archives in it included.
const MOST_BYTES: u64 = 16 << 20;

/// The files in an archive by their names, in its order, as far as they are worth to follow:
/// texts and small programs. What is damaged or too much is left out; that the archive was not
/// read whole stands in the report of the layer, or nothing of it was known.
pub(crate) fn members(bytes: &[u8]) -> Vec<(String, Value)> {
    let Some(format) = sniff(bytes) else { return Vec::new() };
    let limits = Budget { nested_bytes: MOST_BYTES, entries: 20_000, ..Budget::default() };
    let budget = NestedBudget::new(&limits, None);
    // A compressed archive shows the archive in it as its only member. Archives among the members
    // stay files: nothing unpacked those.
    use ArchiveFormat::{Bzip2, Gzip, Xz, Zstd};
    let level = if matches!(format, Gzip | Xz | Zstd | Bzip2) { 2 } else { 1 };
    let mut out: Vec<(String, Value)> = Vec::new();
    walk(bytes, format, &budget, &mut |member| {
        let whole = member.offset == 0 && member.bytes.len() as u64 == member.size;
        let Some(name) = member.inside.last().filter(|_| whole && member.inside.len() == level) else {
            return;
        };
        let fits = member.bytes.len() <= LONGEST && out.len() < MOST_MEMBERS;
        if fits && !name.ends_with('/') {
            out.push((name.clone(), Value::from_bytes(member.bytes, Know::Sure)));
        }
    });
    out
}
