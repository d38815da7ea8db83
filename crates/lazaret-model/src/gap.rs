use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{BudgetKind, Location};

/// Why something was not read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum GapKind {
    /// The data is damaged or ends early. What came before was read.
    Damaged,
    /// The data is encrypted.
    Encrypted,
    /// The format or media type is not known.
    Unsupported,
    /// A budget was used up.
    Budget(BudgetKind),
    /// The thing is not there (a blob that the manifest names, a foreign layer that is never fetched).
    Missing,
    /// Bytes stand where the format has none (after the end of the archive); they were scanned,
    /// but no reader would see them as files.
    TrailingData,
    /// An analyzer failed. The content was read by the others.
    AnalyzerFailed(String),
    /// Two statements about the same content disagree (diff id, size).
    Mismatch,
}

/// Something that was not read: what, where, why, and whether it could matter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Gap {
    /// Why.
    pub kind: GapKind,
    /// Where.
    pub location: Location,
    /// One sentence for people.
    pub detail: String,
    /// Whether the verdict depends on it: a layer, a manifest, an executable, a file on the
    /// start path, a budget of the whole image. A damaged archive that is plain data does not.
    pub matters: bool,
}

impl Gap {
    /// A gap that could matter to the verdict.
    pub fn serious(kind: GapKind, location: Location, detail: impl Into<String>) -> Self {
        Self { kind, location, detail: detail.into(), matters: true }
    }

    /// The same gap in an image whose layer number `layer` it was found in: facts are stored
    /// without that number.
    #[must_use]
    pub fn in_layer(&self, layer: usize) -> Self {
        let mut gap = self.clone();
        match &mut gap.location {
            Location::Layer(number) | Location::File { layer: number, .. } => *number = layer,
            _ => {}
        }
        gap
    }

    /// A gap that is reported and does not change the verdict.
    pub fn minor(kind: GapKind, location: Location, detail: impl Into<String>) -> Self {
        Self { kind, location, detail: detail.into(), matters: false }
    }
}

impl GapKind {
    /// A stable name for reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Damaged => "damaged",
            Self::Encrypted => "encrypted",
            Self::Unsupported => "unsupported",
            Self::Budget(_) => "budget",
            Self::Missing => "missing",
            Self::TrailingData => "trailing-data",
            Self::AnalyzerFailed(_) => "analyzer-failed",
            Self::Mismatch => "mismatch",
        }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.location, crate::visible(&self.detail), self.kind.name())
    }
}
