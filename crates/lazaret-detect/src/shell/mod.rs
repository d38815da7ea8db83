//! Reads shell scripts as behaviours: an abstract interpreter that executes nothing.
//!
//! [`parse`] makes a tree of the text, [`run`] walks over it, [`expand`] computes words, and all
//! that is not the shell's own (programs, files) is asked of the [`World`].

mod arithmetic;
mod braces;
mod branch;
mod builtin;
mod command;
mod expand;
mod loops;
mod loose;
mod param;
mod parse;
mod pattern;
mod reading;
mod run;
mod scan;
mod state;
mod substitute;
mod syntax;
mod tame;
mod test;
mod told;
mod value;
mod variables;
mod word;
mod world;

pub(crate) use arithmetic::calculate;
pub(crate) use command::program_name;
pub(crate) use pattern::matches as pattern_matches;
pub(crate) use state::{Setup, Shell};
pub(crate) use value::{Fetched, Know, Value};
pub(crate) use word::ansi;
pub(crate) use world::{Hand, Held, Input, Ran, Site, Start, Status, Trouble, World};
