//! Docker's authorization plugin: the daemon asks before it does what a client wants
//! (Docker documentation, "Access authorization plugin"; plugin API 1.1).
//!
//! A second lock, not the first: the plugin sees requests and no content, and a build, a swarm or
//! a restart policy makes the daemon act without a request. So what is made of an image is judged
//! when a container is created, from the request, and again when it is started, from what the
//! daemon itself says of that container.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::post;
use data_encoding::BASE64;
use lazaret_launch::Plan;
use lazaret_model::{Digest, Launch, Mount, MountKind, RegistryRef};
use lazaret_registry::daemon::{DaemonOptions, Held, inspect};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::UnixListener;

use super::docker_request::{Unseen, Wanted, unclear, wanted};
use super::{Admitted, Knock, held_name, here};
use crate::gate::Gate;
use crate::judge::lock;
use crate::{Action, Refusal};

/// The name of the door in the audit log.
const DOOR: &str = "docker-authz";
/// What plugins of Docker speak.
const KIND: &str = "application/vnd.docker.plugins.v1.1+json";
/// Largest question of the daemon: it sends bodies of up to 1 MiB, in base64, and all headers.
const QUESTION: usize = 8 << 20;
/// Images whose manifest is remembered by their id; beyond it the memory starts anew.
const REMEMBERED: usize = 20_000;

/// The plugin.
pub struct DockerAuthz {
    gate: Arc<Gate>,
    daemon: DaemonOptions,
    /// Under which manifest an image was judged when it was pulled, by the id that the daemon gives
    /// it: the digest of its configuration.
    pulled: Mutex<HashMap<Digest, RegistryRef>>,
}

/// What the daemon asks.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Asked {
    #[serde(default)]
    user: String,
    request_method: String,
    request_uri: String,
    #[serde(default)]
    request_body: Option<String>,
    #[serde(default)]
    request_headers: HashMap<String, String>,
}

/// What the daemon says of an image.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Described {
    id: String,
    #[serde(default)]
    repo_digests: Option<Vec<String>>,
}

impl DockerAuthz {
    /// The plugin over a gate. The daemon whose requests it judges is the one that `DOCKER_HOST` or
    /// the Docker configuration of this process names.
    pub fn new(gate: Arc<Gate>) -> Self {
        Self { gate, daemon: DaemonOptions::default(), pulled: Mutex::default() }
    }

    /// Answers the daemon until `stop` ends.
    ///
    /// # Errors
    /// The socket fails.
    pub async fn serve(
        self: Arc<Self>,
        listener: UnixListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        let app = Router::new()
            .route("/Plugin.Activate", post(async || said(&json!({ "Implements": ["authz"] }))))
            .route("/AuthZPlugin.AuthZReq", post(request))
            // What the daemon answers is of no interest: it was judged what it was asked.
            .route("/AuthZPlugin.AuthZRes", post(async || said(&json!({ "Allow": true }))))
            .layer(DefaultBodyLimit::max(QUESTION))
            .with_state(self);
        axum::serve(listener, app).with_graceful_shutdown(stop).await
    }

    async fn judge(&self, asked: &Asked) -> Result<(), Refusal> {
        let form = asked.request_headers.iter().any(|(name, value)| {
            let kind = value.split(';').next().unwrap_or_default().trim();
            name.eq_ignore_ascii_case("content-type")
                && kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
        });
        let who = if asked.user.is_empty() { "local" } else { asked.user.as_str() };
        let knock = Knock { door: DOOR, who, at: "docker", hold: None, dry: false, may_pass: true };
        let said = wanted(&asked.request_method, &asked.request_uri, form);
        let outcome = match said {
            Ok(Wanted::Harmless) => return Ok(()),
            Ok(Wanted::Pull(image, platform)) => {
                let platform = platform.unwrap_or_else(here);
                let admitted = self.gate.admit_image(&image, Some(&platform), None, knock).await?;
                self.remember(&image, &admitted);
                return Ok(());
            }
            Ok(Wanted::Create) => {
                match body(asked).and_then(|body| read(lazaret_launch::create_request(&body))) {
                    Ok(plan) => return self.container(&plan, knock).await,
                    Err(refusal) => Err(refusal),
                }
            }
            Ok(Wanted::Start(name)) => return self.start(&name, knock).await,
            Ok(Wanted::Service) => match self.policy(Unseen::Swarm).and_then(|()| body(asked)) {
                Ok(body) => match read(lazaret_launch::service_request(&body)) {
                    Ok(plan) => return self.service(&plan, knock).await,
                    Err(refusal) => Err(refusal),
                },
                Err(refusal) => Err(refusal),
            },
            Ok(Wanted::Unseen(unseen)) => self.policy(unseen),
            Err(refusal) => Err(refusal),
        };
        let what = lazaret_model::one_line(&format!("{} {}", asked.request_method, asked.request_uri), 300);
        self.gate.answer_unjudged(&what, outcome, knock)
    }

    /// What the policy says of what the daemon fetches and runs by itself.
    fn policy(&self, unseen: Unseen) -> Result<(), Refusal> {
        let policy = &self.gate.policy().docker;
        let (action, what, key) = match unseen {
            Unseen::Build => (policy.build, "a build fetches its base images and runs its steps", "build"),
            Unseen::Plugin => {
                (policy.plugins, "a plugin of the engine runs with rights of its own", "plugins")
            }
            Unseen::Swarm => (policy.swarm, "a swarm starts its tasks by itself", "swarm"),
        };
        match action {
            Action::Allow => Ok(()),
            Action::Refuse => Err(Refusal::denied(
                format!(
                    "lazaret refuses what it cannot judge: {what} where no plugin sees it; the policy may allow \
                     it (`[docker]`, `{key} = \"allow\"`)"
                ),
                None,
            )),
        }
    }

    fn remember(&self, image: &RegistryRef, admitted: &Admitted) {
        let mut pulled = lock(&self.pulled);
        if pulled.len() >= REMEMBERED {
            pulled.clear();
        }
        for (config, manifest) in &admitted.images {
            let pinned = RegistryRef { digest: Some(manifest.clone()), tag: None, ..image.clone() };
            pulled.insert(config.clone(), pinned);
        }
    }

    /// A container that is to be made.
    async fn container(&self, plan: &Plan, knock: Knock<'_>) -> Result<(), Refusal> {
        let launch = plan.containers.first().map(|container| &container.launch);
        for named in &plan.references {
            match self.named(&named.name, launch.filter(|_| named.container.is_some())).await {
                // Where the daemon has no such image, it says so, and the client pulls it first.
                Ok(None) => {}
                Ok(Some((described, launch))) => self.held(&described, launch.as_ref(), knock).await?,
                Err(refusal) => self.gate.answer_unjudged(&named.name, Err(refusal), knock)?,
            }
        }
        Ok(())
    }

    /// An image that a request names, and the launch with what the daemon knows of its volumes.
    async fn named(
        &self,
        name: &str,
        launch: Option<&Launch>,
    ) -> Result<Option<(Described, Option<Launch>)>, Refusal> {
        let launch = match launch {
            Some(launch) => Some(self.with_volumes(launch.clone()).await?),
            None => None,
        };
        Ok(self.described(name).await?.map(|described| (described, launch)))
    }

    /// A container that is to be started, as the daemon has it.
    async fn start(&self, name: &str, knock: Knock<'_>) -> Result<(), Refusal> {
        match self.made(name).await {
            Ok(None) => Ok(()),
            Ok(Some((described, launch))) => self.held(&described, Some(&launch), knock).await,
            Err(refusal) => self.gate.answer_unjudged(&format!("container {name}"), Err(refusal), knock),
        }
    }

    /// What the daemon says of a container: its image, and how it is run. None where it has none.
    async fn made(&self, name: &str) -> Result<Option<(Described, Launch)>, Refusal> {
        let found = inspect(Held::Container, name, &self.daemon).await;
        let Some(body) = found.map_err(|error| unasked(&error))? else { return Ok(None) };
        let (id, plan) = read(lazaret_launch::inspected_container(&body))?;
        let Some(container) = plan.containers.first() else {
            return Err(Refusal::broken("the daemon describes no container"));
        };
        let launch = self.with_volumes(container.launch.clone()).await?;
        match self.described(&id).await? {
            Some(described) => Ok(Some((described, launch))),
            None => Err(Refusal::denied(
                "lazaret refuses to start a container whose image is gone: it cannot be judged any more",
                None,
            )),
        }
    }

    /// A service: its image comes from a registry when a task starts, on whichever node.
    async fn service(&self, plan: &Plan, knock: Knock<'_>) -> Result<(), Refusal> {
        let launch = plan.containers.first().map(|container| &container.launch);
        for named in &plan.references {
            let launch = launch.filter(|_| named.container.is_some());
            match named.name.parse::<RegistryRef>() {
                Ok(image) => drop(self.gate.admit_image(&image, None, launch, knock).await?),
                Err(error) => {
                    let refusal = unclear(&format!("{error}"));
                    self.gate.answer_unjudged(&named.name, Err(refusal), knock)?;
                }
            }
        }
        Ok(())
    }

    /// An image that the daemon holds.
    async fn held(
        &self,
        described: &Described,
        launch: Option<&Launch>,
        knock: Knock<'_>,
    ) -> Result<(), Refusal> {
        let Ok(id) = described.id.parse::<Digest>() else {
            let refusal = Refusal::broken("the daemon names an image by something that is no digest");
            return self.gate.answer_unjudged(&described.id, Err(refusal), knock);
        };
        let known = lock(&self.pulled).get(&id).cloned();
        if let Some(pinned) = known {
            // Judged when it was pulled, and its layers are known: nothing is exported.
            let strict = Knock { may_pass: false, ..knock };
            match self.gate.admit_image(&pinned, None, launch, strict).await {
                Err(refusal) if refusal.status.as_u16() != 403 => {}
                outcome => return outcome.map(drop),
            }
        }
        let names = names(described, &id);
        self.gate.admit_held(&id, &names, launch, knock).await.map(drop)
    }

    async fn described(&self, name: &str) -> Result<Option<Described>, Refusal> {
        let found = inspect(Held::Image, name, &self.daemon).await.map_err(|error| unasked(&error))?;
        let Some(body) = found else { return Ok(None) };
        let broken = |_| Refusal::broken("the daemon describes an image in a form that is not known");
        serde_json::from_slice(&body).map(Some).map_err(broken)
    }

    /// A named volume may be a path of the host: the daemon knows.
    async fn with_volumes(&self, mut launch: Launch) -> Result<Launch, Refusal> {
        for mount in &mut launch.mounts {
            if mount.kind != MountKind::Volume || mount.source.is_empty() {
                continue;
            }
            let found = inspect(Held::Volume, &mount.source, &self.daemon).await;
            let Some(body) = found.map_err(|error| unasked(&error))? else { continue };
            let volume: Value = serde_json::from_slice(&body)
                .map_err(|_| Refusal::broken("the daemon describes a volume in a form that is not known"))?;
            if let Some(device) = volume["Options"]["device"].as_str().filter(|path| path.starts_with('/')) {
                *mount = Mount { kind: MountKind::Bind, source: device.to_owned(), ..mount.clone() };
            }
        }
        Ok(launch)
    }
}

/// The names under which an image came to the daemon.
fn names(described: &Described, id: &Digest) -> Vec<RegistryRef> {
    let came: Vec<RegistryRef> =
        described.repo_digests.iter().flatten().filter_map(|name| name.parse().ok()).collect();
    if came.is_empty() { vec![held_name(id)] } else { came }
}

/// The body of a request. The daemon leaves out what is larger than 1 MiB, and what it takes for
/// empty (CVE-2024-41110, CVE-2026-34040): then it would be done unseen.
fn body(asked: &Asked) -> Result<Vec<u8>, Refusal> {
    let encoded = asked.request_body.as_deref().unwrap_or_default();
    match BASE64.decode(encoded.as_bytes()) {
        Ok(body) if !body.is_empty() => Ok(body),
        _ => Err(Refusal::denied(
            "lazaret refuses a request whose body the daemon did not show: it may be larger than 1 MiB, or said to \
             be empty",
            None,
        )),
    }
}

fn read<T>(outcome: Result<T, lazaret_launch::LaunchError>) -> Result<T, Refusal> {
    outcome.map_err(|error| unclear(&error.to_string()))
}

fn unasked(error: &lazaret_registry::RegistryError) -> Refusal {
    let said = lazaret_model::one_line(&error.to_string(), 300);
    Refusal::broken(format!("lazaret cannot ask the daemon what this is, so it may not: {said}"))
}

async fn request(State(plugin): State<Arc<DockerAuthz>>, body: Bytes) -> impl IntoResponse {
    let asked: Asked = match serde_json::from_slice(&body) {
        Ok(asked) => asked,
        Err(_) => return said(&json!({ "Allow": false, "Msg": "lazaret cannot read what the daemon asks" })),
    };
    // A judgement that panics takes one connection with it, and the daemon refuses then.
    match plugin.judge(&asked).await {
        Ok(()) => said(&json!({ "Allow": true })),
        Err(refusal) => said(&json!({ "Allow": false, "Msg": refusal.message })),
    }
}

fn said(answer: &Value) -> impl IntoResponse + use<> {
    ([(header::CONTENT_TYPE, KIND)], answer.to_string())
}
