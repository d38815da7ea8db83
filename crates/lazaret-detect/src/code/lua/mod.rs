//! Lua.

mod library;
mod lower;

pub(super) use library::{call, method};
pub(super) use lower::parse;
