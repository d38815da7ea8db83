//! Who counts against an indicator, and what it weighs therefore.

use petgraph::unionfind::UnionFind;

use super::weight::{Bond, THRESHOLD};
use super::{Graph, Link, MANY, NONE};

impl Graph {
    /// Whether an indicator ties all its convicted holders by itself.
    pub(super) fn strong(&self, indicator: u32) -> bool {
        self.indicators[indicator as usize].weight >= THRESHOLD
    }

    /// What a link of an image says, before it is known with whom it is shared.
    pub(super) fn link_weight(&self, image: u32, link: &Link) -> i32 {
        let indicator = &self.indicators[link.indicator as usize];
        if indicator.weight == 0 {
            return 0;
        }
        match indicator.base.bond {
            Bond::Owner | Bond::Infrastructure if link.listed => 0,
            Bond::Tool | Bond::Habit if self.inherited(image, link.layer) => 0,
            _ => indicator.weight,
        }
    }

    /// Whether a layer of an image is also in an unconvicted image of somebody else: then what is in it
    /// came with it.
    pub(super) fn inherited(&self, image: u32, position: u32) -> bool {
        let node = &self.images[image as usize];
        let Some(layer) = node.layers.get(position as usize) else { return false };
        self.belongs_to_others(*layer, node.publisher)
    }

    /// Whether an unconvicted image of somebody other than `publisher` has this layer.
    pub(super) fn belongs_to_others(&self, layer: u32, publisher: u32) -> bool {
        match self.layers[layer as usize].innocent {
            NONE => false,
            MANY => true,
            only => only != publisher,
        }
    }

    /// The convicted holders of an indicator for whom it counts: not those who have it in a list.
    pub(super) fn counted(&self, indicator: u32) -> impl Iterator<Item = u32> {
        let node = &self.indicators[indicator as usize];
        let convicted = &node.holders[..node.convicted as usize];
        convicted.iter().copied().filter(move |image| !node.listed || !self.lists(*image, indicator))
    }

    /// Whether an image has an indicator in a list only.
    pub(super) fn lists(&self, image: u32, indicator: u32) -> bool {
        let links = &self.images[image as usize].links;
        links.binary_search_by_key(&indicator, |link| link.indicator).is_ok_and(|at| links[at].listed)
    }

    /// Weighs an indicator anew; whether that changed.
    ///
    /// An owner's wallet is no less his for being in many of his images, so against it count only
    /// publishers of unconvicted images that published no convicted one with it. A tool is common by
    /// every publisher that has it; those whom an owner's indicator ties are one.
    pub(super) fn weigh(&mut self, indicator: u32, marks: &mut Marks) -> bool {
        let node = &self.indicators[indicator as usize];
        let enough = node.base.enough();
        marks.clear();
        let mut publishers;
        match node.base.bond {
            _ if node.base.bits == 0 || node.refuted => publishers = 1,
            Bond::Owner | Bond::Infrastructure => {
                publishers = 1;
                let (convicted, others) = node.holders.split_at(node.convicted as usize);
                if !others.is_empty() {
                    for image in convicted {
                        marks.mark(self.images[*image as usize].publisher);
                    }
                    for image in others {
                        publishers += u32::from(marks.mark(self.images[*image as usize].publisher));
                        if publishers >= enough {
                            break;
                        }
                    }
                }
            }
            Bond::Tool | Bond::Habit => {
                publishers = 0;
                for image in &node.holders {
                    let publisher = self.images[*image as usize].publisher;
                    publishers += u32::from(marks.mark(self.groups[publisher as usize]));
                    if publishers >= enough {
                        break;
                    }
                }
                publishers = publishers.max(1);
            }
        }
        let weight = if node.refuted { 0 } else { node.base.weight(publishers) };
        let node = &mut self.indicators[indicator as usize];
        let changed = node.weight != weight;
        (node.weight, node.publishers) = (weight, publishers);
        changed
    }

    /// Publishers whom an owner's indicator or a full address ties are one. Says whose group changed.
    pub(super) fn group_publishers(&mut self) -> Vec<u32> {
        let count = self.published.len();
        let mut tied = UnionFind::<u32>::new(count);
        for indicator in self.shared_owners.iter().copied().filter(|indicator| self.strong(*indicator)) {
            let mut publishers = self.counted(indicator).map(|image| self.images[image as usize].publisher);
            if let Some(first) = publishers.next() {
                publishers.for_each(|other| {
                    tied.union(first, other);
                });
            }
        }
        let mut least = vec![NONE; count];
        let mut changed = Vec::new();
        for publisher in 0..count as u32 {
            let stands = tied.find_mut(publisher) as usize;
            least[stands] = least[stands].min(publisher);
            let group = least[stands];
            if self.groups[publisher as usize] != group {
                self.groups[publisher as usize] = group;
                changed.push(publisher);
            }
        }
        changed
    }
}

/// A set of numbers that is emptied at once.
#[derive(Debug, Default)]
pub(super) struct Marks {
    marked: Vec<u32>,
    round: u32,
}

impl Marks {
    pub(super) fn clear(&mut self) {
        if self.round == u32::MAX {
            self.marked.fill(0);
            self.round = 0;
        }
        self.round += 1;
    }

    /// Marks a number; whether it was not marked.
    pub(super) fn mark(&mut self, number: u32) -> bool {
        let number = number as usize;
        if number >= self.marked.len() {
            self.marked.resize(number + 1, 0);
        }
        std::mem::replace(&mut self.marked[number], self.round) != self.round
    }
}
