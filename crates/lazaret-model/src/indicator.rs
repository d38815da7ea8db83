use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Class, Confidence, Finding, Location, Severity};

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
    /// SHA-256 of a script.
    ScriptHash,
    /// SHA-256 of an ELF program or library.
    ElfHash,
    /// A fuzzy hash (TLSH) of a script or program: `script T1…`, `elf T1…`.
    FuzzyHash,
    /// The diff id of a layer that brings more than packages.
    Layer,
    /// An unusual environment variable: `NAME=value`.
    Environment,
    /// An unusual label: `name=value`.
    Label,
    /// A user name, host name, path, time zone or tool version of the machine that built the image:
    /// `user dm117`, `group dm117`, `host build7.example`, `path /home/dm117`, `zone +08:00`,
    /// `tool deploy.sh v0.4`.
    BuilderTrace,
}

impl IndicatorKind {
    /// All of them, those that say most of an owner first.
    pub const ALL: [Self; 13] = [
        Self::Wallet,
        Self::SshKey,
        Self::PoolLogin,
        Self::Url,
        Self::Pool,
        Self::Host,
        Self::ScriptHash,
        Self::ElfHash,
        Self::FuzzyHash,
        Self::Layer,
        Self::BuilderTrace,
        Self::Environment,
        Self::Label,
    ];

    /// The name used in reports and exports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wallet => "wallet",
            Self::Pool => "pool",
            Self::PoolLogin => "pool-login",
            Self::Host => "host",
            Self::Url => "url",
            Self::SshKey => "ssh-key",
            Self::ScriptHash => "script-hash",
            Self::ElfHash => "elf-hash",
            Self::FuzzyHash => "fuzzy-hash",
            Self::Layer => "layer",
            Self::Environment => "environment",
            Self::Label => "label",
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

/// A word that names no kind of indicator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no kind of indicator: choose one of {}", crate::visible(.0), IndicatorKind::ALL.map(IndicatorKind::name).join(", "))]
pub struct UnknownIndicatorKind(String);

impl FromStr for IndicatorKind {
    type Err = UnknownIndicatorKind;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == word)
            .ok_or_else(|| UnknownIndicatorKind(word.to_owned()))
    }
}

/// An indicator at a place in an image, whether it speaks against it or not: what the images of one
/// maker may have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Sighting {
    /// What.
    pub indicator: Indicator,
    /// Where.
    pub location: Location,
    /// What it is to the image.
    #[serde(default)]
    pub role: Role,
}

/// What an indicator is to the image that holds it, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It is only spoken of (a manual, a comment, an example): it is nothing that the maker of the image uses,
    /// and whoever holds it makes it known all the same.
    Mentioned,
    /// It stands there, and no finding names it.
    #[default]
    Lies,
    /// A finding names it.
    Named,
    /// A finding names it for what the image does with it, which some want: an open miner and its purse.
    Acts,
    /// A finding names it for harm that the image may do with it.
    Suspected,
    /// A finding names it for harm that the image surely does with it.
    Harms,
}

impl Role {
    /// What a finding that names an indicator makes of it.
    pub fn of(finding: &Finding) -> Self {
        let matters = finding.severity >= Severity::Medium;
        match finding.class {
            Class::Malware if matters && finding.confidence >= Confidence::High => Self::Harms,
            Class::Malware if matters && finding.confidence >= Confidence::Medium => Self::Suspected,
            Class::DualUse if matters && finding.confidence >= Confidence::Medium => Self::Acts,
            _ => Self::Named,
        }
    }

    /// Whether a finding names it.
    pub fn is_named(self) -> bool {
        self >= Self::Named
    }
}

impl fmt::Display for Indicator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.name(), crate::visible(&self.value))
    }
}
