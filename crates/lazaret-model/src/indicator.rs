use std::fmt;

use serde::{Deserialize, Serialize};

/// What kind of thing ties images to an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum IndicatorKind {
    /// A cryptocurrency address whose checksum is right. The value is prefixed by its currency:
    /// `xmr:4…`.
    Wallet,
    /// A mining pool: `scheme://host:port`, or `host:port` beside miner options.
    Pool,
    /// A login at a pool that is no wallet (`user.worker`).
    PoolLogin,
    /// A host name or address that the image contacts or names as a target.
    Host,
    /// A full address with scheme and path.
    Url,
    /// An SSH public key: `type base64`, without its comment.
    SshKey,
    /// SHA-256 of a script or executable.
    FileHash,
    /// A fuzzy hash (TLSH) of a file.
    FuzzyHash,
    /// A user name, host name or path of the machine that built the image.
    BuilderTrace,
}

impl IndicatorKind {
    /// The name used in reports and exports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wallet => "wallet",
            Self::Pool => "pool",
            Self::PoolLogin => "pool-login",
            Self::Host => "host",
            Self::Url => "url",
            Self::SshKey => "ssh-key",
            Self::FileHash => "file-hash",
            Self::FuzzyHash => "fuzzy-hash",
            Self::BuilderTrace => "builder-trace",
        }
    }
}

/// Something that can be looked for in other images.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Indicator {
    /// What it is.
    pub kind: IndicatorKind,
    /// Its normal form: equal things have equal values.
    pub value: String,
}

impl Indicator {
    /// An indicator of `kind`.
    pub fn new(kind: IndicatorKind, value: impl Into<String>) -> Self {
        Self { kind, value: value.into() }
    }
}

impl fmt::Display for Indicator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.name(), crate::visible(&self.value))
    }
}
