use std::collections::HashMap;
use std::str::FromStr;

use lazaret_model::{Class, Confidence, Rule, Severity};
use rsigma_parser::{Level, SigmaRule, Status};
use serde::Deserialize;

use crate::PackError;
use crate::pack::{Example, Examples, Source};

/// What a YARA rule's `meta:` says, read leniently where the rule is not written for us.
pub(crate) struct YaraMeta<'a> {
    source: &'a Source,
    identifier: &'a str,
    values: HashMap<&'a str, Vec<String>>,
}

impl<'a> YaraMeta<'a> {
    pub(crate) fn new(source: &'a Source, rule: &yara_x::Rule<'a, 'a>) -> Self {
        let mut values: HashMap<&str, Vec<String>> = HashMap::new();
        for (key, value) in rule.metadata() {
            use yara_x::MetaValue::{Bool, Bytes, Float, Integer, String};
            let text = match value {
                Integer(i) => i.to_string(),
                Float(f) => f.to_string(),
                Bool(b) => b.to_string(),
                String(s) => s.to_owned(),
                Bytes(b) => b.to_string(),
            };
            values.entry(key).or_default().push(text);
        }
        Self { source, identifier: rule.identifier(), values }
    }

    fn first(&self, key: &str) -> Option<&str> {
        self.values.get(key).and_then(|v| v.first()).map(String::as_str)
    }

    /// A word of ours. A rule that states a class is written for us and must use our words;
    /// other people's `severity = 80` means nothing here.
    fn word<T: FromStr<Err: ToString>>(&self, key: &str, otherwise: T) -> Result<T, PackError> {
        match self.first(key).map(str::parse) {
            None => Ok(otherwise),
            Some(Ok(word)) => Ok(word),
            Some(Err(_)) if !self.is_ours() => Ok(otherwise),
            Some(Err(e)) => {
                let line = self.source.line_starting(&format!("{key} "));
                Err(self.source.error(line, format!("{key}: {}", T::Err::to_string(&e))))
            }
        }
    }

    fn is_ours(&self) -> bool {
        self.values.contains_key("class")
    }

    /// The rule's description in the words of the report.
    pub(crate) fn rule(&self, id: String) -> Result<Rule, PackError> {
        let described = self.first("description");
        let list = |keys: &[&str]| -> Vec<String> {
            keys.iter()
                .filter_map(|key| self.values.get(key))
                .flatten()
                .flat_map(|v| v.split(&[',', ' '][..]))
                .map(str::trim)
                .filter(|v| !v.is_empty())
                .map(str::to_owned)
                .collect()
        };
        let title = match (self.first("title"), described) {
            (Some(title), _) => title.to_owned(),
            (None, Some(described)) => {
                format!("hold what the rule {} describes: {described}", self.identifier)
            }
            (None, None) => format!("hold what the rule {} looks for", self.identifier),
        };
        Ok(Rule {
            id,
            title,
            explanation: self.first("explanation").or(described).unwrap_or_default().to_owned(),
            class: self.word("class", Class::Malware)?,
            severity: self.word("severity", Severity::Medium)?,
            confidence: self.word("confidence", Confidence::Low)?,
            attack: list(&["attack"]),
            references: list(&["reference", "references"]),
        })
    }

    pub(crate) fn false_positives(&self) -> Vec<String> {
        self.values.get("false_positive").cloned().unwrap_or_default()
    }
}

/// Our additions to a Sigma rule, under its one custom key `lazaret`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SigmaMeta {
    class: Option<String>,
    confidence: Option<String>,
    examples: SigmaExamples,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SigmaExamples {
    fires: Vec<String>,
    quiet: Vec<String>,
}

impl SigmaMeta {
    pub(crate) fn read(source: &Source, rule: &SigmaRule) -> Result<Self, PackError> {
        let Some(value) = rule.custom_attributes.get("lazaret") else { return Ok(Self::default()) };
        serde_json::to_value(value)
            .and_then(serde_json::from_value)
            .map_err(|e| source.error(source.line_starting("lazaret:"), format!("lazaret: {e}")))
    }

    /// The rule's description in the words of the report.
    pub(crate) fn rule(&self, source: &Source, id: String, rule: &SigmaRule) -> Result<Rule, PackError> {
        let word =
            |key: &str, reason: String| source.error(source.line_starting(key), format!("{key}: {reason}"));
        // Rules that others wrote for hosts call many a thing suspicious that an administrator does
        // as well. Only what its authors call grave and have proved stable may speak against an
        // image, and even that convicts none (docs/RULES.md).
        let grave = matches!(rule.level, Some(Level::Critical | Level::High));
        let proven = grave && rule.status == Some(Status::Stable);
        let class = match &self.class {
            Some(text) => text.parse::<Class>().map_err(|e| word("class", e.to_string()))?,
            None if proven => Class::Malware,
            None => Class::DualUse,
        };
        let confidence = match &self.confidence {
            Some(text) => text.parse::<Confidence>().map_err(|e| word("confidence", e.to_string()))?,
            None if proven => Confidence::Medium,
            None => Confidence::Low,
        };
        // Ours complete "this image may …"; other people's are names.
        let ours = rule.custom_attributes.contains_key("lazaret");
        let title = if ours {
            rule.title.clone()
        } else {
            format!("do what the rule “{}” looks for", rule.title)
        };
        let severity = match rule.level {
            Some(Level::Critical) => Severity::Critical,
            Some(Level::High) => Severity::High,
            Some(Level::Low) => Severity::Low,
            Some(Level::Informational) => Severity::Info,
            Some(Level::Medium) | None => Severity::Medium,
        };
        Ok(Rule {
            id,
            title,
            explanation: rule.description.as_deref().unwrap_or_default().trim().to_owned(),
            class,
            severity,
            confidence,
            attack: rule.tags.iter().filter_map(|tag| technique(tag)).collect(),
            references: rule.references.clone(),
        })
    }

    pub(crate) fn examples(self, source: &Source) -> Examples {
        let line_of = |text: &str| {
            let first = text.lines().map(str::trim).find(|l| !l.is_empty());
            first.map_or(0, |first| source.line_starting(first))
        };
        let examples = |texts: Vec<String>| {
            texts.into_iter().map(|text| Example { line: line_of(&text), text }).collect()
        };
        Examples { fires: examples(self.examples.fires), quiet: examples(self.examples.quiet) }
    }
}

/// `attack.t1059.004` is the technique T1059.004; `attack.execution` is none.
fn technique(tag: &str) -> Option<String> {
    let id = tag.strip_prefix("attack.t")?;
    id.starts_with(|c: char| c.is_ascii_digit()).then(|| format!("T{id}"))
}
