//! Cases on disk.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::New;

/// Writes the files and `manifest.tsv`, over what an earlier run left.
pub(super) fn all(out: &Path, cases: &[New], tune: &[bool]) -> Result<()> {
    let mut manifest = String::from("path\tlabel\tset\ttechnique\tplatform\tkind\thalf\tcategory\tnote\n");
    let mut taken = BTreeSet::new();
    for (case, tune) in cases.iter().zip(tune) {
        let mut name = case.path.clone();
        let mut further = 1;
        while !taken.insert(name.clone()) {
            further += 1;
            name = match case.path.rsplit_once('/') {
                Some((folder, file)) => format!("{folder}/{further}/{file}"),
                None => format!("{further}/{}", case.path),
            };
        }
        let path = out.join(&name);
        let folder = path.parent().unwrap_or(out);
        fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        fs::write(&path, &case.body).with_context(|| format!("cannot write {}", path.display()))?;
        let note: String =
            case.note.chars().map(|c| if c.is_control() { ' ' } else { c }).take(120).collect();
        let techniques = case.techniques.join(",");
        let cells = [
            name.as_str(),
            case.label.word(),
            case.set.as_str(),
            &techniques,
            "linux",
            case.kind,
            if *tune { "tune" } else { "report" },
            case.category,
            note.trim(),
        ];
        manifest.push_str(&cells.join("\t"));
        manifest.push('\n');
    }
    fs::write(out.join("manifest.tsv"), manifest)?;
    let count = tune.iter().filter(|tune| **tune).count();
    eprintln!(
        "{} cases in {}: {count} to tune on, {} to report on",
        cases.len(),
        out.display(),
        cases.len() - count
    );
    Ok(())
}
