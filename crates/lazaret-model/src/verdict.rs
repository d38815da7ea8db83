use std::fmt;

use serde::{Deserialize, Serialize};

/// The four answers. The order is the order of `--fail-on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Everything that could matter was read and nothing speaks against it.
    Clean,
    /// Something that could matter was not read.
    Inconclusive,
    /// Something speaks against it, not enough to convict.
    Suspicious,
    /// It is made to harm whoever runs it.
    Malicious,
}

impl Outcome {
    /// All of them, from good to bad.
    pub const ALL: [Self; 4] = [Self::Clean, Self::Inconclusive, Self::Suspicious, Self::Malicious];

    /// The word used everywhere.
    pub fn word(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Inconclusive => "inconclusive",
            Self::Suspicious => "suspicious",
            Self::Malicious => "malicious",
        }
    }

    /// Rank for "the index takes the worst".
    pub fn rank(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Inconclusive => 1,
            Self::Suspicious => 2,
            Self::Malicious => 3,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The answer, with the sentence that says why and what would change it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The answer.
    pub outcome: Outcome,
    /// One sentence: why.
    pub why: String,
    /// One sentence: what would change it.
    pub would_change: String,
    /// Whether gaps that could matter stand beside it. A suspicious image with gaps is exit 3
    /// unless suspicion itself fails; a malicious one stays exit 1.
    pub has_gaps: bool,
}
