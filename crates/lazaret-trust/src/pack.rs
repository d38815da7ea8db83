//! From a file to a feed that may be believed, and from a feed to a file.

use aws_lc_rs::digest::{SHA256, digest};
use lazaret_model::Digest;
use time::{Duration, OffsetDateTime};

use crate::{Envelope, Feed, FeedError, KeyError, KeyId, PAYLOAD_TYPE, Pins, SigningKey, instant};

/// Bytes of a pack.
pub const MAX_PACK_BYTES: u64 = 64 << 20;

/// How far the clocks of two machines may be apart.
const SKEW: Duration = Duration::hours(24);

/// A feed that a pinned key vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pack {
    /// What it says.
    pub feed: Feed,
    /// Who signed it.
    pub signer: KeyId,
    /// SHA-256 of what was signed.
    pub digest: Digest,
}

/// The highest version of a feed that was taken before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// Which version.
    pub version: u64,
    /// Of what content.
    pub digest: Digest,
}

/// Signs a feed: the text of a pack.
///
/// # Errors
/// The key cannot sign.
pub fn seal(feed: &Feed, key: &SigningKey) -> Result<String, KeyError> {
    Ok(Envelope::sign(PAYLOAD_TYPE, feed.encode(), key)?.encode())
}

/// Opens a pack: its signature first, then what it says. Whether it has expired is left to
/// [`Pack::check_time`], and whether it is a step back to [`admit`].
///
/// # Errors
/// Everything that [`FeedError`] lists but those two.
pub fn open(bytes: &[u8], pins: &Pins) -> Result<Pack, FeedError> {
    let length = bytes.len() as u64;
    if length > MAX_PACK_BYTES {
        return Err(FeedError::TooLarge(length, MAX_PACK_BYTES));
    }
    let envelope = Envelope::parse(bytes)?;
    if pins.is_empty() {
        return Err(FeedError::NothingPinned);
    }
    let signers = envelope.signed_by(pins.keys());
    let Some(first) = signers.first() else {
        return Err(FeedError::NotSignedByPinned(envelope.named_keys()));
    };
    // Known keys only now: what somebody else signed says nothing about what it is.
    if envelope.payload_type != PAYLOAD_TYPE {
        let found = lazaret_model::one_line(&envelope.payload_type, 80);
        return Err(FeedError::OtherType(found, PAYLOAD_TYPE));
    }
    let feed = Feed::decode(&envelope.payload)?;
    // Of several who signed, the one who may do most: what he may, he may also in company.
    let vouching = signers.iter().filter(|key| pins.vouches(key, feed.name()));
    let Some(signer) = vouching.min_by_key(|key| !pins.may_allow(&key.id(), feed.name())) else {
        return Err(FeedError::OtherName {
            name: feed.name().to_owned(),
            key: first.id().short().to_owned(),
        });
    };
    let mut sum = [0; 32];
    sum.copy_from_slice(digest(&SHA256, &envelope.payload).as_ref());
    Ok(Pack { signer: signer.id(), digest: Digest::sha256(&sum), feed })
}

impl Pack {
    /// Whether it counts at `now`.
    ///
    /// # Errors
    /// It has expired, or is of a time to come.
    pub fn check_time(&self, now: OffsetDateTime) -> Result<(), FeedError> {
        if now >= self.feed.expires() {
            return Err(FeedError::Expired { expires: instant(self.feed.expires()) });
        }
        if self.feed.created() > now + SKEW {
            return Err(FeedError::NotYet { created: instant(self.feed.created()) });
        }
        Ok(())
    }

    /// What is to be remembered of it.
    pub fn remembered(&self) -> Remembered {
        Remembered { version: self.feed.version(), digest: self.digest.clone() }
    }
}

/// Whether a pack may follow what is remembered of its feed. True where it is new, false where it is
/// the very one that is known.
///
/// # Errors
/// It is older, or its version was seen with other content.
pub fn admit(pack: &Pack, known: Option<&Remembered>) -> Result<bool, FeedError> {
    let Some(known) = known else { return Ok(true) };
    let (name, found) = (pack.feed.name().to_owned(), pack.feed.version());
    match found.cmp(&known.version) {
        std::cmp::Ordering::Greater => Ok(true),
        std::cmp::Ordering::Equal if pack.digest == known.digest => Ok(false),
        std::cmp::Ordering::Equal => Err(FeedError::Changed { name, version: found }),
        std::cmp::Ordering::Less => Err(FeedError::Older { name, found, known: known.version }),
    }
}
