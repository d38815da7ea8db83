//! A comparison as JSON (`docs/schema/diff-v1.schema.json`).

use serde::Serialize;

use crate::diff::{Change, Comparison, Difference};
use crate::json_text;

/// Version of the shape.
const SCHEMA_VERSION: u32 = 1;

/// The whole.
pub fn render(difference: &Difference) -> String {
    let side = |side: &(String, String)| SideJson { name: side.0.clone(), digest: side.1.clone() };
    json_text::pretty(&DifferenceJson {
        schema_version: SCHEMA_VERSION,
        outcome: difference.outcome().word(),
        has_gaps: difference.has_gaps(),
        from: side(&difference.from),
        to: side(&difference.to),
        platforms: difference.comparisons.iter().map(ComparisonJson::new).collect(),
        platforms_added: &difference.added,
        platforms_gone: &difference.gone,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DifferenceJson<'a> {
    schema_version: u32,
    outcome: &'static str,
    has_gaps: bool,
    from: SideJson,
    to: SideJson,
    platforms: Vec<ComparisonJson<'a>>,
    platforms_added: &'a [String],
    platforms_gone: &'a [String],
}

#[derive(Serialize)]
struct SideJson {
    name: String,
    digest: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ComparisonJson<'a> {
    platform: &'a str,
    outcome: &'static str,
    why: &'a str,
    has_gaps: bool,
    verdict_before: &'static str,
    verdict_now: &'static str,
    changes: Vec<ChangeJson<'a>>,
}

impl<'a> ComparisonJson<'a> {
    fn new(one: &'a Comparison) -> Self {
        Self {
            platform: &one.platform,
            outcome: one.outcome.word(),
            why: &one.why,
            has_gaps: one.has_gaps,
            verdict_before: one.verdicts.0.word(),
            verdict_now: one.verdicts.1.word(),
            changes: one.changes.iter().map(ChangeJson::new).collect(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChangeJson<'a> {
    area: &'static str,
    outcome: &'static str,
    certainty: &'static str,
    text: String,
    details: Vec<String>,
    places: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    source_line: Option<&'a str>,
    rules: Vec<&'a str>,
}

impl<'a> ChangeJson<'a> {
    fn new(change: &'a Change) -> Self {
        Self {
            area: change.area.word(),
            outcome: change.outcome.word(),
            certainty: if change.step.may { "may" } else { "will" },
            text: change.step.sentence.text(),
            details: change.step.details.iter().map(crate::story::Sentence::text).collect(),
            places: &change.step.places,
            source_line: change.step.quote.as_deref(),
            rules: change.step.charges.iter().map(|charge| charge.rule.as_str()).collect(),
        }
    }
}
