use lazaret_model::Fact;

use crate::Subject;

/// Knows how to read one format and states facts; accuses nobody.
///
/// It is called for each unique content once. It must not panic, and costs time at most linear
/// in the content; a panic all the same becomes a gap in [`crate::Examiner`].
pub trait Analyzer: Send + Sync {
    /// A stable name, for gaps.
    fn name(&self) -> &'static str;

    /// Raised whenever the same content would give other facts than before.
    fn version(&self) -> u32;

    /// A cheap look at path, size and first bytes, before the content is gone through.
    fn wants(&self, subject: &Subject<'_>) -> bool;

    /// States facts. An error is one sentence for people and becomes a gap.
    fn analyze(&self, subject: &Subject<'_>, facts: &mut Vec<Fact>) -> Result<(), String>;
}
