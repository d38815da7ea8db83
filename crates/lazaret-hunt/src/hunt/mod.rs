//! Judging many: a registry, an account, a list, a folder, and what their sites say beside the bytes.
//!
//! A hunt first lists its targets, then judges what was listed. Both are noted in the store as they
//! happen, so that a hunt which is stopped, killed, or left by its registry goes on where it was.

pub mod accounts;
mod line;
mod list;
mod lure;
mod metadata;
mod patience;
mod progress;
mod queue;
mod run;
mod target;

pub use lure::{LureVerdict, lure};
pub use metadata::{Metadata, MetadataError, read as read_metadata};
pub use progress::{HuntEvent, HuntListener, Tally, Troubles};
pub use run::{End, Fleet, HuntError, HuntSettings, Hunter, Row, Summary};
pub use target::{Target, TargetError};
