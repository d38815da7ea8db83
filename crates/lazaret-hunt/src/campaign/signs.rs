//! What campaigns are known by, so that one image can be asked about without the graph: whoever scans an
//! image that leads to a campaign is told so, and nothing more follows from it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use lazaret_model::{CampaignLink, DENIED_INDICATOR, Digest, ImageReport, Indicator, Location, Report, Role};
use lazaret_store::{CampaignSign, Store, StoreError};

use super::Memory;
use super::words::{holds, is_of, lies_on};
use crate::graph::{self, LISTED};

/// Campaigns that are told of one image at the most.
const TOLD: usize = 20;

/// What a campaign is known by: what would tie any image that holds it, the members' own digests, the
/// layers of members with an accused file, and who published members.
///
/// A digest of `clean` images is in honest hands too: it makes nobody a member.
pub(super) fn of(
    memory: &Memory,
    cluster: &[u32],
    clean: &HashSet<Digest>,
    campaign: &str,
) -> Vec<CampaignSign> {
    let mut signs: BTreeMap<String, String> = BTreeMap::new();
    for image in cluster {
        let known = memory.image(*image);
        if !clean.contains(&known.root) {
            signs.insert(image_sign(&known.root.to_string()), String::new());
        }
        for chain in memory.graph.accused_chains(*image) {
            signs.entry(chain_sign(chain)).or_insert_with(|| known.name());
        }
    }
    for publisher in memory.graph.publishers_of(cluster) {
        signs.insert(account_sign(publisher), String::new());
    }
    for (number, holders) in memory.graph.leading(cluster) {
        signs.insert(indicator_sign(memory.indicator(number)), holders.to_string());
    }
    let campaign = |(sign, note)| CampaignSign { sign, campaign: campaign.to_owned(), note };
    signs.into_iter().map(campaign).collect()
}

/// The campaigns, as they were last computed, that an image at hand is tied to by what the store
/// remembers, each with the reason that says most, by name. It accuses nobody.
///
/// # Errors
///
/// If the store cannot be read.
pub async fn links_of(store: &Store, report: &Report) -> Result<Vec<CampaignLink>, StoreError> {
    if !store.has_campaigns().await? {
        return Ok(Vec::new());
    }
    // What each sign says of the image, and how much.
    let mut asked: HashMap<String, Asked> = HashMap::new();
    asked.insert(image_sign(&report.pinned.digest.to_string()), Asked::Member);
    let repository = &report.pinned.repository;
    let listing = store.listing(repository).await?;
    let account = listing.and_then(|row| row.listing.account);
    let publisher = graph::publisher(repository, account.as_deref());
    asked.insert(account_sign(&publisher), Asked::Account(publisher));
    for image in &report.images {
        let mut below = graph::NO_LAYER;
        for layer in &image.image.layers {
            let Some(diff_id) = &layer.diff_id else { break };
            below = graph::chain_key(below, graph::layer_key(&diff_id.to_string()));
            asked.insert(chain_sign(below), Asked::BuiltOn);
        }
    }
    let held: BTreeSet<&Indicator> = report.images.iter().flat_map(leading).collect();
    let held: Vec<Indicator> = held.into_iter().cloned().collect();
    for (position, id) in store.indicator_ids(&held).await? {
        if let Some(indicator) = held.get(position) {
            asked.insert(indicator_sign(id), Asked::Holds(indicator.clone()));
        }
    }
    let mut signs: Vec<&str> = asked.keys().map(String::as_str).collect();
    signs.sort_unstable();

    let mut best: BTreeMap<String, (u8, CampaignLink)> = BTreeMap::new();
    for found in store.campaign_signs(&signs).await? {
        let Some(asked) = asked.get(&found.sign) else { continue };
        let (rank, reason) = asked.said(&found.note);
        let link = CampaignLink { campaign: found.campaign.clone(), is_member: rank == 0, reason };
        let better = best
            .get(&found.campaign)
            .is_none_or(|(kept, known)| (rank, &link.reason) < (*kept, &known.reason));
        if better {
            best.insert(found.campaign, (rank, link));
        }
    }
    Ok(best.into_values().map(|(_, link)| link).take(TOLD).collect())
}

/// What a sign says of the image that has it.
enum Asked {
    Member,
    Holds(Indicator),
    BuiltOn,
    Account(String),
}

impl Asked {
    /// The reason, the least number for the strongest.
    fn said(&self, note: &str) -> (u8, String) {
        match self {
            Self::Member => (0, "is one of its images".to_owned()),
            Self::Holds(indicator) => (1, holds(indicator, note.parse().unwrap_or(1))),
            Self::BuiltOn => (2, lies_on(note)),
            Self::Account(publisher) => (3, is_of(publisher)),
        }
    }
}

/// What an image holds that may lead to a campaign: not what stands in a list of such things.
fn leading(image: &ImageReport) -> Vec<&Indicator> {
    // Whoever denies a thing does not say that it acts here.
    let speaks = image.findings.iter().filter(|finding| finding.rule.id != DENIED_INDICATOR);
    let named: HashSet<&Indicator> = speaks.flat_map(|finding| &finding.indicators).collect();
    let mut in_place: HashMap<_, usize> = HashMap::new();
    let place = |location: &Location| location.path().map(|path| path.as_bytes().to_vec());
    for sighting in &image.sightings {
        if let Some(path) = place(&sighting.location) {
            *in_place.entry((path, sighting.indicator.kind)).or_default() += 1;
        }
    }
    let listed = |indicator: &Indicator, location: &Location| {
        let count = place(location).and_then(|path| in_place.get(&(path, indicator.kind)));
        !named.contains(indicator) && count.is_some_and(|count| *count > LISTED)
    };
    let seen = image
        .sightings
        .iter()
        .filter(|sighting| {
            sighting.role > Role::Mentioned && !listed(&sighting.indicator, &sighting.location)
        })
        .map(|sighting| &sighting.indicator);
    let all = seen.chain(named.iter().copied());
    all.filter(|indicator| graph::ties_by_itself(indicator)).collect()
}

fn image_sign(digest: &str) -> String {
    format!("image {digest}")
}

fn account_sign(publisher: &str) -> String {
    format!("account {}", blake3::hash(publisher.as_bytes()).to_hex())
}

fn chain_sign(chain: u64) -> String {
    format!("layers {chain:016x}")
}

fn indicator_sign(id: i64) -> String {
    format!("holds {id}")
}
