//! Numbers under which a request is found again: in its answer, in the log and in the audit log.

use std::sync::atomic::{AtomicU64, Ordering};

use data_encoding::HEXLOWER;

/// The number of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestId(pub(crate) String);

/// Numbers that no other process gives: a random beginning, and a count.
pub(crate) struct RequestIds {
    beginning: String,
    given: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new() -> Self {
        let mut random = [0; 6];
        if getrandom::fill(&mut random).is_err() {
            // Numbers are no secret; the process's own still tells replicas on one machine apart.
            random[..4].copy_from_slice(&std::process::id().to_be_bytes());
        }
        Self { beginning: HEXLOWER.encode(&random), given: AtomicU64::new(0) }
    }

    pub(crate) fn next(&self) -> RequestId {
        let count = self.given.fetch_add(1, Ordering::Relaxed) + 1;
        RequestId(format!("{}-{count}", self.beginning))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_is_given_twice_by_any_process() {
        let (one, other) = (RequestIds::new(), RequestIds::new());
        let given = [one.next(), one.next(), other.next(), other.next()];
        assert!(given.iter().enumerate().all(|(at, id)| !given[..at].contains(id)), "{given:?}");
    }
}
