//! The graph from what the store remembers: numbers for all images, texts for few.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use lazaret_model::{Digest, Indicator, Outcome};
use lazaret_scan::feeds::Allowed;
use lazaret_store::{GraphImage, GraphLink, Refuted, Store, StoreError};

use crate::graph::{self, Graph, ImageInput, Judged, LinkInput};

/// Rows of images, and of what belongs to them, that are asked for at once.
const PAGE: u32 = 500;
/// Rows of indicators that are asked for at once.
const INDICATORS: u32 = 20_000;

/// The graph, with what its numbers stand for in the store.
#[derive(Debug)]
pub struct Memory {
    /// Clustered.
    pub graph: Graph,
    images: Vec<Known>,
    /// The store's number of each indicator of the graph.
    indicators: Vec<i64>,
    /// The graph's number of an image's row.
    nodes: HashMap<i64, u32>,
    /// What feeds allow of the graph's indicators.
    allowed: BTreeMap<u32, Allowed>,
}

/// An image of the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Where it came from, without tag.
    pub repository: String,
    /// The tag that was resolved.
    pub tag: Option<String>,
    /// Digest that the reference was resolved to.
    pub root: Digest,
    /// The worst verdict of its platforms.
    pub outcome: Outcome,
    /// Digests of its manifests, one for each of [`Known::rows`].
    pub manifests: Vec<Digest>,
    /// Its rows in the store, one for each platform, and for each other name that it was judged by.
    pub rows: Vec<i64>,
}

impl Known {
    /// As a person would name it.
    pub fn name(&self) -> String {
        match &self.tag {
            Some(tag) => format!("{}:{tag}", self.repository),
            None => self.repository.clone(),
        }
    }

    /// Whether its verdict makes it a node that can be tied.
    pub fn is_convicted(&self) -> bool {
        self.judged() == Judged::Convicted
    }

    fn judged(&self) -> Judged {
        match self.outcome {
            Outcome::Malicious | Outcome::Suspicious => Judged::Convicted,
            Outcome::Clean => Judged::Clean,
            Outcome::Inconclusive => Judged::Unknown,
        }
    }
}

/// Decides whether an image is taken to hold an indicator, for measurements that leave some out.
pub type Keep<'k> = &'k (dyn Fn(&Known, &Indicator) -> bool + Sync);

impl Memory {
    /// Reads the graph and clusters it. What feeds allow ties nobody.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn read(store: &Store, allowed: &[Allowed]) -> Result<Self, StoreError> {
        Self::build(store, None, allowed).await
    }

    /// [`Memory::read`] without feeds, and without the links that `keep` refuses.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn read_with(store: &Store, keep: Option<Keep<'_>>) -> Result<Self, StoreError> {
        Self::build(store, keep, &[]).await
    }

    async fn build(store: &Store, keep: Option<Keep<'_>>, allowed: &[Allowed]) -> Result<Self, StoreError> {
        let mut graph = Graph::new();
        let (indicators, numbers, values) = read_indicators(store, &mut graph, keep.is_some()).await?;
        let (images, nodes) = read_images(store).await?;
        let mut inputs = inputs(&images, &accounts(store).await?);
        // Where the layers of a row lie among all layers of its image, as they are stacked.
        let mut places: HashMap<i64, Range<u32>> = HashMap::with_capacity(nodes.len());
        let mut rows: Vec<i64> = nodes.keys().copied().collect();
        rows.sort_unstable();
        for page in rows.chunks(PAGE as usize) {
            let (Some(first), Some(last)) = (page.first(), page.last()) else { continue };
            for layer in store.graph_layers(*first, *last).await? {
                let Some(node) = nodes.get(&layer.image) else { continue };
                let stacks = &mut inputs[*node as usize].stacks;
                let end = stacks.iter().map(Vec::len).sum::<usize>() as u32;
                let place = places.entry(layer.image).or_insert_with(|| {
                    stacks.push(Vec::new());
                    end..end
                });
                let Some(stack) = stacks.last_mut() else { continue };
                // A layer whose diff id its configuration does not name is nobody else's, and has its place
                // all the same.
                while stack.len() < layer.position as usize {
                    let unnamed = format!("image {} layer {}", layer.image, stack.len());
                    stack.push(graph::layer_key(&unnamed));
                }
                stack.push(graph::layer_key(&layer.diff_id));
                place.end = place.start + stack.len() as u32;
            }
            for link in store.graph_links(*first, *last).await? {
                let (Some(node), Some(indicator)) = (nodes.get(&link.image), numbers.get(&link.indicator))
                else {
                    continue;
                };
                let kept = keep.is_none_or(|keep| {
                    let known = values.get(*indicator as usize);
                    known.is_none_or(|value| keep(&images[*node as usize], value))
                });
                if kept {
                    let place = places.get(&link.image);
                    inputs[*node as usize].links.push(input(&link, *indicator, place));
                }
            }
        }
        for input in inputs.drain(..) {
            graph.insert(&input);
        }
        refute(store, &mut graph, &numbers).await?;
        let allowed = allow(store, &mut graph, &numbers, allowed).await?;
        for base in store.bases().await? {
            for diff_id in &base.diff_ids {
                graph.trust_layer(graph::layer_key(&diff_id.to_string()));
            }
        }
        graph.cluster();
        Ok(Self { graph, images, indicators, nodes, allowed })
    }

    /// An image by its number in the graph.
    pub fn image(&self, number: u32) -> &Known {
        &self.images[number as usize]
    }

    /// All images, in the order of their numbers in the graph.
    pub fn images(&self) -> &[Known] {
        &self.images
    }

    /// The store's number of an indicator.
    pub fn indicator(&self, number: u32) -> i64 {
        self.indicators[number as usize]
    }

    /// Which feed allows an indicator, in words.
    pub fn allowed_by(&self, number: u32) -> Option<&str> {
        self.allowed.get(&number).map(|allowed| allowed.by.as_str())
    }

    /// What feeds allow of all that was seen, by its number in the graph.
    pub(super) fn allowed(&self) -> &BTreeMap<u32, Allowed> {
        &self.allowed
    }

    /// The number in the graph of an indicator of the store.
    pub fn number(&self, indicator: i64) -> Option<u32> {
        // They were read in the order of their numbers in the store.
        self.indicators.binary_search(&indicator).ok().map(|at| at as u32)
    }

    /// The image that a row of the store belongs to.
    pub fn node(&self, row: i64) -> Option<u32> {
        self.nodes.get(&row).copied()
    }
}

type Numbers = HashMap<i64, u32>;

async fn read_indicators(
    store: &Store,
    graph: &mut Graph,
    all_values: bool,
) -> Result<(Vec<i64>, Numbers, Vec<Indicator>), StoreError> {
    let (mut ids, mut numbers, mut values, mut after) = (Vec::new(), Numbers::new(), Vec::new(), 0);
    while let Some((last, page)) = store.graph_indicators(after, INDICATORS, all_values).await? {
        after = last;
        for found in page {
            let number = graph.indicator(found.indicator.kind, &found.indicator.value);
            ids.push(found.id);
            numbers.insert(found.id, number);
            if all_values {
                values.push(found.indicator);
            }
        }
    }
    Ok((ids, numbers, values))
}

/// All images, rows of one name and digest together, in the order of their names. What was judged by its
/// digest is the image that a tag of its repository names, where one does.
async fn read_images(store: &Store) -> Result<(Vec<Known>, Numbers), StoreError> {
    let mut rows: Vec<GraphImage> = Vec::new();
    loop {
        let page = store.graph_images(rows.last().map_or(0, |row| row.id), PAGE * 10).await?;
        if page.is_empty() {
            break;
        }
        rows.extend(page);
    }
    under_their_tags(&mut rows);
    rows.sort_by(|a, b| {
        (&a.repository, &a.tag, a.root.to_string(), a.id).cmp(&(
            &b.repository,
            &b.tag,
            b.root.to_string(),
            b.id,
        ))
    });
    let (mut images, mut nodes): (Vec<Known>, Numbers) = (Vec::new(), Numbers::with_capacity(rows.len()));
    for row in rows {
        let same = images.last_mut().filter(|known| {
            known.repository == row.repository && known.tag == row.tag && known.root == row.root
        });
        match same {
            Some(known) => {
                known.rows.push(row.id);
                known.manifests.push(row.manifest);
                if row.outcome.rank() > known.outcome.rank() {
                    known.outcome = row.outcome;
                }
            }
            None => images.push(Known {
                repository: row.repository,
                tag: row.tag,
                root: row.root,
                outcome: row.outcome,
                manifests: vec![row.manifest],
                rows: vec![row.id],
            }),
        }
        nodes.insert(row.id, images.len() as u32 - 1);
    }
    Ok((images, nodes))
}

/// Gives what was judged by a digest, of an index or of one of its platforms, the name of a tag of its
/// repository that stands for it; of several the first.
fn under_their_tags(rows: &mut [GraphImage]) {
    type Names = BTreeSet<(String, String)>;
    let mut tagged: HashMap<(String, Digest), Names> = HashMap::new();
    let mut roots: HashMap<String, Digest> = HashMap::new();
    for row in rows.iter() {
        let Some(tag) = &row.tag else { continue };
        let root = row.root.to_string();
        for digest in [&row.root, &row.manifest] {
            let names = tagged.entry((row.repository.clone(), digest.clone())).or_default();
            names.insert((tag.clone(), root.clone()));
        }
        roots.entry(root).or_insert_with(|| row.root.clone());
    }
    for row in rows.iter_mut().filter(|row| row.tag.is_none()) {
        let names = tagged.get(&(row.repository.clone(), row.root.clone()));
        let Some((tag, root)) = names.and_then(Names::first) else { continue };
        row.tag = Some(tag.clone());
        if let Some(root) = roots.get(root) {
            row.root = root.clone();
        }
    }
}

async fn accounts(store: &Store) -> Result<HashMap<String, String>, StoreError> {
    let mut all: HashMap<String, String> = HashMap::new();
    let mut after = String::new();
    loop {
        let page = store.graph_accounts(&after, INDICATORS).await?;
        let Some((last, _)) = page.last() else { return Ok(all) };
        after = last.clone();
        all.extend(page);
    }
}

fn inputs(images: &[Known], accounts: &HashMap<String, String>) -> Vec<ImageInput> {
    let input = |known: &Known| ImageInput {
        publisher: graph::publisher(&known.repository, accounts.get(&known.repository).map(String::as_str)),
        repository: known.repository.clone(),
        name: format!("{}@{}", known.tag.as_deref().unwrap_or_default(), known.root),
        judged: known.judged(),
        ..ImageInput::default()
    };
    images.iter().map(input).collect()
}

fn input(link: &GraphLink, indicator: u32, place: Option<&Range<u32>>) -> LinkInput {
    let among_all = |layer: Option<u32>| {
        place
            .zip(layer)
            .and_then(|(place, layer)| place.start.checked_add(layer).filter(|layer| place.contains(layer)))
    };
    LinkInput {
        indicator,
        layer: among_all(link.layer),
        place: link.place,
        role: link.role,
        accused: among_all(link.accused),
    }
}

async fn refute(store: &Store, graph: &mut Graph, numbers: &Numbers) -> Result<(), StoreError> {
    for refutation in store.refutations().await? {
        match &refutation.what {
            Refuted::Pair(a, b) => graph.refute_pair(a, b),
            Refuted::Account(account) => graph.refute_account(account),
            Refuted::Indicator(indicator) => {
                let id = store.indicator_id(indicator).await?;
                if let Some(number) = id.and_then(|id| numbers.get(&id)) {
                    graph.refute_indicator(*number);
                }
            }
        }
    }
    Ok(())
}

/// Refutes what feeds allow, and says what of it was seen.
async fn allow(
    store: &Store,
    graph: &mut Graph,
    numbers: &Numbers,
    allowed: &[Allowed],
) -> Result<BTreeMap<u32, Allowed>, StoreError> {
    let indicators: Vec<Indicator> = allowed.iter().map(|one| one.indicator.clone()).collect();
    let mut seen = BTreeMap::new();
    for (position, id) in store.indicator_ids(&indicators).await? {
        if let (Some(number), Some(one)) = (numbers.get(&id), allowed.get(position)) {
            graph.refute_indicator(*number);
            seen.insert(*number, one.clone());
        }
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn row(repository: &str, tag: Option<&str>, root: u8, manifest: u8) -> GraphImage {
        GraphImage {
            id: 0,
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            root: Digest::sha256(&[root; 32]),
            manifest: Digest::sha256(&[manifest; 32]),
            outcome: Outcome::Malicious,
        }
    }

    #[test]
    fn what_was_judged_by_digest_is_the_image_of_its_tag() {
        let names = |rows: &[GraphImage]| -> Vec<(Option<String>, Digest)> {
            let mut rows = rows.to_vec();
            under_their_tags(&mut rows);
            rows.into_iter().map(|row| (row.tag, row.root)).collect()
        };
        let image = |tag: Option<&str>, root: u8| (tag.map(str::to_owned), Digest::sha256(&[root; 32]));
        let rows = [
            row("r/a", Some("2"), 1, 11),
            row("r/a", Some("1"), 1, 11),
            row("r/a", Some("1"), 1, 12),
            // By the index, by one of its platforms, by what no tag names; and another repository's.
            row("r/a", None, 1, 11),
            row("r/a", None, 12, 12),
            row("r/a", None, 13, 13),
            row("r/b", None, 1, 11),
        ];
        assert_eq!(
            names(&rows),
            [
                image(Some("2"), 1),
                image(Some("1"), 1),
                image(Some("1"), 1),
                image(Some("1"), 1),
                image(Some("1"), 1),
                image(None, 13),
                image(None, 1),
            ]
        );
    }
}
