//! Campaigns from clusters: which name each keeps, and what the graph alone tells of it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use lazaret_model::{Account, Campaign, Digest, IndicatorKind, Lead, Member, Method, Shared, Tie, TieReason};
use lazaret_scan::feeds::Allowed;
use lazaret_store::{Refuted, Store, StoreError};

use super::history::Before;
use super::words::{Words, holds, is_of, lies_on, named, noun, why};
use super::{Memory, history, listed, listings, signs};
use crate::graph::weight::{THRESHOLD, in_bits};
use crate::graph::{Above, Edge, Reason};

/// Direct ties that are told at the most, besides those that hold a campaign together.
const TIES: usize = 500;
/// Indicators that are told at the most.
const SHARED: usize = 300;
/// Leads that are told at the most.
pub const LEADS: usize = 500;
/// The name of the method, with its sources.
const METHOD: &str = "sum of log-likelihood ratios against a threshold (Fellegi and Sunter 1969), then \
    connected components (single linkage); docs/CAMPAIGNS.md";

/// Makes the campaigns of a graph, names them as they were named, and remembers them.
pub(super) async fn refresh(store: &Store, memory: &Memory) -> Result<Vec<Campaign>, StoreError> {
    let clusters: Vec<Vec<u32>> =
        memory.graph.clusters().into_iter().filter(|cluster| is_campaign(memory, cluster)).collect();
    let names = names(store, memory, &clusters).await?;
    let mut campaigns = Vec::with_capacity(clusters.len());
    let mut known_by = Vec::new();
    let above = memory.graph.above();
    let before = Before::of(store.campaigns().await?);
    let roots: BTreeSet<String> =
        clusters.iter().flatten().map(|image| memory.image(*image).root.to_string()).collect();
    let roots: Vec<Digest> = roots.iter().filter_map(|root| root.parse().ok()).collect();
    let clean: HashSet<Digest> = store.clean_digests(&roots).await?.into_iter().collect();
    for (cluster, id) in clusters.iter().zip(names) {
        known_by.extend(signs::of(memory, cluster, &clean, &id));
        let rows = cluster.iter().flat_map(|image| memory.image(*image).rows.iter().copied()).collect();
        campaigns.push((told(store, memory, cluster, (&above, &before), id).await?, rows));
    }
    campaigns.sort_by(|(a, _), (b, _)| (b.members.len(), &a.id).cmp(&(a.members.len(), &b.id)));
    store.put_campaigns(&campaigns, &known_by).await?;
    Ok(campaigns.into_iter().map(|(campaign, _)| campaign).collect())
}

/// One image under several tags is one image: a campaign is at least two digests or two repositories.
fn is_campaign(memory: &Memory, cluster: &[u32]) -> bool {
    let digests: HashSet<&Digest> = cluster.iter().map(|image| &memory.image(*image).root).collect();
    let repositories: HashSet<&str> =
        cluster.iter().map(|image| memory.image(*image).repository.as_str()).collect();
    digests.len() > 1 || repositories.len() > 1
}

/// A cluster takes the name of the campaign with which it has most images in common.
async fn names(store: &Store, memory: &Memory, clusters: &[Vec<u32>]) -> Result<Vec<String>, StoreError> {
    let of: std::collections::HashMap<u32, usize> = clusters
        .iter()
        .enumerate()
        .flat_map(|(at, cluster)| cluster.iter().map(move |image| (*image, at)))
        .collect();
    let mut common: BTreeMap<(String, usize), usize> = BTreeMap::new();
    for (campaign, row) in store.campaign_images().await? {
        if let Some(at) = memory.node(row).and_then(|node| of.get(&node)) {
            *common.entry((campaign, *at)).or_default() += 1;
        }
    }
    let mut best: Vec<((String, usize), usize)> = common.into_iter().collect();
    best.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let mut names: Vec<Option<String>> = vec![None; clusters.len()];
    let mut taken = HashSet::new();
    for ((campaign, at), _) in best {
        if names[at].is_none() && taken.insert(campaign.clone()) {
            names[at] = Some(campaign);
        }
    }
    let mut all = Vec::with_capacity(names.len());
    for (name, cluster) in names.into_iter().zip(clusters) {
        all.push(name.unwrap_or_else(|| new_name(memory, cluster, &mut taken)));
    }
    Ok(all)
}

/// A name that nobody has: from the least digests of the members.
fn new_name(memory: &Memory, cluster: &[u32], taken: &mut HashSet<String>) -> String {
    let mut digests: Vec<String> =
        cluster.iter().map(|image| memory.image(*image).root.to_string()).collect();
    digests.sort();
    digests.dedup();
    digests.truncate(8);
    loop {
        let hash = blake3::hash(digests.join("\n").as_bytes()).to_hex();
        let name = format!("LZ-{}", &hash.as_str()[..8]);
        if taken.insert(name.clone()) {
            return name;
        }
        digests.push(name);
    }
}

async fn told(
    store: &Store,
    memory: &Memory,
    cluster: &[u32],
    (above, before): (&Above, &Before),
    id: String,
) -> Result<Campaign, StoreError> {
    let graph = &memory.graph;
    let mut members = cluster.to_vec();
    members.sort_by_cached_key(|image| {
        let known = memory.image(*image);
        let publisher = graph.publisher_of(*image).to_owned();
        (publisher, known.repository.clone(), known.tag.clone(), known.root.to_string())
    });
    let position: std::collections::HashMap<u32, usize> =
        members.iter().enumerate().map(|(at, image)| (*image, at)).collect();

    let edges = graph.ties(cluster, TIES);
    let mut shared = graph.shared(cluster);
    shared.retain(|(number, _)| graph.weight_of(*number).0 > 0);
    shared.truncate(SHARED);
    let mut lone = graph.lone_wallets(cluster);
    lone.retain(|(number, ..)| shared.iter().all(|(other, _)| other != number));
    lone.truncate(SHARED);
    let led = graph.leads(cluster);
    let numbers = shared
        .iter()
        .map(|(number, _)| *number)
        .chain(lone.iter().map(|(number, ..)| *number))
        .chain(edges.iter().flat_map(|edge| named(&edge.tied)))
        .chain(led.iter().filter_map(|(_, reason)| match reason {
            Reason::Indicator(number) => Some(*number),
            _ => None,
        }));
    let words = Words::of(store, memory, numbers.collect::<BTreeSet<u32>>()).await?;

    let mut campaign = Campaign {
        id,
        members: members.iter().map(|image| member(memory, *image)).collect(),
        accounts: accounts(memory, &members),
        leads: leads(memory, cluster, above, &led, &words),
        method: method(store, memory, &members).await?,
        ..Campaign::default()
    };
    for edge in &edges {
        for (reason, _) in &edge.tied.reasons {
            if let Reason::BuiltOn { lower, upper } = reason
                && let (Some(lower), Some(upper)) = (position.get(lower), position.get(upper))
            {
                campaign.members[*upper].built_on = Some(*lower);
            }
        }
    }
    campaign.ties = ties(memory, &edges, &words, &position);
    for (number, holders) in &shared {
        let Some(indicator) = words.get(*number) else { continue };
        let mut at: Vec<usize> = holders.iter().filter_map(|image| position.get(image).copied()).collect();
        at.sort_unstable();
        let place = match at.first() {
            Some(first) => place(store, memory, *number, members[*first]).await?,
            None => String::new(),
        };
        campaign.shared.push(Shared {
            indicator: indicator.clone(),
            bits: in_bits(graph.says_among(*number, holders)),
            why: why(memory, *number, indicator),
            members: at,
            elsewhere: graph.elsewhere(*number, cluster) as u64,
            place,
        });
    }
    for (number, holder, bits) in &lone {
        let Some(indicator) = words.get(*number) else { continue };
        campaign.lone.push(Shared {
            indicator: indicator.clone(),
            bits: in_bits(*bits),
            why: why(memory, *number, indicator),
            members: position.get(holder).copied().into_iter().collect(),
            elsewhere: graph.elsewhere(*number, cluster) as u64,
            place: place(store, memory, *number, *holder).await?,
        });
    }
    campaign.lone.sort_by(|a, b| b.bits.total_cmp(&a.bits).then_with(|| a.indicator.cmp(&b.indicator)));
    campaign.shared.sort_by(|a, b| {
        let kind =
            |shared: &Shared| IndicatorKind::ALL.iter().position(|kind| *kind == shared.indicator.kind);
        b.bits
            .total_cmp(&a.bits)
            .then_with(|| kind(a).cmp(&kind(b)))
            .then_with(|| b.members.len().cmp(&a.members.len()))
            .then_with(|| a.indicator.cmp(&b.indicator))
    });
    listings::fill(store, &mut campaign).await?;
    history::fill(store, &mut campaign, &judged(store, memory, &members).await?, before).await?;
    listed::rename(store, &mut campaign).await?;
    campaign.title = title(&campaign);
    Ok(campaign)
}

/// When each of these images was judged last, in seconds since 1970.
async fn judged(store: &Store, memory: &Memory, images: &[u32]) -> Result<Vec<Option<i64>>, StoreError> {
    let rows: Vec<i64> = images.iter().flat_map(|image| memory.image(*image).rows.iter().copied()).collect();
    let times: std::collections::HashMap<i64, i64> = store.judged_at(&rows).await?.into_iter().collect();
    let last = |image: &u32| memory.image(*image).rows.iter().filter_map(|row| times.get(row)).max().copied();
    Ok(images.iter().map(last).collect())
}

fn member(memory: &Memory, image: u32) -> Member {
    let known = memory.image(image);
    let publisher = memory.graph.publisher_of(image);
    Member {
        repository: known.repository.clone(),
        tag: known.tag.clone(),
        digest: known.root.clone(),
        manifests: Vec::new(),
        spared: Vec::new(),
        built: Vec::new(),
        platforms: Vec::new(),
        account: Some(publisher.to_owned()).filter(|name| *name != known.repository),
        description: String::new(),
        created: None,
        updated: None,
        pulls: None,
        stars: None,
        outcome: known.outcome,
        why: String::new(),
        deeds: Vec::new(),
        lines: Vec::new(),
        rules: Vec::new(),
        built_on: None,
    }
}

fn accounts(memory: &Memory, members: &[u32]) -> Vec<Account> {
    let mut count: BTreeMap<&str, u64> = BTreeMap::new();
    // An account that a person refuted is a mirror's, or one of many people: it is not the actor's.
    let own: HashSet<&str> = memory.graph.publishers_of(members).collect();
    for image in members {
        let publisher = memory.graph.publisher_of(*image);
        if own.contains(publisher) && publisher != memory.image(*image).repository {
            *count.entry(publisher).or_default() += 1;
        }
    }
    let account = |(name, members): (&str, u64)| Account {
        name: name.to_owned(),
        members,
        seen: memory.graph.published_by(name).0,
        pulls: None,
    };
    count.into_iter().map(account).collect()
}

fn ties(
    memory: &Memory,
    edges: &[Edge],
    words: &Words,
    position: &std::collections::HashMap<u32, usize>,
) -> Vec<Tie> {
    let mut all: Vec<Tie> = edges
        .iter()
        .filter_map(|edge| {
            let (a, b) = (*position.get(&edge.a)?, *position.get(&edge.b)?);
            Some(Tie {
                a: a.min(b),
                b: a.max(b),
                bits: in_bits(edge.tied.bits),
                reasons: words.reasons(memory, &edge.tied, memory.graph.publisher_of(edge.a)),
            })
        })
        .collect();
    all.sort_by_key(|tie| (tie.a, tie.b));
    all
}

async fn place(store: &Store, memory: &Memory, number: u32, image: u32) -> Result<String, StoreError> {
    for row in &memory.image(image).rows {
        if let Some(place) = store.place_of(memory.indicator(number), *row).await? {
            return Ok(place);
        }
    }
    // Of a group of fuzzy hashes another one than that which stands for it.
    Ok(String::new())
}

/// Unconvicted images that share with members, are built on one, or are of their accounts: in this order
/// of how much that says.
fn leads(memory: &Memory, cluster: &[u32], above: &Above, led: &[(u32, Reason)], words: &Words) -> Vec<Lead> {
    let mut reasons: BTreeMap<u32, (u8, String)> = BTreeMap::new();
    let mut held: BTreeMap<u32, usize> = BTreeMap::new();
    for (image, reason) in led {
        let Reason::Indicator(number) = reason else { continue };
        let Some(indicator) = words.get(*number) else { continue };
        let held = *held.entry(*number).or_insert_with(|| within(memory, cluster, *number));
        reasons.insert(*image, (0, holds(indicator, held)));
    }
    for (image, member) in memory.graph.built_on_members(cluster, above) {
        reasons.entry(image).or_insert((1, lies_on(&memory.image(member).name())));
    }
    for image in memory.graph.of_its_publishers(cluster) {
        let publisher = memory.graph.publisher_of(image);
        reasons.entry(image).or_insert((2, is_of(publisher)));
    }
    let mut all: Vec<(u8, Lead)> = reasons
        .into_iter()
        .map(|(image, (rank, reason))| {
            let known = memory.image(image);
            let lead = Lead {
                repository: known.repository.clone(),
                tag: known.tag.clone(),
                digest: known.root.clone(),
                outcome: known.outcome,
                reason,
            };
            (rank, lead)
        })
        .collect();
    all.sort_by_cached_key(|(rank, lead)| {
        (*rank, lead.repository.clone(), lead.tag.clone(), lead.digest.to_string())
    });
    all.truncate(LEADS);
    all.into_iter().map(|(_, lead)| lead).collect()
}

/// How many members of a cluster hold an indicator.
fn within(memory: &Memory, cluster: &[u32], number: u32) -> usize {
    memory.graph.holders(number).iter().filter(|image| cluster.binary_search(image).is_ok()).count()
}

async fn method(store: &Store, memory: &Memory, members: &[u32]) -> Result<Method, StoreError> {
    let repositories: HashSet<&str> =
        members.iter().map(|image| memory.image(*image).repository.as_str()).collect();
    let publishers: HashSet<&str> = members.iter().map(|image| memory.graph.publisher_of(*image)).collect();
    let images: HashSet<u32> = members.iter().copied().collect();
    let (mut refuted, mut silenced) = (Vec::new(), Vec::new());
    for refutation in store.refutations().await? {
        let what = match &refutation.what {
            Refuted::Pair(a, b) => {
                if !repositories.contains(a.as_str()) && !repositories.contains(b.as_str()) {
                    continue;
                }
                format!("{a} and {b} are not tied directly")
            }
            Refuted::Account(account) => {
                if !publishers.contains(account.as_str()) {
                    continue;
                }
                format!("that images are of {account} ties nobody")
            }
            Refuted::Indicator(indicator) => {
                let id = store.indicator_id(indicator).await?;
                let Some(number) = id.and_then(|id| memory.number(id)) else { continue };
                if !memory.graph.holders(number).iter().any(|image| images.contains(image)) {
                    continue;
                }
                silenced.push(indicator.clone());
                format!("{} {} ties nobody", noun(indicator.kind), indicator.value)
            }
        };
        refuted.push(format!("{what}: {} ({})", refutation.reason, refutation.author));
    }
    let members: HashSet<u32> = members.iter().copied().collect();
    let held = memory
        .allowed()
        .iter()
        .filter(|(number, _)| memory.graph.holders(**number).iter().any(|image| members.contains(image)));
    let mut allowed: Vec<&Allowed> = held.map(|(_, allowed)| allowed).collect();
    allowed.sort();
    silenced.extend(allowed.iter().map(|allowed| allowed.indicator.clone()));
    refuted.extend(allowed.into_iter().map(|Allowed { indicator, by }| {
        format!("{} {} ties nobody: {by}", noun(indicator.kind), indicator.value)
    }));
    Ok(Method {
        name: METHOD.to_owned(),
        threshold: in_bits(THRESHOLD),
        images_seen: memory.graph.len() as u64,
        convicted: memory.graph.convicted() as u64,
        publishers_seen: memory.graph.publisher_count() as u64,
        refuted,
        silenced,
    })
}

/// How many images of whom, and what ties them.
fn title(campaign: &Campaign) -> String {
    let count = campaign.members.len();
    let of = match campaign.accounts.as_slice() {
        [] => String::new(),
        [one] => format!(" of {}", one.name),
        more => format!(" of {} accounts", more.len()),
    };
    format!("{count} images{of}, tied by {}", bonds(&campaign.ties))
}

/// What kinds of things tie, the one that ties most first; at most three.
pub fn bonds(ties: &[Tie]) -> String {
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    let kind = |reason: &TieReason| -> &'static str {
        let kinds = IndicatorKind::ALL.map(noun);
        kinds
            .into_iter()
            .find(|noun| reason.what.starts_with(&format!("{noun} ")))
            .unwrap_or(if reason.what.starts_with("built on") { "layers" } else { "account" })
    };
    for tie in ties {
        for reason in &tie.reasons {
            *sums.entry(kind(reason)).or_default() += reason.bits;
        }
    }
    let mut kinds: Vec<(&str, f64)> = sums.into_iter().collect();
    kinds.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
    let words: Vec<&str> = kinds.into_iter().take(3).map(|(kind, _)| kind).collect();
    let words = words.into_iter().map(|word| if word == "variants of" { "variants" } else { word });
    words.collect::<Vec<_>>().join(", ")
}
