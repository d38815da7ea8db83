//! The committed lab as a set of cases, and the baseline below which no change may fall.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use lazaret_model::Outcome;

use super::score::Scored;
use super::{Options, judge_all, manifest, report};

/// What each case of the lab was judged to be, and how it may not become worse.
const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/baseline/lab.tsv");

pub(super) fn run(options: &Options) -> Result<()> {
    let scored = judge()?;
    report(&scored, options)?;
    if options.write_baseline {
        return write(&scored);
    }
    compare(&scored)
}

/// Judges the lab and fails where a case that was right is wrong now.
pub(crate) fn regression() -> Result<()> {
    let scored = judge()?;
    compare(&scored)?;
    eprintln!("{} cases of the lab are no worse than the baseline", scored.len());
    Ok(())
}

fn judge() -> Result<Vec<Scored>> {
    let folder = tempfile::Builder::new().prefix("lazaret-eval-").tempdir()?;
    lazaret_lab::build(folder.path())?;
    judge_all(manifest::read(folder.path())?, &[])
}

fn write(scored: &[Scored]) -> Result<()> {
    let mut text = String::from("path\toutcome\twrong\n");
    for one in scored {
        let outcome = one.outcome().map_or("not judged", Outcome::word);
        text.push_str(&format!("{}\t{outcome}\t{}\n", one.case.path, one.wrong().unwrap_or("-")));
    }
    let path = PathBuf::from(BASELINE);
    std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn compare(scored: &[Scored]) -> Result<()> {
    let text = std::fs::read_to_string(BASELINE).with_context(|| format!("cannot read {BASELINE}"))?;
    let before: BTreeMap<&str, &str> = text
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut cells = line.split('\t');
            Some((cells.next()?, cells.nth(1)?))
        })
        .collect();
    let worse = worse(&before, scored);
    if worse.is_empty() {
        return Ok(());
    }
    bail!(
        "worse than {BASELINE}:\n  {}\nmake them right, or write the baseline anew with \
         `cargo xtask eval --lab --write-baseline` and say why",
        worse.join("\n  ")
    )
}

/// The cases that were right, or are new, and are wrong; and those that are gone.
fn worse(before: &BTreeMap<&str, &str>, scored: &[Scored]) -> Vec<String> {
    let mut worse: Vec<String> = scored
        .iter()
        .filter(|one| before.get(one.case.path.as_str()).is_none_or(|old| *old == "-"))
        .filter_map(|one| {
            let why = match one.outcome() {
                Some(_) => one.wrong()?,
                None => "not judged",
            };
            Some(format!("{}: {why}", one.case.path))
        })
        .collect();
    let gone = before.keys().filter(|path| !scored.iter().any(|one| one.case.path == **path));
    worse.extend(gone.map(|path| format!("{path}: no longer in the lab")));
    worse
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::eval::manifest::{Case, Kind, Label};
    use crate::eval::stage::Judged;

    fn benign(path: &str, outcome: Outcome) -> Scored {
        let case = Case {
            path: path.to_owned(),
            file: PathBuf::new(),
            label: Label::Benign,
            set: String::new(),
            techniques: Vec::new(),
            kind: Kind::Image,
            others: Vec::new(),
        };
        let judged = Judged::Told { outcome, findings: Vec::new(), gaps: Vec::new(), behaviours: Vec::new() };
        Scored { case, judged, took: Duration::ZERO }
    }

    #[test]
    fn what_was_right_must_stay_right_and_what_was_wrong_may_stay_wrong() {
        let before = BTreeMap::from([("a", "-"), ("b", "accused"), ("c", "-")]);
        let now =
            [benign("a", Outcome::Malicious), benign("b", Outcome::Malicious), benign("d", Outcome::Clean)];
        assert_eq!(worse(&before, &now), ["a: accused", "c: no longer in the lab"]);
    }
}
