use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::RetryPolicy;

/// Longest wait that is told from a longer one: a hundred years, in seconds.
const VERY_LONG: u64 = 100 * 365 * 24 * 3600;

/// Whether a status can pass by itself.
pub(crate) fn may_pass(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

impl RetryPolicy {
    /// Whether what was tried so often, and for so long, is tried no more.
    pub(crate) fn ends(&self, tries: u32, lasted: Duration) -> bool {
        tries >= self.tries.max(1) || lasted > self.longest_in_all
    }

    /// The wait after failed try number `failed` (the first is 1), without a server's advice.
    pub(crate) fn wait(&self, failed: u32) -> Duration {
        let doubled = self.first_wait.saturating_mul(1 << failed.saturating_sub(1).min(16));
        let most = doubled.min(self.longest_wait);
        // A fresh RandomState is seeded by the system: enough to spread clients, not a secret.
        let random = RandomState::new().build_hasher().finish();
        most / 2 + (most / 2).mul_f64((random >> 11) as f64 / (1_u64 << 53) as f64)
    }
}

/// What a `Retry-After` header asks for (RFC 9110, 10.2.3: seconds or a date).
pub(crate) fn retry_after(headers: &HeaderMap, now: OffsetDateTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // What no number holds is very long as well.
        return Some(Duration::from_secs(text.parse().unwrap_or(VERY_LONG).min(VERY_LONG)));
    }
    // An HTTP date is an RFC 2822 date whose zone is written GMT.
    let date = OffsetDateTime::parse(&text.replace("GMT", "+0000"), &Rfc2822).ok()?;
    Some(Duration::try_from(date - now).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_wait_doubles_within_its_bounds() {
        let policy = RetryPolicy::default();
        for failed in 1..40 {
            let most = policy.first_wait.saturating_mul(1 << (failed - 1).min(16)).min(policy.longest_wait);
            let wait = policy.wait(failed);
            assert!(wait >= most / 2 && wait <= most, "{failed}: {wait:?}");
        }
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        let now = OffsetDateTime::from_unix_timestamp(784_111_770).unwrap();
        let ask = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().unwrap());
            retry_after(&headers, now)
        };
        assert_eq!(ask("7"), Some(Duration::from_secs(7)));
        assert_eq!(ask("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::from_secs(7)));
        assert_eq!(ask("Sun, 06 Nov 1994 08:49:00 GMT"), Some(Duration::ZERO));
        for huge in ["99999999999999999999", "18446744073709551615", "3153600001"] {
            assert_eq!(ask(huge), Some(Duration::from_secs(VERY_LONG)), "{huge}");
        }
        assert_eq!(ask("soon"), None);
        assert_eq!(ask("-3"), None);
    }
}
