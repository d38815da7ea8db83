//! What an image makes itself out to be: names that pass for official ones, and whether it holds
//! what it claims.
//!
//! A name alone proves nothing: thousands of honest images bear the name of what they pack. It
//! tells something where it is made to be mistaken for another, and where the image contradicts it.

mod base;
mod claim;
mod look_alike;
mod official;
mod platforms;

pub use base::{claimed_base, compare_base};
pub(crate) use claim::claims;
pub(crate) use look_alike::{How, look_alike, passes_for_library};
pub(crate) use official::Official;
pub use platforms::compare_platforms;
