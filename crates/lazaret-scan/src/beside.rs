//! What stands beside a file that is checked: its folder, never what is outside of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use lazaret_launch::Beside;

/// Bytes of one file beside it.
const FILE: u64 = 4 << 20;
/// Files that are listed, and folders inside folders.
const FILES: usize = 5_000;
const DEPTH: usize = 24;

/// A folder. Names that lead out of it, also through links, are not there.
pub struct Folder {
    root: Option<PathBuf>,
}

impl Folder {
    /// The folder at a path; one that is not there is empty.
    pub fn of(path: &Path) -> Self {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        Self { root: fs::canonicalize(path).ok().filter(|p| p.is_dir()) }
    }

    /// The path of a name, where it is inside.
    fn find(&self, name: &str) -> Option<PathBuf> {
        let root = self.root.as_ref()?;
        let relative = Path::new(name);
        if relative.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
            return None;
        }
        let whole = fs::canonicalize(root.join(relative)).ok()?;
        whole.starts_with(root).then_some(whole)
    }
}

impl Beside for Folder {
    fn read(&self, name: &str) -> Option<Vec<u8>> {
        let path = self.find(name)?;
        let about = fs::metadata(&path).ok()?;
        (about.is_file() && about.len() <= FILE).then(|| fs::read(path).ok()).flatten()
    }

    fn below(&self, folder: &str) -> Vec<(String, u32)> {
        let Some(start) = self.find(folder).filter(|path| path.is_dir()) else { return Vec::new() };
        let mut found = Vec::new();
        let mut open = vec![(start, String::new(), 0)];
        while let Some((path, prefix, depth)) = open.pop() {
            let Ok(entries) = fs::read_dir(&path) else { continue };
            for entry in entries.flatten() {
                if found.len() >= FILES {
                    break;
                }
                let (Ok(kind), Ok(name)) = (entry.file_type(), entry.file_name().into_string()) else {
                    continue;
                };
                let name = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
                if kind.is_dir() && depth < DEPTH && !name.ends_with(".git") {
                    open.push((entry.path(), name, depth + 1));
                } else if kind.is_file() {
                    let mode = entry.metadata().map_or(0o644, |about| about.permissions().mode() & 0o7777);
                    found.push((name, mode));
                }
            }
        }
        found.sort();
        found
    }
}
