//! Which rules can be met by what is known of an image that has not run.
//!
//! A rule names a log source, and its detection asks for fields. Where every way to meet its
//! condition asks for a field that no event of ours has, or for a value that the field never has,
//! the rule cannot speak about an image; that is said, instead of letting its silence read as an
//! answer.

use std::collections::BTreeSet;

use rsigma_parser::{
    ConditionExpr, Detection, DetectionItem, Detections, LogSource, Modifier, Quantifier, SelectorPattern,
    SigmaRule, SigmaValue,
};

/// Commands as they were typed: the events for rules that give keywords and no kind of log.
pub(super) const COMMANDS: &str = "lazaret_commands";

/// A kind of event that an image gives.
struct Kind {
    category: Option<&'static str>,
    service: Option<&'static str>,
    fields: &'static [&'static str],
    /// Fields of which all possible values are known.
    closed: &'static [(&'static str, &'static [&'static str])],
}

impl Kind {
    const fn category(name: &'static str, fields: &'static [&'static str]) -> Self {
        Self { category: Some(name), service: None, fields, closed: &[] }
    }

    const fn audit(
        fields: &'static [&'static str],
        closed: &'static [(&'static str, &'static [&'static str])],
    ) -> Self {
        Self { category: None, service: Some("auditd"), fields, closed }
    }
}

/// Fields of everything that happens.
const ALWAYS: &[&str] = &["Platform", "Phase", "Certainty"];

const FILE_FIELDS: &[&str] =
    &["TargetFilename", "Image", "Content", "Operation", "User", "HostFilename", "Privileged", "Form"];

const KINDS: &[Kind] = &[
    Kind::category(
        "process_creation",
        &[
            "Image",
            "CommandLine",
            "Arguments",
            "ProcessName",
            "ParentCommandLine",
            "ParentImage",
            "CurrentDirectory",
            "User",
            "FedBy",
            "OwnService",
            "Stdin",
            "Downloaded",
            "HostPath",
            "Privileged",
            "Form",
        ],
    ),
    Kind::category("file_event", FILE_FIELDS),
    Kind::category("file_delete", FILE_FIELDS),
    Kind::category("file_change", FILE_FIELDS),
    Kind::category(
        "network_connection",
        &["DestinationHostname", "DestinationIp", "DestinationPort", "Url", "Image", "Initiated", "User"],
    ),
    Kind::category(
        "image_config",
        &[
            "Entrypoint",
            "Cmd",
            "CommandLine",
            "Env",
            "EnvName",
            "User",
            "Labels",
            "Healthcheck",
            "OnBuild",
            "Volumes",
            "ExposedPorts",
            "Author",
            "WorkingDir",
        ],
    ),
    Kind::category("image_history", &["CreatedBy", "Comment", "Created", "EmptyLayer"]),
    Kind::category("launch", super::launched::LAUNCH_FIELDS),
    Kind::category("dockerfile", super::launched::DOCKERFILE_FIELDS),
    Kind::category("kubernetes", super::launched::KUBERNETES_FIELDS),
    Kind::category(COMMANDS, &["CommandLine"]),
    Kind::audit(&["type", "argc", "a"], &[("type", &["EXECVE"])]),
    Kind::audit(
        &["type", "SYSCALL", "exe", "comm", "success", "uid", "euid"],
        &[("type", &["SYSCALL"]), ("SYSCALL", &["execve"]), ("success", &["yes"])],
    ),
    Kind::audit(
        &["type", "name", "nametype"],
        &[("type", &["PATH"]), ("nametype", &["CREATE", "DELETE", "NORMAL"])],
    ),
];

/// Says why no event of an image can meet the rule; None where one can.
pub(super) fn why_not(rule: &SigmaRule) -> Option<String> {
    let source = &rule.logsource;
    if let Some(product) = source.product.as_deref().filter(|p| !p.eq_ignore_ascii_case("linux")) {
        return Some(format!("is for {product}, and containers run Linux"));
    }
    let fitting: Vec<&Kind> = KINDS.iter().filter(|kind| fits(kind, source)).collect();
    if fitting.is_empty() {
        return Some(match (&source.service, &source.category) {
            (Some(service), _) => format!("reads the log of {service}, which only a running system writes"),
            (None, Some(category)) => format!("reads events of the kind {category}, which an image has not"),
            (None, None) => "names no kind of event that an image has".to_owned(),
        });
    }
    let lacks = fitting.iter().map(|kind| lacks(kind, &rule.detection));
    let least = lacks.min_by_key(|lacks| (lacks.len(), lacks.clone())).filter(|lacks| !lacks.is_empty())?;
    let named: Vec<String> = least.into_iter().collect();
    Some(format!("needs {}, which only a running system has", named.join(" and ")))
}

fn fits(kind: &Kind, source: &LogSource) -> bool {
    let same = |wanted: &Option<String>, has: Option<&str>| {
        wanted.as_deref().is_none_or(|wanted| has.is_some_and(|has| has.eq_ignore_ascii_case(wanted)))
    };
    same(&source.category, kind.category) && same(&source.service, kind.service)
}

/// What keeps each condition of the rule from ever being met; empty where one can be met.
fn lacks(kind: &Kind, detections: &Detections) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for condition in &detections.conditions {
        match expression(kind, condition, detections) {
            Ok(()) => return BTreeSet::new(),
            Err(lacks) => all.extend(lacks),
        }
    }
    all
}

type Possible = Result<(), BTreeSet<String>>;

fn expression(kind: &Kind, expression_: &ConditionExpr, detections: &Detections) -> Possible {
    let named = |name: &str| detections.named.get(name).map_or(Ok(()), |d| detection(kind, d));
    match expression_ {
        ConditionExpr::And(parts) => all(parts.iter().map(|p| expression(kind, p, detections))),
        ConditionExpr::Or(parts) => any(parts.iter().map(|p| expression(kind, p, detections))),
        // What is not there is not met either.
        ConditionExpr::Not(_) => Ok(()),
        ConditionExpr::Identifier(name) => named(name),
        ConditionExpr::Selector { quantifier, pattern } => {
            let mut chosen: Vec<&String> = detections.named.keys().filter(|n| selected(pattern, n)).collect();
            chosen.sort_unstable();
            let parts = chosen.into_iter().map(|name| named(name));
            match quantifier {
                Quantifier::All => all(parts),
                Quantifier::Any | Quantifier::Count(_) => any(parts),
            }
        }
    }
}

fn selected(pattern: &SelectorPattern, name: &str) -> bool {
    match pattern {
        // Names that begin with `_` are left out of `them` (Sigma specification, conditions).
        SelectorPattern::Them => !name.starts_with('_'),
        SelectorPattern::Pattern(pattern) => match pattern.split_once('*') {
            Some((before, after)) => {
                name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
            }
            None => pattern == name,
        },
    }
}

fn detection(kind: &Kind, detection_: &Detection) -> Possible {
    match detection_ {
        Detection::AllOf(items) => all(items.iter().map(|i| item(kind, i))),
        Detection::AnyOf(parts) => any(parts.iter().map(|p| detection(kind, p))),
        Detection::And(parts) => all(parts.iter().map(|p| detection(kind, p))),
        Detection::Keywords(_) => Ok(()),
        Detection::ArrayMatch { field, .. } => known(kind, field),
        Detection::Conditional { named, .. } => any(named.values().map(|d| detection(kind, d))),
    }
}

fn item(kind: &Kind, item: &DetectionItem) -> Possible {
    let Some(field) = &item.field.name else { return Ok(()) };
    let without = item.field.has_modifier(Modifier::Neq)
        || item.values.iter().any(|v| matches!(v, SigmaValue::Null | SigmaValue::Bool(false)));
    match known(kind, field) {
        Err(_) if without => return Ok(()),
        other => other?,
    }
    let closed = kind.closed.iter().find(|(name, _)| name.eq_ignore_ascii_case(field));
    let Some((_, values)) = closed.filter(|_| item.field.modifiers.is_empty()) else { return Ok(()) };
    let texts: Option<Vec<String>> = item.values.iter().map(plain).collect();
    let Some(texts) = texts else { return Ok(()) };
    if texts.iter().any(|text| values.iter().any(|value| value.eq_ignore_ascii_case(text))) {
        return Ok(());
    }
    Err(texts.into_iter().map(|text| format!("`{field}: {text}`")).collect())
}

fn plain(value: &SigmaValue) -> Option<String> {
    match value {
        SigmaValue::String(text) => text.as_plain(),
        SigmaValue::Integer(number) => Some(number.to_string()),
        _ => None,
    }
}

fn known(kind: &Kind, field: &str) -> Possible {
    let argument = || {
        // `a0` to `aN` of an EXECVE record.
        let number = field.strip_prefix('a').unwrap_or_default();
        !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) && kind.fields.contains(&"a")
    };
    let common = kind.service.is_none() && ALWAYS.contains(&field);
    match common || kind.fields.contains(&field) || argument() {
        true => Ok(()),
        false => Err(BTreeSet::from([format!("`{field}`")])),
    }
}

fn all(parts: impl Iterator<Item = Possible>) -> Possible {
    let mut lacks = BTreeSet::new();
    for part in parts {
        if let Err(more) = part {
            lacks.extend(more);
        }
    }
    if lacks.is_empty() { Ok(()) } else { Err(lacks) }
}

fn any(parts: impl Iterator<Item = Possible>) -> Possible {
    let mut lacks = BTreeSet::new();
    let mut none = true;
    for part in parts {
        none = false;
        match part {
            Ok(()) => return Ok(()),
            Err(more) => lacks.extend(more),
        }
    }
    if none { Ok(()) } else { Err(lacks) }
}

/// Whether the rule gives nothing but keywords and names no kind of log: it is for the words of
/// commands, wherever a system writes them down.
pub(super) fn reads_commands(rule: &SigmaRule) -> bool {
    fn keywords(detection: &Detection) -> bool {
        match detection {
            Detection::Keywords(_) => true,
            Detection::AllOf(items) => items.iter().all(|item| item.field.is_keyword()),
            Detection::AnyOf(parts) | Detection::And(parts) => parts.iter().all(keywords),
            Detection::ArrayMatch { .. } | Detection::Conditional { .. } => false,
        }
    }
    let source = &rule.logsource;
    source.category.is_none() && source.service.is_none() && rule.detection.named.values().all(keywords)
}
