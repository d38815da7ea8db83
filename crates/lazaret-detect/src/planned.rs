//! Judging what a compose file, a manifest or a Dockerfile says, before any image is looked at.

use lazaret_launch::{MadeImage, Plan, PlannedContainer, PlannedImage};
use lazaret_model::{
    EntryPath, FileEntry, FileKind, Gap, GapKind, ImageReport, LaunchForm, Location, Outcome, Platform,
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
    let recipe = recipe(made);
    let beside = Beside {
        launch: Some(&planned.launch),
        instructions: made.map(|made| made.instructions.as_slice()).unwrap_or_default(),
        unbuilt: made.is_some(),
    };
    let mut report = try_recipe_started(pack, &recipe, &beside);
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
        .map(|file| RecipeFile {
            entry: FileEntry {
                path: EntryPath::clean(file.path.as_bytes()),
                kind: FileKind::File,
                mode: file.mode,
                uid: 0,
                gid: 0,
                size: file.content.len() as u64,
                mtime: 0,
                content: None,
                xattrs: Vec::new(),
                whiteout: None,
            },
            bytes: file.content.clone(),
        })
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
