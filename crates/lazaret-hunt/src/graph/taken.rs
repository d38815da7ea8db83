//! What clean images took over with all layers of somebody's convicted image. They are its customers, or its
//! victims: that they hold what is in these layers does not make it honest people's.

use std::collections::HashSet;

use super::{Graph, NONE, Node};

impl Graph {
    /// Whether a chain is the whole of a convicted image with a file that a finding accuses, and no clean image
    /// of somebody else is just that: else both may be the same honest image, started otherwise.
    fn is_of_convicted(&self, chain: u32) -> bool {
        let node = &self.chains[chain as usize];
        let publisher = |image: &u32| self.images[*image as usize].publisher;
        // As many may be on one chain as anybody likes to publish.
        let convicted: HashSet<u32> = node.tops.iter().map(publisher).collect();
        !convicted.is_empty() && node.clean_ends.iter().all(|end| convicted.contains(&publisher(end)))
    }

    /// The positions of layers of a clean image, sorted, that it took over with all layers of a convicted image
    /// on which it goes on.
    pub(super) fn taken_over(&self, node: &Node) -> Vec<u32> {
        let mut taken = Vec::new();
        if !node.clean {
            return taken;
        }
        let mut under = false;
        for (position, chain) in node.chains.iter().enumerate().rev() {
            let above = node.chains.get(position + 1);
            if above.is_none_or(|above| self.chains[*above as usize].below != *chain) {
                under = false;
            }
            under |= !node.ends.contains(chain) && self.is_of_convicted(*chain);
            if under {
                taken.push(position as u32);
            }
        }
        taken.reverse();
        taken
    }

    /// Works out anew what clean images took over, and whose each layer is therefore.
    pub(super) fn take_over(&mut self) {
        for layer in &mut self.layers {
            layer.innocent = if layer.trusted { super::MANY } else { NONE };
        }
        for image in 0..self.images.len() {
            if !self.images[image].clean {
                continue;
            }
            let taken = self.taken_over(&self.images[image]);
            self.images[image].taken = taken;
            let node = std::mem::replace(&mut self.images[image], Node::nobodys());
            self.vouch(&node);
            self.images[image] = node;
        }
    }

    /// Which of these chains other clean images have and are a convicted image's: what an image to come may
    /// change.
    pub(super) fn taken_from(&self, keys: &[Vec<u64>]) -> Vec<(u32, bool)> {
        let mut found = Vec::new();
        for stack in keys {
            let mut below = NONE;
            for key in stack {
                let layer = self.layer_numbers.get(key);
                let chain = layer.and_then(|layer| self.chain_numbers.get(&(below, *layer)));
                let Some(chain) = chain else { break };
                if self.chains[*chain as usize].clean > 0 {
                    found.push((*chain, self.is_of_convicted(*chain)));
                }
                below = *chain;
            }
        }
        found
    }

    /// Whether one of these is a convicted image's now and was not, or the other way round.
    pub(super) fn changed_hands(&self, before: &[(u32, bool)]) -> bool {
        before.iter().any(|(chain, was)| self.is_of_convicted(*chain) != *was)
    }
}
