//! One more image, with the same result as if all were clustered anew.
//!
//! An image changes what is common, and with it weights. Two images whose shared indicators weigh what
//! they weighed stay tied or apart, so only the clusters that hold something whose weight changed, or
//! that the image is tied to, are clustered anew.

use super::cluster::WINDOW;
use super::rarity::Marks;
use super::weight::THRESHOLD;
use super::{Graph, ImageInput, MANY, NONE, owners};

impl Graph {
    /// Takes in one more image after [`Graph::cluster`], and says its number.
    pub fn add(&mut self, input: &ImageInput) -> u32 {
        let innocent: Vec<u32> = self.innocence(input);
        let mut changed = self.join_fuzzy();
        let image = self.insert(input);
        self.hold(image);
        let mut affected = self.flipped(image, &innocent);
        self.weigh_after(image, &mut changed);
        for indicator in changed {
            affected.extend(self.counted(indicator));
        }
        if self.images[image as usize].convicted {
            affected.push(image);
            affected.extend(self.direct(image));
            affected.extend(self.pushed_apart(image));
        }
        self.renew(affected);
        image
    }

    /// Clusters anew whatever hangs together with these.
    fn renew(&mut self, mut affected: Vec<u32>) {
        affected.sort_unstable();
        affected.dedup();
        let mut clusters: Vec<u32> = affected.iter().map(|image| self.clusters[*image as usize]).collect();
        clusters.sort_unstable();
        clusters.dedup();
        let mut set: Vec<u32> = Vec::new();
        for cluster in clusters {
            match self.members.get(&cluster) {
                Some(members) => set.extend(members),
                None => set.push(cluster),
            }
        }
        set.sort_unstable();
        if !set.is_empty() {
            self.recluster(&set);
        }
    }

    /// Whose each layer of an image to come is now.
    fn innocence(&self, input: &ImageInput) -> Vec<u32> {
        let layers = input.stacks.iter().flatten();
        layers
            .map(|key| {
                self.layer_numbers.get(key).map_or(NONE, |number| self.layers[*number as usize].innocent)
            })
            .collect()
    }

    /// Convicted images with a layer that this unconvicted one has made somebody else's too.
    fn flipped(&self, image: u32, before: &[u32]) -> Vec<u32> {
        let node = &self.images[image as usize];
        if node.convicted {
            return Vec::new();
        }
        let mut all = Vec::new();
        for (layer, before) in node.layers.iter().zip(before) {
            let layer = &self.layers[*layer as usize];
            if layer.innocent != *before && *before != MANY {
                all.extend(&layer.convicted);
            }
        }
        all
    }

    /// Lets groups of fuzzy hashes that became one be one indicator. Says which.
    fn join_fuzzy(&mut self) -> Vec<u32> {
        let mut changed = Vec::new();
        for (indicator, stands) in std::mem::take(&mut self.became) {
            self.indicators[indicator as usize].stands = stands;
            let holders = std::mem::take(&mut self.indicators[indicator as usize].holders);
            self.indicators[indicator as usize].convicted = 0;
            for image in holders {
                let links = &mut self.images[image as usize].links;
                for link in links.iter_mut().filter(|link| link.indicator == indicator) {
                    link.indicator = stands;
                }
                super::tidy(links);
                self.list(image, stands);
            }
            changed.push(stands);
        }
        // What stood for a group may have joined another since.
        for indicator in 0..self.indicators.len() {
            if changed.is_empty() {
                break;
            }
            let stands = self.indicators[indicator].stands;
            self.indicators[indicator].stands = self.indicators[stands as usize].stands;
        }
        changed
    }

    /// Lists an image as a holder of all that it holds.
    fn hold(&mut self, image: u32) {
        let mut links = std::mem::take(&mut self.images[image as usize].links);
        for link in &mut links {
            link.indicator = self.indicators[link.indicator as usize].stands;
        }
        super::tidy(&mut links);
        let held: Vec<u32> = links.iter().map(|link| link.indicator).collect();
        self.images[image as usize].links = links;
        for indicator in held {
            self.list(image, indicator);
        }
    }

    /// Lists an image as a holder of an indicator, once.
    fn list(&mut self, image: u32, indicator: u32) {
        let node = &self.indicators[indicator as usize];
        let convicted = node.convicted as usize;
        let at = self.place_in(&node.holders[..convicted], image);
        let (here, listed) = (self.images[image as usize].convicted, self.lists(image, indicator));
        let node = &mut self.indicators[indicator as usize];
        node.listed |= listed;
        if here {
            if node.holders.get(at) != Some(&image) {
                node.holders.insert(at, image);
                node.convicted += 1;
                if node.convicted == 2 && owners(node.base.bond) {
                    self.shared_owners.push(indicator);
                }
            }
        } else if node.holders[convicted..].last() != Some(&image) {
            node.holders.push(image);
        }
    }

    /// Weighs anew what the image holds, and what became rarer or commoner because publishers turned out
    /// to be one. Adds what changed.
    fn weigh_after(&mut self, image: u32, changed: &mut Vec<u32>) {
        let mut marks = Marks::default();
        let held: Vec<u32> = self.images[image as usize].links.iter().map(|link| link.indicator).collect();
        let mut strong = false;
        for indicator in held.iter().copied() {
            if !owners(self.bond(indicator)) {
                continue;
            }
            let before = self.indicators[indicator as usize].weight;
            if self.weigh(indicator, &mut marks) {
                changed.push(indicator);
            }
            strong |= before.max(self.indicators[indicator as usize].weight) >= THRESHOLD;
        }
        let mut again = held;
        again.append(&mut changed.clone());
        if strong {
            for publisher in self.group_publishers() {
                for image in &self.published[publisher as usize] {
                    again.extend(self.images[*image as usize].links.iter().map(|link| link.indicator));
                }
            }
        }
        again.sort_unstable();
        again.dedup();
        for indicator in again {
            if !owners(self.bond(indicator)) && self.weigh(indicator, &mut marks) {
                changed.push(indicator);
            }
        }
        changed.sort_unstable();
        changed.dedup();
    }

    /// Convicted images that stood near each other in a list, and no longer do because this one came
    /// between them.
    fn pushed_apart(&self, image: u32) -> Vec<u32> {
        let mut all = Vec::new();
        for link in &self.images[image as usize].links {
            let node = &self.indicators[link.indicator as usize];
            let convicted = &node.holders[..node.convicted as usize];
            if convicted.len() <= WINDOW || node.weight == 0 {
                continue;
            }
            let at = self.place_in(convicted, image);
            all.extend(&convicted[at.saturating_sub(WINDOW)..(at + WINDOW + 1).min(convicted.len())]);
        }
        all
    }
}
