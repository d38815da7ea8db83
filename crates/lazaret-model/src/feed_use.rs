use serde::{Deserialize, Serialize};

/// A signed feed of indicators that was asked about an image, or that could not be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedUse {
    /// Its name; the file, where nothing more is known of it.
    pub name: String,
    /// Its version, 0 where that is not known.
    pub version: u64,
    /// Who made it, in its own words, raw.
    pub issuer: String,
    /// The id of the key that signed it; empty where none that counts did.
    pub signer: String,
    /// When it expires, RFC 3339.
    pub expires: String,
    /// How many of its entries counted.
    pub entries: u64,
    /// Why it, or what part of it, did not count.
    pub not_used: Option<String>,
}

/// The rule of findings that rest on an indicator that a feed denies. It says what others did with the
/// indicator, not what this image does.
pub const DENIED_INDICATOR: &str = "feed/denied-indicator";
