//! What a gate holds between requests.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use lazaret_model::{Algorithm, Budget, Digest, RegistryRef};
use lazaret_oci::digest_of;
use lazaret_scan::{Asker, Client, ClientOptions, ScanError, Scanner};
use time::OffsetDateTime;

use crate::credential::{TOKEN_KEY, Tokens};
use crate::documents::Documents;
pub(crate) use crate::holders::Holder;
use crate::holders::Holders;
use crate::journal::Journal;
use crate::judge::lock;
use crate::origins::Origins;
use crate::request_id::RequestIds;
use crate::trial::Trials;
use crate::turns::Turns;
use crate::{Audit, Bucket, Credential, Judge, Metrics, Policy, PolicyError, Refusal, Shelf, Upstreams};

/// How long the answer of a registry to one credential counts: that it may see a repository.
pub(crate) const RIGHT_LASTS: Duration = Duration::from_secs(60);
/// How long a tag that was resolved for one credential stands for the same digest.
pub(crate) const TAG_LASTS: Duration = Duration::from_secs(15);
/// Clients, rights and tags that are remembered; beyond it the memory starts anew.
const REMEMBERED: usize = 20_000;
/// How often the policy file is looked at.
const POLICY_LOOK: Duration = Duration::from_secs(2);

/// How a gate is set up.
#[derive(Debug, Clone)]
pub struct GateSettings {
    /// The registries that it stands before, the default one first.
    pub upstreams: Vec<String>,
    /// How they are reached.
    pub registry: ClientOptions,
    /// What reading a document may cost.
    pub budget: Budget,
    /// Where blobs are kept.
    pub blobs: PathBuf,
    /// How many bytes of them.
    pub blob_bytes: u64,
    /// A bucket that other gates keep blobs in as well.
    pub bucket: Option<Bucket>,
    /// The policy file; without one the default policy holds.
    pub policy: Option<PathBuf>,
    /// The audit log; without one none is kept.
    pub audit: Option<PathBuf>,
    /// Where people find this gate's reports (`https://gate.example`); without it none is shown to
    /// those who have no admin token.
    pub reports: Option<String>,
}

/// Why a gate cannot open.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// The policy is wrong.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The registries cannot be asked.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// No key for tokens can be had.
    #[error("tokens cannot be sealed: {0}")]
    Key(String),
    /// A file or directory cannot be used.
    #[error("{what} {path} cannot be used: {error}")]
    Place {
        /// What it is for.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
}

/// A gate.
pub struct Gate {
    pub(crate) settings: GateSettings,
    pub(crate) upstreams: Upstreams,
    pub(crate) judge: Arc<Judge>,
    pub(crate) shelf: Shelf,
    pub(crate) audit: Audit,
    pub(crate) metrics: Metrics,
    pub(crate) tokens: Tokens,
    pub(crate) started: OffsetDateTime,
    pub(crate) journal: Journal,
    policy: Mutex<Arc<Policy>>,
    policy_state: Mutex<PolicyState>,
    /// What the gate itself holds, to be tried with.
    pub(crate) trials: Trials,
    pub(crate) client: Client,
    clients: Mutex<HashMap<(String, String), Client>>,
    /// Manifests and indexes as their registries sent them, digest checked.
    pub(crate) documents: Documents,
    pub(crate) holders: Holders,
    pub(crate) origins: Origins,
    rights: Mutex<HashMap<(String, String), Instant>>,
    tags: Mutex<HashMap<(String, String), (Digest, Instant)>>,
    /// One at a time for each blob that is fetched.
    pub(crate) fetching: Turns<Digest>,
    /// One at a time for each document that a credential asks for.
    pub(crate) asking: Turns<(String, String)>,
    /// Numbers for requests, also those of other doors.
    pub(crate) requests: Arc<RequestIds>,
}

/// What is known of the policy's file.
#[derive(Debug, Clone)]
pub(crate) struct PolicyState {
    /// When it was read.
    pub(crate) read_at: OffsetDateTime,
    /// Digest of what was read.
    pub(crate) digest: Option<String>,
    /// Why what lies there now was not taken.
    pub(crate) error: Option<String>,
}

impl PolicyState {
    fn of(file: Option<&Path>) -> Self {
        let bytes = file.and_then(|file| std::fs::read(file).ok());
        let digest = bytes.map(|bytes| digest_of(Algorithm::Sha256, &bytes).to_string());
        Self { read_at: OffsetDateTime::now_utc(), digest, error: None }
    }
}

impl Gate {
    /// Opens a gate. Where the scanner has a store, the gate shares with all others that have the same
    /// one: whose turn it is to judge, what holds which blob, and the key that seals tokens.
    ///
    /// # Errors
    /// Each says what cannot be used, and why.
    pub async fn open(settings: GateSettings, scanner: Arc<Scanner>) -> Result<Self, GateError> {
        let mut key = vec![0; TOKEN_KEY];
        getrandom::fill(&mut key).map_err(|error| GateError::Key(error.to_string()))?;
        if let Some(store) = scanner.store() {
            key = store.secret("gate tokens", || key).await.map_err(ScanError::from)?;
        }
        let tokens = Tokens::new(&key).map_err(GateError::Key)?;
        let policy = match &settings.policy {
            Some(path) => Policy::read(path)?,
            None => Policy::default(),
        };
        let shelf = Shelf::open(&settings.blobs, settings.blob_bytes).map_err(|error| GateError::Place {
            what: "the directory for blobs",
            path: settings.blobs.clone(),
            error,
        })?;
        if let Some(bucket) = &settings.bucket {
            bucket.follow(&shelf);
        }
        let audit = Audit::open(settings.audit.as_deref()).map_err(|error| GateError::Place {
            what: "the audit log",
            path: settings.audit.clone().unwrap_or_default(),
            error,
        })?;
        let client = Client::new(settings.registry.clone()).map_err(ScanError::from)?;
        let metrics = Metrics::new();
        let journal = Journal::start(&scanner, metrics.lost.clone());
        let policy_state = Mutex::new(PolicyState::of(settings.policy.as_deref()));
        Ok(Self {
            started: OffsetDateTime::now_utc(),
            journal,
            policy_state,
            trials: Trials::new(),
            upstreams: Upstreams::new(settings.upstreams.clone()),
            judge: Arc::new(Judge::new(scanner, metrics.judged.clone())),
            shelf,
            audit,
            metrics,
            tokens,
            policy: Mutex::new(Arc::new(policy)),
            client,
            clients: Mutex::default(),
            documents: Documents::default(),
            holders: Holders::default(),
            origins: Origins::default(),
            rights: Mutex::default(),
            tags: Mutex::default(),
            fetching: Turns::default(),
            asking: Turns::default(),
            requests: Arc::new(RequestIds::new()),
            settings,
        })
    }

    /// What is known of the policy's file.
    pub(crate) fn policy_state(&self) -> PolicyState {
        lock(&self.policy_state).clone()
    }

    /// Where the report about a digest is, for those who are refused.
    pub(crate) fn report_address(&self, digest: &Digest) -> Option<String> {
        let base = self.settings.reports.as_deref()?;
        Some(format!("{}/reports/{digest}", base.trim_end_matches('/')))
    }

    /// A refusal that names the report as well.
    pub(crate) fn with_report(&self, mut refusal: Refusal, digest: &Digest) -> Refusal {
        if let Some(address) = self.report_address(digest) {
            refusal.message.push_str(&format!("; report: {address}"));
            if let Some(detail) = &mut refusal.detail {
                detail["report"] = address.into();
            }
        }
        refusal
    }

    /// Adds what another door decided to the list that operators see. It waits where the store lags
    /// far behind.
    pub async fn record(&self, decision: lazaret_store::Decision) {
        self.journal.note(decision).await;
    }

    /// Writes down what is not written yet. Nothing is to be asked of the gate from then on.
    pub async fn finish(&self) {
        self.journal.finish().await;
    }

    /// The policy that holds now.
    pub fn policy(&self) -> Arc<Policy> {
        Arc::clone(&lock(&self.policy))
    }

    /// Who asks registries in a client's stead: with its credentials, and no others.
    pub(crate) fn asker(&self, credential: &Credential, registry: &str) -> Asker {
        let key = (registry.to_owned(), credential.key());
        let mut clients = lock(&self.clients);
        if clients.len() >= REMEMBERED {
            clients.clear();
        }
        let client = clients
            .entry(key)
            .or_insert_with(|| self.client.on_behalf_of(credential.login(registry)))
            .clone();
        Asker { client, shelf: None }
    }

    /// Whether a credential was shown a repository a short while ago.
    pub(crate) fn may_see(&self, credential: &Credential, image: &RegistryRef) -> bool {
        let key = (credential.key(), repository(image));
        lock(&self.rights).get(&key).is_some_and(|since| since.elapsed() < RIGHT_LASTS)
    }

    /// Notes that a registry showed a repository to a credential.
    pub(crate) fn was_shown(&self, credential: &Credential, image: &RegistryRef) {
        let mut rights = lock(&self.rights);
        if rights.len() >= REMEMBERED {
            rights.clear();
        }
        rights.insert((credential.key(), repository(image)), Instant::now());
    }

    /// What a tag stood for a short while ago, for this credential.
    pub(crate) fn tag(&self, credential: &Credential, image: &RegistryRef) -> Option<Digest> {
        let tags = lock(&self.tags);
        let (digest, since) = tags.get(&(credential.key(), image.to_string()))?;
        (since.elapsed() < TAG_LASTS).then(|| digest.clone())
    }

    /// Notes what a tag stands for.
    pub(crate) fn resolved(&self, credential: &Credential, image: &RegistryRef, digest: Digest) {
        let mut tags = lock(&self.tags);
        if tags.len() >= REMEMBERED {
            tags.clear();
        }
        tags.insert((credential.key(), image.to_string()), (digest, Instant::now()));
    }

    /// Looks at the policy file again and again, and takes a new one that is right. One that is
    /// wrong is logged, and the old one holds. Never returns.
    pub async fn watch_policy(&self) {
        let Some(path) = self.settings.policy.clone() else { return std::future::pending().await };
        let stamp = || -> Option<(SystemTime, u64)> {
            let about = std::fs::metadata(&path).ok()?;
            Some((about.modified().ok()?, about.len()))
        };
        let mut last = stamp();
        loop {
            tokio::time::sleep(POLICY_LOOK).await;
            let now = stamp();
            if now == last {
                continue;
            }
            last = now;
            match Policy::read(&path) {
                Ok(policy) => {
                    *lock(&self.policy) = Arc::new(policy);
                    *lock(&self.policy_state) = PolicyState::of(Some(&path));
                    tracing::info!("the policy was read again");
                }
                Err(error) => {
                    let error = lazaret_model::one_line(&error.to_string(), 600);
                    lock(&self.policy_state).error = Some(error.clone());
                    tracing::error!("{}; the policy before it still holds", lazaret_model::visible(&error));
                }
            }
        }
    }
}

/// A repository with its registry.
pub(crate) fn repository(image: &RegistryRef) -> String {
    format!("{}/{}", image.registry, image.repository)
}
