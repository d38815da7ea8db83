//! One more image, with the same result as if all were clustered anew.
//!
//! An image changes what is common, and with it weights. Two images whose shared indicators weigh what
//! they weighed stay tied or apart. What weighs less can only part the clusters that hold it, and what
//! weighs more, or is new, can only bring clusters together.

use super::cluster::WINDOW;
use super::rarity::Marks;
use super::weight::THRESHOLD;
use super::{Graph, ImageInput, MANY, NONE, owners};

impl Graph {
    /// Takes in one more image after [`Graph::cluster`], and says its number.
    pub fn add(&mut self, input: &ImageInput) -> u32 {
        let hands = self.taken_from(&input.stacks);
        let innocent: Vec<u32> = self.innocence(input);
        let joined = self.join_fuzzy();
        let image = self.insert(input);
        if self.changed_hands(&hands) {
            // Whose the layers of others are is told anew, and with it what they say: seldom, and it reaches far.
            self.cluster();
            return image;
        }
        self.hold(image);
        let mut weaker = self.flipped(image, &innocent);
        let mut stronger = Vec::new();
        // Of these, what they hold in such a layer may be theirs no more.
        let regroup = weaker.iter().any(|image| self.lost(*image));
        let (less, more) = self.weigh_after(image, &joined, regroup);
        for indicator in less.into_iter().chain(joined.iter().copied()) {
            weaker.extend(self.counted(indicator));
        }
        for indicator in more.into_iter().chain(joined) {
            stronger.extend(self.counted(indicator));
        }
        if self.images[image as usize].convicted {
            weaker.extend(self.pushed_apart(image));
            stronger.push(image);
        }
        self.part(weaker);
        self.bring_together(stronger);
        image
    }

    /// Clusters anew, each for itself, the clusters that these are in: what they share says less.
    fn part(&mut self, images: Vec<u32>) {
        let mut clusters: Vec<u32> = images.iter().map(|image| self.clusters[*image as usize]).collect();
        clusters.sort_unstable();
        clusters.dedup();
        for cluster in clusters {
            if let Some(members) = self.members.get(&cluster).cloned() {
                self.recluster(&members, true);
            }
        }
    }

    /// Makes one of the clusters that are tied by these: what they share says more, or is new.
    fn bring_together(&mut self, mut images: Vec<u32>) {
        images.sort_unstable();
        images.dedup();
        let mut scratch = self.scratch();
        for image in images {
            let mut clusters: Vec<u32> = self
                .direct_with(image, &mut scratch)
                .into_iter()
                .map(|other| self.clusters[other as usize])
                .collect();
            clusters.push(self.clusters[image as usize]);
            clusters.sort_unstable();
            clusters.dedup();
            let [least, others @ ..] = clusters.as_slice() else { continue };
            if others.is_empty() {
                continue;
            }
            let mut all = self.members.remove(least).unwrap_or_else(|| vec![*least]);
            for other in others {
                all.extend(self.members.remove(other).unwrap_or_else(|| vec![*other]));
            }
            all.sort_unstable();
            for member in &all {
                self.clusters[*member as usize] = *least;
            }
            self.members.insert(*least, all);
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

    /// Whether an owner's indicator, which ties by itself, came to an image with a layer of others.
    fn lost(&self, image: u32) -> bool {
        let lost = |link: &super::Link| {
            owners(self.bond(link.indicator))
                && self.strong(link.indicator)
                && !link.listed
                && !self.is_own(image, link)
        };
        self.images[image as usize].links.iter().any(lost)
    }

    /// Convicted images with a layer that this clean one has made somebody else's too.
    fn flipped(&self, image: u32, before: &[u32]) -> Vec<u32> {
        let node = &self.images[image as usize];
        if !node.clean {
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
            self.indicators[stands as usize].refuted |= self.indicators[indicator as usize].refuted;
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
        let here = self.images[image as usize].convicted;
        let uneven = here && self.is_held_back_in(image, indicator);
        let node = &mut self.indicators[indicator as usize];
        node.uneven |= uneven;
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

    /// Weighs anew what the image holds, what `joined`, and what became rarer or commoner because
    /// publishers turned out to be one or not. Says what weighs less now, and what weighs more.
    ///
    /// `regroup` says that publishers may be tied otherwise for another reason than these weights.
    fn weigh_after(&mut self, image: u32, joined: &[u32], regroup: bool) -> (Vec<u32>, Vec<u32>) {
        let mut marks = Marks::default();
        let (mut less, mut more) = (Vec::new(), Vec::new());
        let mut held: Vec<u32> =
            self.images[image as usize].links.iter().map(|link| link.indicator).collect();
        let mut strong = regroup;
        for indicator in held.iter().copied() {
            if !owners(self.bond(indicator)) {
                continue;
            }
            let before = self.indicators[indicator as usize].weight;
            self.weigh(indicator, &mut marks);
            let now = self.indicators[indicator as usize].weight;
            strong |= before.max(now) >= THRESHOLD;
            match now.cmp(&before) {
                std::cmp::Ordering::Less => less.push(indicator),
                std::cmp::Ordering::Greater => more.push(indicator),
                std::cmp::Ordering::Equal => {}
            }
        }
        held.extend(joined);
        if strong {
            for publisher in self.group_publishers() {
                for image in &self.published[publisher as usize] {
                    held.extend(self.images[*image as usize].links.iter().map(|link| link.indicator));
                }
            }
        }
        held.sort_unstable();
        held.dedup();
        for indicator in held {
            if owners(self.bond(indicator)) {
                continue;
            }
            let before = self.indicators[indicator as usize].weight;
            self.weigh(indicator, &mut marks);
            match self.indicators[indicator as usize].weight.cmp(&before) {
                std::cmp::Ordering::Less => less.push(indicator),
                std::cmp::Ordering::Greater => more.push(indicator),
                std::cmp::Ordering::Equal => {}
            }
        }
        (less, more)
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
