//! The whole lab on disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{Case, CaseError, cases};

/// Why the lab was not built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A recipe of the lab is wrong.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// Something could not be written.
    #[error("cannot write {path}: {source}; choose a folder that you may write to")]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Built {
    /// OCI layouts written.
    pub layouts: usize,
    /// Records in `hub.json`, one more for each repository that holds no image.
    pub records: usize,
}

/// What a registry's site shows of a repository.
#[derive(Serialize)]
struct HubRecord<'a> {
    /// Folder of its layout; `null` where it holds no image.
    path: Option<String>,
    account: &'a str,
    repository: &'a str,
    tag: Option<&'a str>,
    description: &'a str,
    created: &'a str,
    updated: &'a str,
    pulls: u64,
    /// How the page tells people to start it, where that is the point.
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<&'a str>,
}

impl<'a> HubRecord<'a> {
    fn of(case: &'a Case) -> Self {
        let has_image = !case.images.is_empty();
        Self {
            path: has_image.then(|| case.path()),
            account: &case.account,
            repository: &case.repository,
            tag: has_image.then_some(&case.tag),
            description: &case.description,
            created: &case.created,
            updated: &case.updated,
            pulls: case.pulls,
            run: case.run(),
        }
    }
}

/// Builds every case below `out`: an OCI layout for each image, `hub.json` and `manifest.tsv`.
///
/// The manifest lists images only; a repository without one stands in `hub.json` with no path.
pub fn build(out: &Path) -> Result<Built, BuildError> {
    let all = cases()?;
    let mut manifest = String::from("path\tlabel\tset\ttechnique\tplatform\tnote\trun\n");
    let mut layouts = 0;
    for case in all.iter().filter(|case| !case.images.is_empty()) {
        let dir = out.join(case.path());
        // What an earlier build left would be blobs that nothing names.
        if dir.join("oci-layout").is_file() {
            fs::remove_dir_all(&dir).map_err(|source| BuildError::Write { path: dir.clone(), source })?;
        }
        case.write_oci_layout(&dir).map_err(|source| BuildError::Write { path: dir, source })?;
        let fields = [
            case.path(),
            case.label.to_string(),
            case.set.to_string(),
            case.technique.clone(),
            case.platform(),
            case.note.clone(),
            case.guilty_run().unwrap_or_default().to_owned(),
        ];
        manifest.push_str(&fields.join("\t"));
        manifest.push('\n');
        layouts += 1;
    }
    let records: Vec<HubRecord<'_>> = all.iter().map(HubRecord::of).collect();
    let hub = serde_json::to_string_pretty(&records).expect("records of text and numbers are JSON");
    for (name, text) in [("hub.json", hub), ("manifest.tsv", manifest)] {
        let path = out.join(name);
        fs::write(&path, text).map_err(|source| BuildError::Write { path, source })?;
    }
    Ok(Built { layouts, records: records.len() })
}
