//! The graph of images and what they have in common, as numbers.
//!
//! Convicted images (malicious or suspicious) are its nodes. Two of them are tied where what they share
//! says, together, at least [`weight::THRESHOLD`] bits; clusters are what hangs together by ties (single
//! linkage). Images that are clean are there to tell what is common: they tie nobody. One of which
//! something could not be read vouches for nothing that it holds.
//! `docs/CAMPAIGNS.md` states the method with its sources.
//!
//! | module | what it does |
//! |---|---|
//! | `weight` | what an indicator says, in bits |
//! | `public_hosts` | hosts that say nothing, one data file |
//! | `fuzzy` | fuzzy hashes near each other are one indicator |
//! | `rarity` | who counts against an indicator |
//! | `taken` | what clean images took over with somebody's convicted image |
//! | `score` | what two images share, and what that says together |
//! | `cluster` | ties and clusters of many, from candidate pairs |
//! | `incremental` | one more image, with the same result |
//! | `why` | the ties of a cluster, and the way from one image to another |
//!
//! # Invariants
//!
//! * Images get numbers in the order in which they come; nothing depends on these numbers but the order
//!   of equal things. Any order of adding gives the clusters that [`Graph::cluster`] gives.
//! * No text is kept but names of publishers and repositories: a hundred thousand images fit in memory.

mod cluster;
mod fuzzy;
mod incremental;
mod public_hosts;
mod rarity;
mod score;
mod taken;
pub mod weight;
mod why;

use std::collections::{HashMap, HashSet};

use lazaret_model::{Indicator, IndicatorKind, Role};

pub use score::{Common, Reason, Tied};
use weight::{Base, Bond, Millibits};
pub use why::{Above, Edge, Relation};

/// No layer, no cluster, no publisher.
const NONE: u32 = u32::MAX;
/// In more than one clean image, of more than one publisher.
const MANY: u32 = u32::MAX - 1;

/// From so many things of one kind in one file on, the file is a list (of rivals to be stopped, of
/// addresses to be blocked): what stands in it belongs to others, unless a finding names it.
pub const LISTED: usize = 8;

/// What was found of an image, as far as the graph asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Judged {
    /// Malicious or suspicious: it can be tied.
    Convicted,
    /// Read to its end, and nothing speaks against it: what it holds, honest people hold too.
    Clean,
    /// Something could not be read: it is tied to nobody, and it vouches for nothing.
    #[default]
    Unknown,
}

/// An image as the graph takes it: all platforms of one name and digest together.
#[derive(Debug, Clone, Default)]
pub struct ImageInput {
    /// Who published it: see [`publisher`].
    pub publisher: String,
    /// Its repository.
    pub repository: String,
    /// What tells it apart from others in its repository: tag and digest.
    pub name: String,
    /// Its verdict.
    pub judged: Judged,
    /// For each platform, the keys of its layers, lowest first.
    pub stacks: Vec<Vec<u64>>,
    /// What it holds.
    pub links: Vec<LinkInput>,
}

/// That an image holds an indicator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkInput {
    /// As [`Graph::indicator`] numbered it.
    pub indicator: u32,
    /// In which layer, counted through all stacks of the image; None for what stands in no layer.
    pub layer: Option<u32>,
    /// The file in which it stands, as a hash; 0 for none.
    pub place: u64,
    /// What it is to the image.
    pub role: Role,
    /// The layer, counted as above, of the file that a finding accuses with it.
    pub accused: Option<u32>,
}

/// Images by number, with what they hold, and their clusters.
#[derive(Debug)]
pub struct Graph {
    images: Vec<Node>,
    indicators: Vec<IndicatorNode>,
    fuzzy: fuzzy::Fuzzy,
    /// Groups of fuzzy hashes that became one since the last look: which indicator became which.
    became: Vec<(u32, u32)>,
    publishers: Names,
    repositories: Names,
    /// Owners' indicators and infrastructure that two convicted images and more hold.
    shared_owners: Vec<u32>,
    /// Images of each publisher.
    published: Vec<Vec<u32>>,
    /// Publishers whom an owner's indicator ties are one: the least of them.
    groups: Vec<u32>,
    layer_numbers: HashMap<u64, u32>,
    layers: Vec<LayerNode>,
    /// A chain is a layer on top of a chain, as the chain id of the image specification is.
    chain_numbers: HashMap<(u32, u32), u32>,
    chains: Vec<ChainNode>,
    refuted_pairs: HashSet<(u32, u32)>,
    refuted_repositories: HashSet<u32>,
    refuted_accounts: HashSet<u32>,
    /// The cluster of each image: the least number in it.
    clusters: Vec<u32>,
    /// Clusters of two and more.
    members: HashMap<u32, Vec<u32>>,
}

#[derive(Debug)]
struct Node {
    publisher: u32,
    repository: u32,
    /// Publisher, repository and name, hashed: the order of lists, whatever the order of adding.
    key: u128,
    convicted: bool,
    /// Not the opposite of `convicted`: see [`Judged::Unknown`].
    clean: bool,
    /// By indicator, each once.
    links: Vec<Link>,
    layers: Vec<u32>,
    chains: Vec<u32>,
    /// Of a clean one, which of its layers it took over with all of somebody's convicted image: see
    /// [`Graph::taken_over`].
    taken: Vec<u32>,
    /// Chains of whole stacks.
    ends: Vec<u32>,
    /// Of these, those with a file that a finding accuses.
    tops: Vec<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Link {
    indicator: u32,
    layer: u32,
    place: u64,
    role: Role,
    /// In a list of such things, and no finding names it.
    listed: bool,
}

#[derive(Debug)]
struct IndicatorNode {
    kind: IndicatorKind,
    base: Base,
    refuted: bool,
    /// The indicator that stands for this one: itself, but for fuzzy hashes in a group.
    stands: u32,
    weight: Millibits,
    /// How many publishers count against it, up to where it weighs nothing.
    publishers: u32,
    /// Of a tool or habit, how many of them published clean images with it and no convicted one.
    honest: u32,
    /// Whether it says less in some convicted images than in others: see [`Graph::held_back`].
    uneven: bool,
    /// Images that hold it: the convicted ones first, by key; then the others.
    holders: Vec<u32>,
    convicted: u32,
}

#[derive(Debug, Default)]
struct LayerNode {
    /// The publisher of the clean images that have it as their own or from an honest base; [`MANY`], or
    /// [`NONE`].
    innocent: u32,
    /// Part of a base that a person recorded.
    trusted: bool,
    convicted: Vec<u32>,
}

#[derive(Debug, Default)]
struct ChainNode {
    layer: u32,
    /// See [`chain_key`].
    key: u64,
    /// Convicted images that have it.
    holders: Vec<u32>,
    /// Of those, images that end with it.
    tops: Vec<u32>,
    /// The chain below; [`NONE`] at the bottom.
    below: u32,
    /// How many clean images have it.
    clean: u32,
    /// Of those, images that end with it.
    clean_ends: Vec<u32>,
}

#[derive(Debug, Default)]
struct Names {
    numbers: HashMap<String, u32>,
    names: Vec<String>,
}

impl Names {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.names.len() as u32;
        self.numbers.insert(name.to_owned(), number);
        self.names.push(name.to_owned());
        number
    }
}

impl Default for Graph {
    fn default() -> Self {
        Self::new()
    }
}

impl Graph {
    /// One without images.
    pub fn new() -> Self {
        Self {
            images: Vec::new(),
            indicators: Vec::new(),
            fuzzy: fuzzy::Fuzzy::new(),
            became: Vec::new(),
            shared_owners: Vec::new(),
            publishers: Names::default(),
            repositories: Names::default(),
            published: Vec::new(),
            groups: Vec::new(),
            layer_numbers: HashMap::new(),
            layers: Vec::new(),
            chain_numbers: HashMap::new(),
            chains: Vec::new(),
            refuted_pairs: HashSet::new(),
            refuted_repositories: HashSet::new(),
            refuted_accounts: HashSet::new(),
            clusters: Vec::new(),
            members: HashMap::new(),
        }
    }

    /// Numbers an indicator. Whoever calls gives each once.
    pub fn indicator(&mut self, kind: IndicatorKind, value: &str) -> u32 {
        let number = self.indicators.len() as u32;
        self.indicators.push(IndicatorNode {
            kind,
            base: weight::base(kind, value),
            refuted: false,
            stands: number,
            weight: 0,
            publishers: 1,
            honest: 0,
            uneven: false,
            holders: Vec::new(),
            convicted: 0,
        });
        if kind == IndicatorKind::FuzzyHash {
            let joined = self.fuzzy.add(number, value);
            let stands = joined.iter().copied().min().unwrap_or(number);
            self.became.extend(joined.into_iter().filter(|one| *one != stands).map(|one| (one, stands)));
        }
        number
    }

    /// Says that an indicator ties nobody, as a person decided. For [`Graph::cluster`] to come.
    pub fn refute_indicator(&mut self, indicator: u32) {
        if let Some(node) = self.indicators.get_mut(indicator as usize) {
            node.refuted = true;
        }
    }

    /// Says that two repositories are never tied directly. For [`Graph::cluster`] to come.
    pub fn refute_pair(&mut self, a: &str, b: &str) {
        let (a, b) = (self.repositories.number(a), self.repositories.number(b));
        self.refuted_pairs.insert((a.min(b), a.max(b)));
        self.refuted_repositories.extend([a, b]);
    }

    /// Says that what an account publishes is not all of one maker: a mirror, or an organisation of many.
    /// That two images are of it ties nobody. For [`Graph::cluster`] to come.
    pub fn refute_account(&mut self, publisher: &str) {
        let publisher = self.publisher(publisher);
        self.refuted_accounts.insert(publisher);
    }

    /// Says that a layer is everybody's: it is part of a base that a person recorded.
    pub fn trust_layer(&mut self, key: u64) {
        let layer = self.layer(key);
        self.layers[layer as usize].innocent = MANY;
        self.layers[layer as usize].trusted = true;
    }

    /// Takes in an image without looking for its ties: [`Graph::cluster`] does that for all. After it,
    /// [`Graph::add`] takes one more.
    pub fn insert(&mut self, input: &ImageInput) -> u32 {
        let image = self.images.len() as u32;
        let publisher = self.publisher(&input.publisher);
        self.published[publisher as usize].push(image);
        let repository = self.repositories.number(&input.repository);
        let mut node = Node {
            publisher,
            repository,
            key: key(input),
            convicted: input.judged == Judged::Convicted,
            clean: input.judged == Judged::Clean,
            links: Vec::new(),
            layers: Vec::new(),
            chains: Vec::new(),
            taken: Vec::new(),
            ends: Vec::new(),
            tops: Vec::new(),
        };
        self.stack(&mut node, input);
        node.links = self.links(input, node.layers.len());
        let mut begin = 0;
        for stack in &input.stacks {
            let layers = begin..begin + stack.len();
            begin = layers.end;
            if let Some(top) = layers.end.checked_sub(1).filter(|_| !stack.is_empty()) {
                node.ends.push(node.chains[top]);
                if accused(input, layers) {
                    node.tops.push(node.chains[top]);
                }
            }
        }
        node.tops.sort_unstable();
        node.tops.dedup();
        node.taken = self.taken_over(&node);
        self.settle(image, &node);
        self.images.push(node);
        self.clusters.push(image);
        image
    }

    fn publisher(&mut self, name: &str) -> u32 {
        let publisher = self.publishers.number(name);
        if publisher as usize >= self.published.len() {
            self.published.push(Vec::new());
            self.groups.push(publisher);
        }
        publisher
    }

    /// Numbers layers and chains of an image.
    fn stack(&mut self, node: &mut Node, input: &ImageInput) {
        for stack in &input.stacks {
            let (mut below, mut key_below) = (NONE, NO_LAYER);
            for layer_key in stack {
                let layer = self.layer(*layer_key);
                let next = self.chains.len() as u32;
                let chain = *self.chain_numbers.entry((below, layer)).or_insert(next);
                if chain == next {
                    let key = chain_key(key_below, *layer_key);
                    self.chains.push(ChainNode { layer, key, below, ..ChainNode::default() });
                }
                key_below = self.chains[chain as usize].key;
                node.layers.push(layer);
                node.chains.push(chain);
                below = chain;
            }
        }
    }

    fn layer(&mut self, key: u64) -> u32 {
        let next = self.layers.len() as u32;
        let layer = *self.layer_numbers.entry(key).or_insert(next);
        if layer == next {
            self.layers.push(LayerNode { innocent: NONE, ..LayerNode::default() });
        }
        layer
    }

    /// The links of an image, each indicator once: where it stands lowest.
    fn links(&self, input: &ImageInput, layers: usize) -> Vec<Link> {
        let mut in_place: HashMap<(u64, IndicatorKind), HashSet<u32>> = HashMap::new();
        for link in input.links.iter().filter(|link| link.place != 0) {
            let kind = self.indicators[link.indicator as usize].kind;
            in_place.entry((link.place, kind)).or_default().insert(link.indicator);
        }
        let mut links: Vec<Link> = input
            .links
            .iter()
            .map(|link| {
                let kind = self.indicators[link.indicator as usize].kind;
                let many = in_place.get(&(link.place, kind)).is_some_and(|all| all.len() > LISTED);
                Link {
                    indicator: link.indicator,
                    layer: link.layer.filter(|layer| (*layer as usize) < layers).unwrap_or(NONE),
                    place: link.place,
                    role: link.role,
                    listed: many && !link.role.is_named() && owners(self.bond(link.indicator)),
                }
            })
            .collect();
        tidy(&mut links);
        links
    }

    /// Notes an image at its layers and chains.
    fn settle(&mut self, image: u32, node: &Node) {
        if node.clean {
            self.vouch(node);
            for chain in distinct(&node.chains) {
                self.chains[chain as usize].clean += 1;
            }
            for end in distinct(&node.ends) {
                self.chains[end as usize].clean_ends.push(image);
            }
        }
        if !node.convicted {
            return;
        }
        for layer in &node.layers {
            let layer = &mut self.layers[*layer as usize];
            if layer.convicted.last() != Some(&image) {
                layer.convicted.push(image);
            }
        }
        for chain in &node.chains {
            let holders = &mut self.chains[*chain as usize].holders;
            if holders.last() != Some(&image) {
                holders.push(image);
            }
        }
        for top in &node.tops {
            self.chains[*top as usize].tops.push(image);
        }
    }

    /// Makes the layers of a clean image its publisher's, but for those that it took over.
    fn vouch(&mut self, node: &Node) {
        for (position, layer) in node.layers.iter().enumerate() {
            if node.took(position as u32) {
                continue;
            }
            let layer = &mut self.layers[*layer as usize];
            if layer.innocent == NONE {
                layer.innocent = node.publisher;
            } else if layer.innocent != node.publisher {
                layer.innocent = MANY;
            }
        }
    }

    /// How many images there are.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// How many of them are convicted.
    pub fn convicted(&self) -> usize {
        self.images.iter().filter(|node| node.convicted).count()
    }

    /// How many of them are clean.
    pub fn clean(&self) -> usize {
        self.images.iter().filter(|node| node.clean).count()
    }

    /// How many publishers they have.
    pub fn publisher_count(&self) -> usize {
        self.published.iter().filter(|images| !images.is_empty()).count()
    }

    /// Who published an image.
    pub fn publisher_of(&self, image: u32) -> &str {
        &self.publishers.names[self.images[image as usize].publisher as usize]
    }

    /// All images of a publisher, and of those the convicted ones.
    pub fn published_by(&self, publisher: &str) -> (u64, u64) {
        let Some(number) = self.publishers.numbers.get(publisher) else { return (0, 0) };
        let all = self.published.get(*number as usize).map_or(&[][..], Vec::as_slice);
        let convicted = all.iter().filter(|image| self.images[**image as usize].convicted).count();
        (all.len() as u64, convicted as u64)
    }

    /// Clusters of two images and more, each sorted, in the order of their least image.
    pub fn clusters(&self) -> Vec<Vec<u32>> {
        let mut all: Vec<Vec<u32>> = self.members.values().cloned().collect();
        all.sort();
        all
    }

    /// The cluster of an image, itself included, sorted.
    pub fn cluster_of(&self, image: u32) -> Vec<u32> {
        self.members.get(&self.clusters[image as usize]).cloned().unwrap_or_else(|| vec![image])
    }

    fn publisher_number(&self, image: u32) -> u32 {
        self.images[image as usize].publisher
    }

    /// Whether one account published both, of which nobody said that it is many people's.
    fn same_account(&self, a: u32, b: u32) -> bool {
        let publisher = self.publisher_number(a);
        publisher == self.publisher_number(b) && !self.refuted_accounts.contains(&publisher)
    }

    fn bond(&self, indicator: u32) -> Bond {
        self.indicators[indicator as usize].base.bond
    }
}

impl Node {
    /// One that stands in for another while that is looked at.
    fn nobodys() -> Self {
        Self {
            publisher: NONE,
            repository: NONE,
            key: 0,
            convicted: false,
            clean: false,
            links: Vec::new(),
            layers: Vec::new(),
            chains: Vec::new(),
            taken: Vec::new(),
            ends: Vec::new(),
            tops: Vec::new(),
        }
    }

    /// Whether a layer came with all layers of somebody's convicted image.
    fn took(&self, position: u32) -> bool {
        self.taken.binary_search(&position).is_ok()
    }
}

/// Each once, sorted.
fn distinct(numbers: &[u32]) -> Vec<u32> {
    let mut all = numbers.to_vec();
    all.sort_unstable();
    all.dedup();
    all
}

/// Whose an image is: the account that its listing names; in a registry, the first part of the path with
/// the registry; else its repository alone. `library` is a shelf, not a publisher, at Docker's registry and
/// at those that keep copies of it.
pub fn publisher(repository: &str, account: Option<&str>) -> String {
    if let Some(account) = account.filter(|account| !account.is_empty()) {
        return account.to_owned();
    }
    let mut parts = repository.splitn(3, '/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(host), Some(owner), Some(_))
            if (host.contains('.') && !host.starts_with('.')
                || host == "localhost"
                || host.contains(':'))
                && !on_disk(repository)
                && owner != "library" =>
        {
            format!("{host}/{owner}")
        }
        _ => repository.to_owned(),
    }
}

/// Whether a name is a place on the disk, where the first folder is nobody's account.
fn on_disk(repository: &str) -> bool {
    let schemes = ["oci:", "oci-dir:", "oci-archive:", "docker-archive:", "dir:", "lab:"];
    repository.starts_with(['/', '.', '~']) || schemes.iter().any(|scheme| repository.starts_with(scheme))
}

/// The key of a layer: its diff id, short enough for many.
pub fn layer_key(diff_id: &str) -> u64 {
    first_eight(&blake3::hash(diff_id.as_bytes()))
}

/// What no layer lies on.
pub const NO_LAYER: u64 = 0;

/// The key of a layer on top of others, as the chain id of the image specification is one: of the key
/// below, [`NO_LAYER`] at the bottom, and that of the layer.
pub fn chain_key(below: u64, layer: u64) -> u64 {
    let mut both = [0; 16];
    both[..8].copy_from_slice(&below.to_be_bytes());
    both[8..].copy_from_slice(&layer.to_be_bytes());
    first_eight(&blake3::hash(&both))
}

/// Whether an indicator ties by itself while only its owner's images hold it.
pub fn ties_by_itself(indicator: &Indicator) -> bool {
    weight::base(indicator.kind, &indicator.value).bits >= weight::THRESHOLD
}

fn first_eight(hash: &blake3::Hash) -> u64 {
    hash.as_bytes().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn key(input: &ImageInput) -> u128 {
    let part = |text: &str| u128::from(first_eight(&blake3::hash(text.as_bytes())));
    (part(&input.publisher) >> 32) << 96 | (part(&input.repository) >> 32) << 64 | part(&input.name)
}

/// Whether a finding accuses a file in one of these layers. Without it, what accuses the image is how it
/// starts, and its layers may be anybody's base, though what the finding names stand in them too.
fn accused(input: &ImageInput, layers: std::ops::Range<usize>) -> bool {
    let mut accused = input.links.iter().filter_map(|link| link.accused);
    accused.any(|layer| layers.contains(&(layer as usize)))
}

/// Whether a bond is to whoever profits or pays.
fn owners(bond: Bond) -> bool {
    matches!(bond, Bond::Owner | Bond::Infrastructure)
}

/// Sorts links by indicator and keeps one of each: not from a list before from one, the lowest layer,
/// then the least place.
fn tidy(links: &mut Vec<Link>) {
    links.sort_unstable_by_key(|link| (link.indicator, link.listed, link.layer, link.place));
    links.dedup_by(|next, kept| {
        let same = next.indicator == kept.indicator;
        if same {
            kept.role = kept.role.max(next.role);
        }
        same
    });
    links.shrink_to_fit();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publisher_is_an_account_or_a_namespace_or_a_repository_by_itself() {
        for (repository, account, meant) in [
            ("docker.io/somebody/mysql", None, "docker.io/somebody"),
            ("docker.io/somebody/mysql", Some("docker.io/else"), "docker.io/else"),
            ("docker.io/library/nginx", None, "docker.io/library/nginx"),
            ("mirror.example.test/library/nginx", None, "mirror.example.test/library/nginx"),
            ("quay.io/a/b/c", None, "quay.io/a"),
            ("localhost:5000/a/b", None, "localhost:5000/a"),
            ("registry.test/single", None, "registry.test/single"),
            ("oci:/srv/layouts/x", None, "oci:/srv/layouts/x"),
            ("/srv/a.b/c/d", None, "/srv/a.b/c/d"),
            ("./a.b/c/d", None, "./a.b/c/d"),
        ] {
            assert_eq!(publisher(repository, account), meant);
        }
    }
}
