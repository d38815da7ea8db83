use lazaret_model::{Behaviour, BehaviourKind, Certainty, FileOp, HistoryStep, ImageConfig, Launch};
use rsigma_parser::LogSource;
use serde_json::{Map, Value, json};

use super::fit;
use super::scene::{Scene, Told};

/// Something that happens or is stated, in the field names of Sigma.
///
/// | category | fields |
/// |---|---|
/// | `process_creation` | `Image`, `CommandLine`, `Arguments` (list), `ProcessName` (list: the name it is called by, and that of the file behind it where links lead to another), `ParentCommandLine`, `ParentImage`, `CurrentDirectory`, `User`, `FedBy` (list: the programs that write to its standard input, nearest first), `Stdin`, `Downloaded` (the address that the program or the text it runs was fetched from), `OwnService` (`true` where the command names a service that the same start path starts) |
/// | `file_event` (written, appended), `file_delete`, `file_change` (permissions) | `TargetFilename`, `Image`, `Content`, `Operation` (`write`, `append`, `delete`, `chmod`), `User` |
/// | `network_connection` | `DestinationHostname`, `DestinationIp`, `DestinationPort`, `Url`, `Image`, `Initiated`, `User` |
/// | `image_config` | `Entrypoint`, `Cmd`, `CommandLine` (both), `Env` (list of `NAME=value`), `EnvName` (list), `User`, `Labels` (list of `name=value`), `Healthcheck`, `OnBuild` (list), `Volumes`, `ExposedPorts`, `Author`, `WorkingDir` |
/// | `image_history` | `CreatedBy`, `Comment`, `Created`, `EmptyLayer` |
/// | `launch`, `dockerfile`, `kubernetes` | see docs/LAUNCH.md |
///
/// The first three also have `Phase` (`build`, `onbuild`, `start`, `health`, `login`,
/// `scheduled`) and `Certainty` (`will`, `may`); all have `Platform`. What is not known is absent.
///
/// A program whose file is not known is named as a search through `PATH` would most likely find
/// it (`/usr/bin/nc`), so that `Image|endswith: '/nc'` holds. `ParentImage` of a script is a list:
/// the script, and the interpreter that the kernel runs for it.
///
/// For `service: auditd`, what happens is told once more in the records of the audit daemon:
/// `EXECVE` (`argc`, `a0` …), `SYSCALL` of `execve` (`exe`, `comm`, `success`, `uid`, `euid`) and
/// `PATH` (`name`, `nametype`).
#[derive(Debug, Clone)]
pub struct Event {
    log_source: LogSource,
    fields: Value,
}

impl Event {
    pub(super) fn new(category: &str, platform: &str) -> Self {
        let log_source = LogSource {
            category: Some(category.to_owned()),
            product: Some("linux".to_owned()),
            service: None,
            definition: None,
            custom: Default::default(),
        };
        Self { log_source, fields: json!({ "Platform": platform }) }
    }

    /// A record of the audit daemon. It has no field beside its own: rules look for keywords in
    /// all of them.
    pub(super) fn audit(record: Map<String, Value>) -> Self {
        let log_source = LogSource {
            product: Some("linux".to_owned()),
            service: Some("auditd".to_owned()),
            ..LogSource::default()
        };
        Self { log_source, fields: Value::Object(record) }
    }

    /// The words of a command, for rules that give keywords and no kind of log.
    pub(super) fn of_command(line: &str) -> Self {
        let mut event = Self::new(fit::COMMANDS, "");
        event.map().clear();
        event.set("CommandLine", line);
        event
    }

    /// What a process does, as far as the behaviour itself tells it.
    pub fn of_behaviour(behaviour: &Behaviour, config: &ImageConfig, platform: &str) -> Self {
        Self::of_told(&Told::new(behaviour, config, platform, &Scene::new(&|_| None)))
    }

    pub(super) fn of_told(told: &Told<'_>) -> Self {
        let category = match told.kind {
            BehaviourKind::Process { .. } => "process_creation",
            BehaviourKind::File { op: FileOp::Write | FileOp::Append, .. } => "file_event",
            BehaviourKind::File { op: FileOp::Delete, .. } => "file_delete",
            BehaviourKind::File { op: FileOp::Chmod, .. } => "file_change",
            BehaviourKind::Network { .. } => "network_connection",
        };
        let mut event = Self::new(category, told.platform);
        event.set("Phase", told.phase.name());
        event.set("Certainty", if told.certainty == Certainty::Will { "will" } else { "may" });
        event.set("User", if told.user.is_empty() { "root" } else { told.user });
        match told.kind {
            BehaviourKind::Process { argv, image, parent: _, fed_by, stdin, downloaded } => {
                event.set("Image", program(image.as_deref(), argv));
                event.set("CommandLine", argv.join(" "));
                event.set("Arguments", argv.clone());
                event.set("ProcessName", process_names(image.as_deref(), argv));
                event.set("ParentCommandLine", told.parent_line);
                match told.by.as_slice() {
                    [] => {}
                    [one] => event.set("ParentImage", one.as_str()),
                    both => event.set("ParentImage", both.to_vec()),
                }
                if !fed_by.is_empty() {
                    event.set("FedBy", fed_by.clone());
                }
                if told.own_service {
                    event.set("OwnService", "true");
                }
                event.set("Stdin", stdin.clone());
                event.set("Downloaded", downloaded.clone());
                event.set("CurrentDirectory", told.working_dir);
            }
            BehaviourKind::File { op, path, content, by: _ } => {
                event.set("TargetFilename", path.as_str());
                event.set("Image", told.by.first().cloned());
                event.set("Content", content.clone());
                let operation = match op {
                    FileOp::Write => "write",
                    FileOp::Append => "append",
                    FileOp::Delete => "delete",
                    FileOp::Chmod => "chmod",
                };
                event.set("Operation", operation);
            }
            BehaviourKind::Network { host, port, url, by: _ } => {
                let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
                event.set("DestinationHostname", host.as_str());
                let address = address.ok().map(|ip| ip.to_string());
                let itself = || host.eq_ignore_ascii_case("localhost").then(|| "127.0.0.1".to_owned());
                event.set("DestinationIp", address.or_else(itself));
                event.set("DestinationPort", port.map(u64::from));
                event.set("Url", url.clone());
                event.set("Image", told.by.first().cloned());
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

    /// All that an answer depends on: what kind of record it is, and its fields.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let LogSource { category, product, service, .. } = &self.log_source;
        serde_json::to_vec(&(category, product, service, &self.fields)).unwrap_or_default()
    }

    pub(super) fn fields(&self) -> &Value {
        &self.fields
    }

    pub(super) fn set(&mut self, name: &str, value: impl Into<Value>) {
        let value = value.into();
        if !value.is_null() {
            self.map().insert(name.to_owned(), value);
        }
    }

    /// The same event with what a launch makes of it: paths that are the host's through a mount
    /// (`HostFilename` of a file, `HostPath` of the arguments of a process), whether it is
    /// privileged, and the form that it is written in.
    pub(super) fn in_launch(mut self, behaviour: &Behaviour, launch: &Launch) -> Self {
        self.set("Form", launch.form.name());
        let all = launch.cap_add.iter().any(|cap| matches!(cap.as_str(), "ALL" | "SYS_ADMIN"));
        self.set("Privileged", (launch.privileged == Some(true) || all).then_some("true"));
        match &behaviour.kind {
            BehaviourKind::Process { argv, .. } => {
                let host = host_paths(launch, argv);
                if !host.is_empty() {
                    self.set("HostPath", host);
                }
            }
            BehaviourKind::File { path, .. } => self.set("HostFilename", launch.host_path(path)),
            BehaviourKind::Network { .. } => {}
        }
        self
    }

    /// The same event with one value in place of a list.
    pub(super) fn with_only(&self, name: &str, value: Value) -> Self {
        let mut alone = self.clone();
        alone.set(name, vec![value]);
        alone
    }

    fn map(&mut self) -> &mut Map<String, Value> {
        self.fields.as_object_mut().expect("an event is made as an object and stays one")
    }
}

/// The host's paths among the arguments of a process, also behind `if=` and `--root=`.
fn host_paths(launch: &Launch, argv: &[String]) -> Vec<String> {
    let path = |word: &String| {
        let path = word.split_once('=').map_or(word.as_str(), |(_, path)| path);
        path.starts_with('/').then(|| launch.host_path(path)).flatten()
    };
    argv.iter().skip(1).take(256).filter_map(path).collect()
}

/// Programs that are many, by the name they are called by.
const MULTI_CALL: &[&str] = &["busybox", "toybox", "coreutils", "toolbox"];

/// Where a program most likely is whose file was not found.
const LIKELY: &str = "/usr/bin";

/// The program's path. A box of many tools is named by the tool: `nc` is `/bin/nc` also where that
/// is a link to `/bin/busybox`, so that a rule for a tool holds wherever it comes from.
pub(super) fn program(image: Option<&str>, argv: &[String]) -> Option<String> {
    let called = argv.first().map(String::as_str);
    let Some(image) = image else { return called.map(rooted) };
    let (folder, name) = image.rsplit_once('/').unwrap_or(("", image));
    match called.map(crate::case::base_name) {
        Some(called) if MULTI_CALL.contains(&name) && called != name => Some(format!("{folder}/{called}")),
        _ => Some(rooted(image)),
    }
}

/// The names of a process. On Debian `lsmod` is a link to `kmod` and `nc` one to `nc.openbsd`: a
/// rule for a tool asks for the name that says what it is to do.
fn process_names(image: Option<&str>, argv: &[String]) -> Vec<String> {
    let called = argv.first().map(|called| crate::case::base_name(called).to_owned());
    let real = image.map(|image| crate::case::base_name(image).to_owned());
    let other = real.filter(|real| called.as_ref() != Some(real));
    called.into_iter().chain(other).filter(|name| !name.is_empty()).collect()
}

/// A program's path for rules: standard rules ask for `Image|endswith: '/bash'`, which a bare
/// name must meet as well. What is not known (`$JAVA`) stays as it is written.
pub(super) fn rooted(program: &str) -> String {
    if program.contains('/') || program.is_empty() || program.starts_with(['$', '<']) {
        program.to_owned()
    } else {
        format!("{LIKELY}/{program}")
    }
}
