//! The nouns of Lazaret. No input or output, no async: every other crate depends on this one,
//! and this one knows none of them.
//!
//! The types that are stored or handed between processes (facts, entries, gaps) derive serde;
//! their stored form is versioned by [`FACTS_VERSION`]. What users read as JSON is *not* this
//! form: `lazaret-report` converts to a published, versioned schema.

mod base;
mod behaviour;
mod budget;
mod campaign;
mod config;
mod coverage;
mod digest;
mod entry;
mod event;
mod fact;
mod feed_use;
mod finding;
mod gap;
mod image;
mod indicator;
mod inventory;
mod launch;
mod listing;
mod location;
mod platform;
mod reference;
mod report;
mod rule;
mod rule_pack;
mod text;
mod verdict;

pub use base::{BuiltOn, TrustedBase};
pub use behaviour::{Behaviour, BehaviourKind, Certainty, FileOp, Phase};
pub use budget::{Budget, BudgetKind};
pub use campaign::{
    Account, Campaign, CampaignLink, Claim, Cleanup, Conduct, Deed, DeedKind, Lead, Lure, Member, Method,
    Moment, Revenue, Shared, Technique, Tie, TieReason,
};
pub use config::{Healthcheck, HistoryStep, ImageConfig};
pub use coverage::Coverage;
pub use digest::{Algorithm, Digest, DigestError};
pub use entry::{ContentId, EntryPath, FileEntry, FileKind, Whiteout};
pub use event::FieldValue;
pub use fact::{Fact, FactKind, LayerFacts, TextKind};
pub use feed_use::{DENIED_INDICATOR, FeedUse};
pub use finding::{Evidence, Finding, FindingBuilder, Reach};
pub use gap::{Gap, GapKind};
pub use image::{Image, Layer, PinnedRef};
pub use indicator::{Indicator, IndicatorKind, Role, Sighting, UnknownIndicatorKind};
pub use inventory::{
    Inventory, LayerContents, NotableFile, NotedFile, NotedKind, Package, ScriptLine, System, Under,
};
pub use launch::{
    Hook, HookTime, HostNamespace, Launch, LaunchFile, LaunchForm, Mount, MountKind, PublishedPort,
};
pub use listing::{ListedTag, Listing};
pub use location::Location;
pub use platform::{Platform, PlatformError};
pub use reference::{ImageRef, ReferenceError, RegistryRef};
pub use report::{IgnoredFinding, ImageReport, Report, Timing, Unscanned};
pub use rule::{Class, Confidence, Rule, Severity};
pub use rule_pack::{LeftOutRule, RulePack};
pub use text::{one_line, visible};
pub use verdict::{Outcome, Verdict};

/// Version of the stored form of [`LayerFacts`]. Raise it whenever a type in it changes shape,
/// so that what an older program stored is read again instead of misread.
pub const FACTS_VERSION: u32 = 2;
