//! Finding long runs of one alphabet without looking at every byte.

/// A set of byte values.
pub(crate) type Alphabet = [bool; 256];

/// The alphabet of `members`.
pub(crate) const fn alphabet(members: &[u8]) -> Alphabet {
    let mut set = [false; 256];
    let mut i = 0;
    while i < members.len() {
        set[members[i] as usize] = true;
        i += 1;
    }
    set
}

/// Calls `found(start, end)` for every longest run of bytes of `set` that has at least `min` of
/// them, in order.
///
/// A run of `min` bytes covers one of any `min` consecutive positions, so only every `min`-th
/// byte is tested; around a hit the run is measured in both directions.
pub(crate) fn runs(bytes: &[u8], set: &Alphabet, min: usize, mut found: impl FnMut(usize, usize)) {
    debug_assert!(min > 0);
    let within = |at: usize| set[usize::from(bytes[at])];
    // Every byte before `floor` is known not to belong to a run that has not been reported.
    let mut floor = 0;
    let mut at = min - 1;
    while at < bytes.len() {
        if !within(at) {
            at += min;
            continue;
        }
        let start = (floor..at).rev().find(|&i| !within(i)).map_or(floor, |i| i + 1);
        let end = (at + 1..bytes.len()).find(|&i| !within(i)).unwrap_or(bytes.len());
        if end - start >= min {
            found(start, end);
        }
        floor = end;
        at = end + min;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The obvious way, to compare with.
    fn plain(bytes: &[u8], set: &Alphabet, min: usize) -> Vec<(usize, usize)> {
        let mut out = Vec::new();
        let mut start = None;
        for at in 0..=bytes.len() {
            let inside = at < bytes.len() && set[usize::from(bytes[at])];
            match (inside, start) {
                (true, None) => start = Some(at),
                (false, Some(from)) => {
                    if at - from >= min {
                        out.push((from, at));
                    }
                    start = None;
                }
                _ => {}
            }
        }
        out
    }

    #[test]
    fn strides_miss_no_run() {
        const SET: Alphabet = alphabet(b"abc");
        let mut state = 7u64;
        for round in 0..4000 {
            let length = round % 97;
            let bytes: Vec<u8> = (0..length)
                .map(|_| {
                    state =
                        state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    if (state >> 33) % 9 < 7 { b'a' } else { b' ' }
                })
                .collect();
            for min in [1, 2, 5, 11] {
                let mut got = Vec::new();
                runs(&bytes, &SET, min, |start, end| got.push((start, end)));
                assert_eq!(got, plain(&bytes, &SET, min), "{bytes:?} {min}");
            }
        }
    }
}
