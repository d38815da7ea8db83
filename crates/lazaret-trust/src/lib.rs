//! What is signed: packs of indicators and digests, and the keys that an operator pins.
//!
//! A **feed** is a list of what one team denies or allows, under a name and a version. It travels as a
//! **pack**: one file, a DSSE envelope (Dead Simple Signing Envelope, secure-systems-lab/dsse 1.0.2) over
//! the feed in canonical JSON, signed with Ed25519 (RFC 8032). docs/FEEDS.md is the whole story.
//!
//! # Invariants
//!
//! * Nothing of a payload is read before a pinned key was found to have signed these very bytes.
//! * A key vouches for the feeds for which an operator pinned it, and for no other. The pack itself
//!   decides nothing about trust.
//! * Equal entries give equal bytes, and bytes that another reader could understand otherwise are
//!   refused: a payload counts only if it is what [`Feed::encode`] makes of it.
//! * What time it is and what was seen before are arguments: nothing here asks a clock, a disk or a
//!   network, but for reading and writing key files.

mod entry;
mod envelope;
mod error;
mod feed;
mod instant;
mod key;
mod pack;
mod pins;

pub use entry::{Action, Entry, Subject};
pub use envelope::{Envelope, PAYLOAD_TYPE, Signature, pre_authentication};
pub use error::{FeedError, KeyError, PinError, SubjectError};
pub use feed::{Feed, MAX_ENTRIES, MAX_TEXT, check_name};
pub use instant::{instant, parse_instant};
pub use key::{KeyId, PublicKey, SigningKey};
pub use pack::{MAX_PACK_BYTES, Pack, Remembered, admit, open, seal};
pub use pins::{Others, Pin, Pins};
