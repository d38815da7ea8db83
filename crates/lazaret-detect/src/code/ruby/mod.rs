//! Ruby.

mod library;
mod lower;

pub(super) use library::{call, constant, method};
pub(super) use lower::parse;
