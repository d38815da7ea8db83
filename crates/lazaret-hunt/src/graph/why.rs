//! The ties of a cluster, and the way from one image to another.

use lazaret_model::{IndicatorKind, Role};
use petgraph::unionfind::UnionFind;

use super::rarity::Marks;
use super::score::{Reason, Tied};
use super::weight::{Millibits, THRESHOLD};
use super::{Graph, owners};

/// Clusters up to this size are compared pair by pair when they are told.
const ALL_PAIRS: usize = 600;
/// In a larger one, ties of an image to those near it that are told.
const NEAR: usize = 4;

/// Two images that are tied directly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// One.
    pub a: u32,
    /// The other, of the higher number.
    pub b: u32,
    /// Why.
    pub tied: Tied,
}

/// Unconvicted images by the layers of convicted ones that they lie on.
#[derive(Debug, Default)]
pub struct Above {
    images: std::collections::HashMap<u32, Vec<u32>>,
}

/// How two images hang together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relation {
    /// They are tied.
    Direct(Tied),
    /// They are in one cluster: tied from each to the next.
    Path(Vec<Edge>),
    /// They are not: what they share is not enough, or a person refuted it, or one was not convicted.
    Apart(Tied),
}

impl Graph {
    /// The direct ties within a cluster, the strongest first: a spanning tree of the strongest, then others
    /// until there are `bound`.
    pub fn ties(&self, cluster: &[u32], bound: usize) -> Vec<Edge> {
        let mut edges = self.candidate_edges(cluster);
        edges.sort_by_key(|edge| (std::cmp::Reverse(edge.tied.bits), edge.a, edge.b));
        let mut position = std::collections::HashMap::new();
        for (at, image) in cluster.iter().enumerate() {
            position.insert(*image, at as u32);
        }
        let mut sets = UnionFind::<u32>::new(cluster.len());
        let (mut tree, mut rest) = (Vec::new(), Vec::new());
        for edge in edges {
            let (Some(a), Some(b)) = (position.get(&edge.a), position.get(&edge.b)) else { continue };
            if sets.union(*a, *b) { tree.push(edge) } else { rest.push(edge) }
        }
        let room = bound.saturating_sub(tree.len());
        tree.extend(rest.into_iter().take(room));
        tree.sort_by_key(|edge| (std::cmp::Reverse(edge.tied.bits), edge.a, edge.b));
        tree
    }

    fn candidate_edges(&self, cluster: &[u32]) -> Vec<Edge> {
        let mut edges = Vec::new();
        let mut look = |a: u32, b: u32| {
            if self.may_tie(a, b) {
                let tied = self.tied(a, b);
                if tied.bits >= THRESHOLD {
                    edges.push(Edge { a: a.min(b), b: a.max(b), tied });
                }
            }
        };
        if cluster.len() <= ALL_PAIRS {
            for (at, a) in cluster.iter().enumerate() {
                cluster[at + 1..].iter().for_each(|b| look(*a, *b));
            }
            return edges;
        }
        // Of a large one, as it was clustered: in each list of what ties by itself each with the next, and
        // each with some of those near it.
        let mut scratch = self.scratch();
        let inside: std::collections::HashMap<u32, u32> =
            cluster.iter().enumerate().map(|(at, image)| (*image, at as u32)).collect();
        let here = |image: &u32| inside.contains_key(image);
        let (mut listed, mut stacked) = (Marks::default(), Marks::default());
        listed.clear();
        stacked.clear();
        for image in cluster {
            for link in &self.images[*image as usize].links {
                if self.strong(link.indicator) && listed.mark(link.indicator) {
                    let holders: Vec<u32> = self.united(link.indicator).into_iter().filter(here).collect();
                    holders.windows(2).for_each(|pair| look(pair[0], pair[1]));
                }
            }
            for chain in &self.images[*image as usize].chains {
                let node = &self.chains[*chain as usize];
                if node.tops.is_empty() || !stacked.mark(*chain) {
                    continue;
                }
                let lower: Vec<u32> = node.tops.iter().copied().filter(here).collect();
                let upper: Vec<u32> =
                    node.holders.iter().copied().filter(here).filter(|u| self.goes_on(*u, *chain)).collect();
                let (Some(low), Some(high)) = (lower.first(), upper.first()) else { continue };
                upper.iter().for_each(|other| look(*low, *other));
                lower.iter().for_each(|other| look(*other, *high));
            }
            for other in self.near(*image, &mut scratch, NEAR) {
                if here(&other) {
                    look(*image, other);
                }
            }
        }
        // What hangs on to the rest by none of these: repositories that a person told apart, accounts that
        // publish what they build on.
        let mut sets = UnionFind::<u32>::new(cluster.len());
        for edge in &edges {
            sets.union(inside[&edge.a], inside[&edge.b]);
        }
        let mut sizes = vec![0u32; cluster.len()];
        for at in 0..cluster.len() as u32 {
            sizes[sets.find_mut(at) as usize] += 1;
        }
        let largest = (0..cluster.len() as u32).max_by_key(|at| sizes[*at as usize]).unwrap_or_default();
        let mut rest = Vec::new();
        for image in cluster {
            if sets.find_mut(inside[image]) == sets.find_mut(largest) {
                continue;
            }
            for other in self.direct_with(*image, &mut scratch) {
                if here(&other) && sets.union(inside[image], inside[&other]) {
                    rest.push((*image, other));
                }
            }
        }
        rest.into_iter().for_each(|(image, other)| {
            let tied = self.tied(image, other);
            edges.push(Edge { a: image.min(other), b: image.max(other), tied });
        });
        edges.sort_by_key(|edge| (edge.a, edge.b));
        edges.dedup_by_key(|edge| (edge.a, edge.b));
        edges
    }

    /// How two images hang together: directly, or by the way on which the weakest tie is the strongest.
    pub fn why(&self, a: u32, b: u32) -> Relation {
        let tied = self.tied(a, b);
        if self.may_tie(a, b) && tied.bits >= THRESHOLD {
            return Relation::Direct(tied);
        }
        let cluster = self.cluster_of(a);
        if a == b || !cluster.contains(&b) {
            return Relation::Apart(tied);
        }
        // In a spanning tree of the strongest ties, the way is the one looked for.
        let tree = self.ties(&cluster, 0);
        match way(&tree, a, b) {
            Some(path) => Relation::Path(path),
            None => Relation::Apart(tied),
        }
    }

    /// What an indicator weighs, how many publishers that counts, and how many of these show that it is public.
    pub fn weight_of(&self, indicator: u32) -> (Millibits, u32, u32) {
        let node = &self.indicators[self.stands_for(indicator) as usize];
        (node.weight, node.publishers, node.honest)
    }

    /// Whether a person refuted it.
    pub fn is_refuted(&self, indicator: u32) -> bool {
        self.indicators[self.stands_for(indicator) as usize].refuted
    }

    /// The indicator that stands for this one: itself, but for fuzzy hashes in a group.
    pub fn stands_for(&self, indicator: u32) -> u32 {
        self.indicators[indicator as usize].stands
    }

    /// All images that hold an indicator, and of these the ones outside of a cluster that were not
    /// convicted.
    pub fn holders(&self, indicator: u32) -> &[u32] {
        &self.indicators[self.stands_for(indicator) as usize].holders
    }

    /// Indicators that at least two members of a cluster hold and that say something of two of them,
    /// with these members, sorted by weight.
    pub fn shared(&self, cluster: &[u32]) -> Vec<(u32, Vec<u32>)> {
        let mut holders: std::collections::BTreeMap<u32, Vec<u32>> = std::collections::BTreeMap::new();
        for image in cluster {
            for link in &self.images[*image as usize].links {
                if self.link_weight(*image, link) > 0 {
                    holders.entry(link.indicator).or_default().push(*image);
                }
            }
        }
        let mut all: Vec<(u32, Vec<u32>)> = holders.into_iter().filter(|(_, who)| who.len() > 1).collect();
        all.sort_by_key(|(indicator, who)| {
            let weight = self.indicators[*indicator as usize].weight;
            (std::cmp::Reverse(weight), std::cmp::Reverse(who.len()), *indicator)
        });
        all
    }

    /// Wallets that one member of a cluster alone holds and that a finding names in it, with this member and
    /// what each says, by weight: who is paid by an image is whoever made it. What nobody accuses may be
    /// anybody's, and is not among them.
    pub fn lone_wallets(&self, cluster: &[u32]) -> Vec<(u32, u32, Millibits)> {
        let mut holders: std::collections::BTreeMap<u32, Vec<(u32, Millibits)>> =
            std::collections::BTreeMap::new();
        for image in cluster {
            for link in &self.images[*image as usize].links {
                let wallet = self.indicators[link.indicator as usize].kind == IndicatorKind::Wallet;
                let weight = self.link_weight(*image, link);
                if wallet && link.role >= Role::Acts && weight > 0 {
                    holders.entry(link.indicator).or_default().push((*image, weight));
                }
            }
        }
        let alone = |(indicator, who): (u32, Vec<(u32, Millibits)>)| match who.as_slice() {
            [(only, weight)] => Some((indicator, *only, *weight)),
            _ => None,
        };
        let mut all: Vec<_> = holders.into_iter().filter_map(alone).collect();
        all.sort_by_key(|(indicator, _, weight)| (std::cmp::Reverse(*weight), *indicator));
        all
    }

    /// What would tie any image that holds it to a cluster, with how many members hold it.
    pub fn leading(&self, cluster: &[u32]) -> Vec<(u32, usize)> {
        let mut holders: std::collections::BTreeMap<u32, usize> = std::collections::BTreeMap::new();
        for member in cluster {
            for link in &self.images[*member as usize].links {
                if self.leads_from(*member, link) {
                    *holders.entry(link.indicator).or_default() += 1;
                }
            }
        }
        holders.into_iter().collect()
    }

    /// Whether what holds an indicator of a member is a lead: it would tie by itself. What one more clean
    /// image adds to how common it is, is left out.
    fn leads_from(&self, member: u32, link: &super::Link) -> bool {
        let node = &self.indicators[link.indicator as usize];
        let weight = node.base.weight(node.publishers.saturating_sub(1));
        owners(node.base.bond)
            && !node.refuted
            && self.is_own(member, link)
            && self.held_back(link, weight) >= THRESHOLD
    }

    /// What an indicator says between two of these who hold it, at the most.
    pub fn says_among(&self, indicator: u32, holders: &[u32]) -> Millibits {
        let indicator = self.stands_for(indicator);
        let says = |image: &u32| {
            let links = &self.images[*image as usize].links;
            let at = links.binary_search_by_key(&indicator, |link| link.indicator).ok()?;
            Some(self.link_weight(*image, &links[at]))
        };
        let mut all: Vec<Millibits> = holders.iter().filter_map(says).collect();
        all.sort_unstable_by_key(|bits| std::cmp::Reverse(*bits));
        all.get(1).copied().unwrap_or_default()
    }

    /// Images outside of a cluster who hold an indicator otherwise than as customers of its members: not in
    /// what they took over with all layers of a convicted image, and not as a purse that they pay into. Clean
    /// images of the members' own publishers are no others': an actor could disarm the rules with one.
    pub fn elsewhere(&self, indicator: u32, cluster: &[u32]) -> usize {
        let indicator = self.stands_for(indicator);
        let own = self.own_publishers(cluster);
        let others = self.holders(indicator).iter().filter(|image| cluster.binary_search(image).is_err());
        others
            .filter(|image| {
                let node = &self.images[**image as usize];
                !node.clean || self.vouches(**image, indicator) && !own.contains(&node.publisher)
            })
            .count()
    }

    /// The keys of the whole stacks of an image in which a finding accuses a file: see
    /// [`chain_key`](super::chain_key).
    pub fn accused_chains(&self, image: u32) -> impl Iterator<Item = u64> {
        self.images[image as usize].tops.iter().map(|chain| self.chains[*chain as usize].key)
    }

    /// Who published the images of a cluster, but for accounts that a person refuted.
    pub fn publishers_of(&self, cluster: &[u32]) -> impl Iterator<Item = &str> {
        self.own_publishers(cluster).into_iter().map(|number| self.publishers.names[number as usize].as_str())
    }

    fn own_publishers(&self, cluster: &[u32]) -> std::collections::BTreeSet<u32> {
        cluster
            .iter()
            .map(|image| self.images[*image as usize].publisher)
            .filter(|publisher| !self.refuted_accounts.contains(publisher))
            .collect()
    }

    /// Unconvicted images that hold, with members of a cluster, what would tie them by itself if they were
    /// convicted too; with one such indicator each. What they themselves add to how common it is, is left
    /// out.
    pub fn leads(&self, cluster: &[u32]) -> Vec<(u32, Reason)> {
        let mut found = std::collections::BTreeMap::new();
        let mut seen = std::collections::BTreeSet::new();
        for member in cluster {
            let node = &self.images[*member as usize];
            for link in &node.links {
                if !self.leads_from(*member, link) || !seen.insert(link.indicator) {
                    continue;
                }
                let indicator = &self.indicators[link.indicator as usize];
                for other in &indicator.holders[indicator.convicted as usize..] {
                    if !self.lists(*other, link.indicator) {
                        let kept = found.entry(*other).or_insert(link.indicator);
                        let better = self.indicators[*kept as usize].base.bits < indicator.base.bits;
                        if better {
                            *kept = link.indicator;
                        }
                    }
                }
            }
        }
        found.into_iter().map(|(image, indicator)| (image, Reason::Indicator(indicator))).collect()
    }

    /// Unconvicted images on all layers of a convicted one, where a finding accuses a file in these: for
    /// [`Graph::built_on_members`] of any cluster.
    pub fn above(&self) -> Above {
        let mut above = Above::default();
        let unconvicted = self.images.iter().enumerate().filter(|(_, node)| !node.convicted);
        for (image, node) in unconvicted {
            for chain in node.chains.iter().filter(|chain| !self.chains[**chain as usize].tops.is_empty()) {
                above.images.entry(*chain).or_default().push(image as u32);
            }
        }
        above
    }

    /// Unconvicted images that lie on all layers of a member, where a finding accuses a file in these
    /// layers; with that member. Images of the member's publisher are not told apart.
    pub fn built_on_members(&self, cluster: &[u32], above: &Above) -> Vec<(u32, u32)> {
        let mut tops = std::collections::BTreeMap::new();
        for member in cluster {
            for top in &self.images[*member as usize].tops {
                tops.entry(*top).or_insert(*member);
            }
        }
        let mut found = std::collections::BTreeMap::new();
        for (top, member) in tops {
            for image in above.images.get(&top).into_iter().flatten() {
                found.entry(*image).or_insert(member);
            }
        }
        found.into_iter().collect()
    }

    /// Unconvicted images of the publishers of a cluster, but for accounts that a person refuted.
    pub fn of_its_publishers(&self, cluster: &[u32]) -> Vec<u32> {
        let mut all: Vec<u32> = self
            .own_publishers(cluster)
            .into_iter()
            .flat_map(|publisher| self.published[publisher as usize].iter().copied())
            .filter(|image| !self.images[*image as usize].convicted)
            .collect();
        all.sort_unstable();
        all
    }
}

/// The way through a tree.
fn way(tree: &[Edge], a: u32, b: u32) -> Option<Vec<Edge>> {
    let mut beside: std::collections::HashMap<u32, Vec<usize>> = std::collections::HashMap::new();
    for (at, edge) in tree.iter().enumerate() {
        beside.entry(edge.a).or_default().push(at);
        beside.entry(edge.b).or_default().push(at);
    }
    let mut came: std::collections::HashMap<u32, usize> = std::collections::HashMap::new();
    let mut next = std::collections::VecDeque::from([a]);
    while let Some(image) = next.pop_front() {
        if image == b {
            break;
        }
        for at in beside.get(&image).into_iter().flatten() {
            let other = if tree[*at].a == image { tree[*at].b } else { tree[*at].a };
            if other != a && !came.contains_key(&other) {
                came.insert(other, *at);
                next.push_back(other);
            }
        }
    }
    let mut path = Vec::new();
    let mut image = b;
    while image != a {
        let edge = &tree[*came.get(&image)?];
        path.push(edge.clone());
        image = if edge.a == image { edge.b } else { edge.a };
    }
    path.reverse();
    Some(path)
}
