//! Files of an engine: shown as they would become, replaced whole, and put back as they were.

use std::fs::{self, DirBuilder, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use data_encoding::BASE64;
use lazaret_model::{Algorithm, visible};
use lazaret_oci::digest_of;
use serde::{Deserialize, Serialize};
use similar::TextDiff;

/// Lines of a difference that are shown of one file.
const SHOWN: usize = 60;

/// A file as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Where.
    pub path: PathBuf,
    /// What.
    pub content: Vec<u8>,
    /// What is shown of it instead of every line.
    pub summary: Option<String>,
}

impl Wanted {
    /// A file with a text.
    pub fn text(path: PathBuf, text: impl Into<String>) -> Self {
        Self { path, content: text.into().into_bytes(), summary: None }
    }
}

/// A file as it is, and as it should be.
#[derive(Debug)]
pub struct Change {
    path: PathBuf,
    before: Option<Former>,
    after: Vec<u8>,
    summary: Option<String>,
}

/// A file as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Former {
    /// Base 64: what an engine reads need not be a text.
    content: String,
    mode: u32,
    user: u32,
    group: u32,
}

/// What was written for one engine, and what stood there before.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    files: Vec<Recorded>,
    /// Directories that were made, the outermost first.
    made: Vec<PathBuf>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recorded {
    path: PathBuf,
    before: Option<Former>,
    /// Digest of what was written.
    after: String,
}

/// What is done with files that somebody changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Force(pub bool);

fn read(path: &Path) -> Result<Option<Former>> {
    let place = || format!("{} cannot be read", path.display());
    let content = match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        content => content.with_context(place)?,
    };
    let about = fs::metadata(path).with_context(place)?;
    Ok(Some(Former {
        content: BASE64.encode(&content),
        mode: about.permissions().mode() & 0o7777,
        user: about.uid(),
        group: about.gid(),
    }))
}

impl Former {
    fn bytes(&self) -> Result<Vec<u8>> {
        BASE64.decode(self.content.as_bytes()).context("the record of what stood there is damaged")
    }
}

fn digest(bytes: &[u8]) -> String {
    digest_of(Algorithm::Sha256, bytes).to_string()
}

/// Those of the files that are not as they should be. A link is followed: what it leads to changes.
pub fn changes(wanted: Vec<Wanted>) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    for Wanted { path, content, summary } in wanted {
        let path = if path.exists() { fs::canonicalize(&path)? } else { path };
        let before = read(&path)?;
        let same = match &before {
            Some(before) => before.bytes()? == content,
            None => false,
        };
        if !same {
            changes.push(Change { path, before, after: content, summary });
        }
    }
    Ok(changes)
}

/// The difference for a person.
pub fn difference(change: &Change) -> Result<String> {
    let before = match &change.before {
        Some(before) => before.bytes()?,
        None => Vec::new(),
    };
    let (old, new) = (String::from_utf8_lossy(&before), String::from_utf8_lossy(&change.after));
    let name = change.path.display().to_string();
    let from = if change.before.is_some() { name.as_str() } else { "/dev/null" };
    if let Some(summary) = &change.summary {
        return Ok(format!("--- {}\n+++ {}\n@@ {summary} @@\n", visible(from), visible(&name)));
    }
    let diff =
        TextDiff::from_lines(&*old, &*new).unified_diff().context_radius(3).header(from, &name).to_string();
    let lines: Vec<&str> = diff.lines().collect();
    let mut text = String::new();
    for line in lines.iter().take(SHOWN) {
        text.push_str(&visible(line));
        text.push('\n');
    }
    if lines.len() > SHOWN {
        text.push_str(&format!("… {} more lines\n", lines.len() - SHOWN));
    }
    Ok(text)
}

/// Writes the changes, after it wrote down in `record` what stood there.
pub fn apply(record: &Path, changes: &[Change], Force(force): Force) -> Result<()> {
    let mut known = load(record)?.unwrap_or_default();
    for change in changes {
        let after = digest(&change.after);
        let now = change.before.as_ref().map(Former::bytes).transpose()?;
        match known.files.iter_mut().find(|file| file.path == change.path) {
            Some(file) => {
                // What stood there at first is what an undo brings back.
                let ours = now.is_none_or(|now| digest(&now) == file.after);
                if !ours && !force {
                    bail!(
                        "{} was changed since it was written: undo first, or say --force",
                        change.path.display()
                    );
                }
                file.after = after;
            }
            None => {
                known.files.push(Recorded { path: change.path.clone(), before: change.before.clone(), after })
            }
        }
        for missing in missing_directories(&change.path) {
            if !known.made.contains(&missing) {
                known.made.push(missing);
            }
        }
    }
    save(record, &known)?;
    for change in changes {
        if let Some(directory) = change.path.parent() {
            fs::create_dir_all(directory)
                .with_context(|| format!("{} cannot be made", directory.display()))?;
        }
        replace(&change.path, &change.after, change.before.as_ref())?;
    }
    Ok(())
}

/// Puts everything back as the record says. None where there is no record.
pub fn undo(record: &Path, Force(force): Force) -> Result<Option<Vec<PathBuf>>> {
    let Some(known) = load(record)? else { return Ok(None) };
    let mut back = Vec::new();
    for file in &known.files {
        let now = read(&file.path)?;
        if now == file.before {
            continue;
        }
        let ours = match &now {
            Some(now) => digest(&now.bytes()?) == file.after,
            None => false,
        };
        if !ours && !force {
            bail!(
                "{} was changed since it was written, so nothing was put back: look at it, or say --force",
                file.path.display()
            );
        }
        back.push(file);
    }
    for file in &back {
        match &file.before {
            Some(before) => replace(&file.path, &before.bytes()?, Some(before))?,
            None => match fs::remove_file(&file.path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("{} cannot be removed", file.path.display()));
                }
                _ => {}
            },
        }
    }
    for directory in known.made.iter().rev() {
        // One that holds more by now is not ours to remove.
        let _ = fs::remove_dir(directory);
    }
    fs::remove_file(record).with_context(|| format!("{} cannot be removed", record.display()))?;
    Ok(Some(back.into_iter().map(|file| file.path.clone()).collect()))
}

fn missing_directories(path: &Path) -> Vec<PathBuf> {
    let mut missing: Vec<PathBuf> =
        path.ancestors().skip(1).take_while(|dir| !dir.exists()).map(Path::to_owned).collect();
    missing.reverse();
    missing
}

/// Replaces a file whole, or leaves it as it is.
fn replace(path: &Path, content: &[u8], like: Option<&Former>) -> Result<()> {
    let place = || format!("{} cannot be written", path.display());
    let directory = path.parent().with_context(place)?;
    let mut new = tempfile::Builder::new().prefix(".lazaret-").tempfile_in(directory).with_context(place)?;
    new.write_all(content).with_context(place)?;
    let mode = like.map_or(0o644, |former| former.mode);
    if let Some(former) = like {
        let now = new.as_file().metadata().with_context(place)?;
        if (now.uid(), now.gid()) != (former.user, former.group) {
            std::os::unix::fs::fchown(new.as_file(), Some(former.user), Some(former.group))
                .with_context(place)?;
        }
    }
    new.as_file().set_permissions(fs::Permissions::from_mode(mode)).with_context(place)?;
    new.as_file().sync_all().with_context(place)?;
    new.persist(path).map_err(|error| error.error).with_context(place)?;
    File::open(directory).and_then(|directory| directory.sync_all()).with_context(place)
}

fn load(record: &Path) -> Result<Option<Record>> {
    let place = || format!("the record {} cannot be read", record.display());
    match fs::read(record) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        bytes => Ok(Some(serde_json::from_slice(&bytes.with_context(place)?).with_context(place)?)),
    }
}

fn save(record: &Path, known: &Record) -> Result<()> {
    let place = || format!("the record {} cannot be written, so nothing was changed", record.display());
    let directory = record.parent().with_context(place)?;
    DirBuilder::new().recursive(true).mode(0o700).create(directory).with_context(place)?;
    let mut new = tempfile::Builder::new().prefix(".record-").tempfile_in(directory).with_context(place)?;
    // What stood there may hold secrets: a temporary file is its owner's alone, and stays so.
    new.write_all(&serde_json::to_vec_pretty(known)?).with_context(place)?;
    new.as_file().sync_all().with_context(place)?;
    new.persist(record).map_err(|error| error.error).with_context(place)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn write(path: &Path, record: &Path, text: &str, force: bool) -> Result<()> {
        let changes = changes(vec![Wanted::text(path.to_owned(), text)])?;
        apply(record, &changes, Force(force))
    }

    #[test]
    fn what_was_written_is_put_back_as_it_was_with_its_rights() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old.conf"), folder.path().join("a/b/new.conf"));
        let record = folder.path().join("state/record.json");
        fs::write(&old, b"one\n\xff\n").unwrap();
        fs::set_permissions(&old, fs::Permissions::from_mode(0o640)).unwrap();
        write(&old, &record, "two\n", false).unwrap();
        write(&new, &record, "three\n", false).unwrap();
        // Again, with something else: what stood there at first is what counts.
        write(&old, &record, "four\n", false).unwrap();
        assert!(changes(vec![Wanted::text(old.clone(), "four\n")]).unwrap().is_empty(), "nothing to do");
        assert_eq!(fs::metadata(&old).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::metadata(&record).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(undo(&record, Force(false)).unwrap().unwrap().len(), 2);
        assert_eq!(fs::read(&old).unwrap(), b"one\n\xff\n");
        assert_eq!(fs::metadata(&old).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(!folder.path().join("a").exists() && !record.exists());
        assert!(undo(&record, Force(false)).unwrap().is_none());
    }

    #[test]
    fn what_somebody_changed_since_is_left_alone_unless_forced() {
        let folder = tempfile::tempdir().unwrap();
        let (file, other) = (folder.path().join("x.conf"), folder.path().join("y.conf"));
        let record = folder.path().join("record.json");
        write(&file, &record, "ours\n", false).unwrap();
        write(&other, &record, "ours\n", false).unwrap();
        fs::write(&file, "theirs\n").unwrap();
        assert!(write(&file, &record, "ours again\n", false).is_err());
        assert!(undo(&record, Force(false)).unwrap_err().to_string().contains("x.conf"));
        assert_eq!(fs::read_to_string(&file).unwrap(), "theirs\n");
        assert!(other.exists(), "all or nothing");
        undo(&record, Force(true)).unwrap();
        assert!(!file.exists() && !other.exists());
    }

    #[test]
    fn a_link_is_followed_and_a_difference_shows_no_control_character() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&real, "a \u{1b}[31m\n").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let changes = changes(vec![Wanted::text(link.clone(), "b\n")]).unwrap();
        let shown = difference(&changes[0]).unwrap();
        assert!(shown.contains("+b") && shown.contains("-a \\x1b") && !shown.contains('\u{1b}'), "{shown}");
        apply(&folder.path().join("record"), &changes, Force(false)).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&real).unwrap(), "b\n");
    }
}
