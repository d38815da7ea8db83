//! Perl.

mod library;
mod lower;

pub(super) use library::{call, method, name};
pub(super) use lower::parse;
