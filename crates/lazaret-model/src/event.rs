use crate::{Behaviour, BehaviourKind, Certainty, FileOp, ImageConfig};

/// A value of an event's field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldValue {
    /// Text.
    Text(String),
    /// Several texts.
    List(Vec<String>),
    /// A number.
    Number(u64),
}

impl From<&str> for FieldValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for FieldValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// Programs that are many, by the name they are called by.
const MULTI_CALL: &[&str] = &["busybox", "toybox", "coreutils", "toolbox"];

impl Behaviour {
    /// Sigma's category of log source for this behaviour.
    pub fn category(&self) -> &'static str {
        match &self.kind {
            BehaviourKind::Process { .. } => "process_creation",
            BehaviourKind::File { op: FileOp::Write | FileOp::Append, .. } => "file_event",
            BehaviourKind::File { op: FileOp::Delete, .. } => "file_delete",
            BehaviourKind::File { op: FileOp::Chmod, .. } => "file_change",
            BehaviourKind::Network { .. } => "network_connection",
        }
    }

    /// The behaviour in the field names of Sigma, in a stable order. What is not known is absent.
    pub fn fields(&self, config: &ImageConfig) -> Vec<(&'static str, FieldValue)> {
        let mut fields: Vec<(&'static str, FieldValue)> = vec![
            ("Phase", self.phase.name().into()),
            ("Certainty", if self.certainty == Certainty::Will { "will" } else { "may" }.into()),
            ("User", if config.user.is_empty() { "root" } else { config.user.as_str() }.into()),
        ];
        let mut set = |name, value: Option<FieldValue>| fields.extend(value.map(|value| (name, value)));
        let text = |text: &str| Some(FieldValue::from(text));
        match &self.kind {
            BehaviourKind::Process { argv, image, parent, fed_by, stdin, downloaded } => {
                set("Image", program(image.as_deref(), argv).map(Into::into));
                set("CommandLine", Some(argv.join(" ").into()));
                set("Arguments", Some(FieldValue::List(argv.clone())));
                set("ParentCommandLine", parent.clone().map(Into::into));
                let parent = parent.as_ref().and_then(|line| line.split_whitespace().next());
                set("ParentImage", parent.map(rooted).map(Into::into));
                set("FedBy", (!fed_by.is_empty()).then(|| FieldValue::List(fed_by.clone())));
                set("Stdin", stdin.clone().map(Into::into));
                set("Downloaded", downloaded.clone().map(Into::into));
                set("CurrentDirectory", text(&config.working_dir));
            }
            BehaviourKind::File { op, path, content, by } => {
                set("TargetFilename", text(path));
                set("Image", Some(rooted(by).into()));
                set("Content", content.clone().map(Into::into));
                let operation = match op {
                    FileOp::Write => "write",
                    FileOp::Append => "append",
                    FileOp::Delete => "delete",
                    FileOp::Chmod => "chmod",
                };
                set("Operation", text(operation));
            }
            BehaviourKind::Network { host, port, url, by } => {
                let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
                set("DestinationHostname", text(host));
                set("DestinationIp", address.ok().map(|ip| ip.to_string().into()));
                set("DestinationPort", port.map(|port| FieldValue::Number(port.into())));
                set("Url", url.clone().map(Into::into));
                set("Image", Some(rooted(by).into()));
                set("Initiated", text("true"));
            }
        }
        fields
    }
}

/// The program's path. A box of many tools is named by the tool: `nc` is `/bin/nc` also where that
/// is a link to `/bin/busybox`, so that a rule for a tool holds wherever it comes from.
fn program(image: Option<&str>, argv: &[String]) -> Option<String> {
    let called = argv.first().map(String::as_str);
    let Some(image) = image else { return called.map(rooted) };
    let (folder, name) = image.rsplit_once('/').unwrap_or(("", image));
    match called.map(|called| called.rsplit('/').next().unwrap_or(called)) {
        Some(called) if MULTI_CALL.contains(&name) && called != name => Some(format!("{folder}/{called}")),
        _ => Some(rooted(image)),
    }
}

/// A program's path for rules: standard rules ask for `Image|endswith: '/bash'`, which a bare
/// name must meet as well.
fn rooted(program: &str) -> String {
    if program.contains('/') { program.to_owned() } else { format!("/{program}") }
}
