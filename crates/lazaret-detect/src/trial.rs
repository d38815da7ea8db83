//! Judging an image that exists only as text: for the examples of rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use lazaret_model::{
    Algorithm, Budget, ContentId, Digest, FileKind, Image, ImageReport, Layer, LayerFacts, PinnedRef,
};
use lazaret_oci::{NestedBudget, digest_of};
use lazaret_recipe::Recipe;

use crate::{Examiner, Inspection, Inspector, Judgement, LayerInput, Pack, Subject, judge};

/// Reads and judges a recipe in memory, by the same analyzers, rules and policy as an image that
/// was pulled.
pub fn try_recipe(pack: &Pack, recipe: &Recipe) -> ImageReport {
    let examiner = Examiner::new();
    let mut inspector = Inspector::new(&examiner, pack.scanner());
    let budget = Budget::default();
    let mut contents: BTreeMap<ContentId, Arc<[u8]>> = BTreeMap::new();
    let mut layers = Vec::new();
    let mut read = Vec::new();
    for (index, layer) in recipe.layers.iter().enumerate() {
        let nested = NestedBudget::new(&budget, None);
        let mut facts = LayerFacts { complete: true, ..LayerFacts::default() };
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
    match judge(pack, &image, &inputs, gaps, &contents, true) {
        Judgement::Report(report) => *report,
        // In the last round the judge asks for nothing.
        Judgement::Needs(_) => unreachable!("the judge asked for more in its last round"),
    }
}
