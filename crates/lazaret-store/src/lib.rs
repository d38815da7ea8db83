//! What Lazaret remembers between two scans, so that each layer is read once.
//!
//! * **Facts** of a layer, under its diff id and the version of the analyzers that stated them.
//! * **Matches** of the byte rules, under the diff id and the version of those rules: a new byte
//!   rule reads a layer once more, and no other stage again.
//! * **Contents**, small files that later stages read again, under their hash and within a budget.
//! * **Reports**, under the digest that was judged and everything that the judgement depended on.
//! * **Bases** that a person trusts, with the chains of their layers.
//! * **Feeds**: signed packs of indicators, the newest of each name.
//! * **Images** seen, and the **indicators** that tie them to others.
//! * **Listings** of repositories as sites show them, what their **tags** stood for, and **hunts** with
//!   how far they came.
//! * What the gate and its workers share: **leases**, **decisions**, **holders** of blobs, the
//!   **queue** of work and **secrets**.
//!
//! # Invariants
//!
//! * A layer is stored in one transaction and only when it was read to its end: whatever is killed
//!   at whatever moment, a layer is known whole or not at all.
//! * Once a function that stores has returned, the death of the process loses nothing of it.
//! * Anything stored in a form that this program does not know, or damaged, is *not known*
//!   (`None`) and is made again. It is never guessed at.
//! * Any number of processes may use one store at once.
//!
//! The store is embedded SQLite, in one file, or a PostgreSQL that many replicas share; the address
//! says which. Each statement is written once for both, in the module of its concern; `engine` says
//! how, `schema` holds their tables.

mod bases;
mod campaigns;
mod codec;
mod contents;
mod decisions;
mod engine;
mod error;
mod feeds;
mod graph;
mod holders;
mod hunts;
mod images;
mod indicators;
mod layers;
mod leases;
mod listings;
mod place;
mod postgres;
mod queue;
mod refutations;
mod reports;
mod schema;
mod secrets;
mod sqlite;
mod store;
mod tags;

pub use campaigns::CampaignSign;
pub use decisions::{Answer, Decision, DecisionFilter, UnknownAnswer};
pub use error::StoreError;
pub use feeds::{FeedRow, Installed};
pub use graph::{GraphImage, GraphIndicator, GraphLayer, GraphLink};
pub use holders::Holder;
pub use hunts::{Hunt, HuntItem, HuntState, ItemState};
pub use images::{ImageFilter, ImageRow};
pub use indicators::Sighting;
pub use layers::LayerRecord;
pub use listings::ListingRow;
pub use queue::{Job, JobRow, JobState, Queue};
pub use refutations::{Refutation, Refuted};
pub use store::{Store, StoreOptions};
pub use tags::TagRow;
