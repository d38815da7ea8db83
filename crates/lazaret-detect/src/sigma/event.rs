use lazaret_model::{Behaviour, BehaviourKind, Certainty, FileOp, HistoryStep, ImageConfig};
use rsigma_parser::LogSource;
use serde_json::{Map, Value, json};

/// Something that happens or is stated, in the field names of Sigma.
///
/// | category | fields |
/// |---|---|
/// | `process_creation` | `Image`, `CommandLine`, `Arguments` (list), `ParentCommandLine`, `ParentImage`, `CurrentDirectory`, `User`, `FedBy` (list: the programs that write to its standard input, nearest first), `Stdin`, `Downloaded` (the address that the program or the text it runs was fetched from) |
/// | `file_event` (written, appended), `file_delete`, `file_change` (permissions) | `TargetFilename`, `Image`, `Content`, `Operation` (`write`, `append`, `delete`, `chmod`), `User` |
/// | `network_connection` | `DestinationHostname`, `DestinationIp`, `DestinationPort`, `Url`, `Image`, `Initiated`, `User` |
/// | `image_config` | `Entrypoint`, `Cmd`, `CommandLine` (both), `Env` (list of `NAME=value`), `EnvName` (list), `User`, `Labels` (list of `name=value`), `Healthcheck`, `OnBuild` (list), `Volumes`, `ExposedPorts`, `Author`, `WorkingDir` |
/// | `image_history` | `CreatedBy`, `Comment`, `Created`, `EmptyLayer` |
///
/// The first three also have `Phase` (`build`, `onbuild`, `start`, `health`, `login`,
/// `scheduled`) and `Certainty` (`will`, `may`); all have `Platform`. What is not known is absent.
#[derive(Debug, Clone)]
pub struct Event {
    log_source: LogSource,
    fields: Value,
}

impl Event {
    fn new(category: &str, platform: &str) -> Self {
        let log_source = LogSource {
            category: Some(category.to_owned()),
            product: Some("linux".to_owned()),
            service: None,
            definition: None,
            custom: Default::default(),
        };
        Self { log_source, fields: json!({ "Platform": platform }) }
    }

    /// What a process does.
    pub fn of_behaviour(behaviour: &Behaviour, config: &ImageConfig, platform: &str) -> Self {
        let category = match &behaviour.kind {
            BehaviourKind::Process { .. } => "process_creation",
            BehaviourKind::File { op: FileOp::Write | FileOp::Append, .. } => "file_event",
            BehaviourKind::File { op: FileOp::Delete, .. } => "file_delete",
            BehaviourKind::File { op: FileOp::Chmod, .. } => "file_change",
            BehaviourKind::Network { .. } => "network_connection",
        };
        let mut event = Self::new(category, platform);
        event.set("Phase", behaviour.phase.name());
        event.set("Certainty", if behaviour.certainty == Certainty::Will { "will" } else { "may" });
        event.set("User", if config.user.is_empty() { "root" } else { config.user.as_str() });
        match &behaviour.kind {
            BehaviourKind::Process { argv, image, parent, fed_by, stdin, downloaded } => {
                event.set("Image", program(image.as_deref(), argv));
                event.set("CommandLine", argv.join(" "));
                event.set("Arguments", argv.clone());
                event.set("ParentCommandLine", parent.clone());
                let parent = parent.as_ref().and_then(|line| line.split_whitespace().next());
                event.set("ParentImage", parent.map(rooted));
                if !fed_by.is_empty() {
                    event.set("FedBy", fed_by.clone());
                }
                event.set("Stdin", stdin.clone());
                event.set("Downloaded", downloaded.clone());
                event.set("CurrentDirectory", config.working_dir.clone());
            }
            BehaviourKind::File { op, path, content, by } => {
                event.set("TargetFilename", path.as_str());
                event.set("Image", rooted(by));
                event.set("Content", content.clone());
                let operation = match op {
                    FileOp::Write => "write",
                    FileOp::Append => "append",
                    FileOp::Delete => "delete",
                    FileOp::Chmod => "chmod",
                };
                event.set("Operation", operation);
            }
            BehaviourKind::Network { host, port, url, by } => {
                let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
                event.set("DestinationHostname", host.as_str());
                event.set("DestinationIp", address.ok().map(|ip| ip.to_string()));
                event.set("DestinationPort", port.map(u64::from));
                event.set("Url", url.clone());
                event.set("Image", rooted(by));
                event.set("Initiated", "true");
            }
        }
        event
    }

    /// What the configuration states.
    pub fn of_config(config: &ImageConfig, platform: &str) -> Self {
        let pairs =
            |list: &[(String, String)]| list.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>();
        let mut event = Self::new("image_config", platform);
        event.set("Entrypoint", config.entrypoint.join(" "));
        event.set("Cmd", config.cmd.join(" "));
        event.set("CommandLine", config.argv().join(" "));
        event.set("Env", pairs(&config.env));
        event.set("EnvName", config.env.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>());
        event.set("User", config.user.as_str());
        event.set("Labels", pairs(&config.labels));
        event.set("Healthcheck", config.healthcheck.as_ref().map(|check| check.test.join(" ")));
        event.set("OnBuild", config.on_build.clone());
        event.set("Volumes", config.volumes.clone());
        event.set("ExposedPorts", config.exposed_ports.clone());
        event.set("Author", config.author.as_str());
        event.set("WorkingDir", config.working_dir.as_str());
        event
    }

    /// What the builder says that it did in one step.
    pub fn of_history(step: &HistoryStep, platform: &str) -> Self {
        let mut event = Self::new("image_history", platform);
        event.set("CreatedBy", step.created_by.as_str());
        event.set("Comment", step.comment.as_str());
        event.set("Created", step.created.as_str());
        event.set("EmptyLayer", step.empty_layer);
        event
    }

    pub(super) fn log_source(&self) -> &LogSource {
        &self.log_source
    }

    pub(super) fn fields(&self) -> &Value {
        &self.fields
    }

    fn set(&mut self, name: &str, value: impl Into<Value>) {
        let value = value.into();
        if !value.is_null() {
            self.map().insert(name.to_owned(), value);
        }
    }

    fn map(&mut self) -> &mut Map<String, Value> {
        self.fields.as_object_mut().expect("an event is made as an object and stays one")
    }
}

/// A program's path for rules: standard rules ask for `Image|endswith: '/bash'`, which a bare
/// name must meet as well.
/// Programs that are many, by the name they are called by.
const MULTI_CALL: &[&str] = &["busybox", "toybox", "coreutils", "toolbox"];

/// The program's path. A box of many tools is named by the tool: `nc` is `/bin/nc` also where that
/// is a link to `/bin/busybox`, so that a rule for a tool holds wherever it comes from.
fn program(image: Option<&str>, argv: &[String]) -> Option<String> {
    let called = argv.first().map(String::as_str);
    let Some(image) = image else { return called.map(rooted) };
    let (folder, name) = image.rsplit_once('/').unwrap_or(("", image));
    match called.map(crate::case::base_name) {
        Some(called) if MULTI_CALL.contains(&name) && called != name => Some(format!("{folder}/{called}")),
        _ => Some(rooted(image)),
    }
}

fn rooted(program: &str) -> String {
    if program.contains('/') { program.to_owned() } else { format!("/{program}") }
}
