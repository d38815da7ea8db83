//! Who counts against an indicator, and what it weighs therefore.

use lazaret_model::{IndicatorKind, Role};
use petgraph::unionfind::UnionFind;

use super::weight::{self, Bond, LYING, MERELY_NAMED, Millibits, THRESHOLD};
use super::{Graph, IndicatorNode, Link, MANY, NONE, owners};

impl Graph {
    /// Whether an indicator ties by itself: see [`Graph::united`] for whom.
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
            Bond::Owner | Bond::Infrastructure if !self.is_own(image, link) => 0,
            Bond::Tool | Bond::Habit if self.inherited(image, link.layer) => 0,
            _ => self.held_back(link, indicator.weight),
        }
    }

    /// What is left of a weight for what an indicator is to the image that holds it.
    ///
    /// What is only spoken of says nothing. What an owner has says less in a file that nothing accuses: a
    /// sample of a configuration has its author's purse. A name that somebody serves something under says
    /// much only where harm is done with it: with all others it may be a vendor's that no list knows.
    pub(super) fn held_back(&self, link: &Link, weight: Millibits) -> Millibits {
        let IndicatorNode { kind, base, .. } = &self.indicators[link.indicator as usize];
        let is_in_file = link.place != 0 && matches!(kind, IndicatorKind::Wallet | IndicatorKind::SshKey);
        match (base.bond, link.role) {
            (_, Role::Mentioned) => 0,
            // A setting or a label that has an address at a public host says it once.
            (Bond::Tool, Role::Lies) if *kind == IndicatorKind::Url => weight.min(MERELY_NAMED),
            (Bond::Owner, Role::Lies) if is_in_file => (weight - LYING).max(0),
            (Bond::Infrastructure, role) if base.by_name.is_some_and(|least| role < least) => {
                weight.min(MERELY_NAMED)
            }
            _ => weight,
        }
    }

    /// Whether a link says less than others of its indicator may, or less to some.
    pub(super) fn is_held_back(&self, link: &Link) -> bool {
        self.may_be_of_base(link.indicator) && !link.role.is_named()
            || self.held_back(link, Millibits::MAX) < Millibits::MAX
    }

    /// [`Graph::is_held_back`] for an indicator that an image holds.
    pub(super) fn is_held_back_in(&self, image: u32, indicator: u32) -> bool {
        self.link(image, indicator).is_some_and(|link| self.is_held_back(link))
    }

    /// Whether an indicator ties this image by itself to all others that it ties so.
    pub(super) fn unites(&self, image: u32, link: &Link) -> bool {
        self.link_weight(image, link) >= THRESHOLD
    }

    /// The convicted holders of an indicator that it ties by itself. Of a key or wallet in what all of them were built on
    /// that is nobody: it may be of whoever made the base.
    pub(super) fn united(&self, indicator: u32) -> Vec<u32> {
        let all: Vec<u32> = self
            .counted(indicator)
            .filter(|image| self.link(*image, indicator).is_some_and(|link| self.unites(*image, link)))
            .collect();
        match all.split_first() {
            Some((first, rest))
                if rest.iter().all(|other| self.came_with_base(indicator, *first, *other)) =>
            {
                Vec::new()
            }
            _ => all,
        }
    }

    /// Whether an indicator is one that a base may have in its files, as it was made.
    pub(super) fn may_be_of_base(&self, indicator: u32) -> bool {
        matches!(self.indicators[indicator as usize].kind, IndicatorKind::Wallet | IndicatorKind::SshKey)
    }

    /// Whether a key or wallet that no finding names stands in what two images were built on.
    pub(super) fn came_with_base(&self, indicator: u32, a: u32, b: u32) -> bool {
        if !self.may_be_of_base(indicator) {
            return false;
        }
        let (Some(left), Some(right)) = (self.link(a, indicator), self.link(b, indicator)) else {
            return false;
        };
        let lies = |link: &Link| link.role <= Role::Lies;
        lies(left) && lies(right) && self.same_chain(a, left, b, right)
    }

    /// The link of an image to an indicator.
    fn link(&self, image: u32, indicator: u32) -> Option<&Link> {
        let links = &self.images[image as usize].links;
        links.binary_search_by_key(&indicator, |link| link.indicator).ok().map(|at| &links[at])
    }

    /// Whether a clean image that holds an indicator says that honest people have it. Not where it came with
    /// all layers of a convicted image; and a purse into which it pays is no less one person's.
    pub(super) fn vouches(&self, image: u32, indicator: u32) -> bool {
        let node = &self.images[image as usize];
        let Some(link) = self.link(image, indicator).filter(|_| node.clean) else { return false };
        let kind = self.indicators[indicator as usize].kind;
        let pays =
            matches!(kind, IndicatorKind::Wallet | IndicatorKind::PoolLogin) && link.role >= Role::Acts;
        !pays && !node.took(link.layer)
    }

    /// Whether an owner's indicator or a host that an image holds is of whoever made the image, as far as
    /// is known. What a list names is of others. So is what no finding names and came with a layer of a clean
    /// image of somebody else: the purse on the page of a product is that of the product.
    pub(super) fn is_own(&self, image: u32, link: &Link) -> bool {
        !link.listed && (link.role.is_named() || !self.inherited(image, link.layer))
    }

    /// Whether a layer of an image is also in a clean image of somebody else: then what is in it came
    /// with it.
    pub(super) fn inherited(&self, image: u32, position: u32) -> bool {
        let node = &self.images[image as usize];
        let Some(layer) = node.layers.get(position as usize) else { return false };
        self.belongs_to_others(*layer, node.publisher)
    }

    /// Whether a clean image of somebody other than `publisher` has this layer.
    pub(super) fn belongs_to_others(&self, layer: u32, publisher: u32) -> bool {
        match self.layers[layer as usize].innocent {
            NONE => false,
            MANY => true,
            only => only != publisher,
        }
    }

    /// The convicted holders of an indicator for whom it counts: of an owner's or a host those whose own it
    /// is.
    pub(super) fn counted(&self, indicator: u32) -> impl Iterator<Item = u32> {
        let node = &self.indicators[indicator as usize];
        let convicted = &node.holders[..node.convicted as usize];
        let own =
            move |image: &u32| self.link(*image, indicator).is_some_and(|link| self.is_own(*image, link));
        let all = !owners(node.base.bond);
        convicted.iter().copied().filter(move |image| all || own(image))
    }

    /// Whether an image has an indicator in a list only, or only speaks of it.
    pub(super) fn lists(&self, image: u32, indicator: u32) -> bool {
        self.link(image, indicator).is_some_and(|link| link.listed || link.role == Role::Mentioned)
    }

    /// Weighs an indicator anew; whether that changed.
    ///
    /// An owner's wallet is no less his for being in many of his images, so against it count only
    /// publishers of clean images that published no convicted one with it. A tool is common by every
    /// publisher that has it, whatever the verdict; those whom an owner's indicator ties are one. Those of
    /// clean images that published no convicted one with it show besides that it is public.
    pub(super) fn weigh(&mut self, indicator: u32, marks: &mut Marks) -> bool {
        let node = &self.indicators[indicator as usize];
        let enough = node.base.enough();
        marks.clear();
        let (mut publishers, mut honest) = (1, 0);
        match node.base.bond {
            _ if node.base.bits == 0 || node.refuted => {}
            Bond::Owner | Bond::Infrastructure => {
                let (convicted, others) = node.holders.split_at(node.convicted as usize);
                if !others.is_empty() {
                    for image in convicted {
                        marks.mark(self.images[*image as usize].publisher);
                    }
                    for image in others.iter().filter(|image| self.vouches(**image, indicator)) {
                        publishers += u32::from(marks.mark(self.images[*image as usize].publisher));
                        if publishers >= enough {
                            break;
                        }
                    }
                }
            }
            Bond::Tool | Bond::Habit => {
                publishers = 0;
                let (convicted, others) = node.holders.split_at(node.convicted as usize);
                let is_clean = |image: &&u32| self.images[**image as usize].clean;
                let clean = others.iter().filter(|image| self.vouches(**image, indicator));
                let unsettled = others.iter().filter(|image| !is_clean(image));
                // Whoever has clean ones and unsettled ones vouches for it.
                let all = convicted.iter().map(|image| (image, 0));
                let all = all.chain(clean.map(|image| (image, 1))).chain(unsettled.map(|image| (image, 0)));
                for (image, vouches) in all {
                    let publisher = self.images[*image as usize].publisher;
                    if marks.mark(self.groups[publisher as usize]) {
                        publishers += 1;
                        honest += vouches;
                    }
                    if publishers >= enough {
                        break;
                    }
                }
                publishers = publishers.max(1);
            }
        }
        let weight = match node.refuted {
            true => 0,
            false => (node.base.weight(publishers) - weight::published(honest)).max(0),
        };
        let node = &mut self.indicators[indicator as usize];
        let changed = node.weight != weight;
        (node.weight, node.publishers, node.honest) = (weight, publishers, honest);
        changed
    }

    /// Publishers whom an owner's indicator or a full address ties are one. Says whose group changed.
    pub(super) fn group_publishers(&mut self) -> Vec<u32> {
        let count = self.published.len();
        let mut tied = UnionFind::<u32>::new(count);
        for indicator in self.shared_owners.iter().copied().filter(|indicator| self.strong(*indicator)) {
            let mut publishers = self
                .united(indicator)
                .into_iter()
                .map(|image| self.images[image as usize].publisher)
                .filter(|publisher| !self.refuted_accounts.contains(publisher));
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
