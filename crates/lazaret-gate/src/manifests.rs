//! Manifests: resolved once, judged, served or refused.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use lazaret_model::{Digest, Launch, RegistryRef};
use lazaret_oci::{Document, Index, parse_document};
use lazaret_registry::Manifest;
use serde_json::json;
use time::OffsetDateTime;

use crate::gate::{Gate, Holder};
use crate::judge::Judged;
use crate::{Action, Credential, Decision, Mode, Platforms, Refusal};

/// What came of a request, for the audit log.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    pub(crate) digest: Option<Digest>,
    pub(crate) judged: Option<Arc<Judged>>,
    pub(crate) decision: Option<Decision>,
    /// It would be refused, and came in because the policy only watches.
    pub(crate) audited: bool,
}

impl Gate {
    /// The document that a reference names, if it may come in.
    pub(crate) async fn manifest(
        &self,
        credential: &Credential,
        image: &RegistryRef,
        trace: &mut Trace,
    ) -> Result<Arc<Manifest>, Refusal> {
        let document = self.document(credential, image).await?;
        trace.digest = Some(document.digest.clone());
        let image = RegistryRef { digest: Some(document.digest.clone()), ..image.clone() };
        self.admit(credential, &image, &document, trace).await?;
        Ok(document)
    }

    /// The document itself, by a credential that may see it. A tag is asked for once.
    async fn document(&self, credential: &Credential, image: &RegistryRef) -> Result<Arc<Manifest>, Refusal> {
        if let Some(known) = self.remembered(credential, image) {
            return Ok(known);
        }
        let _turn = self.asking.wait((credential.key(), image.to_string())).await;
        if let Some(known) = self.remembered(credential, image) {
            return Ok(known);
        }
        let digest = image.digest.clone().or_else(|| self.tag(credential, image));
        let asker = self.asker(credential, &image.registry);
        let named = RegistryRef { digest, ..image.clone() };
        let document = asker.client.manifest(&named, &self.settings.budget).await;
        let document = document.map_err(|error| Refusal::upstream(&error))?;
        self.was_shown(credential, image);
        if image.digest.is_none() {
            self.resolved(credential, image, document.digest.clone());
        }
        Ok(self.documents.keep(document))
    }

    /// A document that this credential was shown a short while ago.
    fn remembered(&self, credential: &Credential, image: &RegistryRef) -> Option<Arc<Manifest>> {
        let digest = image.digest.clone().or_else(|| self.tag(credential, image))?;
        if !self.may_see(credential, image) {
            return None;
        }
        self.documents.get(&digest)
    }

    /// Whether a document may come in. What holds blobs is noted before it is served.
    fn admit<'a>(
        &'a self,
        credential: &'a Credential,
        image: &'a RegistryRef,
        document: &'a Manifest,
        trace: &'a mut Trace,
    ) -> BoxFuture<'a, Result<(), Refusal>> {
        // An index may list another index, so this may call itself.
        Box::pin(self.admitted(credential, image, document, trace))
    }

    async fn admitted(
        &self,
        credential: &Credential,
        image: &RegistryRef,
        document: &Manifest,
        trace: &mut Trace,
    ) -> Result<(), Refusal> {
        let stated = Some(document.media_type.as_str()).filter(|stated| !stated.is_empty());
        let parsed = parse_document(&document.bytes, stated);
        match parsed.map_err(|error| Refusal::bad_manifest(error.to_string()))? {
            Document::Schema1 => Err(Refusal::bad_manifest(
                "a schema 1 image: its content cannot be checked; push it again with a current tool",
            )),
            Document::Index(index) => self.index(credential, image, &index, trace).await,
            Document::Artifact(manifest) => {
                for blob in manifest.layers.iter().chain([&manifest.config]) {
                    let holder = Holder { manifest: document.digest.clone(), size: blob.size, image: false };
                    self.holds(image, &blob.digest, holder);
                }
                Ok(())
            }
            Document::Image(manifest) => {
                // Before the verdict: a blob of what is refused must be known as such.
                for blob in manifest.layers.iter().chain([&manifest.config]) {
                    let holder = Holder { manifest: document.digest.clone(), size: blob.size, image: true };
                    self.holds(image, &blob.digest, holder);
                }
                let judged = self.judged(credential, image, &document.digest).await?;
                self.decide(image, &judged, trace)
            }
        }
    }

    /// An index is a list without content. One that lists what is known to be refused is refused.
    async fn index(
        &self,
        credential: &Credential,
        image: &RegistryRef,
        index: &Index,
        trace: &mut Trace,
    ) -> Result<(), Refusal> {
        let all = self.policy().platforms == Platforms::All;
        let longest = self.longest();
        for child in &index.manifests {
            if child.is_attestation() {
                continue;
            }
            let named = RegistryRef { digest: Some(child.digest.clone()), ..image.clone() };
            if all {
                // Its own index may list more: a document decides what it is.
                let document = self.document(credential, &named).await?;
                self.admit(credential, &named, &document, trace).await?;
            } else if let Some(judged) = self.judge.known(&child.digest, longest) {
                self.decide(&named, &judged, trace)?;
            }
        }
        Ok(())
    }

    /// The verdict on an image, waited for as long as the policy says.
    pub(crate) async fn judged(
        &self,
        credential: &Credential,
        image: &RegistryRef,
        digest: &Digest,
    ) -> Result<Arc<Judged>, Refusal> {
        let longest = self.longest();
        if let Some(known) = self.judge.known(digest, longest) {
            return Ok(known);
        }
        let asker = self.asker(credential, &image.registry);
        let hold = Duration::from_secs(self.policy().hold);
        let outcome = self.judge.verdict(&asker, image, digest, longest, hold).await;
        outcome.ok_or_else(|| Refusal::pending(30))?
    }

    fn longest(&self) -> Duration {
        Duration::from_secs(self.policy().verdict_hours.saturating_mul(3_600))
    }

    /// What the policy says of a verdict.
    pub(crate) fn decide(
        &self,
        image: &RegistryRef,
        judged: &Arc<Judged>,
        trace: &mut Trace,
    ) -> Result<(), Refusal> {
        self.decide_as(image, judged, None, trace)
    }

    /// The same of an image that is run in a way that is known.
    pub(crate) fn decide_as(
        &self,
        image: &RegistryRef,
        judged: &Arc<Judged>,
        launch: Option<&Launch>,
        trace: &mut Trace,
    ) -> Result<(), Refusal> {
        let policy = self.policy();
        let decision = policy.decide(image, judged, launch, OffsetDateTime::now_utc());
        let comes_in = decision.action == Action::Allow;
        trace.judged = Some(Arc::clone(judged));
        trace.decision = Some(decision.clone());
        if comes_in {
            return Ok(());
        }
        if policy.mode == Mode::Audit {
            trace.audited = true;
            return Ok(());
        }
        Err(self.with_report(refused(image, judged, &decision), &judged.digest))
    }
}

/// The sentence with which an image is refused.
pub(crate) fn refused(image: &RegistryRef, judged: &Judged, decision: &Decision) -> Refusal {
    let name = lazaret_model::one_line(&image.repository, 120);
    let why = lazaret_model::one_line(&judged.why, 300);
    let message = match &decision.why {
        Some(reason) => format!(
            "lazaret refuses {name}: {} ({}); it is {}: {why}",
            lazaret_model::one_line(reason, 200),
            decision.by,
            judged.outcome.word()
        ),
        None if decision.by.starts_with("verdict ") => {
            format!("lazaret refuses {name}: {}: {why}", judged.outcome.word())
        }
        None => format!(
            "lazaret refuses {name}: the policy does ({}); it is {}: {why}",
            lazaret_model::one_line(&decision.by, 120),
            judged.outcome.word()
        ),
    };
    let detail = json!({
        "digest": judged.digest.to_string(),
        "verdict": judged.outcome.word(),
        "why": judged.why,
        "rules": judged.findings.iter().map(|finding| finding.rule.as_str()).take(10).collect::<Vec<_>>(),
        "policy": decision.by,
    });
    Refusal::denied(message, Some(detail))
}
