//! Python.

mod library;
mod lower;

pub(super) use library::{call, constant, method, name};
pub(super) use lower::parse;

use super::effects::is_library_place;
use super::interp::Interp;
use super::value::Val;
use crate::shell::{Held, Start, World};

/// The file of a module for `python -m NAME`.
pub(super) fn find_module(world: &mut dyn World, start: &Start, name: &str) -> Option<String> {
    let path = name.replace('.', "/");
    let listed = start.env.iter().rev().find(|(n, _)| n == "PYTHONPATH").and_then(|(_, v)| v.known());
    let folders = std::iter::once(start.cwd.as_str()).chain(listed.unwrap_or_default().split(':'));
    for folder in folders.filter(|f| !f.is_empty()) {
        for file in [format!("{path}/__main__.py"), format!("{path}.py")] {
            let file = crate::launch::absolute_path(folder, &file);
            if !matches!(world.stat(&file), Held::Absent) {
                return Some(file);
            }
        }
    }
    None
}

/// A module: one of the image beside the program, or a library.
pub(super) fn import(it: &mut Interp<'_>, name: &str) -> Val {
    let folder_of = |file: &str| file.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned());
    let own = it.file.as_deref().map(folder_of);
    let (bare, folders) = match name.trim_start_matches('.') {
        bare if bare.len() < name.len() => {
            let mut folder = own.unwrap_or_else(|| it.start.cwd.clone());
            for _ in 1..name.len() - bare.len() {
                folder = folder_of(&folder);
            }
            (bare, vec![folder])
        }
        bare => {
            let listed =
                it.start.env.iter().rev().find(|(n, _)| n == "PYTHONPATH").and_then(|(_, v)| v.known());
            let listed: Vec<String> = listed.unwrap_or_default().split(':').map(str::to_owned).collect();
            let folders = own.into_iter().chain([it.start.cwd.clone()]).chain(listed);
            (bare, folders.filter(|f| !f.is_empty()).collect())
        }
    };
    let path = bare.replace('.', "/");
    for folder in folders {
        if is_library_place(&format!("{folder}/")) {
            continue;
        }
        let base = if path.is_empty() { folder.clone() } else { format!("{folder}/{path}") };
        for file in [format!("{base}.py"), format!("{base}/__init__.py")] {
            if matches!(it.world.stat(&file), Held::Opaque(_) | Held::Text(_))
                && let Some(module) = it.load_module(name, &file)
            {
                return module;
            }
        }
    }
    Val::library(bare)
}

/// `.pth` files and `sitecustomize.py`: Python runs them before anything else.
pub(super) fn run_start_files(it: &mut Interp<'_>) {
    if it.start.argv.iter().any(|v| matches!(v.text.as_str(), "-S" | "-I")) {
        return;
    }
    let mut folders: Vec<String> = vec!["/usr/lib/python3/dist-packages".to_owned()];
    for base in ["/usr/lib", "/usr/local/lib", "/opt/venv/lib", "/venv/lib", "/app/.venv/lib"] {
        for name in it.world.names(base) {
            if name.starts_with("python3") || name.starts_with("python2") {
                folders.push(format!("{base}/{name}/site-packages"));
                folders.push(format!("{base}/{name}/dist-packages"));
                folders.push(format!("{base}/{name}"));
            }
        }
    }
    for folder in folders {
        // A folder of the standard library holds thousands of names.
        let names = it.world.names(&folder);
        for name in names.iter().filter(|n| n.ends_with(".pth")).take(32) {
            let file = format!("{folder}/{name}");
            let because = it.because();
            let Held::Text(text) = it.world.read(&file, &because, it.certainty) else { continue };
            let code: Vec<&str> =
                text.text.lines().filter(|l| l.starts_with("import ") || l.starts_with("import\t")).collect();
            if code.is_empty() {
                continue;
            }
            let chain = it.world.chain(&file, &because);
            let site = std::mem::replace(&mut it.site, crate::shell::Site::fixed(chain));
            for line in code {
                it.run_text(line);
            }
            it.halt = false;
            it.site = site;
        }
        for name in ["sitecustomize.py", "usercustomize.py"] {
            if names.iter().any(|n| n == name) {
                let file = format!("{folder}/{name}");
                let because = it.because();
                let Held::Text(text) = it.world.read(&file, &because, it.certainty) else { continue };
                let chain = it.world.chain(&file, &because);
                let site = std::mem::replace(&mut it.site, crate::shell::Site::file(chain));
                it.run_text(&text.text);
                it.halt = false;
                it.site = site;
            }
        }
    }
}
