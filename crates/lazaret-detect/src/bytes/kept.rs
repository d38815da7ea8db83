//! The compiled byte rules as bytes, to be kept between runs.

use lazaret_model::LeftOutRule;

/// What was compiled before, if this engine takes it.
pub(super) fn from_bytes(body: &[u8]) -> Option<(Vec<yara_x::Rules>, Vec<LeftOutRule>)> {
    let (left_out, mut rest) = part(body)?;
    let mut shards = Vec::new();
    while !rest.is_empty() {
        let (compiled, after) = part(rest)?;
        shards.push(yara_x::Rules::deserialize(compiled).ok()?);
        rest = after;
    }
    Some((shards, serde_json::from_slice(left_out).ok()?))
}

/// None where the engine cannot say what it compiled.
pub(super) fn to_bytes(shards: &[yara_x::Rules], left_out: &[LeftOutRule]) -> Option<Vec<u8>> {
    let notes = serde_json::to_vec(left_out).ok()?;
    let compiled: Result<Vec<_>, _> = shards.iter().map(yara_x::Rules::serialize).collect();
    let mut body = Vec::new();
    for part in std::iter::once(&notes).chain(&compiled.ok()?) {
        body.extend_from_slice(&(part.len() as u64).to_le_bytes());
        body.extend_from_slice(part);
    }
    Some(body)
}

/// The next part, which is led by its length, and what follows it.
fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)
}
