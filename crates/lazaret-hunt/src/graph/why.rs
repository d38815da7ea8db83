//! The ties of a cluster, and the way from one image to another.

use petgraph::unionfind::UnionFind;

use super::score::{Reason, Tied};
use super::weight::{Bond, Millibits, THRESHOLD};
use super::{Graph, NONE};

/// Clusters up to this size are compared pair by pair when they are told.
const ALL_PAIRS: usize = 600;

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
        // Of a large one: each with some that it is tied to, so that all of it still hangs together.
        for image in cluster {
            let (mut taken, mut last) = (0, NONE);
            for other in self.direct(*image).into_iter().filter(|other| other < image) {
                if taken < 4 {
                    look(*image, other);
                }
                (taken, last) = (taken + 1, other);
            }
            if taken > 4 {
                look(*image, last);
            }
        }
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

    /// What an indicator weighs, and how many publishers that counts.
    pub fn weight_of(&self, indicator: u32) -> (Millibits, u32) {
        let node = &self.indicators[self.stands_for(indicator) as usize];
        (node.weight, node.publishers)
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

    /// Unconvicted images that hold, with members of a cluster, what would tie them by itself if they were
    /// convicted too; with one such indicator each. What they themselves add to how common it is, is left
    /// out.
    pub fn leads(&self, cluster: &[u32]) -> Vec<(u32, Reason)> {
        let mut found = std::collections::BTreeMap::new();
        let mut seen = std::collections::BTreeSet::new();
        for member in cluster {
            let node = &self.images[*member as usize];
            for link in &node.links {
                let indicator = &self.indicators[link.indicator as usize];
                let owner = matches!(indicator.base.bond, Bond::Owner | Bond::Infrastructure);
                if !owner || indicator.refuted || link.listed || !seen.insert(link.indicator) {
                    continue;
                }
                if indicator.base.weight(indicator.publishers.saturating_sub(1)) < THRESHOLD {
                    continue;
                }
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

    /// Unconvicted images that lie on all layers of a member, where a finding accuses a file in these
    /// layers; with that member. Images of the member's publisher are not told apart.
    pub fn built_on_members(&self, cluster: &[u32]) -> Vec<(u32, u32)> {
        let mut tops = std::collections::BTreeMap::new();
        for member in cluster {
            for top in &self.images[*member as usize].tops {
                tops.entry(*top).or_insert(*member);
            }
        }
        let unconvicted = self.images.iter().enumerate().filter(|(_, node)| !node.convicted);
        unconvicted
            .filter_map(|(image, node)| {
                let member = node.chains.iter().find_map(|chain| tops.get(chain))?;
                Some((image as u32, *member))
            })
            .collect()
    }

    /// Unconvicted images of the publishers of a cluster.
    pub fn of_its_publishers(&self, cluster: &[u32]) -> Vec<u32> {
        let publishers: std::collections::BTreeSet<u32> =
            cluster.iter().map(|image| self.images[*image as usize].publisher).collect();
        let mut all: Vec<u32> = publishers
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
