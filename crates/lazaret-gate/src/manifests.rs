//! Manifests: resolved once, judged, served or refused.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use lazaret_model::{Budget, Digest, Launch, Platform, RegistryRef};
use lazaret_oci::{Document, Index, OCI_INDEX, OCI_MANIFEST, parse_document};
use lazaret_registry::Manifest;
use serde::Deserialize;
use serde_json::json;
use time::OffsetDateTime;
use tokio::time::timeout;

use crate::gate::Gate;
use crate::judge::Judged;
use crate::statements::is_statement;
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

/// Largest manifest that comes in, in bytes: what the specification has every registry take at a push
/// (distribution specification, "Pushing Manifests").
const LARGEST: u64 = 4 << 20;
/// How deep an index may nest where every image behind it is judged first. Real ones have one level.
const DEPTH: usize = 8;
/// Most documents behind one index, then.
const MANIFESTS: usize = 2_000;

/// What judging everything behind an index may still cost.
struct Left {
    depth: usize,
    manifests: usize,
    /// The client waits until then, however many there are.
    until: Instant,
}

impl Gate {
    /// The document that a reference names, if it may come in.
    pub(crate) async fn manifest(
        &self,
        credential: &Credential,
        image: &RegistryRef,
        trace: &mut Trace,
    ) -> Result<Arc<Manifest>, Refusal> {
        if let Some(trial) = self.trials.find(image) {
            trace.digest = Some(trial.manifest.digest.clone());
            self.decide(image, &trial.judged, trace)?;
            return Ok(Arc::clone(&trial.manifest));
        }
        let document = self.document(credential, image).await?;
        trace.digest = Some(document.digest.clone());
        let image = RegistryRef { digest: Some(document.digest.clone()), ..image.clone() };
        let hold = Duration::from_secs(self.policy().hold);
        let mut left = Left { depth: DEPTH, manifests: MANIFESTS, until: Instant::now() + hold };
        self.admit(credential, &image, &document, &mut left, trace).await?;
        Ok(document)
    }

    /// The document itself, by a credential that may see it. A tag is asked for once.
    async fn document(&self, credential: &Credential, image: &RegistryRef) -> Result<Arc<Manifest>, Refusal> {
        if let Some(known) = self.remembered(credential, image) {
            return Ok(known);
        }
        let hold = self.policy().hold;
        let asked = timeout(Duration::from_secs(hold), self.ask(credential, image)).await;
        asked.unwrap_or_else(|_| Err(Refusal::no_answer(&image.registry, hold)))
    }

    async fn ask(&self, credential: &Credential, image: &RegistryRef) -> Result<Arc<Manifest>, Refusal> {
        let _turn = self.asking.wait((credential.key(), image.to_string())).await;
        if let Some(known) = self.remembered(credential, image) {
            return Ok(known);
        }
        let digest = image.digest.clone().or_else(|| self.tag(credential, image));
        let asker = self.asker(credential, &image.registry);
        let named = RegistryRef { digest, ..image.clone() };
        let document = asker.client.manifest(&named, &self.document_budget()).await;
        let mut document = document.map_err(|error| Refusal::upstream(&error))?;
        self.was_shown(credential, image);
        if document.media_type.is_empty() {
            document.media_type = plain_type(&document.bytes).to_owned();
        }
        if image.digest.is_none() {
            self.resolved(credential, image, document.digest.clone());
        }
        Ok(self.documents.keep(image, document))
    }

    /// What a manifest may cost.
    pub(crate) fn document_budget(&self) -> Budget {
        let budget = self.settings.budget;
        Budget { document_bytes: budget.document_bytes.min(LARGEST), ..budget }
    }

    /// A document that this credential was shown a short while ago.
    fn remembered(&self, credential: &Credential, image: &RegistryRef) -> Option<Arc<Manifest>> {
        let digest = image.digest.clone().or_else(|| self.tag(credential, image))?;
        if !self.may_see(credential, image) {
            return None;
        }
        self.documents.get(image, &digest)
    }

    /// Whether a document may come in. What holds blobs is noted before it is served.
    fn admit<'a>(
        &'a self,
        credential: &'a Credential,
        image: &'a RegistryRef,
        document: &'a Manifest,
        left: &'a mut Left,
        trace: &'a mut Trace,
    ) -> BoxFuture<'a, Result<(), Refusal>> {
        // An index may list another index, so this may call itself.
        Box::pin(self.admitted(credential, image, document, left, trace))
    }

    async fn admitted(
        &self,
        credential: &Credential,
        image: &RegistryRef,
        document: &Manifest,
        left: &mut Left,
        trace: &mut Trace,
    ) -> Result<(), Refusal> {
        if self.is_noted_image(image, document) {
            let judged = self.judged_until(credential, image, &document.digest, left.until).await?;
            return self.decide(image, &judged, trace);
        }
        one_type(document)?;
        let stated = Some(document.media_type.as_str()).filter(|stated| !stated.is_empty());
        let parsed = parse_document(&document.bytes, stated);
        match parsed.map_err(|error| Refusal::bad_manifest(error.to_string()))? {
            Document::Schema1 => Err(Refusal::bad_manifest(
                "a schema 1 image: its content cannot be checked; push it again with a current tool",
            )),
            Document::Index(index) => self.index(credential, image, document, &index, left, trace).await,
            Document::Artifact(manifest) => {
                self.note(image, document, &manifest, false);
                Ok(())
            }
            Document::Image(manifest)
                if is_statement(&manifest) && self.holds_texts(credential, image, &manifest).await? =>
            {
                self.note(image, document, &manifest, false);
                Ok(())
            }
            Document::Image(manifest) => {
                // Before the verdict: a blob of what is refused must be known as such.
                self.note(image, document, &manifest, true);
                let judged = self.judged_until(credential, image, &document.digest, left.until).await?;
                self.decide(image, &judged, trace)
            }
        }
    }

    /// The verdict on a list of images that a feed denies by its own digest: nothing else can be wrong
    /// with one.
    pub(crate) fn denied_list(&self, digest: &Digest) -> Option<Arc<Judged>> {
        let scanner = self.judge.scanner();
        let (verdict, finding) = scanner.feeds().against(digest, OffsetDateTime::now_utc())?;
        Some(Arc::new(Judged::by_feed(digest, &verdict, &finding, scanner.judges())))
    }

    /// An index is a list without content. One that a feed denies is refused, and one that lists what is
    /// known to be refused.
    async fn index(
        &self,
        credential: &Credential,
        image: &RegistryRef,
        document: &Manifest,
        index: &Index,
        left: &mut Left,
        trace: &mut Trace,
    ) -> Result<(), Refusal> {
        if let Some(judged) = self.denied_list(&document.digest) {
            self.decide(image, &judged, trace)?;
        }
        let all = self.policy().platforms == Platforms::All;
        let longest = self.longest();
        for child in &index.manifests {
            // An engine picks by platform and does not look at annotations.
            if child.is_attestation() && child.platform.as_ref().is_some_and(Platform::is_unknown) {
                continue;
            }
            let named = RegistryRef { digest: Some(child.digest.clone()), ..image.clone() };
            if all {
                if left.depth == 0 || left.manifests == 0 {
                    return Err(Refusal::bad_manifest(format!(
                        "the index lists more than {MANIFESTS} manifests, or more than {DEPTH} levels of them: \
                         they cannot all be judged"
                    )));
                }
                left.manifests -= 1;
                left.depth -= 1;
                // Its own index may list more: a document decides what it is.
                let document = self.document(credential, &named).await?;
                self.admit(credential, &named, &document, left, trace).await?;
                left.depth += 1;
            } else if let Some(judged) = self.judge.known(&child.digest, longest) {
                self.decide(&named, &judged, trace)?;
            }
        }
        Ok(())
    }

    /// The verdict on an image, where it is known and still counts.
    pub(crate) fn known(&self, digest: &Digest) -> Option<Arc<Judged>> {
        self.judge.known(digest, self.longest())
    }

    /// The verdict on an image, waited for as long as the policy says.
    pub(crate) async fn judged(
        &self,
        credential: &Credential,
        image: &RegistryRef,
        digest: &Digest,
    ) -> Result<Arc<Judged>, Refusal> {
        let until = Instant::now() + Duration::from_secs(self.policy().hold);
        self.judged_until(credential, image, digest, until).await
    }

    /// The same, waited for until then.
    pub(crate) async fn judged_until(
        &self,
        credential: &Credential,
        image: &RegistryRef,
        digest: &Digest,
        until: Instant,
    ) -> Result<Arc<Judged>, Refusal> {
        let longest = self.longest();
        if let Some(known) = self.judge.known(digest, longest) {
            return Ok(known);
        }
        let asker = self.asker_for(credential, image);
        let hold = until.saturating_duration_since(Instant::now());
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

/// What a document is that neither the registry nor itself gives a type.
fn plain_type(bytes: &[u8]) -> &'static str {
    match parse_document(bytes, None) {
        Ok(Document::Index(_)) => OCI_INDEX,
        _ => OCI_MANIFEST,
    }
}

/// Refuses a document that says it is something else than the registry says: engines go by either
/// (GHSA-77vh-xpmg-72qh).
fn one_type(document: &Manifest) -> Result<(), Refusal> {
    #[derive(Deserialize)]
    struct Head {
        #[serde(rename = "mediaType")]
        media_type: Option<String>,
    }
    let own = serde_json::from_slice::<Head>(&document.bytes).ok().and_then(|head| head.media_type);
    let Some(own) = own.filter(|own| !own.is_empty() && *own != document.media_type) else { return Ok(()) };
    Err(Refusal::bad_manifest(format!(
        "the registry calls the manifest `{}`, and it calls itself `{}`: engines refuse what can be read in \
         two ways",
        lazaret_model::one_line(&document.media_type, 100),
        lazaret_model::one_line(&own, 100)
    )))
}
