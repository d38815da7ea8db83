//! Names of owners in headers. Container runtimes go by numbers and never look at them, so nobody
//! cleans them: they are those of the machine on which the archive was written.

use std::collections::BTreeSet;

use super::pax::Records;
use super::{BLOCK, header::Form};

/// Names of users, and as many of groups, that are remembered.
const MOST: usize = 32;
/// Bytes of a name; Linux allows 32 (`useradd(8)`).
const LONGEST: usize = 64;

/// The distinct names seen so far.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    users: BTreeSet<String>,
    groups: BTreeSet<String>,
    /// Both fields of the header before: most archives repeat them.
    last: Vec<u8>,
}

impl Owners {
    /// Takes the names of one entry.
    pub(super) fn note(&mut self, block: &[u8; BLOCK], form: Form, pax: &Records) {
        if form != Form::V7 && self.last != block[265..329] {
            self.last.clear();
            self.last.extend_from_slice(&block[265..329]);
            put(&mut self.users, &block[265..297]);
            put(&mut self.groups, &block[297..329]);
        }
        for (key, names) in [(&b"uname"[..], &mut self.users), (b"gname", &mut self.groups)] {
            if let Some(name) = pax.get(key) {
                put(names, name);
            }
        }
    }

    /// Users and groups, sorted; root, of whom every archive is full, left out.
    pub(crate) fn names(&self) -> (Vec<String>, Vec<String>) {
        (self.users.iter().cloned().collect(), self.groups.iter().cloned().collect())
    }
}

fn put(names: &mut BTreeSet<String>, field: &[u8]) {
    let end = memchr::memchr(0, field).unwrap_or(field.len());
    let Ok(name) = std::str::from_utf8(&field[..end]) else { return };
    let fits =
        !name.is_empty() && name.len() <= LONGEST && name != "root" && !name.contains(char::is_control);
    if fits && names.len() < MOST && !names.contains(name) {
        names.insert(name.to_owned());
    }
}
