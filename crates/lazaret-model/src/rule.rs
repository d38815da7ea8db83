use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a finding says about the maker's intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// A bad habit that harms nobody by itself.
    Hygiene,
    /// Something that others could abuse (a key, an open console).
    Exposure,
    /// A tool that is wanted by some and abused by others, and that says what it is.
    DualUse,
    /// Made to harm whoever runs it.
    Malware,
}

/// How bad it is if it is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Little harm.
    Low,
    /// Harm under conditions.
    Medium,
    /// Harm.
    High,
    /// The host or its credentials are lost.
    Critical,
}

/// How sure we are that it is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// A lead.
    Low,
    /// More likely than not.
    Medium,
    /// Hardly anything else explains it.
    High,
}

/// What a rule says of itself, whatever language it is written in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// `tactic/what-is-seen`, the path of its file without the ending.
    pub id: String,
    /// Completes "this image may …".
    pub title: String,
    /// What, why, and what to do, for a person.
    pub explanation: String,
    /// Class of its findings.
    pub class: Class,
    /// Severity of its findings.
    pub severity: Severity,
    /// Confidence of its findings.
    pub confidence: Confidence,
    /// ATT&CK technique ids, `T1496.001`.
    pub attack: Vec<String>,
    /// Where this is described.
    pub references: Vec<String>,
}

/// A word that names none of the values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{got}` is not one of {expected}")]
pub struct UnknownWord {
    got: String,
    expected: &'static str,
}

macro_rules! words {
    ($type:ty, $all:literal, $($word:literal => $value:ident),+) => {
        impl $type {
            /// The word used in rule files, flags and reports.
            pub fn word(self) -> &'static str {
                match self { $(Self::$value => $word),+ }
            }
        }

        impl FromStr for $type {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                match text {
                    $($word => Ok(Self::$value),)+
                    other => Err(UnknownWord { got: other.to_owned(), expected: $all }),
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }
    };
}

words!(Class, "malware, dual-use, exposure, hygiene",
    "malware" => Malware, "dual-use" => DualUse, "exposure" => Exposure, "hygiene" => Hygiene);
words!(Severity, "critical, high, medium, low, info",
    "critical" => Critical, "high" => High, "medium" => Medium, "low" => Low, "info" => Info);
words!(Confidence, "high, medium, low", "high" => High, "medium" => Medium, "low" => Low);
