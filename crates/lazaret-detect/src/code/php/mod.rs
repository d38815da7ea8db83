//! PHP.

mod library;
mod lower;

pub(super) use library::{call, method, name, named};
pub(super) use lower::parse;

use super::interp::Interp;
use super::value::Val;
use crate::shell::Held;

/// A file that another one includes.
pub(super) fn include(it: &mut Interp<'_>, path: &Val) -> Val {
    if path.origin().fetched.is_some() || path.known().is_some_and(|p| p.contains("://")) {
        let response = it.fetch(path);
        return it.run_code(&Val::hidden("$response", response.origin()));
    }
    let Some(known) = path.known() else { return Val::None };
    let own = it.file.as_deref().and_then(|f| f.rsplit_once('/')).map_or("", |(folder, _)| folder);
    let folder = if own.is_empty() { it.start.cwd.clone() } else { own.to_owned() };
    let file = crate::launch::absolute_path(&folder, &known);
    if it.modules.contains_key(&file) || matches!(it.world.stat(&file), Held::Absent) {
        return Val::None;
    }
    it.load_part(&file);
    Val::None
}
