//! JSON with a published schema (`docs/schema/report-v1.schema.json`).
//!
//! The types here are the contract with readers; the domain's types may change shape without
//! changing this one. A field is added freely; to rename, remove or give another meaning to one
//! is a new [`SCHEMA_VERSION`].

mod parts;

use lazaret_model::{ImageReport, Report, Verdict};
use serde::Serialize;

use crate::json::parts::{BehaviourJson, DecisionJson, FindingJson, GapJson, IgnoredJson};
use crate::{Options, json_text};

/// Version of the shape.
const SCHEMA_VERSION: u32 = 1;

/// One document with everything.
pub fn document(reports: &[Report], options: &Options) -> String {
    json_text::pretty(&DocumentJson {
        schema_version: SCHEMA_VERSION,
        tool: ToolJson::new(options),
        reports: reports.iter().map(|report| ReportJson::new(report, options)).collect(),
    })
}

/// One object on each line: for each image its verdict, then its findings, gaps and behaviours.
pub fn lines(reports: &[Report], options: &Options) -> String {
    let mut out = String::new();
    let mut line = |kind: &'static str, report: &Report, image: Option<&ImageReport>, body: BodyJson<'_>| {
        out.push_str(&json_text::compact(&LineJson {
            schema_version: SCHEMA_VERSION,
            kind,
            reference: &report.requested,
            digest: report.pinned.digest.to_string(),
            manifest: image.map(|image| image.image.manifest.to_string()),
            platform: image.and_then(|image| image.image.platform.as_ref()).map(ToString::to_string),
            body,
        }));
    };
    for report in reports {
        line(
            "report",
            report,
            None,
            BodyJson::Report {
                verdict: VerdictJson::new(&report.verdict),
                tool: ToolJson::new(options),
                source: &report.source,
                repository: &report.pinned.repository,
                tag: report.pinned.tag.as_deref(),
                rules_version: &report.rules_version,
                rule_packs: RulePackJson::all(report),
                feeds: FeedUseJson::all(report),
                campaigns: CampaignLinkJson::all(report),
                timing: TimingJson::new(report, options),
            },
        );
        for image in &report.images {
            line(
                "verdict",
                report,
                Some(image),
                BodyJson::Verdict {
                    verdict: VerdictJson::new(&image.verdict),
                    coverage: CoverageJson::new(image),
                    config_digest: image.image.config_digest.to_string(),
                    layers: layers(image),
                },
            );
            for finding in &image.findings {
                let finding = FindingJson::new(report, image, finding);
                line("finding", report, Some(image), BodyJson::Finding { finding, ignored: None });
            }
            for ignored in &image.ignored {
                let finding = FindingJson::new(report, image, &ignored.finding);
                let decision = DecisionJson::new(ignored);
                line("finding", report, Some(image), BodyJson::Finding { finding, ignored: Some(decision) });
            }
            for gap in &image.gaps {
                line("gap", report, Some(image), BodyJson::Gap { gap: GapJson::new(image, gap) });
            }
            for behaviour in &image.behaviours {
                let behaviour = BehaviourJson::new(image, behaviour);
                line("behaviour", report, Some(image), BodyJson::Behaviour { behaviour });
            }
        }
        for unscanned in unscanned(report) {
            line("unscanned", report, None, BodyJson::Unscanned { unscanned });
        }
    }
    out
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DocumentJson<'a> {
    schema_version: u32,
    tool: ToolJson<'a>,
    reports: Vec<ReportJson<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LineJson<'a> {
    schema_version: u32,
    #[serde(rename = "type")]
    kind: &'static str,
    reference: &'a str,
    digest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<String>,
    #[serde(flatten)]
    body: BodyJson<'a>,
}

#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum BodyJson<'a> {
    Report {
        verdict: VerdictJson<'a>,
        tool: ToolJson<'a>,
        source: &'a str,
        repository: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        tag: Option<&'a str>,
        rules_version: &'a str,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        rule_packs: Vec<RulePackJson<'a>>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        feeds: Vec<FeedUseJson<'a>>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        campaigns: Vec<CampaignLinkJson<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        timing: Option<TimingJson>,
    },
    Verdict {
        verdict: VerdictJson<'a>,
        coverage: CoverageJson,
        config_digest: String,
        layers: Vec<LayerJson<'a>>,
    },
    Finding {
        finding: FindingJson<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        ignored: Option<DecisionJson<'a>>,
    },
    Gap {
        gap: GapJson<'a>,
    },
    Behaviour {
        behaviour: BehaviourJson<'a>,
    },
    Unscanned {
        unscanned: UnscannedJson<'a>,
    },
}

#[derive(Serialize)]
struct ToolJson<'a> {
    name: &'static str,
    version: &'a str,
}

impl<'a> ToolJson<'a> {
    fn new(options: &'a Options) -> Self {
        Self { name: "lazaret", version: &options.tool_version }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReportJson<'a> {
    reference: &'a str,
    repository: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<&'a str>,
    digest: String,
    source: &'a str,
    verdict: VerdictJson<'a>,
    rules_version: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rule_packs: Vec<RulePackJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    feeds: Vec<FeedUseJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    campaigns: Vec<CampaignLinkJson<'a>>,
    images: Vec<ImageJson<'a>>,
    unscanned: Vec<UnscannedJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timing: Option<TimingJson>,
}

impl<'a> ReportJson<'a> {
    fn new(report: &'a Report, options: &Options) -> Self {
        Self {
            reference: &report.requested,
            repository: &report.pinned.repository,
            tag: report.pinned.tag.as_deref(),
            digest: report.pinned.digest.to_string(),
            source: &report.source,
            verdict: VerdictJson::new(&report.verdict),
            rules_version: &report.rules_version,
            rule_packs: RulePackJson::all(report),
            feeds: FeedUseJson::all(report),
            campaigns: CampaignLinkJson::all(report),
            images: report.images.iter().map(|image| ImageJson::new(report, image)).collect(),
            unscanned: unscanned(report),
            timing: TimingJson::new(report, options),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RulePackJson<'a> {
    name: &'a str,
    rules: u64,
    applied: u64,
    left_out: Vec<LeftOutJson<'a>>,
}

#[derive(Serialize)]
struct LeftOutJson<'a> {
    file: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    rule: &'a str,
    reason: &'a str,
    broken: bool,
}

impl<'a> RulePackJson<'a> {
    fn all(report: &'a Report) -> Vec<Self> {
        let left_out = |rule: &'a lazaret_model::LeftOutRule| LeftOutJson {
            file: &rule.file,
            rule: &rule.rule,
            reason: &rule.reason,
            broken: rule.broken,
        };
        let pack = |pack: &'a lazaret_model::RulePack| Self {
            name: &pack.name,
            rules: pack.rules(),
            applied: pack.applied,
            left_out: pack.left_out.iter().map(left_out).collect(),
        };
        report.rule_packs.iter().map(pack).collect()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FeedUseJson<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    version: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    issuer: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    signer: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    expires: &'a str,
    entries: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_used: Option<&'a str>,
}

impl<'a> FeedUseJson<'a> {
    fn all(report: &'a Report) -> Vec<Self> {
        let feed = |feed: &'a lazaret_model::FeedUse| Self {
            name: &feed.name,
            version: feed.version,
            issuer: &feed.issuer,
            signer: &feed.signer,
            expires: &feed.expires,
            entries: feed.entries,
            not_used: feed.not_used.as_deref(),
        };
        report.feeds.iter().map(feed).collect()
    }
}

#[derive(Serialize)]
struct CampaignLinkJson<'a> {
    id: &'a str,
    relation: &'static str,
    reason: &'a str,
}

impl<'a> CampaignLinkJson<'a> {
    fn all(report: &'a Report) -> Vec<Self> {
        let link = |link: &'a lazaret_model::CampaignLink| Self {
            id: &link.campaign,
            relation: if link.is_member { "member" } else { "lead" },
            reason: &link.reason,
        };
        report.campaigns.iter().map(link).collect()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TimingJson {
    total_ms: u64,
}

impl TimingJson {
    fn new(report: &Report, options: &Options) -> Option<Self> {
        (!options.reproducible).then_some(Self { total_ms: report.timing.total_ms })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UnscannedJson<'a> {
    digest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<String>,
    reason: &'a str,
}

fn unscanned(report: &Report) -> Vec<UnscannedJson<'_>> {
    let one = |other: &'_ lazaret_model::Unscanned| {
        (other.digest.to_string(), other.platform.as_ref().map(ToString::to_string))
    };
    report
        .unscanned
        .iter()
        .map(|other| {
            let (digest, platform) = one(other);
            UnscannedJson { digest, platform, reason: &other.reason }
        })
        .collect()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VerdictJson<'a> {
    outcome: &'static str,
    why: &'a str,
    would_change: &'a str,
    has_gaps: bool,
}

impl<'a> VerdictJson<'a> {
    fn new(verdict: &'a Verdict) -> Self {
        Self {
            outcome: verdict.outcome.word(),
            why: &verdict.why,
            would_change: &verdict.would_change,
            has_gaps: verdict.has_gaps,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ImageJson<'a> {
    manifest: String,
    config_digest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<String>,
    verdict: VerdictJson<'a>,
    findings: Vec<FindingJson<'a>>,
    ignored: Vec<IgnoredJson<'a>>,
    gaps: Vec<GapJson<'a>>,
    behaviours: Vec<BehaviourJson<'a>>,
    coverage: CoverageJson,
    layers: Vec<LayerJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<BaseJson<'a>>,
}

#[derive(Serialize)]
struct BaseJson<'a> {
    name: &'a str,
    digest: String,
    recorded: &'a str,
    layers: usize,
}

impl<'a> BaseJson<'a> {
    fn new(image: &'a ImageReport) -> Option<Self> {
        let base = image.base.as_ref()?;
        Some(Self {
            name: &base.name,
            digest: base.digest.to_string(),
            recorded: &base.recorded,
            layers: base.layers,
        })
    }
}

impl<'a> ImageJson<'a> {
    fn new(report: &'a Report, image: &'a ImageReport) -> Self {
        Self {
            manifest: image.image.manifest.to_string(),
            config_digest: image.image.config_digest.to_string(),
            platform: image.image.platform.as_ref().map(ToString::to_string),
            verdict: VerdictJson::new(&image.verdict),
            findings: image.findings.iter().map(|f| FindingJson::new(report, image, f)).collect(),
            ignored: image.ignored.iter().map(|i| IgnoredJson::new(report, image, i)).collect(),
            gaps: image.gaps.iter().map(|gap| GapJson::new(image, gap)).collect(),
            behaviours: image.behaviours.iter().map(|b| BehaviourJson::new(image, b)).collect(),
            coverage: CoverageJson::new(image),
            layers: layers(image),
            base: BaseJson::new(image),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CoverageJson {
    layers: u64,
    layers_read: u64,
    layers_remembered: u64,
    files: u64,
    bytes: u64,
    gaps: u64,
}

impl CoverageJson {
    fn new(image: &ImageReport) -> Self {
        let c = image.coverage;
        Self {
            layers: c.layers,
            layers_read: c.layers_read,
            layers_remembered: c.layers_remembered,
            files: c.files,
            bytes: c.bytes,
            gaps: c.gaps,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LayerJson<'a> {
    index: usize,
    digest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    diff_id: Option<String>,
    media_type: &'a str,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    unpacked_size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instruction: Option<&'a str>,
}

fn layers(image: &ImageReport) -> Vec<LayerJson<'_>> {
    let unpacked = |index: usize| image.layer_sizes.get(index).copied().filter(|&size| size > 0);
    image
        .image
        .layers
        .iter()
        .enumerate()
        .map(|(index, layer)| LayerJson {
            index,
            digest: layer.digest.to_string(),
            diff_id: layer.diff_id.as_ref().map(ToString::to_string),
            media_type: &layer.media_type,
            size: layer.size,
            unpacked_size: unpacked(index),
            instruction: image.image.instruction(index),
        })
        .collect()
}
