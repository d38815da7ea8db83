//! JSON with a published schema (`docs/schema/campaign-v1.schema.json`).
//!
//! The types here are the contract with readers, as for reports: a field is added freely; to
//! rename, remove or give another meaning to one is a new [`SCHEMA_VERSION`].

use lazaret_model::{Campaign, Member, Shared};
use serde::Serialize;

use super::members;
use crate::{Options, json_text};

/// Version of the shape.
const SCHEMA_VERSION: u32 = 1;

/// One document. Positions in lists are those of `members`.
pub fn render(campaign: &Campaign, options: &Options) -> String {
    json_text::pretty(&DocumentJson {
        schema_version: SCHEMA_VERSION,
        tool: ToolJson { name: "lazaret", version: &options.tool_version },
        campaign: CampaignJson::new(campaign),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DocumentJson<'a> {
    schema_version: u32,
    tool: ToolJson<'a>,
    campaign: CampaignJson<'a>,
}

#[derive(Serialize)]
struct ToolJson<'a> {
    name: &'static str,
    version: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CampaignJson<'a> {
    id: &'a str,
    title: &'a str,
    first_seen: Option<String>,
    last_seen: Option<String>,
    pulls: Option<u64>,
    accounts: Vec<AccountJson<'a>>,
    members: Vec<MemberJson<'a>>,
    lures: Vec<LureJson<'a>>,
    shared: Vec<SharedJson<'a>>,
    lone: Vec<SharedJson<'a>>,
    ties: Vec<TieJson<'a>>,
    leads: Vec<LeadJson<'a>>,
    timeline: Vec<MomentJson<'a>>,
    claims: Vec<ClaimJson<'a>>,
    techniques: Vec<TechniqueJson<'a>>,
    conduct: Vec<ConductJson<'a>>,
    cleanup: Vec<CleanupJson<'a>>,
    revenue: Vec<RevenueJson<'a>>,
    method: MethodJson<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AccountJson<'a> {
    name: &'a str,
    members: u64,
    images_seen: u64,
    pulls: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MemberJson<'a> {
    reference: String,
    repository: &'a str,
    tag: Option<&'a str>,
    digest: String,
    manifests: Vec<String>,
    spared: Vec<String>,
    platforms: &'a [String],
    account: Option<&'a str>,
    description: &'a str,
    created: Option<&'a str>,
    updated: Option<&'a str>,
    pulls: Option<u64>,
    stars: Option<u64>,
    verdict: &'static str,
    why: &'a str,
    deeds: Vec<DeedJson<'a>>,
    rules: &'a [String],
    built_on: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeedJson<'a> {
    kind: lazaret_model::DeedKind,
    evidence: &'a str,
    place: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LureJson<'a> {
    repository: &'a str,
    account: Option<&'a str>,
    description: &'a str,
    why: &'a str,
    created: Option<&'a str>,
    pulls: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SharedJson<'a> {
    kind: &'static str,
    value: &'a str,
    bits: f64,
    why: &'a str,
    members: &'a [usize],
    elsewhere: u64,
    place: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TieJson<'a> {
    members: [usize; 2],
    bits: f64,
    reasons: Vec<ReasonJson<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReasonJson<'a> {
    what: &'a str,
    bits: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LeadJson<'a> {
    repository: &'a str,
    tag: Option<&'a str>,
    digest: String,
    verdict: &'static str,
    reason: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MomentJson<'a> {
    time: &'a str,
    what: &'a str,
    member: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClaimJson<'a> {
    product: &'a str,
    members: &'a [usize],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TechniqueJson<'a> {
    id: &'a str,
    name: Option<&'static str>,
    rules: &'a [String],
    members: &'a [usize],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConductJson<'a> {
    kind: lazaret_model::DeedKind,
    text: &'a str,
    members: &'a [usize],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CleanupJson<'a> {
    what: &'a str,
    because: &'a str,
    members: &'a [usize],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RevenueJson<'a> {
    wallet: &'a str,
    amount: &'a str,
    currency: &'a str,
    usd: Option<&'a str>,
    as_of: Option<&'a str>,
    source: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MethodJson<'a> {
    name: &'a str,
    threshold_bits: f64,
    images_seen: u64,
    convicted: u64,
    publishers_seen: u64,
    refuted: &'a [String],
}

impl<'a> CampaignJson<'a> {
    fn new(campaign: &'a Campaign) -> Self {
        let span = members::span(campaign);
        Self {
            id: &campaign.id,
            title: &campaign.title,
            first_seen: span.map(|(first, _)| members::stamp(first)),
            last_seen: span.map(|(_, last)| members::stamp(last)),
            pulls: members::pulls(campaign),
            accounts: each(&campaign.accounts, |a| AccountJson {
                name: &a.name,
                members: a.members,
                images_seen: a.seen,
                pulls: a.pulls,
            }),
            members: each(&campaign.members, MemberJson::new),
            lures: each(&campaign.lures, |l| LureJson {
                repository: &l.repository,
                account: l.account.as_deref(),
                description: &l.description,
                why: &l.why,
                created: l.created.as_deref(),
                pulls: l.pulls,
            }),
            shared: each(&campaign.shared, SharedJson::new),
            lone: each(&campaign.lone, SharedJson::new),
            ties: each(&campaign.ties, |t| TieJson {
                members: [t.a, t.b],
                bits: bits(t.bits),
                reasons: each(&t.reasons, |r| ReasonJson { what: &r.what, bits: bits(r.bits) }),
            }),
            leads: each(&campaign.leads, |l| LeadJson {
                repository: &l.repository,
                tag: l.tag.as_deref(),
                digest: l.digest.to_string(),
                verdict: l.outcome.word(),
                reason: &l.reason,
            }),
            timeline: each(&campaign.timeline, |m| MomentJson {
                time: &m.time,
                what: &m.what,
                member: m.member,
            }),
            claims: each(&campaign.claims, |c| ClaimJson { product: &c.product, members: &c.members }),
            techniques: each(&campaign.techniques, |t| TechniqueJson {
                id: &t.id,
                name: super::techniques::name(&t.id),
                rules: &t.rules,
                members: &t.members,
            }),
            conduct: each(&campaign.conduct, |c| ConductJson {
                kind: c.kind,
                text: &c.text,
                members: &c.members,
            }),
            cleanup: each(&campaign.cleanup, |c| CleanupJson {
                what: &c.what,
                because: &c.because,
                members: &c.members,
            }),
            revenue: each(&campaign.revenue, |r| RevenueJson {
                wallet: &r.wallet,
                amount: &r.amount,
                currency: &r.currency,
                usd: r.usd.as_deref(),
                as_of: r.as_of.as_deref(),
                source: &r.source,
            }),
            method: MethodJson {
                name: &campaign.method.name,
                threshold_bits: bits(campaign.method.threshold),
                images_seen: campaign.method.images_seen,
                convicted: campaign.method.convicted,
                publishers_seen: campaign.method.publishers_seen,
                refuted: &campaign.method.refuted,
            },
        }
    }
}

impl<'a> SharedJson<'a> {
    fn new(shared: &'a Shared) -> Self {
        Self {
            kind: shared.indicator.kind.name(),
            value: &shared.indicator.value,
            bits: bits(shared.bits),
            why: &shared.why,
            members: &shared.members,
            elsewhere: shared.elsewhere,
            place: &shared.place,
        }
    }
}

impl<'a> MemberJson<'a> {
    fn new(member: &'a Member) -> Self {
        Self {
            reference: members::member_reference(member),
            repository: &member.repository,
            tag: member.tag.as_deref(),
            digest: member.digest.to_string(),
            manifests: each(&member.manifests, ToString::to_string),
            spared: each(&member.spared, ToString::to_string),
            platforms: &member.platforms,
            account: member.account.as_deref(),
            description: &member.description,
            created: member.created.as_deref(),
            updated: member.updated.as_deref(),
            pulls: member.pulls,
            stars: member.stars,
            verdict: member.outcome.word(),
            why: &member.why,
            deeds: each(&member.deeds, |d| DeedJson { kind: d.kind, evidence: &d.evidence, place: &d.place }),
            rules: &member.rules,
            built_on: member.built_on,
        }
    }
}

fn each<'a, T, U>(list: &'a [T], make: impl Fn(&'a T) -> U) -> Vec<U> {
    list.iter().map(make).collect()
}

/// A weight with three decimals: more would be noise of the arithmetic. JSON has no word for what
/// is no number.
fn bits(value: f64) -> f64 {
    if value.is_finite() { (value * 1000.0).round() / 1000.0 } else { 0.0 }
}
