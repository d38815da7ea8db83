//! The lab: inert images that have the look of malicious ones, and honest images that could be
//! mistaken for them. They are the test corpus, the demonstration and the heart of the self-test.
//!
//! Each case is one text in `recipes/{lineup,catalogue,near-miss,actors}`; adding a file adds a case.
//! A file is a recipe (see [`lazaret_recipe`]) with these additions:
//!
//! - Header lines `#! key: value`: `label` (`malicious`, `dual-use`, `benign`), `technique` (the
//!   row of the catalogue), `actor` (who made it, where the account does not say), `account`, `repository`, `tag`, `description`, `created`, `updated`,
//!   `pulls`, `note`, `compression` (`gzip`, `zstd`, `none`).
//! - `INCLUDE name` puts the text of `recipes/base/name.recipe` in its place, as far indented as
//!   the line itself.
//! - `PACKAGES deb|apk` installs packages: its block has a line `name version path…` for each, and
//!   makes what a package manager leaves: the programs (inert), the file lists, the database.
//! - Placeholders such as `{{wallet xmr NAME}}` or `{{sshkey NAME}}` (see [`placeholders`]).
//! - `=== platform` starts a further image of the same index; `=== tag NAME` starts a further case
//!   under another tag, whose own header lines replace those of the file. The lines before the
//!   first `===` are common to all.
//!
//! Nothing here is live: every program, the shells and interpreters included, exits at once, so no
//! script of an image can run in it; hosts have reserved names and addresses; wallets and keys are
//! made from hashes, so nobody holds their secret. The same sources give the same bytes.

mod case;
mod corpus;
mod expand;
mod keys;
mod layout;
mod packages;
pub mod placeholders;
mod wallet;

pub use case::{Case, CaseError, Label, Set, cases};
pub use corpus::{BuildError, Built, build};
pub use keys::{authorized_key, password_hash};
pub use layout::Compression;
pub use wallet::{UnknownCoin, wallet};
