//! Machine formats against their schemas and against the limits of those who read them.
//!
//! `docs/schema/report-v1.schema.json` is ours. What the readers of SARIF and of GitLab's report
//! ask for is written down in `tests/schemas`, in our own words, and always checked. The official
//! schemas are not part of this repository; where `LAZARET_SARIF_SCHEMA` or
//! `LAZARET_GITLAB_SCHEMA` names the file, it is checked too (`tests/schemas/README.md`).
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use lazaret_model::{Finding, Report};
use lazaret_report::{Format, Options, render};
use serde_json::Value;

fn rendered(format: Format, reports: &[Report]) -> String {
    let mut out = Vec::new();
    render(format, reports, &Options::default(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn json(format: Format, reports: &[Report]) -> Value {
    serde_json::from_str(&rendered(format, reports)).unwrap()
}

fn all() -> Vec<Vec<Report>> {
    vec![
        vec![],
        vec![common::clean()],
        vec![common::malicious()],
        vec![common::inconclusive()],
        vec![common::clean(), common::malicious(), common::inconclusive(), common::clean()],
    ]
}

fn schema(path: &Path) -> jsonschema::Validator {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut schema: Value = serde_json::from_str(&text).unwrap();
    // One pattern of SARIF's schema is no regular expression (an unpaired bracket, for a field
    // that we do not write), so the schema would be refused as a whole. It stands in two places.
    for place in ["run", "toolComponent"] {
        let language = schema.pointer_mut(&format!("/definitions/{place}/properties/language"));
        if let Some(language) = language.and_then(Value::as_object_mut) {
            language.remove("pattern");
        }
    }
    jsonschema::validator_for(&schema).unwrap()
}

fn assert_valid(schema: &jsonschema::Validator, value: &Value) {
    let wrong: Vec<String> =
        schema.iter_errors(value).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn official(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from)
}

#[test]
fn json_is_valid_under_the_published_schema() {
    let schema = schema(&here("../../docs/schema/report-v1.schema.json"));
    for reports in all() {
        assert_valid(&schema, &json(Format::Json, &reports));
    }
}

#[test]
fn each_json_line_is_valid_under_the_published_schema() {
    let text = std::fs::read_to_string(here("../../docs/schema/report-v1.schema.json")).unwrap();
    let mut whole: Value = serde_json::from_str(&text).unwrap();
    let root = whole.as_object_mut().unwrap();
    for key in ["type", "required", "properties", "additionalProperties"] {
        root.remove(key);
    }
    root.insert("$ref".to_owned(), "#/$defs/line".into());
    let schema = jsonschema::validator_for(&whole).unwrap();
    let text = rendered(Format::JsonLines, &[common::malicious(), common::inconclusive()]);
    let mut kinds = BTreeSet::new();
    for line in text.lines() {
        let value: Value = serde_json::from_str(line).unwrap();
        kinds.insert(value["type"].as_str().unwrap().to_owned());
        assert_valid(&schema, &value);
    }
    assert_eq!(
        kinds.into_iter().collect::<Vec<_>>(),
        ["behaviour", "finding", "gap", "report", "unscanned", "verdict"]
    );
}

#[test]
fn the_published_schema_refuses_what_is_not_a_report() {
    let schema = schema(&here("../../docs/schema/report-v1.schema.json"));
    let mut value = json(Format::Json, &[common::malicious()]);
    value["reports"][0]["verdict"]["outcome"] = "fine".into();
    assert!(!schema.is_valid(&value));
    let mut value = json(Format::Json, &[common::malicious()]);
    value["reports"][0]["images"][0]["findings"][0]["evidence"] = Value::Array(Vec::new());
    assert!(!schema.is_valid(&value));
}

#[test]
fn json_keeps_every_character_and_every_byte_of_a_name() {
    let value = json(Format::Json, &[common::malicious()]);
    let images = value["reports"][0]["images"].as_array().unwrap();
    let finding = &images[1]["findings"][1];
    assert_eq!(finding["evidence"][0]["excerpt"], common::HOSTILE);
    let hex = finding["evidence"][0]["location"]["pathHex"].as_str().unwrap();
    assert_eq!(
        data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap(),
        b"tmp/\x1b[2J\xff\xe2\x80\xae|`x`<b>@acme/y.sh"
    );
}

#[test]
fn sarif_is_valid() {
    let mut schemas = vec![schema(&here("tests/schemas/sarif-subset.schema.json"))];
    schemas.extend(official("LAZARET_SARIF_SCHEMA").map(|path| schema(&path)));
    for reports in all() {
        for schema in &schemas {
            assert_valid(schema, &json(Format::Sarif, &reports));
        }
    }
}

#[test]
fn gitlab_report_is_valid() {
    let mut schemas = vec![schema(&here("tests/schemas/gitlab-subset.schema.json"))];
    schemas.extend(official("LAZARET_GITLAB_SCHEMA").map(|path| schema(&path)));
    for reports in all() {
        for schema in &schemas {
            assert_valid(schema, &json(Format::GitLab, &reports));
        }
    }
}

#[test]
fn an_inconclusive_scan_is_no_success_for_sarif_gitlab_and_junit() {
    let reports = [common::inconclusive()];
    let sarif = json(Format::Sarif, &reports);
    let run = &sarif["runs"][0];
    assert_eq!(run["invocations"][0]["executionSuccessful"], false);
    let notes = run["invocations"][0]["toolExecutionNotifications"].as_array().unwrap();
    assert!(notes.iter().any(|n| n["level"] == "error" && n["descriptor"]["id"] == "lazaret/verdict"));
    assert_eq!(
        run["results"].as_array().unwrap().iter().filter(|r| r["ruleId"] == "lazaret/not-read").count(),
        3
    );
    assert_eq!(json(Format::GitLab, &reports)["scan"]["status"], "failure");
    assert!(rendered(Format::Junit, &reports).contains("errors=\"1\""));
    let clean = json(Format::Sarif, &[common::clean()]);
    assert_eq!(clean["runs"][0]["invocations"][0]["executionSuccessful"], true);
}

#[test]
fn sarif_paths_are_relative_and_encoded() {
    let sarif = json(Format::Sarif, &[common::malicious(), common::inconclusive()]);
    let mut uris = Vec::new();
    for run in sarif["runs"].as_array().unwrap() {
        for result in run["results"].as_array().unwrap() {
            let uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap();
            assert!(uri.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%/".contains(&b)), "{uri}");
            assert!(
                !uri.starts_with('/')
                    && !uri.split('/').any(|part| part == ".." || part == "." || part.is_empty()),
                "{uri}"
            );
            uris.push(uri.to_owned());
        }
    }
    assert!(uris.contains(&"docker.io/acme/tomcat/usr/local/bin/start.sh".to_owned()), "{uris:?}");
    assert!(
        uris.contains(
            &"docker.io/acme/tomcat/tmp/%1B%5B2J%FF%E2%80%AE%7C%60x%60%3Cb%3E%40acme/y.sh".to_owned()
        ),
        "{uris:?}"
    );
    assert!(uris.contains(&"oci%3A../layouts/cron%20job/.lazaret/layer-3.tar".to_owned()), "{uris:?}");
}

fn fingerprints(report: &Report) -> Vec<String> {
    let sarif = json(Format::Sarif, std::slice::from_ref(report));
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    results
        .iter()
        .map(|r| r["partialFingerprints"]["lazaretFinding/v1"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn fingerprints_differ_between_findings_and_survive_a_rebuild() {
    let before = common::malicious();
    let first = fingerprints(&before);
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), first.len());
    // Another tag, a new base image, one more layer below, everything one line further down.
    let mut after = common::malicious();
    after.pinned.digest = common::digest(99);
    after.pinned.tag = Some("8.1".to_owned());
    for image in &mut after.images {
        image.image.manifest = common::digest(98);
        for finding in &mut image.findings {
            for piece in finding.evidence_mut() {
                if let lazaret_model::Location::File { layer, line, .. } = &mut piece.location {
                    *layer = (*layer + 1).min(4);
                    *line = line.map(|line| line + 1);
                }
                piece.sha256 = None;
            }
        }
    }
    assert_eq!(fingerprints(&after), first);
}

#[test]
fn an_ignored_finding_is_suppressed_in_sarif_and_not_in_the_other_gates() {
    let reports = [common::malicious()];
    let sarif = json(Format::Sarif, &reports);
    let suppressed: Vec<&Value> = sarif["runs"][0]["results"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|r| r.get("suppressions").is_some())
        .collect();
    assert_eq!(suppressed.len(), 1);
    assert_eq!(suppressed[0]["suppressions"][0]["justification"], "the key of our own deploy job");
    assert_eq!(json(Format::GitLab, &reports)["vulnerabilities"].as_array().unwrap().len(), 6);
}

#[test]
fn one_finding_on_two_platforms_is_one_result() {
    let sarif = json(Format::Sarif, &[common::malicious()]);
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let both: Vec<&Value> = results.iter().filter(|r| r["ruleId"] == "execution/fetch-in-history").collect();
    assert_eq!(both.len(), 1);
    assert_eq!(both[0]["properties"]["platforms"], serde_json::json!(["linux/amd64", "linux/arm64/v8"]));
}

#[test]
fn sarif_stays_inside_the_limits_of_its_reader() {
    let many: Vec<Report> = (0..30).map(|_| common::clean()).collect();
    let sarif = json(Format::Sarif, &many);
    let runs = sarif["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 20);
    let ids: BTreeSet<&str> =
        runs.iter().map(|run| run["automationDetails"]["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 20, "runs with one id replace each other");

    let mut report = common::clean();
    let finding: Finding = common::malicious().images[1].findings[3].clone();
    report.images[0].findings = std::iter::repeat_n(finding, 25_010).collect();
    let sarif = json(Format::Sarif, &[report]);
    assert_eq!(sarif["runs"][0]["results"].as_array().unwrap().len(), 25_000);
    let notes = sarif["runs"][0]["invocations"][0]["toolExecutionNotifications"].as_array().unwrap();
    assert!(notes.iter().any(|n| n["descriptor"]["id"] == "lazaret/limit"));
}

#[test]
fn sarif_levels_never_call_a_bad_habit_an_error() {
    let sarif = json(Format::Sarif, &[common::malicious()]);
    for result in sarif["runs"][0]["results"].as_array().unwrap() {
        let expected =
            match (result["properties"]["class"].as_str(), result["properties"]["severity"].as_str()) {
                (Some("malware"), Some("critical" | "high")) => "error",
                _ => "warning",
            };
        assert_eq!(result["level"], expected, "{result}");
    }
}
