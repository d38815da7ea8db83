//! The other doors, over the same judge and the same policy.
//!
//! Where the gate as a registry has the credentials of each client, a door has those of its
//! operator: the credential files of the process, and no others.

pub mod admission;
pub mod docker_authz;
mod docker_request;
mod review;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use lazaret_model::{Digest, ImageRef, Launch, Platform, RegistryRef};
use lazaret_oci::{Document, parse_document};
use lazaret_scan::{Asker, BlobShelf};
use time::OffsetDateTime;

use crate::audit::Entry;
use crate::gate::Gate;
use crate::http::decision as listed_decision;
use crate::judge::Judged;
use crate::manifests::{Trace, refused};
use crate::metrics::Answer;
use crate::{Decision, Mode, Platforms, Refusal};

/// How deep lists in lists are followed.
const DEPTH: usize = 4;
/// Manifests of one list that are judged.
const LISTED: usize = 200;

/// The registry of what the Docker daemon holds and got from none.
const NOWHERE: &str = "docker-daemon";

/// How the policy calls an image that the Docker daemon holds and got from no registry. Tags are no
/// names here: anybody may give them.
pub fn held_name(id: &Digest) -> RegistryRef {
    RegistryRef {
        registry: NOWHERE.to_owned(),
        repository: format!("image/{}", &id.hex()[..12]),
        tag: None,
        digest: Some(id.clone()),
    }
}

/// Who asks, at which door.
#[derive(Debug, Clone, Copy)]
pub struct Knock<'a> {
    /// The door.
    pub door: &'static str,
    /// The user, as the door knows them.
    pub who: &'a str,
    /// From where, or for what.
    pub at: &'a str,
    /// How long the one who asks waits, where that may be less than the policy says.
    pub hold: Option<Duration>,
    /// Whether it is only asked what would be answered: nothing is written down then.
    pub dry: bool,
    /// Whether the door can let in what could not be judged. It does where the policy only watches.
    pub may_pass: bool,
}

/// What may come in.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// What the name stood for: from here on this counts. None where it was let in unjudged.
    pub digest: Option<Digest>,
    /// The images that were judged, each by the digest of its configuration and of its manifest.
    pub images: Vec<(Digest, Digest)>,
    /// The last verdict.
    pub judged: Option<Arc<Judged>>,
    /// What the policy said of it.
    pub decision: Option<Decision>,
    /// With which sentence it would be refused if the policy did more than watch.
    pub warning: Option<String>,
}

/// One question at a door, and what came of it so far.
struct Question<'a> {
    gate: &'a Gate,
    asker: Asker,
    launch: Option<&'a Launch>,
    until: Instant,
    trace: Trace,
    warning: Option<String>,
    images: Vec<(Digest, Digest)>,
}

impl Gate {
    /// Whether an image of a registry may come in, or be run in this way: the tag is resolved
    /// once, now; the image is judged, and the launch as well. Which platforms of a list are
    /// judged is the one that is asked for, or all. What was answered is written down.
    ///
    /// # Errors
    /// The refusal.
    pub async fn admit_image(
        &self,
        image: &RegistryRef,
        platform: Option<&Platform>,
        launch: Option<&Launch>,
        knock: Knock<'_>,
    ) -> Result<Admitted, Refusal> {
        let mut question = self.question(launch, knock);
        let outcome = question.of_registry(image, platform).await;
        self.answered(&image.to_string(), question, outcome, knock)
    }

    /// Whether an image that the Docker daemon holds may be run in this way. `names` are the names
    /// under which it came there; the policy is asked about each.
    ///
    /// # Errors
    /// The refusal.
    pub async fn admit_held(
        &self,
        id: &Digest,
        names: &[RegistryRef],
        launch: Option<&Launch>,
        knock: Knock<'_>,
    ) -> Result<Admitted, Refusal> {
        let mut question = self.question(launch, knock);
        let outcome = question.of_engine(id, names).await;
        // What came from nowhere has no name that a registry would know.
        let came = names.first().filter(|name| name.registry != NOWHERE);
        let name = came.map_or_else(|| format!("{NOWHERE}:{id}"), ToString::to_string);
        self.answered(&name, question, outcome.map(|()| id.clone()), knock)
    }

    /// What a tag stands for now, and nothing more.
    ///
    /// # Errors
    /// What the registry says, or that it says nothing in time.
    pub async fn resolve_image(&self, image: &RegistryRef, hold: Duration) -> Result<Digest, Refusal> {
        let asked = self.client.manifest(image, &self.settings.budget);
        match tokio::time::timeout(hold, asked).await {
            Ok(found) => Ok(found.map_err(|error| Refusal::upstream(&error))?.digest),
            Err(_) => Err(Refusal::pending(30)),
        }
    }

    /// Writes down what was answered to something that is no image.
    ///
    /// # Errors
    /// The refusal itself, or that nothing can be written down.
    pub(crate) fn answer_unjudged(
        &self,
        what: &str,
        outcome: Result<(), Refusal>,
        knock: Knock<'_>,
    ) -> Result<(), Refusal> {
        let trace = Trace { audited: outcome.is_err() && self.lets_pass(knock), ..Trace::default() };
        self.write_down(what, &trace, outcome, knock).map(drop)
    }

    fn question<'a>(&'a self, launch: Option<&'a Launch>, knock: Knock<'_>) -> Question<'a> {
        let hold = Duration::from_secs(self.policy().hold);
        let hold = knock.hold.map_or(hold, |longest| hold.min(longest));
        let shelf: Arc<dyn BlobShelf> = Arc::new(self.shelf.clone());
        Question {
            gate: self,
            asker: Asker { client: self.client.clone(), shelf: Some(shelf) },
            launch,
            until: Instant::now() + hold,
            trace: Trace::default(),
            warning: None,
            images: Vec::new(),
        }
    }

    fn answered(
        &self,
        name: &str,
        question: Question<'_>,
        outcome: Result<Digest, Refusal>,
        knock: Knock<'_>,
    ) -> Result<Admitted, Refusal> {
        let Question { mut trace, mut warning, images, .. } = question;
        if let Ok(digest) = &outcome {
            trace.digest = Some(digest.clone());
        }
        if let Err(refusal) = &outcome
            && self.lets_pass(knock)
        {
            trace.audited = true;
            warning = Some(refusal.message.clone());
        }
        let digest = self.write_down(name, &trace, outcome, knock)?;
        Ok(Admitted { digest, images, judged: trace.judged, decision: trace.decision, warning })
    }

    /// Whether what could not be judged is let in.
    fn lets_pass(&self, knock: Knock<'_>) -> bool {
        knock.may_pass && self.policy().mode == Mode::Audit
    }

    /// What cannot be written down does not come in. None for what was let in unjudged.
    fn write_down<T>(
        &self,
        name: &str,
        trace: &Trace,
        outcome: Result<T, Refusal>,
        knock: Knock<'_>,
    ) -> Result<Option<T>, Refusal> {
        let passes = self.lets_pass(knock);
        let answered = |outcome: Result<T, Refusal>| match outcome {
            Ok(it) => Ok(Some(it)),
            Err(_) if passes => Ok(None),
            Err(refusal) => Err(refusal),
        };
        if knock.dry {
            return answered(outcome);
        }
        let answer = match &outcome {
            _ if trace.audited => "audited",
            Ok(_) => "served",
            Err(refusal) if refusal.status.as_u16() == 403 => "refused",
            Err(_) => "failed",
        };
        self.metrics.manifests.get_or_create(&Answer { answer: answer.to_owned() }).inc();
        let judged = trace.judged.as_deref();
        let request = self.requests.next();
        let entry = Entry {
            time: OffsetDateTime::now_utc(),
            request: &request.0,
            door: knock.door,
            client: knock.at.to_owned(),
            user: knock.who,
            image: name.to_owned(),
            digest: trace.digest.as_ref().map(ToString::to_string).unwrap_or_default(),
            verdict: judged.map(|judged| judged.outcome.word()),
            why: match (&outcome, judged) {
                (Err(refusal), None) => &refusal.message,
                (_, judged) => judged.map_or("", |judged| judged.why.as_str()),
            },
            decision: trace.decision.as_ref(),
            answer,
        };
        match self.audit.write(&entry) {
            Ok(()) => {
                let listed = answer.parse().unwrap_or(lazaret_store::Answer::Failed);
                self.journal.offer(listed_decision(&entry, listed, trace));
                answered(outcome)
            }
            Err(error) => {
                Err(Refusal::broken(format!("the audit log cannot be written, so nothing comes in: {error}")))
            }
        }
    }
}

impl Question<'_> {
    async fn of_registry(
        &mut self,
        image: &RegistryRef,
        platform: Option<&Platform>,
    ) -> Result<Digest, Refusal> {
        let wanted = platform.filter(|_| self.gate.policy().platforms == Platforms::Asked).cloned();
        self.document(image.clone(), wanted, DEPTH).await
    }

    /// Judges what a document says is run: an image, or those of a list.
    fn document<'b>(
        &'b mut self,
        image: RegistryRef,
        platform: Option<Platform>,
        depth: usize,
    ) -> BoxFuture<'b, Result<Digest, Refusal>> {
        // A list may hold another list, so this may call itself.
        Box::pin(async move {
            let asking = self.asker.client.manifest(&image, &self.gate.settings.budget);
            let asked = tokio::time::timeout(self.left(), asking).await;
            let found =
                asked.map_err(|_| Refusal::pending(30))?.map_err(|error| Refusal::upstream(&error))?;
            let pinned = RegistryRef { digest: Some(found.digest.clone()), ..image };
            self.trace.digest = Some(found.digest.clone());
            let stated = Some(found.media_type.as_str()).filter(|stated| !stated.is_empty());
            let parsed = parse_document(&found.bytes, stated);
            match parsed.map_err(|error| Refusal::bad_manifest(error.to_string()))? {
                Document::Schema1 => {
                    return Err(Refusal::bad_manifest(
                        "a schema 1 image: its content cannot be checked; push it again with a current tool",
                    ));
                }
                Document::Artifact(_) => {
                    let said = format!("{} is no image that could be judged and run", pinned.repository);
                    return Err(Refusal::bad_manifest(lazaret_model::one_line(&said, 300)));
                }
                Document::Image(manifest) => {
                    self.images.push((manifest.config.digest, found.digest.clone()));
                    self.image(&ImageRef::Registry(pinned.clone()), &found.digest, &[pinned]).await?;
                }
                Document::Index(index) => {
                    if let Some(judged) = self.gate.denied_list(&found.digest) {
                        self.decide(std::slice::from_ref(&pinned), &judged)?;
                    }
                    let mut children: Vec<_> =
                        index.manifests.iter().filter(|child| !child.is_attestation()).collect();
                    if let Some(wanted) = &platform {
                        let fits = |p: &Option<Platform>| p.as_ref().is_none_or(|p| p.satisfies(wanted));
                        if children.iter().any(|child| fits(&child.platform)) {
                            children.retain(|child| fits(&child.platform));
                        }
                    }
                    if depth == 0 || children.is_empty() || children.len() > LISTED {
                        return Err(Refusal::bad_manifest("a list of images that cannot be judged whole"));
                    }
                    for child in children {
                        let child = RegistryRef { digest: Some(child.digest.clone()), ..pinned.clone() };
                        self.document(child, platform.clone(), depth - 1).await?;
                    }
                }
            }
            Ok(found.digest)
        })
    }

    async fn of_engine(&mut self, id: &Digest, names: &[RegistryRef]) -> Result<(), Refusal> {
        self.trace.digest = Some(id.clone());
        self.image(&ImageRef::DockerDaemon(id.to_string()), id, names).await
    }

    /// The image by itself, and then as it is run: a launch that starts little of an image makes
    /// the image no better.
    async fn image(
        &mut self,
        image: &ImageRef,
        digest: &Digest,
        names: &[RegistryRef],
    ) -> Result<(), Refusal> {
        if names.is_empty() {
            return Err(Refusal::broken("an image without a name cannot be decided on"));
        }
        let launch = self.launch;
        for launch in [None, launch.filter(|launch| !launch.is_plain())] {
            if launch.is_none() && self.trace.judged.as_ref().is_some_and(|judged| judged.digest == *digest) {
                continue;
            }
            let longest = Duration::from_secs(self.gate.policy().verdict_hours.saturating_mul(3_600));
            let verdict =
                self.gate.judge.verdict_of(&self.asker, image, digest, launch, longest, self.left()).await;
            let judged = verdict.ok_or_else(|| Refusal::pending(30))??;
            self.decide(names, &judged)?;
        }
        Ok(())
    }

    /// What the policy says of a verdict under each of these names.
    fn decide(&mut self, names: &[RegistryRef], judged: &Arc<Judged>) -> Result<(), Refusal> {
        for name in names {
            self.gate.decide_as(name, judged, self.launch, &mut self.trace)?;
            if let (true, Some(decision)) = (self.trace.audited, &self.trace.decision)
                && self.warning.is_none()
            {
                self.warning = Some(refused(name, judged, decision).message);
            }
        }
        Ok(())
    }

    /// How long the one who asks may still be held.
    fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

/// The platform that this machine runs.
pub fn here() -> Platform {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    };
    Platform { os: "linux".to_owned(), architecture: architecture.to_owned(), variant: None }
}
