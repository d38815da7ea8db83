//! GitLab's container-scanning report (`gl-container-scanning-report.json`), schema 15.2.1 of
//! its security-report-schemas.
//!
//! GitLab thinks in vulnerable packages. What it calls the dependency is, for us, the file (or
//! the configuration) that convicts; its "operating system" is the platform.

use lazaret_model::{Finding, Outcome, Report, Severity, one_line, visible};
use serde_json::{Map, Value, json};

use crate::fold::{self, Folded};
use crate::{Options, chain, fingerprint, json_text, words};

const SCHEMA_VERSION: &str = "15.2.1";
const SCHEMA: &str = "https://gitlab.com/gitlab-org/security-products/security-report-schemas/-/raw/v15.2.1/dist/container-scanning-report-format.json";
const HOME: &str = "https://github.com/lazaret-project/lazaret";
/// The schema wants a time and a report of ours has none: the same image must give the same
/// bytes. GitLab shows the time of the job beside it.
const NO_TIME: &str = "1970-01-01T00:00:00";

/// One report for all images.
pub fn render(reports: &[Report], options: &Options) -> String {
    let mut vulnerabilities = Vec::new();
    let mut messages = Vec::new();
    let mut complete = true;
    for report in reports {
        let inconclusive = report.verdict.outcome == Outcome::Inconclusive
            || report.images.iter().any(|image| image.verdict.outcome == Outcome::Inconclusive);
        complete &= !inconclusive;
        let level = if inconclusive || report.verdict.has_gaps { "warn" } else { "info" };
        messages.push(json!({
            "level": level,
            "value": format!("{}: {}. {}", words::name(report), report.verdict.outcome, visible(&report.verdict.why)),
        }));
        for (gap, platforms) in fold::gaps(report).into_iter().filter(|(gap, _)| gap.matters) {
            messages.push(json!({
                "level": "warn",
                "value": format!(
                    "not read: {} ({}; {}): {}",
                    words::place(&gap.location), gap.kind.name(), platforms.join(", "), visible(&gap.detail)
                ),
            }));
        }
        let mut times = std::collections::BTreeMap::new();
        for folded in fold::told_and_seen(report).0 {
            vulnerabilities.push(vulnerability(report, &folded, &mut times));
        }
    }
    let tool = |id: &str| {
        json!({
            "id": id,
            "name": "Lazaret",
            "url": HOME,
            "version": options.tool_version,
            "vendor": { "name": "Lazaret" },
        })
    };
    json_text::pretty(&json!({
        "schema": SCHEMA,
        "version": SCHEMA_VERSION,
        "scan": {
            "analyzer": tool("lazaret"),
            "scanner": tool("lazaret"),
            "start_time": NO_TIME,
            "end_time": NO_TIME,
            "status": if complete { "success" } else { "failure" },
            "type": "container_scanning",
            "messages": messages,
        },
        "vulnerabilities": vulnerabilities,
    }))
}

fn vulnerability(
    report: &Report,
    folded: &Folded<'_>,
    times: &mut std::collections::BTreeMap<String, usize>,
) -> Value {
    let finding = folded.finding;
    let image = folded.image();
    let print = fingerprint::of(&report.pinned.repository, finding);
    let number = times.entry(print.clone()).and_modify(|n| *n += 1).or_insert(1);
    let id = fingerprint::uuid(&format!("{print}:{number}"));
    let (package, version) = package(finding);
    let mut identifiers = vec![json!({
        "type": "lazaret",
        "name": visible(&finding.rule.id),
        "value": visible(&finding.rule.id),
    })];
    for technique in &finding.rule.attack {
        if let Some(url) = words::attack_url(technique) {
            identifiers
                .push(json!({ "type": "mitre_attack", "name": technique, "value": technique, "url": url }));
        }
    }
    json!({
        "id": id,
        "name": one_line(&words::title(&finding.rule), 255),
        "description": markdown_free(&description(report, folded)),
        "severity": severity(finding.severity),
        "solution": solution(finding),
        "identifiers": identifiers,
        "location": {
            "dependency": { "package": { "name": package }, "version": version },
            "operating_system": words::platform(image),
            "image": words::name(report),
        },
        "details": details(folded),
    })
}

/// The file and its hash, or the part of the image and the digest that holds it.
fn package(finding: &Finding) -> (String, String) {
    let first = &finding.evidence()[0];
    let version = first
        .sha256
        .as_ref()
        .map_or_else(|| "unknown".to_owned(), |digest| format!("sha256:{}", digest.hex()));
    let mut place = first.location.clone();
    if let lazaret_model::Location::File { line, offset, .. } = &mut place {
        (*line, *offset) = (None, None);
    }
    (one_line(&place.to_string(), 255), version)
}

fn description(report: &Report, folded: &Folded<'_>) -> String {
    let finding = folded.finding;
    format!(
        "{} In {} ({}), {}. Class {}, confidence {}, {}.",
        visible(&finding.message),
        words::name(report),
        folded.platforms().join(", "),
        words::place(finding.location()),
        words::class_word(finding.class),
        finding.confidence,
        words::reach(finding.reach),
    )
}

fn solution(finding: &Finding) -> String {
    let text = match &finding.refuted_by {
        Some(refuted) => format!("Do not run this image. The finding would be refuted by: {refuted}"),
        None => "Do not run this image before the finding is explained.".to_owned(),
    };
    markdown_free(&one_line(&text, 3_000))
}

fn details(folded: &Folded<'_>) -> Value {
    let finding = folded.finding;
    let mut out = Map::new();
    for (at, piece) in finding.evidence().iter().take(20).enumerate() {
        let mut rows: Vec<Value> = chain::links(folded.image(), piece, true)
            .into_iter()
            .map(|link| json!([text(link.label), text(&link.value)]))
            .collect();
        if let Some(excerpt) = chain::excerpt(piece) {
            rows.push(json!([text("excerpt"), { "type": "code", "value": excerpt }]));
        }
        out.insert(
            format!("evidence-{}", at + 1),
            json!({ "type": "table", "name": format!("Evidence {}", at + 1), "rows": rows }),
        );
    }
    if !finding.indicators.is_empty() {
        let items: Vec<Value> = finding
            .indicators
            .iter()
            .take(50)
            .map(|i| text(&format!("{} {}", i.kind.name(), one_line(&i.value, 300))))
            .collect();
        out.insert("indicators".to_owned(), json!({ "type": "list", "name": "Indicators", "items": items }));
    }
    Value::Object(out)
}

fn text(value: &str) -> Value {
    json!({ "type": "text", "value": value })
}

/// GitLab renders some fields as its Markdown; what would be markup there is written as text.
fn markdown_free(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(
            c,
            '\\' | '`'
                | '*'
                | '_'
                | '['
                | ']'
                | '<'
                | '>'
                | '#'
                | '!'
                | '|'
                | '~'
                | '$'
                | '@'
                | '&'
                | '%'
                | '^'
        ) {
            out.push('\\');
        }
        out.push(c);
    }
    // A backslash does not stop a bare address from becoming a link; a code span would lose the
    // rest, so the scheme is taken apart.
    out.replace("://", "\\:\\/\\/").replace("www.", "www\\.")
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "Critical",
        Severity::High => "High",
        Severity::Medium => "Medium",
        Severity::Low => "Low",
        Severity::Info => "Info",
    }
}
