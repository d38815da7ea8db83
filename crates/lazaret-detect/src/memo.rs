//! Answers that depend on a text alone, kept for the next time.
//!
//! The images of one base hold the same scripts, which state the same behaviours: a worker that judges
//! many images would read the same text again for each of them.

use std::collections::HashMap;

/// What stands for a text: its BLAKE3 hash, so that nobody can write a text that gets another one's
/// answer.
pub(crate) type Key = [u8; 32];

/// What is kept of the events that rules are asked about, and of the behaviours that they tell of.
pub(crate) const EVENT: u64 = 0;
pub(crate) const BEHAVIOUR: u64 = 1;

/// The key of a text, and of what else the answer depends on.
pub(crate) fn key(text: &[u8], beside: u64) -> Key {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&beside.to_le_bytes()).update(text);
    *hasher.finalize().as_bytes()
}

/// Answers by key, bounded by the bytes that they are said to take.
pub(crate) struct Memo<T> {
    known: HashMap<Key, T>,
    held: usize,
    most: usize,
}

/// Bytes that an entry takes besides.
const ENTRY: usize = 128;

impl<T: Clone> Memo<T> {
    /// An empty one that holds so many bytes of answers.
    pub(crate) fn new(most: usize) -> Self {
        Self { known: HashMap::new(), held: 0, most }
    }

    pub(crate) fn get(&self, key: &Key) -> Option<T> {
        self.known.get(key).cloned()
    }

    /// Keeps an answer. `bytes` is about what it takes, or the length of its text where the one grows with the
    /// other. Where there are too many, all others go: who comes next asks mostly for what the one before
    /// asked for.
    pub(crate) fn put(&mut self, key: Key, bytes: usize, answer: &T) {
        let weight = bytes + ENTRY;
        if weight > self.most / 4 {
            return;
        }
        if self.held + weight > self.most {
            self.known.clear();
            self.held = 0;
        }
        if self.known.insert(key, answer.clone()).is_none() {
            self.held += weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_stays_below_its_bound_and_is_told_apart() {
        let mut memo = Memo::new(4 * (ENTRY + 100));
        for number in 0..1000_u64 {
            memo.put(key(b"text", number), 90, &number);
            assert!(memo.held <= memo.most && memo.known.len() <= 4);
            assert_eq!(memo.get(&key(b"text", number)), Some(number));
        }
        memo.put(key(b"long", 0), 10_000, &7);
        assert_eq!(memo.get(&key(b"long", 0)), None);
        assert_eq!(memo.get(&key(b"other", 999)), None);
    }
}
