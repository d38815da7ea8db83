use serde::{Deserialize, Serialize};

/// What the image's configuration says about how it starts
/// (image-spec, `config.md`; Docker's `Healthcheck`, `Shell` and `OnBuild` besides).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// `ENTRYPOINT`, in exec form.
    pub entrypoint: Vec<String>,
    /// `CMD`, in exec form.
    pub cmd: Vec<String>,
    /// `ENV`, in order, as name and value.
    pub env: Vec<(String, String)>,
    /// `WORKDIR`.
    pub working_dir: String,
    /// `USER`.
    pub user: String,
    /// `SHELL`.
    pub shell: Vec<String>,
    /// `HEALTHCHECK`.
    pub healthcheck: Option<Healthcheck>,
    /// `ONBUILD` triggers, one instruction each.
    pub on_build: Vec<String>,
    /// `STOPSIGNAL`.
    pub stop_signal: String,
    /// `LABEL`, sorted by name.
    pub labels: Vec<(String, String)>,
    /// `VOLUME`, sorted.
    pub volumes: Vec<String>,
    /// `EXPOSE`, sorted.
    pub exposed_ports: Vec<String>,
    /// `author`.
    pub author: String,
    /// `created`, RFC 3339, as written.
    pub created: String,
    /// The steps that made the image, oldest first.
    pub history: Vec<HistoryStep>,
}

/// `HEALTHCHECK`: the engine runs it again and again while the container lives.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", text]`.
    pub test: Vec<String>,
}

/// One step of the image's history. It is a claim by the builder, not a fact about the layers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryStep {
    /// The instruction, `/bin/sh -c …`, `RUN …`, `COPY …`.
    pub created_by: String,
    /// RFC 3339, as written.
    pub created: String,
    /// What the builder noted.
    pub comment: String,
    /// Whether the step claims to have made no layer.
    pub empty_layer: bool,
}

impl ImageConfig {
    /// The value of an environment variable; the last one wins, as in the kernel's view of it.
    pub fn env_value(&self, name: &str) -> Option<&str> {
        self.env.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The process that the engine starts: entrypoint, then command.
    pub fn argv(&self) -> Vec<String> {
        self.entrypoint.iter().chain(&self.cmd).cloned().collect()
    }
}
