//! Ties and clusters of many images.
//!
//! What ties by itself (an owner, a full address, what is built on what) unites all its holders at once.
//! For the rest, only images that stand near each other in the list of some indicator are compared, so
//! that the cost grows with the number of links and not with its square.

use petgraph::unionfind::UnionFind;

use super::rarity::Marks;
use super::weight::{Millibits, SAME_ACCOUNT, THRESHOLD};
use super::{Graph, NONE, owners};

/// In a list of convicted holders each is compared with so many before it, by publisher, repository and
/// name. Of an indicator that more than these hold, neighbours still chain all of one publisher together.
pub(super) const WINDOW: usize = 64;

/// Numbers of images within a set, and sums for the image at hand.
pub(super) struct Scratch {
    /// The position of each image in the set, or none.
    position: Vec<u32>,
    /// What is shared with the image at hand, at the most.
    sums: Vec<Millibits>,
    touched: Vec<u32>,
}

impl Graph {
    /// Weighs everything and clusters all convicted images.
    pub fn cluster(&mut self) {
        self.became.clear();
        for (indicator, stands) in self.fuzzy.grouped() {
            self.indicators[indicator as usize].stands = stands;
            // What a person refuted is the script, whichever of its variants stands for it.
            self.indicators[stands as usize].refuted |= self.indicators[indicator as usize].refuted;
        }
        self.take_over();
        self.list_holders();
        let mut marks = Marks::default();
        let all = 0..self.indicators.len() as u32;
        for indicator in all.clone() {
            if owners(self.bond(indicator)) {
                self.weigh(indicator, &mut marks);
            }
        }
        self.group_publishers();
        for indicator in all {
            if !owners(self.bond(indicator)) {
                self.weigh(indicator, &mut marks);
            }
        }
        let convicted = (0..self.images.len() as u32).filter(|image| self.images[*image as usize].convicted);
        let convicted: Vec<u32> = convicted.collect();
        self.recluster(&convicted, false);
    }

    /// Notes for each indicator who holds it.
    fn list_holders(&mut self) {
        for node in &mut self.indicators {
            node.holders.clear();
            node.convicted = 0;
            node.uneven = false;
        }
        let mut order: Vec<u32> = (0..self.images.len() as u32).collect();
        order.sort_unstable_by_key(|image| {
            let node = &self.images[*image as usize];
            (!node.convicted, node.key, *image)
        });
        for image in order {
            let node = &mut self.images[image as usize];
            for link in &mut node.links {
                link.indicator = self.indicators[link.indicator as usize].stands;
            }
            super::tidy(&mut node.links);
            for at in 0..self.images[image as usize].links.len() {
                let node = &self.images[image as usize];
                let (link, convicted) = (node.links[at], node.convicted);
                let uneven = convicted && self.is_held_back(&link);
                let indicator = &mut self.indicators[link.indicator as usize];
                indicator.holders.push(image);
                indicator.convicted += u32::from(convicted);
                indicator.uneven |= uneven;
            }
        }
        let shared = |node: &super::IndicatorNode| node.convicted > 1 && owners(node.base.bond);
        let numbered = self.indicators.iter().enumerate();
        self.shared_owners = numbered.filter(|(_, node)| shared(node)).map(|(at, _)| at as u32).collect();
    }

    /// Clusters these convicted images anew. They must be whole clusters: nothing outside of them is tied
    /// to one of them.
    ///
    /// Of a few that hang together already by what ties by itself, only the others are compared, with
    /// those before and after them (`few`): one of two that are in different sets is not in the largest.
    pub(super) fn recluster(&mut self, set: &[u32], few: bool) {
        let mut scratch = Scratch {
            position: vec![NONE; self.images.len()],
            sums: vec![0; self.images.len()],
            touched: Vec::new(),
        };
        for (at, image) in set.iter().enumerate() {
            scratch.position[*image as usize] = at as u32;
            self.members.remove(&self.clusters[*image as usize]);
            self.clusters[*image as usize] = *image;
        }
        let mut tied = Sets { sets: UnionFind::new(set.len()), left: set.len() };
        self.unite_by_owner(set, &scratch, &mut tied);
        self.unite_by_layers(set, &scratch, &mut tied);
        let largest = if few { tied.largest() } else { NONE };
        for (at, image) in set.iter().enumerate() {
            if tied.left <= 1 {
                break;
            }
            if !few || tied.sets.find_mut(at as u32) != largest {
                self.unite_by_sum(*image, &mut scratch, &mut tied, !few);
            }
        }
        let mut least = vec![NONE; set.len()];
        for (at, image) in set.iter().enumerate() {
            let stands = tied.sets.find_mut(at as u32) as usize;
            least[stands] = least[stands].min(*image);
        }
        let mut sizes = vec![0u32; set.len()];
        for at in 0..set.len() {
            sizes[tied.sets.find_mut(at as u32) as usize] += 1;
        }
        for (at, image) in set.iter().enumerate() {
            let stands = tied.sets.find_mut(at as u32) as usize;
            if sizes[stands] > 1 {
                self.clusters[*image as usize] = least[stands];
                self.members.entry(least[stands]).or_default().push(*image);
            }
        }
        for image in set {
            if let Some(members) = self.members.get_mut(image) {
                members.sort_unstable();
            }
        }
    }

    /// Unites the holders of each indicator that ties by itself.
    fn unite_by_owner(&self, set: &[u32], scratch: &Scratch, tied: &mut Sets) {
        let mut done = Marks::default();
        done.clear();
        for image in set {
            for link in &self.images[*image as usize].links {
                if !self.strong(link.indicator) || !done.mark(link.indicator) {
                    continue;
                }
                let here = |other: &u32| scratch.position[*other as usize] != NONE;
                let holders: Vec<u32> = self.united(link.indicator).into_iter().filter(here).collect();
                self.unite_all(link.indicator, &holders, scratch, tied);
            }
        }
    }

    /// Unites images that are all tied to each other, but for those whom a person told apart.
    fn unite_all(&self, indicator: u32, all: &[u32], scratch: &Scratch, tied: &mut Sets) {
        let position = |image: u32| scratch.position[image as usize];
        let told_apart = |image: u32| {
            let repository = self.images[image as usize].repository;
            self.refuted_repositories.contains(&repository)
        };
        if !all.iter().any(|image| told_apart(*image)) {
            for pair in all.windows(2) {
                tied.unite(position(pair[0]), position(pair[1]));
            }
            return;
        }
        // Whoever is reached takes along all that are not told apart from it: each leaves the list once.
        let mut rest = all.to_vec();
        while let Some(start) = rest.pop() {
            let mut reached = vec![start];
            while let Some(from) = reached.pop() {
                rest.retain(|other| {
                    let apart = !self.may_tie(from, *other) || self.came_with_base(indicator, from, *other);
                    if !apart {
                        tied.unite(position(from), position(*other));
                        reached.push(*other);
                    }
                    apart
                });
            }
        }
    }

    /// Unites what is built on a convicted image of somebody else with that image.
    fn unite_by_layers(&self, set: &[u32], scratch: &Scratch, tied: &mut Sets) {
        let mut done = Marks::default();
        done.clear();
        for image in set {
            for chain in &self.images[*image as usize].chains {
                let node = &self.chains[*chain as usize];
                if node.tops.is_empty() || node.holders.len() < 2 || !done.mark(*chain) {
                    continue;
                }
                let here = |image: &u32| scratch.position[*image as usize] != NONE;
                let lower: Vec<u32> = node
                    .tops
                    .iter()
                    .copied()
                    .filter(here)
                    .filter(|top| !self.belongs_to_others(node.layer, self.publisher_number(*top)))
                    .collect();
                let upper =
                    node.holders.iter().copied().filter(here).filter(|image| self.goes_on(*image, *chain));
                self.unite_across(&lower, &upper.collect::<Vec<_>>(), scratch, tied);
            }
        }
    }

    /// Unites each of `lower` with each of `upper` that somebody else published.
    ///
    /// Three publishers of the lower ones and two of the upper ones stand for all: whoever is not the
    /// publisher of one of three has at least two of them in common with whoever else is not.
    fn unite_across(&self, lower: &[u32], upper: &[u32], scratch: &Scratch, tied: &mut Sets) {
        let told_apart =
            |image: &u32| self.refuted_repositories.contains(&self.images[*image as usize].repository);
        let all = lower.iter().chain(upper).any(told_apart);
        let some = |images: &[u32], count: usize| -> Vec<u32> {
            let mut stand: Vec<u32> = Vec::new();
            for image in images {
                let publisher = self.publisher_number(*image);
                if all || stand.iter().all(|other| self.publisher_number(*other) != publisher) {
                    stand.push(*image);
                }
                if !all && stand.len() == count {
                    break;
                }
            }
            stand
        };
        let mut unite = |a: u32, b: u32| {
            if self.publisher_number(a) != self.publisher_number(b) && self.may_tie(a, b) {
                tied.unite(scratch.position[a as usize], scratch.position[b as usize]);
            }
        };
        for a in some(lower, 3) {
            upper.iter().for_each(|b| unite(a, *b));
        }
        for b in some(upper, 2) {
            lower.iter().for_each(|a| unite(*a, b));
        }
    }

    /// Unites an image with those before it in the lists of what it holds, or with those around it, where
    /// the sum is enough.
    fn unite_by_sum(&self, image: u32, scratch: &mut Scratch, tied: &mut Sets, before: bool) {
        self.sums(image, scratch, before);
        let at = scratch.position[image as usize];
        let touched = std::mem::take(&mut scratch.touched);
        for other in &touched {
            let mut sum = std::mem::take(&mut scratch.sums[*other as usize]);
            if self.same_account(image, *other) {
                sum += SAME_ACCOUNT;
            }
            let there = scratch.position[*other as usize];
            if sum >= THRESHOLD
                && there != NONE
                && !tied.sets.equiv(at, there)
                && self.may_tie(image, *other)
                && self.tied(image, *other).bits >= THRESHOLD
            {
                tied.unite(at, there);
            }
        }
        scratch.touched = touched;
        scratch.touched.clear();
    }

    /// What neighbours in lists share with an image, at the most; only those before it, or all. What
    /// ties by itself is left out.
    fn sums(&self, image: u32, scratch: &mut Scratch, before: bool) {
        for link in &self.images[image as usize].links {
            let node = &self.indicators[link.indicator as usize];
            if node.convicted < 2 || self.strong(link.indicator) && !node.uneven {
                continue;
            }
            // At least what both links say: not all that this one does, which may have come with a base.
            let bits = self.held_back(link, node.weight);
            if bits == 0 {
                continue;
            }
            for other in self.neighbours(image, link.indicator, before) {
                let sum = &mut scratch.sums[other as usize];
                if *sum == 0 {
                    scratch.touched.push(other);
                }
                *sum += bits;
            }
        }
    }

    /// Those who stand near a convicted image in the list of an indicator that it holds.
    fn neighbours(&self, image: u32, indicator: u32, before: bool) -> impl Iterator<Item = u32> {
        let node = &self.indicators[indicator as usize];
        let convicted = &node.holders[..node.convicted as usize];
        let at = self.place_in(convicted, image);
        let after = if before { at } else { (at + WINDOW + 1).min(convicted.len()) };
        convicted[at.saturating_sub(WINDOW)..after].iter().copied().filter(move |other| *other != image)
    }

    /// Where a convicted image stands, or would stand, in a list of convicted ones.
    pub(super) fn place_in(&self, convicted: &[u32], image: u32) -> usize {
        let wanted = (self.images[image as usize].key, image);
        if convicted.len() <= 16 {
            let before = |other: &&u32| (self.images[**other as usize].key, **other) < wanted;
            return convicted.iter().take_while(before).count();
        }
        convicted.partition_point(|other| (self.images[*other as usize].key, *other) < wanted)
    }

    /// Room for [`Graph::direct_with`].
    pub(super) fn scratch(&self) -> Scratch {
        Scratch { position: Vec::new(), sums: vec![0; self.images.len()], touched: Vec::new() }
    }

    /// Convicted images before this one in the list of something that both hold, where the sum ties them; at
    /// most `bound`.
    pub(super) fn near(&self, image: u32, scratch: &mut Scratch, bound: usize) -> Vec<u32> {
        self.sums(image, scratch, true);
        let mut touched = std::mem::take(&mut scratch.touched);
        let mut found = Vec::new();
        for other in &touched {
            let mut sum = std::mem::take(&mut scratch.sums[*other as usize]);
            if self.same_account(image, *other) {
                sum += SAME_ACCOUNT;
            }
            let enough = sum >= THRESHOLD && found.len() < bound && self.may_tie(image, *other);
            if enough && self.tied(image, *other).bits >= THRESHOLD {
                found.push(*other);
            }
        }
        touched.clear();
        scratch.touched = touched;
        found
    }

    /// All convicted images that are tied to this one directly and stand near it in some list, and all that
    /// an indicator or a layer ties to it by itself. Sorted.
    pub(super) fn direct_with(&self, image: u32, scratch: &mut Scratch) -> Vec<u32> {
        let node = &self.images[image as usize];
        self.sums(image, scratch, false);
        let mut found = Vec::new();
        for other in &std::mem::take(&mut scratch.touched) {
            let mut sum = std::mem::take(&mut scratch.sums[*other as usize]);
            if self.same_account(image, *other) {
                sum += SAME_ACCOUNT;
            }
            if sum >= THRESHOLD && self.may_tie(image, *other) && self.tied(image, *other).bits >= THRESHOLD {
                found.push(*other);
            }
        }
        for link in node.links.iter().filter(|link| self.strong(link.indicator) && self.unites(image, link)) {
            let others = self.united(link.indicator).into_iter();
            found.extend(others.filter(|other| !self.came_with_base(link.indicator, image, *other)));
        }
        for chain in &node.chains {
            let chain_node = &self.chains[*chain as usize];
            found.extend(chain_node.tops.iter().filter(|top| self.built_on(**top, image).is_some()));
            if node.tops.contains(chain) {
                found.extend(chain_node.holders.iter().filter(|top| self.built_on(image, **top).is_some()));
            }
        }
        found.retain(|other| *other != image && self.may_tie(image, *other));
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// Sets that become fewer.
struct Sets {
    sets: UnionFind<u32>,
    left: usize,
}

impl Sets {
    fn unite(&mut self, a: u32, b: u32) {
        if self.sets.union(a, b) {
            self.left -= 1;
        }
    }

    /// What stands for the largest set.
    fn largest(&mut self) -> u32 {
        let mut sizes = vec![0u32; self.sets.len()];
        for at in 0..self.sets.len() as u32 {
            sizes[self.sets.find_mut(at) as usize] += 1;
        }
        let largest = sizes.iter().enumerate().max_by_key(|(_, size)| **size);
        largest.map_or(NONE, |(stands, _)| stands as u32)
    }
}
