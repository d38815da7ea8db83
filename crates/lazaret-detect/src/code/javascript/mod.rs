//! JavaScript, as Node, Bun and Deno run it.

mod library;
mod lower;

pub(super) use library::{call, constant, method, name};
pub(super) use lower::parse;

use super::interp::Interp;
use super::value::Val;
use crate::shell::Held;

/// A module: a file of the image by its path, or a library.
pub(super) fn import(it: &mut Interp<'_>, name: &str) -> Val {
    let bare = name.strip_prefix("node:").unwrap_or(name);
    if !bare.starts_with(['.', '/']) {
        return Val::library(bare);
    }
    let own = it.file.as_deref().and_then(|f| f.rsplit_once('/')).map_or("", |(folder, _)| folder);
    let folder = if own.is_empty() { it.start.cwd.clone() } else { own.to_owned() };
    let base = crate::launch::absolute_path(&folder, bare);
    let mut candidates = vec![base.clone()];
    candidates.extend([".js", ".cjs", ".mjs", ".json"].iter().map(|end| format!("{base}{end}")));
    if let Held::Text(text) = package(it, &base)
        && let Some(Val::Dict(dict)) = super::json_value(&text.text)
        && let Some(main) = dict.borrow().named("main").and_then(|m| m.known().map(|k| k.into_owned()))
    {
        candidates.push(crate::launch::absolute_path(&base, &main));
    }
    candidates.push(format!("{base}/index.js"));
    for file in candidates {
        if !matches!(it.world.stat(&file), Held::Opaque(_) | Held::Text(_)) {
            continue;
        }
        if file.ends_with(".json") {
            let content = it.read_file(&Val::text(&file));
            return content.known().and_then(|text| super::json_value(&text)).unwrap_or(content);
        }
        if let Some(module) = it.load_module(&file, &file) {
            return module;
        }
    }
    Val::library(bare)
}

fn package(it: &mut Interp<'_>, base: &str) -> Held {
    let file = format!("{base}/package.json");
    if matches!(it.world.stat(&file), Held::Absent) {
        return Held::Absent;
    }
    let because = it.because();
    it.world.read(&file, &because, it.certainty)
}
