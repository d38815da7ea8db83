//! The layers of one image: from the store where they are known, by the worker where not.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt};
use lazaret_model::{
    Budget, ContentId, Digest, EntryPath, Fact, Gap, GapKind, Image, Layer, LayerFacts, Location,
};
use lazaret_store::{LayerRecord, Store};
use tokio::task::JoinHandle;

use crate::scanner::ByBlob;
use crate::source::{LayerBytes, Source};
use crate::worker::{
    HeldLayer, LayerAnswer, LayerInput, ReadRequest, ReadWhat, Worker, WorkerError, WorkerPlace,
};
use crate::{Listener, Progress, ScanError};

/// A content and its key.
type Content = (ContentId, Arc<[u8]>);

/// How long a layer is waited for that another image reads.
const LONGEST_TURN: Duration = Duration::from_secs(60);

/// One at a time reads a layer, among the images that are judged at once: the others then find it in
/// the store.
#[derive(Default)]
pub(crate) struct LayerTurns {
    taken: Mutex<HashMap<Digest, Arc<tokio::sync::Mutex<()>>>>,
}

impl LayerTurns {
    /// The turn; None where whoever has it takes too long. His registry may be slow on purpose, and
    /// another one may have the same layer: it is then read twice.
    async fn take(&self, layer: &Digest) -> Option<tokio::sync::OwnedMutexGuard<()>> {
        let turn = {
            let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            // Those that nobody has or waits for.
            taken.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(taken.entry(layer.clone()).or_default())
        };
        tokio::time::timeout(LONGEST_TURN, turn.lock_owned()).await.ok()
    }
}

/// What is needed to read layers.
pub(crate) struct Layers<'a> {
    pub source: &'a Source,
    pub workers: &'a WorkerPlace,
    pub store: Option<&'a Store>,
    pub analyzers: &'a str,
    pub byte_rules: &'a str,
    pub budget: &'a Budget,
    pub deadline: Instant,
    pub at_once: usize,
    pub listener: &'a Listener,
    /// Who reads which layer now, among all images; None where no image waits for another.
    pub turns: Option<&'a LayerTurns>,
    /// Whether a worker died on this image: layers are read one after the other, and nothing
    /// that was learned stays with a worker alone.
    pub careful: bool,
}

/// Layers that were read for another platform of the same reference.
pub(crate) type ReadLayers = ByBlob<Known>;

/// One layer that is known now.
#[derive(Clone)]
pub(crate) struct Known {
    input: LayerInput,
    gaps: Vec<Gap>,
    complete: bool,
    remembered: bool,
    /// The worker died while it read this.
    died: bool,
}

impl Known {
    fn unread(gap: Gap, died: bool) -> Self {
        let input = LayerInput::Given(Box::default(), Vec::new());
        Self { input, gaps: vec![gap], complete: false, remembered: false, died }
    }
}

/// All layers of an image.
pub(crate) struct AllLayers {
    /// For the judge, lowest first.
    pub inputs: Vec<LayerInput>,
    /// What could not be read, with layer numbers.
    pub gaps: Vec<Gap>,
    /// Contents that the worker does not hold.
    pub contents: Vec<Content>,
    /// Whether every layer was read to its end.
    pub complete: bool,
    /// How many layers came from the store.
    pub remembered: u64,
    /// Whether a worker died while it read one of them.
    pub died: bool,
}

impl Layers<'_> {
    /// Every layer of the image, read or remembered.
    pub(crate) async fn read(&self, image: &Image, known: &mut ReadLayers) -> Result<AllLayers, ScanError> {
        let mut all = AllLayers {
            inputs: Vec::new(),
            gaps: Vec::new(),
            contents: Vec::new(),
            complete: true,
            remembered: 0,
            died: false,
        };
        let mut missing: Vec<&Layer> = Vec::new();
        for layer in &image.layers {
            if !known.contains_key(&layer.digest) && !missing.iter().any(|m| m.digest == layer.digest) {
                missing.push(layer);
            }
        }
        let at_once = if self.careful { 1 } else { self.at_once.max(1) };
        let mut found = stream::iter(missing)
            .map(|layer| async move { (layer.digest.clone(), self.one(layer).await) })
            .buffered(at_once);
        while let Some((digest, outcome)) = found.next().await {
            let (layer, contents) = outcome?;
            all.contents.extend(contents);
            known.insert(digest, layer);
        }
        drop(found);
        for layer in &image.layers {
            let Some(this) = known.get(&layer.digest) else { continue };
            all.inputs.push(this.input.clone());
            all.gaps.extend(this.gaps.iter().map(|gap| gap.in_layer(layer.index)));
            all.complete &= this.complete;
            all.remembered += u64::from(this.remembered);
            all.died |= this.died;
        }
        Ok(all)
    }

    /// The key of a layer's facts beside its diff id. The diff id is only the configuration's claim
    /// until the blob was read: with another blob under the diff id of a harmless layer, an image
    /// would be judged by what it does not hold. So facts count for the blob that they came from.
    fn facts_key(&self, layer: &Layer) -> String {
        format!("{} {}", self.analyzers, layer.digest)
    }

    async fn one(&self, layer: &Layer) -> Result<(Known, Vec<Content>), ScanError> {
        // Where another image has the same layer and reads it, what it learns is waited for. Whoever
        // has a turn waits for no other, so that nobody waits for ever.
        let _turn = match self.turns.filter(|_| self.store.is_some()) {
            Some(turns) => turns.take(&layer.digest).await,
            None => None,
        };
        // Under what the worker holds it from one image to the next; only what the store knows too.
        let key = match (self.store, &layer.diff_id) {
            (Some(_), Some(diff_id)) if self.workers.is_warm() && !self.careful => {
                Some(format!("{diff_id} {} {}", self.facts_key(layer), self.byte_rules))
            }
            _ => None,
        };
        if let Some(key) = &key
            && let Some(held) = self.workers.get().await?.held(key)
        {
            let input = LayerInput::Held(held.id);
            let known = Known { input, gaps: held.gaps, complete: true, remembered: true, died: false };
            return Ok((known, Vec::new()));
        }
        let mut facts = None;
        if let (Some(store), Some(diff_id)) = (self.store, &layer.diff_id) {
            facts = store.facts(diff_id, &self.facts_key(layer)).await?;
            if let Some(facts) = &facts
                && let Some(matches) = store.byte_matches(diff_id, self.byte_rules).await?
            {
                return self.remembered(facts.clone(), matches, store, key).await;
            }
        }
        let what = ReadWhat { analyze: facts.is_none(), match_bytes: true };
        let (answer, worker) = match self.fetch(layer, what, Vec::new()).await? {
            Fetched::Answer(answer, worker) => (*answer, worker),
            Fetched::Gap(gap) => return Ok((Known::unread(gap, false), Vec::new())),
            Fetched::Died(gap) => return Ok((Known::unread(gap, true), Vec::new())),
        };
        let contents: Vec<(ContentId, Vec<u8>)> = answer.kept;
        match facts {
            // Only the byte rules are new: what the analyzers said still stands.
            Some(facts) => {
                self.remember(layer, None, &answer.facts, &answer.matches, &contents).await?;
                let Some(store) = self.store else { return Err(no_store()) };
                let mut gaps = facts.gaps.clone();
                gaps.extend(answer.facts.gaps.iter().cloned());
                let (mut known, contents) = self.remembered(facts, answer.matches, store, None).await?;
                known.gaps = gaps;
                known.complete &= answer.facts.complete;
                known.remembered = false;
                Ok((known, contents))
            }
            None => {
                self.remember(layer, Some(&answer.facts), &answer.facts, &answer.matches, &contents).await?;
                let (gaps, complete) = (answer.facts.gaps.clone(), answer.facts.complete);
                let (input, contents) = if self.careful {
                    let contents = contents.into_iter().map(|(id, bytes)| (id, Arc::from(bytes))).collect();
                    (LayerInput::Given(Box::new(answer.facts), answer.matches), contents)
                } else {
                    if let (Some(key), true) = (key, complete) {
                        worker.hold(key, HeldLayer { id: answer.id, gaps: gaps.clone() });
                    }
                    (LayerInput::Held(answer.id), Vec::new())
                };
                Ok((Known { input, gaps, complete, remembered: false, died: false }, contents))
            }
        }
    }

    async fn remembered(
        &self,
        facts: LayerFacts,
        matches: Vec<Fact>,
        store: &Store,
        key: Option<String>,
    ) -> Result<(Known, Vec<Content>), ScanError> {
        let contents = store.contents(&facts.kept).await?.into_iter().collect();
        let known = Known {
            gaps: facts.gaps.clone(),
            complete: facts.complete,
            input: match key {
                Some(key) => LayerInput::Keep(key, Box::new(facts), matches),
                None => LayerInput::Given(Box::new(facts), matches),
            },
            remembered: true,
            died: false,
        };
        Ok((known, contents))
    }

    async fn remember(
        &self,
        layer: &Layer,
        facts: Option<&LayerFacts>,
        read: &LayerFacts,
        matches: &[Fact],
        contents: &[(ContentId, Vec<u8>)],
    ) -> Result<(), ScanError> {
        // Only what was read to its end, with the digest that the configuration names.
        if let (Some(store), Some(diff_id), true) = (self.store, &layer.diff_id, read.complete) {
            let record = LayerRecord {
                diff_id,
                analyzers: &self.facts_key(layer),
                facts,
                byte_rules: self.byte_rules,
                matches,
                contents,
            };
            store.put_layer(record).await?;
        }
        Ok(())
    }

    /// Reads layers again for contents that were not kept.
    pub(crate) async fn again(
        &self,
        image: &Image,
        missing: &[(usize, EntryPath)],
    ) -> Result<Vec<Content>, ScanError> {
        let mut by_layer: BTreeMap<usize, Vec<EntryPath>> = BTreeMap::new();
        for (layer, path) in missing {
            by_layer.entry(*layer).or_default().push(path.clone());
        }
        let mut contents = Vec::new();
        for (number, paths) in by_layer {
            let Some(layer) = image.layers.get(number) else { continue };
            let what = ReadWhat { analyze: false, match_bytes: false };
            if let Fetched::Answer(answer, _) = self.fetch(layer, what, paths).await? {
                contents.extend(answer.kept.into_iter().map(|(id, bytes)| (id, Arc::from(bytes))));
            }
        }
        Ok(contents)
    }

    async fn fetch(
        &self,
        layer: &Layer,
        what: ReadWhat,
        wanted: Vec<EntryPath>,
    ) -> Result<Fetched, ScanError> {
        let gap = |kind, detail: String| Ok(Fetched::Gap(Gap::serious(kind, Location::Layer(0), detail)));
        if !layer.foreign_urls.is_empty() {
            let detail = format!(
                "layer {} is to be fetched from an address that the image names; that is never done",
                layer.digest
            );
            return gap(GapKind::Missing, detail);
        }
        // Before the download begins, so that it is not kept waiting for the worker's start.
        let worker = self.workers.get().await?;
        let bytes = match self.source.layer(layer).await {
            Ok(bytes) => bytes,
            Err(error) => return gap(GapKind::Missing, format!("layer {}: {error}", layer.digest)),
        };
        (self.listener)(Progress::Expect(layer.size));
        let (descriptor, offset, length, seekable, feeding) = match bytes {
            LayerBytes::File { descriptor, offset, length, seekable } => {
                (descriptor, offset, length, seekable, None)
            }
            LayerBytes::Download { descriptor, stream, feed, copy } => {
                let feeding: JoinHandle<_> = tokio::spawn(lazaret_registry::pump(*stream, feed, copy));
                (descriptor, 0, None, false, Some(feeding))
            }
        };
        let seconds = self.deadline.saturating_duration_since(Instant::now()).as_secs();
        let request = ReadRequest {
            layer: layer.clone(),
            descriptor,
            offset,
            length,
            seekable,
            what,
            wanted,
            budget: *self.budget,
            seconds,
        };
        let answer = match worker.read(request).await {
            Ok(answer) => answer,
            // What killed the reader is the image: a crash is something that was not read.
            Err(error @ WorkerError::Died(_)) => {
                let detail = format!("layer {}: {error}", layer.digest);
                return Ok(Fetched::Died(Gap::serious(GapKind::Damaged, Location::Layer(0), detail)));
            }
            Err(error) => return Err(error.into()),
        };
        let broke = match feeding {
            Some(feeding) => match feeding.await {
                Ok(Ok(_)) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(error) => Some(error.to_string()),
            },
            None => None,
        };
        let mut answer = answer;
        if let Some(error) = broke {
            let detail = format!("the download of layer {} broke off: {error}", layer.digest);
            answer.facts.complete = false;
            answer.facts.gaps.push(Gap::serious(GapKind::Missing, Location::Layer(0), detail));
        } else if !answer.blob_ok && answer.blob_bytes >= layer.size && answer.whole {
            return Err(ScanError::DigestMismatch {
                named: layer.digest.clone(),
                is: answer.blob_digest.clone(),
            });
        }
        Ok(Fetched::Answer(Box::new(answer), worker))
    }
}

enum Fetched {
    /// What the worker says, and which worker.
    Answer(Box<LayerAnswer>, Arc<Worker>),
    Gap(Gap),
    /// The worker died while it read the layer.
    Died(Gap),
}

fn no_store() -> ScanError {
    ScanError::System {
        what: "the store",
        error: std::io::Error::other("facts came from a store that is not open"),
    }
}
