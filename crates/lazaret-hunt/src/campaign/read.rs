//! The graph from what the store remembers: numbers for all images, texts for few.

use std::collections::HashMap;

use lazaret_model::{Digest, Indicator, Outcome};
use lazaret_store::{GraphImage, GraphLink, Refuted, Store, StoreError};

use crate::graph::{self, Graph, ImageInput, LinkInput};

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
    /// Its rows in the store, one for each platform.
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
        matches!(self.outcome, Outcome::Malicious | Outcome::Suspicious)
    }
}

/// Decides whether an image is taken to hold an indicator, for measurements that leave some out.
pub type Keep<'k> = &'k (dyn Fn(&Known, &Indicator) -> bool + Sync);

impl Memory {
    /// Reads the graph and clusters it.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn read(store: &Store) -> Result<Self, StoreError> {
        Self::read_with(store, None).await
    }

    /// [`Memory::read`], without the links that `keep` refuses.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn read_with(store: &Store, keep: Option<Keep<'_>>) -> Result<Self, StoreError> {
        let mut graph = Graph::new();
        let (indicators, numbers, values) = read_indicators(store, &mut graph, keep.is_some()).await?;
        let (images, nodes) = read_images(store).await?;
        let mut inputs = inputs(&images, &accounts(store).await?);
        // Where the layers of a row begin among all layers of its image, as they are stacked.
        let mut begins: HashMap<i64, u32> = HashMap::with_capacity(nodes.len());
        let mut rows: Vec<i64> = nodes.keys().copied().collect();
        rows.sort_unstable();
        for page in rows.chunks(PAGE as usize) {
            let (Some(first), Some(last)) = (page.first(), page.last()) else { continue };
            for (row, diff_id) in store.graph_layers(*first, *last).await? {
                let Some(node) = nodes.get(&row) else { continue };
                let stacks = &mut inputs[*node as usize].stacks;
                let begin: usize = stacks.iter().map(Vec::len).sum();
                if let std::collections::hash_map::Entry::Vacant(new) = begins.entry(row) {
                    new.insert(begin as u32);
                    stacks.push(Vec::new());
                }
                if let Some(stack) = stacks.last_mut() {
                    stack.push(graph::layer_key(&diff_id));
                }
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
                    let begin = begins.get(&link.image).copied();
                    inputs[*node as usize].links.push(input(&link, *indicator, begin));
                }
            }
        }
        for input in inputs.drain(..) {
            graph.insert(&input);
        }
        refute(store, &mut graph, &numbers).await?;
        for base in store.bases().await? {
            for diff_id in &base.diff_ids {
                graph.trust_layer(graph::layer_key(&diff_id.to_string()));
            }
        }
        graph.cluster();
        Ok(Self { graph, images, indicators, nodes })
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

    /// The image that a row of the store belongs to.
    pub fn node(&self, row: i64) -> Option<u32> {
        self.nodes.get(&row).copied()
    }

    /// Images that a person may mean: by repository, repository and tag, or digest; the convicted ones
    /// first. A name without registry means any registry.
    pub fn find(&self, name: &str) -> Vec<u32> {
        let meant = |known: &Known| {
            let full = known.name();
            let ends = |text: &str| text == name || text.ends_with(&format!("/{name}"));
            let digest = known.root.to_string();
            ends(&known.repository)
                || ends(&full)
                || digest == name
                || name
                    .strip_suffix(&digest)
                    .and_then(|n| n.strip_suffix('@'))
                    .is_some_and(|n| known.repository == n || known.repository.ends_with(&format!("/{n}")))
        };
        let mut found: Vec<u32> =
            (0..self.images.len() as u32).filter(|number| meant(self.image(*number))).collect();
        found.sort_by_key(|number| (!self.image(*number).is_convicted(), *number));
        found
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

/// All images, rows of one name and digest together, in the order of their names.
async fn read_images(store: &Store) -> Result<(Vec<Known>, Numbers), StoreError> {
    let mut rows: Vec<GraphImage> = Vec::new();
    loop {
        let page = store.graph_images(rows.last().map_or(0, |row| row.id), PAGE * 10).await?;
        if page.is_empty() {
            break;
        }
        rows.extend(page);
    }
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
                if row.outcome.rank() > known.outcome.rank() {
                    known.outcome = row.outcome;
                }
            }
            None => images.push(Known {
                repository: row.repository,
                tag: row.tag,
                root: row.root,
                outcome: row.outcome,
                rows: vec![row.id],
            }),
        }
        nodes.insert(row.id, images.len() as u32 - 1);
    }
    Ok((images, nodes))
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
        convicted: known.is_convicted(),
        ..ImageInput::default()
    };
    images.iter().map(input).collect()
}

fn input(link: &GraphLink, indicator: u32, begin: Option<u32>) -> LinkInput {
    let layer = begin.zip(link.layer).and_then(|(begin, layer)| begin.checked_add(layer));
    LinkInput { indicator, layer, place: link.place, named: link.named }
}

async fn refute(store: &Store, graph: &mut Graph, numbers: &Numbers) -> Result<(), StoreError> {
    for refutation in store.refutations().await? {
        match &refutation.what {
            Refuted::Pair(a, b) => graph.refute_pair(a, b),
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
