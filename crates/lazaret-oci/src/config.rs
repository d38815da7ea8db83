//! The image configuration, as builders really write it (image-spec `config.md`, Docker's
//! additions, and the liberties of older ones).

use lazaret_model::{Digest, DigestError, Healthcheck, HistoryStep, ImageConfig, Platform};
use serde_json::{Map, Value};

use crate::json::{self, folded};

/// Why a configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// It is no JSON.
    #[error("it is no JSON document: {0}")]
    Json(String),
    /// It is JSON, but no object.
    #[error("it is no JSON object")]
    NoObject,
    /// A part that decides what starts is of a type that cannot be read.
    #[error("`{key}` is neither text nor a list of texts")]
    Shape {
        /// Which part.
        key: String,
    },
}

/// What a configuration says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedConfig {
    /// How it starts, and its history.
    pub config: ImageConfig,
    /// `rootfs.diff_ids`, each as far as it is a digest.
    pub diff_ids: Vec<Result<Digest, DigestError>>,
    /// The platform, where it is stated.
    pub platform: Option<Platform>,
}

/// Go's JSON decoder, which the engines use, takes keys in any case. That there is but one was seen
/// to when the document was read.
fn get<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    let wanted = folded(key);
    object
        .get(key)
        .or_else(|| object.iter().find(|(k, _)| folded(k) == wanted).map(|(_, v)| v))
        .filter(|v| !v.is_null())
}

fn text(object: &Map<String, Value>, key: &str) -> String {
    match get(object, key) {
        Some(Value::String(text)) => text.clone(),
        _ => String::new(),
    }
}

/// A command in exec form. Some builders write a plain string, which old engines wrap in a shell.
fn command(object: &Map<String, Value>, key: &str) -> Result<Vec<String>, ConfigError> {
    let fail = || ConfigError::Shape { key: key.to_owned() };
    match get(object, key) {
        None => Ok(Vec::new()),
        Some(Value::String(text)) if text.is_empty() => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec!["/bin/sh".to_owned(), "-c".to_owned(), text.clone()]),
        Some(Value::Array(list)) => list
            .iter()
            .map(|part| match part {
                Value::String(text) => Ok(text.clone()),
                _ => Err(fail()),
            })
            .collect(),
        Some(_) => Err(fail()),
    }
}

/// A list of texts; what is no text is left out.
fn list(object: &Map<String, Value>, key: &str) -> Vec<String> {
    match get(object, key) {
        Some(Value::Array(list)) => list.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect(),
        Some(Value::String(text)) if !text.is_empty() => vec![text.clone()],
        _ => Vec::new(),
    }
}

/// The names of a set written as an object, or as a list by some builders; sorted.
fn names(object: &Map<String, Value>, key: &str) -> Vec<String> {
    let mut names: Vec<String> = match get(object, key) {
        Some(Value::Object(set)) => set.keys().cloned().collect(),
        _ => list(object, key),
    };
    names.sort();
    names
}

fn labels(object: &Map<String, Value>) -> Vec<(String, String)> {
    let mut labels: Vec<(String, String)> = match get(object, "Labels") {
        Some(Value::Object(map)) => map
            .iter()
            .map(|(k, v)| (k.clone(), v.as_str().map_or_else(|| v.to_string(), str::to_owned)))
            .collect(),
        _ => Vec::new(),
    };
    labels.sort();
    labels
}

fn platform(object: &Map<String, Value>) -> Option<Platform> {
    let field = |key: &str| Some(text(object, key)).filter(|t| !t.is_empty());
    Some(Platform { os: field("os")?, architecture: field("architecture")?, variant: field("variant") })
}

fn history(object: &Map<String, Value>) -> Vec<HistoryStep> {
    let Some(Value::Array(steps)) = get(object, "history") else { return Vec::new() };
    steps
        .iter()
        .map(|step| match step {
            Value::Object(step) => HistoryStep {
                created_by: text(step, "created_by"),
                created: text(step, "created"),
                comment: text(step, "comment"),
                empty_layer: get(step, "empty_layer").and_then(Value::as_bool).unwrap_or(false),
            },
            _ => HistoryStep::default(),
        })
        .collect()
}

impl ParsedConfig {
    /// Reads a configuration. Unknown fields, nulls and odd types of what does not start anything
    /// are passed over. `container_config` (what the builder ran last) is not what starts and is
    /// not read.
    ///
    /// # Errors
    /// No JSON object, a key that is written twice, or a command that cannot be understood.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        let value = json::read(bytes).map_err(|e| ConfigError::Json(e.to_string()))?;
        let Value::Object(top) = &value else { return Err(ConfigError::NoObject) };
        let none = Map::new();
        let run = match get(top, "config") {
            Some(Value::Object(run)) => run,
            None => &none,
            Some(_) => return Err(ConfigError::Shape { key: "config".to_owned() }),
        };
        let healthcheck = match get(run, "Healthcheck") {
            Some(Value::Object(check)) => {
                let test = match get(check, "Test") {
                    Some(Value::String(text)) if !text.is_empty() => {
                        vec!["CMD-SHELL".to_owned(), text.clone()]
                    }
                    _ => list(check, "Test"),
                };
                (!test.is_empty()).then_some(Healthcheck { test })
            }
            _ => None,
        };
        let env = match get(run, "Env") {
            Some(Value::Object(map)) => map
                .iter()
                .map(|(k, v)| (k.clone(), v.as_str().map_or_else(|| v.to_string(), str::to_owned)))
                .collect(),
            _ => list(run, "Env")
                .into_iter()
                .map(|line| match line.split_once('=') {
                    Some((name, value)) => (name.to_owned(), value.to_owned()),
                    None => (line, String::new()),
                })
                .collect(),
        };
        let diff_ids = match get(top, "rootfs") {
            Some(Value::Object(rootfs)) => list(rootfs, "diff_ids").iter().map(|id| id.parse()).collect(),
            _ => Vec::new(),
        };
        let config = ImageConfig {
            entrypoint: command(run, "Entrypoint")?,
            cmd: command(run, "Cmd")?,
            env,
            working_dir: text(run, "WorkingDir"),
            user: text(run, "User"),
            shell: list(run, "Shell"),
            healthcheck,
            on_build: list(run, "OnBuild"),
            stop_signal: text(run, "StopSignal"),
            labels: labels(run),
            volumes: names(run, "Volumes"),
            exposed_ports: names(run, "ExposedPorts"),
            author: text(top, "author"),
            created: text(top, "created"),
            history: history(top),
        };
        Ok(Self { config, diff_ids, platform: platform(top) })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn nulls_strings_and_unknown_fields_are_what_builders_write() {
        let parsed = ParsedConfig::parse(
            br#"{"architecture":"amd64","os":"linux","config":{"Entrypoint":"run me","Cmd":null,"Env":["A=1=2","B"],
            "Labels":{"b":"2","a":1},"Volumes":{"/b":{},"/a":null},"ExposedPorts":["80/tcp"],"OnBuild":["RUN x"],
            "Healthcheck":{"Test":["CMD-SHELL","true"],"Interval":5},"Shell":null,"New":{}},
            "container_config":{"Cmd":["evil"]},"rootfs":{"diff_ids":["sha256:zz"]},
            "history":[{"created_by":"RUN x","empty_layer":true},null]}"#,
        )
        .unwrap();
        let config = parsed.config;
        assert_eq!(config.argv(), ["/bin/sh", "-c", "run me"]);
        assert_eq!(config.env, [("A".into(), "1=2".into()), ("B".into(), String::new())]);
        assert_eq!(config.labels, [("a".into(), "1".into()), ("b".into(), "2".into())]);
        assert_eq!(config.volumes, ["/a", "/b"]);
        assert_eq!(config.exposed_ports, ["80/tcp"]);
        assert_eq!(config.on_build, ["RUN x"]);
        assert_eq!(config.healthcheck.unwrap().test, ["CMD-SHELL", "true"]);
        assert_eq!(config.history.len(), 2);
        assert!(config.history[0].empty_layer);
        assert!(parsed.diff_ids[0].is_err());
        assert_eq!(parsed.platform.unwrap().to_string(), "linux/amd64");
    }

    #[test]
    fn what_starts_is_stated_once_in_whatever_case() {
        for two in [
            r#"{"config":{"Entrypoint":["/app"],"entrypoint":["/other"]}}"#,
            r#"{"config":{"Entrypoint":["/app"]},"config":{"Cmd":["/other"]}}"#,
            r#"{"config":{"User":"1","U\u017fer":"0"}}"#,
        ] {
            let said = ParsedConfig::parse(two.as_bytes()).unwrap_err().to_string();
            assert!(said.contains("written twice"), "{two}: {said}");
        }
        let odd = r#"{"Config":{"ENTRYPOINT":["/app"],"U\u017fer":"7"}}"#;
        let parsed = ParsedConfig::parse(odd.as_bytes()).unwrap().config;
        assert_eq!((parsed.argv(), parsed.user.as_str()), (vec!["/app".to_owned()], "7"));
    }

    #[test]
    fn a_command_that_cannot_be_understood_is_an_error_not_an_empty_command() {
        for bad in [r#"{"config":{"Cmd":7}}"#, r#"{"config":{"Cmd":[["a"]]}}"#, r#"{"config":[]}"#, "[]", "{"]
        {
            assert!(ParsedConfig::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(ParsedConfig::parse(b"{}").unwrap().config, ImageConfig::default());
    }
}
