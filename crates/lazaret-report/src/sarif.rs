//! SARIF 2.1.0 (OASIS, errata 01) for code scanning, inside the limits that GitHub documents in
//! "SARIF support for code scanning": 20 runs in a file, 25,000 results in a run of which 5,000
//! are shown, 1,000 locations in a result, 20 tags on a rule.
//!
//! One run for each reference. "Could not look" is said three times, because each reader looks
//! elsewhere: the invocation was not successful, a notification says why, and each gap that could
//! matter is a result of the rule `lazaret/not-read`.

use std::collections::BTreeMap;

use lazaret_model::{
    Class, Evidence, Gap, ImageReport, Location, Outcome, Report, Rule, Severity, one_line, visible,
};
use serde_json::{Map, Value, json};

use crate::fold::{self, Folded};
use crate::{Options, chain, fingerprint, json_text, words};

const MOST_RUNS: usize = 20;
const MOST_RESULTS: usize = 25_000;
const SHOWN_RESULTS: usize = 5_000;
const MOST_LOCATIONS: usize = 1_000;
const MOST_TAGS: usize = 20;
const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
const HOME: &str = "https://github.com/lazaret-project/lazaret";
/// The rule whose results are gaps that could matter.
const NOT_READ: &str = "lazaret/not-read";

/// A SARIF log with one run for each reference; where there are more references than a file may
/// have runs, the last run holds the rest.
pub fn render(reports: &[Report], options: &Options) -> String {
    let mut groups: Vec<Vec<&Report>> = reports.iter().map(|report| vec![report]).collect();
    if groups.len() > MOST_RUNS {
        let rest = groups.split_off(MOST_RUNS - 1);
        groups.push(rest.into_iter().flatten().collect());
    }
    let mut ids: BTreeMap<String, usize> = BTreeMap::new();
    let runs: Vec<Value> = groups
        .iter()
        .map(|group| {
            let id = match group.as_slice() {
                [one] => format!("lazaret/{}/", image_uri(one)),
                _ => "lazaret/more/".to_owned(),
            };
            // Two runs with one id would replace each other.
            let times = ids.entry(id.clone()).and_modify(|n| *n += 1).or_insert(1);
            let id = if *times > 1 { format!("{id}{times}/") } else { id };
            run(group, &id, options)
        })
        .collect();
    json_text::pretty(&json!({ "$schema": SCHEMA, "version": "2.1.0", "runs": runs }))
}

fn run(reports: &[&Report], id: &str, options: &Options) -> Value {
    let mut rules = Rules::default();
    let mut results: Vec<Value> = Vec::new();
    let mut notifications: Vec<Value> = Vec::new();
    let mut complete = true;
    for report in reports {
        let whole = report.verdict.outcome != Outcome::Inconclusive
            && !report.verdict.has_gaps
            && !report
                .images
                .iter()
                .any(|i| i.verdict.has_gaps || i.verdict.outcome == Outcome::Inconclusive);
        complete &= whole;
        notifications.push(notification(
            "lazaret/verdict",
            if whole { "note" } else { "error" },
            &format!("{}: {}. {}", words::name(report), report.verdict.outcome, visible(&report.verdict.why)),
        ));
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for folded in fold::findings(report).iter().chain(&fold::ignored(report)) {
            results.push(finding_result(report, folded, &mut rules, &mut seen));
        }
        for (gap, platforms) in fold::gaps(report) {
            if gap.matters {
                results.push(gap_result(report, gap, &platforms, &mut rules, &mut seen));
            }
            let text =
                format!("{} ({}): {}", words::place(&gap.location), gap.kind.name(), visible(&gap.detail));
            notifications.push(notification(
                "lazaret/gap",
                if gap.matters { "warning" } else { "note" },
                &text,
            ));
        }
    }
    let found = results.len();
    if found > MOST_RESULTS {
        // The list is worst first within a reference; what is cut is the least of it.
        results.truncate(MOST_RESULTS);
    }
    if found > SHOWN_RESULTS {
        let kept = results.len();
        notifications.push(notification(
            "lazaret/limit",
            "warning",
            &format!(
                "{} in all; {} are in this file, and GitHub shows {}. The JSON form has every one.",
                words::count(found as u64, "result"),
                words::grouped(kept as u64),
                words::grouped(SHOWN_RESULTS as u64)
            ),
        ));
    }
    // A notification is no result, but a file must stay small enough to be taken.
    notifications.truncate(MOST_LOCATIONS);
    json!({
        "tool": { "driver": {
            "name": "Lazaret",
            "informationUri": HOME,
            "version": options.tool_version,
            "rules": rules.list,
        }},
        "automationDetails": { "id": id },
        "columnKind": "unicodeCodePoints",
        "invocations": [{
            "executionSuccessful": complete,
            "toolExecutionNotifications": notifications,
        }],
        "results": results,
        "properties": {
            "images": reports.iter().map(|report| json!({
                "reference": visible(&report.requested),
                "digest": report.pinned.digest.to_string(),
                "verdict": report.verdict.outcome.word(),
                "rulesVersion": visible(&report.rules_version),
                "platforms": report.images.iter().map(|image| json!({
                    "platform": words::platform(image),
                    "manifest": image.image.manifest.to_string(),
                    "verdict": image.verdict.outcome.word(),
                })).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
        },
    })
}

fn notification(id: &str, level: &str, text: &str) -> Value {
    json!({ "descriptor": { "id": id }, "level": level, "message": { "text": text } })
}

/// The rules that results point at, each once.
#[derive(Default)]
struct Rules {
    list: Vec<Value>,
    index: BTreeMap<String, usize>,
}

impl Rules {
    fn of(&mut self, rule: &Rule) -> usize {
        if let Some(&index) = self.index.get(&rule.id) {
            return index;
        }
        let mut tags = vec!["security".to_owned(), rule.class.word().to_owned()];
        tags.extend(rule.attack.iter().map(|id| format!("external/attack/{}", visible(id).to_lowercase())));
        tags.truncate(MOST_TAGS);
        let explanation = prose(&rule.explanation);
        let mut descriptor = json!({
            "id": visible(&rule.id),
            "name": pascal_case(&rule.id),
            "shortDescription": { "text": words::title(rule) },
            "fullDescription": { "text": one_line(&prose_or(&rule.explanation, &rule.title), 1000) },
            "help": { "text": if explanation.is_empty() { visible(&rule.id).into_owned() } else { explanation } },
            "defaultConfiguration": { "level": level(rule.class, rule.severity) },
            "properties": {
                "tags": tags,
                "precision": match rule.confidence {
                    lazaret_model::Confidence::High => "very-high",
                    lazaret_model::Confidence::Medium => "high",
                    lazaret_model::Confidence::Low => "medium",
                },
                "security-severity": security_severity(rule.severity),
            },
        });
        if let Some(url) = rule.attack.iter().find_map(|id| words::attack_url(id)) {
            descriptor["helpUri"] = url.into();
        }
        self.add(&rule.id, descriptor)
    }

    fn not_read(&mut self) -> usize {
        if let Some(&index) = self.index.get(NOT_READ) {
            return index;
        }
        self.add(NOT_READ, json!({
            "id": NOT_READ,
            "name": "LazaretNotRead",
            "shortDescription": { "text": "Something that could matter was not read" },
            "fullDescription": { "text": "The verdict depends on a part of the image that could not be read, so nothing may be concluded from its silence." },
            "help": { "text": "Make the part readable (complete the download, raise the limit that is named) and scan again." },
            "defaultConfiguration": { "level": "warning" },
            "properties": { "tags": ["security", "coverage"], "precision": "very-high", "security-severity": "5.0" },
        }))
    }

    fn add(&mut self, id: &str, descriptor: Value) -> usize {
        let index = self.list.len();
        self.index.insert(id.to_owned(), index);
        self.list.push(descriptor);
        index
    }
}

fn finding_result(
    report: &Report,
    folded: &Folded<'_>,
    rules: &mut Rules,
    seen: &mut BTreeMap<String, usize>,
) -> Value {
    let finding = folded.finding;
    let image = folded.image();
    let mut locations = finding.evidence().iter().map(|e| location(report, image, e));
    let first = locations.next().unwrap_or(Value::Null);
    let related: Vec<Value> = locations
        .take(MOST_LOCATIONS - 1)
        .enumerate()
        .map(|(at, mut location)| {
            location["id"] = (at + 1).into();
            location
        })
        .collect();
    let mut properties = Map::new();
    let mut put = |key: &str, value: Value| properties.insert(key.to_owned(), value);
    put("class", finding.class.word().into());
    put("severity", finding.severity.word().into());
    put("confidence", finding.confidence.word().into());
    put("reach", finding.reach.word().into());
    put("security-severity", security_severity(finding.severity).into());
    put("platforms", folded.platforms().into());
    put("image", report.pinned.digest.to_string().into());
    put("manifest", image.image.manifest.to_string().into());
    if let Some(layer) = finding.location().layer().and_then(|layer| image.image.layers.get(layer)) {
        put("layer", layer.digest.to_string().into());
        if let Some(made_by) = image.image.instruction(layer.index) {
            put("instruction", one_line(made_by, 1000).into());
        }
    }
    if let Some(sha256) = &finding.evidence()[0].sha256 {
        put("sha256", sha256.hex().into());
    }
    if !finding.indicators.is_empty() {
        let list: Vec<Value> = finding
            .indicators
            .iter()
            .map(|i| json!({ "kind": i.kind.name(), "value": visible(&i.value) }))
            .collect();
        put("indicators", list.into());
    }
    if let Some(refuted) = &finding.refuted_by {
        put("refutedBy", visible(refuted).into());
    }
    let mut result = json!({
        "ruleId": visible(&finding.rule.id),
        "ruleIndex": rules.of(&finding.rule),
        "level": level(finding.class, finding.severity),
        "message": { "text": message(report, folded) },
        "locations": [first],
        "partialFingerprints": { "lazaretFinding/v1": numbered(fingerprint::of(&report.pinned.repository, finding), seen) },
        "properties": properties,
    });
    if !related.is_empty() {
        result["relatedLocations"] = related.into();
    }
    if let Some(decision) = folded.ignored {
        result["suppressions"] = json!([{
            "kind": "external",
            "status": "accepted",
            "justification": visible(&decision.reason),
            "properties": { "author": visible(&decision.author), "expires": visible(&decision.expires) },
        }]);
    }
    result
}

fn gap_result(
    report: &Report,
    gap: &Gap,
    platforms: &[String],
    rules: &mut Rules,
    seen: &mut BTreeMap<String, usize>,
) -> Value {
    let place = Evidence::at(gap.location.clone(), gap.detail.as_str());
    let image = report.images.iter().find(|image| image.gaps.contains(gap));
    let path = uri(report, &gap.location);
    let mut result = json!({
        "ruleId": NOT_READ,
        "ruleIndex": rules.not_read(),
        "level": "warning",
        "message": { "text": format!("Not read ({}): {}", gap.kind.name(), visible(&gap.detail)) },
        "partialFingerprints": { "lazaretFinding/v1": numbered(fingerprint::uuid(&format!("{NOT_READ} {path} {}", gap.kind.name())), seen) },
        "properties": { "platforms": platforms, "gap": gap.kind.name() },
    });
    if let Some(image) = image {
        result["locations"] = json!([location(report, image, &place)]);
    }
    result
}

/// What two findings share gets a number for each, so that neither hides the other.
fn numbered(fingerprint: String, seen: &mut BTreeMap<String, usize>) -> String {
    let times = seen.entry(fingerprint.clone()).and_modify(|n| *n += 1).or_insert(1);
    format!("{fingerprint}:{times}")
}

fn message(report: &Report, folded: &Folded<'_>) -> String {
    let finding = folded.finding;
    let mut text = visible(&finding.message).into_owned();
    if !text.ends_with(['.', '!', '?']) {
        text.push('.');
    }
    text.push_str(&format!(" In {} ({})", words::name(report), folded.platforms().join(", ")));
    text.push_str(&format!(", {}", words::place(finding.location())));
    if let Some(excerpt) = chain::excerpt(&finding.evidence()[0]) {
        text.push_str(&format!(": {excerpt}"));
    }
    // In a SARIF message square brackets make links and braces are placeholders (3.11.5, 3.11.6).
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '[' | ']' | '\\' => out.extend(['\\', c]),
            '{' => out.push_str("{{"),
            '}' => out.push_str("}}"),
            c => out.push(c),
        }
    }
    out
}

fn location(report: &Report, image: &ImageReport, evidence: &Evidence) -> Value {
    let mut region = json!({ "startLine": 1 });
    let mut logical: Vec<Value> = vec![json!({
        "name": words::platform(image),
        "fullyQualifiedName": image.image.manifest.to_string(),
        "kind": "module",
    })];
    if let Some(layer) = evidence.location.layer() {
        let digest = image.image.layers.get(layer).map(|layer| layer.digest.to_string());
        logical.push(json!({
            "name": format!("layer {layer}"),
            "fullyQualifiedName": digest.unwrap_or_else(|| format!("layer {layer}")),
            "kind": "namespace",
        }));
    }
    if let Location::File { line, offset, .. } = &evidence.location {
        if let Some(line) = line {
            region["startLine"] = (*line).max(1).into();
        }
        if let Some(offset) = offset.filter(|&offset| offset <= i32::MAX as u64) {
            region["byteOffset"] = offset.into();
        }
    }
    if let Some(excerpt) = chain::excerpt(evidence) {
        region["snippet"] = json!({ "text": excerpt });
    }
    let mut out = json!({
        "physicalLocation": {
            "artifactLocation": { "uri": uri(report, &evidence.location) },
            "region": region,
        },
        "logicalLocations": logical,
    });
    if !evidence.what.is_empty() {
        out["message"] = json!({ "text": visible(&evidence.what).replace('[', "(").replace(']', ")").replace('{', "(").replace('}', ")") });
    }
    out
}

/// A relative address for a place: the image's name, then the path in it. What is in no file gets
/// one under `.lazaret/`, so that a reader that wants a file for everything has one.
fn uri(report: &Report, location: &Location) -> String {
    let mut out = image_uri(report);
    let mut segment = |bytes: &[u8]| {
        out.push('/');
        encode(bytes, &mut out);
    };
    match location {
        Location::Image | Location::Manifest => {
            segment(b".lazaret");
            segment(b"manifest.json");
        }
        Location::Config(_) | Location::History(_) => {
            segment(b".lazaret");
            segment(b"config.json");
        }
        Location::Layer(layer) => {
            segment(b".lazaret");
            segment(format!("layer-{layer}.tar").as_bytes());
        }
        Location::Launch { file: Some(file), .. } => {
            // A file of the person's own, which a reader has at hand under its name.
            out.clear();
            for part in file.split('/').filter(|part| !part.is_empty() && *part != ".") {
                if !out.is_empty() {
                    out.push('/');
                }
                encode(part.as_bytes(), &mut out);
            }
        }
        Location::Launch { file: None, .. } => {
            segment(b".lazaret");
            segment(b"launch.txt");
        }
        Location::File { path, inside, .. } => {
            path.as_bytes().split(|&b| b == b'/').for_each(&mut segment);
            for member in inside {
                member.split('/').filter(|s| !s.is_empty()).for_each(|s| segment(s.as_bytes()));
            }
        }
    }
    out
}

fn image_uri(report: &Report) -> String {
    let mut out = String::new();
    for segment in report.pinned.repository.split('/').filter(|segment| !segment.is_empty()) {
        if !out.is_empty() {
            out.push('/');
        }
        encode(segment.as_bytes(), &mut out);
    }
    out
}

/// Percent-encodes everything but the unreserved characters (RFC 3986, 2.3). A segment of dots
/// only would be resolved away, so its dots become underscores.
fn encode(segment: &[u8], out: &mut String) {
    if matches!(segment, b"." | b"..") {
        out.push_str(&"_".repeat(segment.len()));
        return;
    }
    for &byte in segment {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

fn level(class: Class, severity: Severity) -> &'static str {
    match (class, severity) {
        (Class::Hygiene, _) | (_, Severity::Low | Severity::Info) => "note",
        (Class::Malware, Severity::Critical | Severity::High) | (Class::Exposure, Severity::Critical) => {
            "error"
        }
        _ => "warning",
    }
}

/// GitHub's bands: over 9 critical, 7 high, 4 medium, below that low.
fn security_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "3.0",
        Severity::Info => "1.0",
    }
}

/// Text of a rule for people: lines kept, everything else neutralised.
fn prose(text: &str) -> String {
    text.trim().lines().map(visible).collect::<Vec<_>>().join("\n")
}

fn prose_or(text: &str, other: &str) -> String {
    let text = prose(text);
    if text.is_empty() { visible(other).into_owned() } else { text }
}

/// `execution/pipe-to-shell` as `ExecutionPipeToShell`, the form of names in SARIF.
fn pascal_case(id: &str) -> String {
    id.split(|c: char| !c.is_ascii_alphanumeric())
        .filter_map(|word| {
            let mut chars = word.chars();
            chars.next().map(|first| first.to_ascii_uppercase().to_string() + chars.as_str())
        })
        .collect()
}
