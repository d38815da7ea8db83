//! What an image does, as events: one JSON object a line, in the field names of Sigma's taxonomy,
//! so that a story can go where a log would (`docs/schema/event-v1.schema.json`).

use lazaret_model::{FieldValue, Report, Severity};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::json_text;

/// Version of the shape.
const SCHEMA_VERSION: u32 = 1;

/// All events of all images, in the order in which they happen.
pub fn render(reports: &[Report]) -> String {
    let mut out = String::new();
    for report in reports {
        for image in &report.images {
            let platform = image.image.platform.as_ref().map(ToString::to_string);
            for (number, behaviour) in image.behaviours.iter().enumerate() {
                let mut fields = Map::new();
                for (name, value) in behaviour.fields(&image.image.config) {
                    fields.insert(name.to_owned(), json(value));
                }
                let rules = image.findings.iter().filter(|finding| {
                    finding.severity > Severity::Info && behaviour.because.first() == Some(finding.location())
                });
                let line = behaviour
                    .because
                    .first()
                    .and_then(|place| image.inventory.lines.iter().find(|line| line.location == *place));
                out.push_str(&json_text::compact(&EventJson {
                    schema_version: SCHEMA_VERSION,
                    reference: &report.requested,
                    manifest: image.image.manifest.to_string(),
                    platform: platform.as_deref(),
                    number,
                    logsource: LogSourceJson { product: "linux", category: behaviour.category() },
                    event: fields,
                    because: behaviour.because.iter().map(ToString::to_string).collect(),
                    source_line: line.map(|line| line.text.as_str()),
                    rules: rules.map(|finding| finding.rule.id.as_str()).collect(),
                }));
            }
        }
    }
    out
}

fn json(value: FieldValue) -> Value {
    match value {
        FieldValue::Text(text) => Value::from(text),
        FieldValue::List(list) => Value::from(list),
        FieldValue::Number(number) => Value::from(number),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventJson<'a> {
    schema_version: u32,
    reference: &'a str,
    manifest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<&'a str>,
    number: usize,
    logsource: LogSourceJson,
    event: Map<String, Value>,
    because: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_line: Option<&'a str>,
    rules: Vec<&'a str>,
}

#[derive(Serialize)]
struct LogSourceJson {
    product: &'static str,
    category: &'static str,
}
