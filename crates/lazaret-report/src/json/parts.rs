//! Findings, places, gaps and behaviours as JSON.

use lazaret_model::{
    Behaviour, BehaviourKind, BudgetKind, Evidence, FileOp, Finding, Gap, GapKind, IgnoredFinding,
    ImageReport, Indicator, Location, Report, Rule,
};
use serde::Serialize;

use crate::{fingerprint, words};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FindingJson<'a> {
    rule: RuleJson<'a>,
    message: &'a str,
    class: &'static str,
    severity: &'static str,
    confidence: &'static str,
    reach: &'static str,
    fingerprint: String,
    evidence: Vec<EvidenceJson<'a>>,
    indicators: Vec<IndicatorJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refuted_by: Option<&'a str>,
}

impl<'a> FindingJson<'a> {
    pub(super) fn new(report: &Report, image: &'a ImageReport, finding: &'a Finding) -> Self {
        Self {
            rule: RuleJson::new(&finding.rule),
            message: &finding.message,
            class: finding.class.word(),
            severity: finding.severity.word(),
            confidence: finding.confidence.word(),
            reach: finding.reach.word(),
            fingerprint: fingerprint::of(&report.pinned.repository, finding),
            evidence: finding.evidence().iter().map(|e| EvidenceJson::new(image, e)).collect(),
            indicators: finding.indicators.iter().map(IndicatorJson::new).collect(),
            refuted_by: finding.refuted_by.as_deref(),
        }
    }
}

#[derive(Serialize)]
pub(super) struct IgnoredJson<'a> {
    finding: FindingJson<'a>,
    decision: DecisionJson<'a>,
}

impl<'a> IgnoredJson<'a> {
    pub(super) fn new(report: &'a Report, image: &'a ImageReport, ignored: &'a IgnoredFinding) -> Self {
        Self {
            finding: FindingJson::new(report, image, &ignored.finding),
            decision: DecisionJson::new(ignored),
        }
    }
}

#[derive(Serialize)]
pub(super) struct DecisionJson<'a> {
    reason: &'a str,
    author: &'a str,
    expires: &'a str,
}

impl<'a> DecisionJson<'a> {
    pub(super) fn new(ignored: &'a IgnoredFinding) -> Self {
        Self { reason: &ignored.reason, author: &ignored.author, expires: &ignored.expires }
    }
}

#[derive(Serialize)]
struct RuleJson<'a> {
    id: &'a str,
    title: &'a str,
    explanation: &'a str,
    attack: &'a [String],
    references: &'a [String],
}

impl<'a> RuleJson<'a> {
    fn new(rule: &'a Rule) -> Self {
        Self {
            id: &rule.id,
            title: &rule.title,
            explanation: &rule.explanation,
            attack: &rule.attack,
            references: &rule.references,
        }
    }
}

#[derive(Serialize)]
struct EvidenceJson<'a> {
    location: LocationJson<'a>,
    what: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    excerpt: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<&'a str>,
}

impl<'a> EvidenceJson<'a> {
    fn new(image: &'a ImageReport, evidence: &'a Evidence) -> Self {
        Self {
            location: LocationJson::new(image, &evidence.location),
            what: &evidence.what,
            excerpt: evidence.excerpt.as_deref(),
            sha256: evidence.sha256.as_ref().map(|digest| digest.hex()),
        }
    }
}

#[derive(Serialize)]
struct IndicatorJson<'a> {
    kind: &'static str,
    value: &'a str,
}

impl<'a> IndicatorJson<'a> {
    fn new(indicator: &'a Indicator) -> Self {
        Self { kind: indicator.kind.name(), value: &indicator.value }
    }
}

/// A place. Which fields are there depends on `kind`.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct LocationJson<'a> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    layer: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    layer_digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instruction: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// The name's bytes, only where they are not UTF-8 and `path` cannot say them.
    #[serde(skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    inside: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
}

impl<'a> LocationJson<'a> {
    fn new(image: &'a ImageReport, location: &'a Location) -> Self {
        let in_layer = |layer: usize| Self {
            layer: Some(layer),
            layer_digest: image.image.layers.get(layer).map(|l| l.digest.to_string()),
            instruction: image.image.instruction(layer),
            ..Self::default()
        };
        match location {
            Location::Image => Self { kind: "image", ..Self::default() },
            Location::Manifest => Self { kind: "manifest", ..Self::default() },
            Location::Config(key) => Self { kind: "config", key: Some(key), ..Self::default() },
            Location::History(step) => Self {
                kind: "history",
                step: Some(*step),
                instruction: image.image.config.history.get(*step).map(|step| step.created_by.as_str()),
                ..Self::default()
            },
            Location::Layer(layer) => Self { kind: "layer", ..in_layer(*layer) },
            Location::Launch { file, line, key } => {
                Self { kind: "launch", key: Some(key), path: file.clone(), line: *line, ..Self::default() }
            }
            Location::File { layer, path, inside, line, offset } => Self {
                kind: "file",
                path: Some(path.to_string()),
                path_hex: std::str::from_utf8(path.as_bytes())
                    .is_err()
                    .then(|| data_encoding::HEXLOWER.encode(path.as_bytes())),
                inside,
                line: *line,
                offset: *offset,
                ..in_layer(*layer)
            },
        }
    }
}

#[derive(Serialize)]
pub(super) struct GapJson<'a> {
    kind: &'static str,
    location: LocationJson<'a>,
    detail: &'a str,
    matters: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flag: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    analyzer: Option<&'a str>,
}

impl<'a> GapJson<'a> {
    pub(super) fn new(image: &'a ImageReport, gap: &'a Gap) -> Self {
        let (budget, analyzer) = match &gap.kind {
            GapKind::Budget(kind) => (Some(*kind), None),
            GapKind::AnalyzerFailed(name) => (None, Some(name.as_str())),
            _ => (None, None),
        };
        Self {
            kind: gap.kind.name(),
            location: LocationJson::new(image, &gap.location),
            detail: &gap.detail,
            matters: gap.matters,
            budget: budget.map(budget_word),
            flag: budget.map(BudgetKind::flag),
            analyzer,
        }
    }
}

fn budget_word(kind: BudgetKind) -> &'static str {
    match kind {
        BudgetKind::LayerBytes => "layer-bytes",
        BudgetKind::Entries => "entries",
        BudgetKind::Ratio => "ratio",
        BudgetKind::Depth => "depth",
        BudgetKind::NestedBytes => "nested-bytes",
        BudgetKind::Time => "time",
        BudgetKind::KeptBytes => "kept-bytes",
        BudgetKind::DocumentBytes => "document-bytes",
        BudgetKind::Memory => "memory",
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BehaviourJson<'a> {
    phase: &'static str,
    certainty: &'static str,
    #[serde(flatten)]
    kind: BehaviourKindJson<'a>,
    because: Vec<LocationJson<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
enum BehaviourKindJson<'a> {
    Process {
        argv: &'a [String],
        #[serde(skip_serializing_if = "Option::is_none")]
        image: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        parent: Option<&'a str>,
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        fed_by: &'a [String],
        #[serde(skip_serializing_if = "Option::is_none")]
        stdin: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        downloaded: Option<&'a str>,
    },
    File {
        op: &'static str,
        path: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        content: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        host_path: Option<String>,
        by: &'a str,
    },
    Network {
        host: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        port: Option<u16>,
        #[serde(skip_serializing_if = "Option::is_none")]
        url: Option<&'a str>,
        by: &'a str,
    },
}

impl<'a> BehaviourJson<'a> {
    pub(super) fn new(image: &'a ImageReport, behaviour: &'a Behaviour) -> Self {
        let kind = match &behaviour.kind {
            BehaviourKind::Process { argv, image, parent, fed_by, stdin, downloaded } => {
                BehaviourKindJson::Process {
                    argv,
                    image: image.as_deref(),
                    parent: parent.as_deref(),
                    fed_by,
                    stdin: stdin.as_deref(),
                    downloaded: downloaded.as_deref(),
                }
            }
            BehaviourKind::File { op, path, content, by } => BehaviourKindJson::File {
                op: match op {
                    FileOp::Write => "write",
                    FileOp::Append => "append",
                    FileOp::Delete => "delete",
                    FileOp::Chmod => "chmod",
                },
                path,
                content: content.as_deref(),
                host_path: image.launch.as_ref().and_then(|launch| launch.host_path(path)),
                by,
            },
            BehaviourKind::Network { host, port, url, by } => {
                BehaviourKindJson::Network { host, port: *port, url: url.as_deref(), by }
            }
        };
        Self {
            phase: behaviour.phase.name(),
            certainty: words::certainty(behaviour.certainty),
            kind,
            because: behaviour.because.iter().map(|location| LocationJson::new(image, location)).collect(),
        }
    }
}
