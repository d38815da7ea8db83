//! Judging an image that exists only as text: for the examples of rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use lazaret_model::{
    Algorithm, Budget, ContentId, Digest, FileKind, Gap, GapKind, Image, ImageReport, Layer, LayerFacts,
    Location, PinnedRef,
};
use lazaret_oci::{NestedBudget, digest_of};
use lazaret_recipe::Recipe;

use crate::{Beside, Examiner, Inspection, Inspector, Judgement, LayerInput, Pack, Subject, judge_started};

/// Reads and judges a recipe in memory, by the same analyzers, rules and policy as an image that
/// was pulled.
///
/// A recipe that says how it is run is judged with that; one that holds a manifest is judged by
/// what that says, all containers in one report.
pub fn try_recipe(pack: &Pack, recipe: &Recipe) -> ImageReport {
    if let Some((name, text)) = &recipe.manifest {
        return match lazaret_launch::read(name, text, None, &lazaret_launch::Nothing) {
            Ok(plan) => crate::planned::merged(crate::judge_plan(pack, &plan, name)),
            Err(error) => unreachable_manifest(pack, recipe, &error.to_string()),
        };
    }
    let run = recipe.run.as_deref().map(|run| lazaret_launch::command_line(run, &lazaret_launch::Nothing));
    let launch =
        run.and_then(Result::ok).and_then(|plan| plan.containers.into_iter().next()).map(|c| c.launch);
    let beside = Beside { launch: launch.as_ref(), ..Beside::default() };
    try_recipe_started(pack, recipe, &beside)
}

/// A manifest that is none: a report with the reason, so that an example with a slip is told.
fn unreachable_manifest(pack: &Pack, recipe: &Recipe, what: &str) -> ImageReport {
    let mut report = try_recipe_started(pack, recipe, &Beside::default());
    report.gaps.push(Gap::serious(GapKind::Unsupported, Location::launch("manifest"), what));
    report
}

/// Reads and judges a recipe in memory, and how it is run or made.
pub(crate) fn try_recipe_started(pack: &Pack, recipe: &Recipe, beside: &Beside<'_>) -> ImageReport {
    let examiner = Examiner::new();
    let mut inspector = Inspector::new(&examiner, pack.scanner());
    let budget = Budget::default();
    let mut contents: BTreeMap<ContentId, Arc<[u8]>> = BTreeMap::new();
    let mut layers = Vec::new();
    let mut read = Vec::new();
    for (index, layer) in recipe.layers.iter().enumerate() {
        let nested = NestedBudget::new(&budget, None);
        // Of an image that is not built, what its base holds is not known.
        let mut facts = LayerFacts { complete: !beside.unbuilt, ..LayerFacts::default() };
        let mut matches = Vec::new();
        for file in &layer.files {
            let mut entry = file.entry.clone();
            if entry.kind == FileKind::File || !file.bytes.is_empty() {
                let id = ContentId(*blake3::hash(&file.bytes).as_bytes());
                entry.content = Some(id);
                let size = file.bytes.len() as u64;
                let subject = Subject {
                    path: &entry.path,
                    inside: &[],
                    mode: entry.mode,
                    size,
                    bytes: &file.bytes,
                    offset: 0,
                };
                let what = Inspection { analyze: true, match_bytes: true };
                let seen = inspector.inspect(&subject, what, &nested);
                facts.facts.extend(seen.facts);
                facts.gaps.extend(seen.gaps);
                matches.extend(seen.matches);
                contents.insert(id, Arc::from(file.bytes.as_slice()));
            }
            facts.entries.push(entry);
        }
        let tar = layer.to_tar();
        let digest = digest_of(Algorithm::Sha256, &tar);
        facts.diff_id = Some(digest.clone());
        facts.bytes = tar.len() as u64;
        layers.push(Layer {
            index,
            digest: digest.clone(),
            diff_id: Some(digest),
            media_type: "application/vnd.oci.image.layer.v1.tar".into(),
            size: tar.len() as u64,
            history: layer
                .history
                .as_ref()
                .and_then(|step| recipe.config.history.iter().position(|other| other == step)),
            foreign_urls: Vec::new(),
        });
        read.push((facts, matches));
    }
    let digest: Digest = digest_of(Algorithm::Sha256, format!("{:?}", recipe.config).as_bytes());
    let image = Image {
        pinned: PinnedRef {
            repository: recipe.name.clone().unwrap_or_else(|| "oci:example".to_owned()),
            tag: None,
            digest: digest.clone(),
        },
        manifest: digest.clone(),
        config_digest: digest,
        platform: Some(recipe.platform.clone()),
        config: recipe.config.clone(),
        layers,
    };
    let inputs: Vec<LayerInput<'_>> =
        read.iter().map(|(facts, matches)| LayerInput { facts, matches }).collect();
    let gaps = read
        .iter()
        .enumerate()
        .flat_map(|(number, (facts, _))| facts.gaps.iter().map(move |gap| gap.in_layer(number)))
        .collect();
    match judge_started(pack, &image, &inputs, gaps, &contents, true, beside) {
        Judgement::Report(report) => *report,
        // In the last round the judge asks for nothing.
        Judgement::Needs(_) => unreachable!("the judge asked for more in its last round"),
    }
}
