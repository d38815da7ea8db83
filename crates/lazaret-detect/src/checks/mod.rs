//! Detections that neither YARA nor Sigma can say: those that tie several facts together.
//! One file each; the list is made by the build script from the folder.

use lazaret_model::{Finding, Rule};

use crate::Case;

/// A detection written in Rust. It reads facts, opens nothing and cannot fail.
pub trait Check: Sync {
    /// What it says of itself.
    fn rule(&self) -> Rule;

    /// Images as text (see `lazaret-recipe`) on which it must find something.
    fn fires(&self) -> &'static [&'static str];

    /// Near-misses on which it must find nothing.
    fn quiet(&self) -> &'static [&'static str];

    /// Looks. `earlier` is what the other rules found.
    fn look(&self, case: &Case<'_>, earlier: &[Finding]) -> Vec<Finding>;
}

include!(concat!(env!("OUT_DIR"), "/checks.rs"));
