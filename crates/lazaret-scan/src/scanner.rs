use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use lazaret_detect::{RulesVersion, Trace};
use lazaret_launch::Plan;
use lazaret_model::{
    Budget, FACTS_VERSION, ImageRef, ImageReport, Launch, Platform, Report, Timing, TrustedBase,
};
use lazaret_oci::{Resolved, ResolvedImage};
use lazaret_registry::{Client, ClientOptions};
use lazaret_store::Store;
use time::OffsetDateTime;
use tokio::sync::mpsc;

use crate::conclude::worst;
use crate::layers::{LayerTurns, Layers, ReadLayers};
use crate::source::{Asker, Source};
use crate::worker::{JudgeAnswer, WorkerConfig, WorkerPlace, Workers};
use crate::{FeedSettings, Feeds, Listener, Progress, ScanError};

/// How often the judge may ask for contents that were not kept.
const ROUNDS: usize = 4;

/// How to scan.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The program's own file, from which the worker is started.
    pub program: PathBuf,
    /// The worker.
    pub worker: WorkerConfig,
    /// What reading one image may cost.
    pub budget: Budget,
    /// Only these platforms; all where empty.
    pub platforms: Vec<Platform>,
    /// Registries.
    pub registry: ClientOptions,
    /// Where facts and verdicts are kept; nowhere where None.
    pub store: Option<String>,
    /// How many images are read at the same time, each by a worker of its own.
    pub at_once: usize,
    /// Signed lists of indicators that judge besides the rules; none where None.
    pub feeds: Option<FeedSettings>,
}

/// Scans images: holds the store, the registry client and, once it is needed, the worker.
pub struct Scanner {
    settings: Settings,
    client: Client,
    store: Option<Store>,
    workers: Workers,
    /// Set where many are judged without a pause: nobody waits for an answer there, as they do at a gate.
    turns: OnceLock<LayerTurns>,
    rules: RulesVersion,
    analyzers: String,
    judges: String,
    feeds: Feeds,
    listener: Listener,
}

impl Scanner {
    /// Opens the store and reads the rules' versions; the worker starts with the first layer
    /// that must be read.
    ///
    /// # Errors
    /// A store that cannot be opened, rules that cannot be read, a CA bundle that is none.
    pub async fn new(settings: Settings, listener: Listener) -> Result<Self, ScanError> {
        let rules = lazaret_detect::rules_version(&settings.worker.rules, settings.worker.only_user_rules)?;
        let client = Client::new(settings.registry.clone())?;
        let store = match &settings.store {
            Some(url) => Some(Store::open(url).await?),
            None => None,
        };
        let feeds = Feeds::load(settings.feeds.as_ref(), store.as_ref(), OffsetDateTime::now_utc()).await?;
        let (progress, mut told) = mpsc::unbounded_channel();
        let hears = Arc::clone(&listener);
        tokio::spawn(async move {
            while let Some(bytes) = told.recv().await {
                hears(Progress::Read(bytes));
            }
        });
        let workers =
            Workers::new(settings.program.clone(), settings.worker.clone(), settings.at_once, progress);
        let analyzers = analyzers();
        Ok(Self {
            settings,
            client,
            store,
            workers,
            turns: OnceLock::new(),
            judges: judges(&analyzers, &rules, &feeds),
            feeds,
            rules,
            analyzers,
            listener,
        })
    }

    /// Closes the store. The worker ends when the scanner is dropped.
    ///
    /// # Errors
    /// What the store could not write.
    pub async fn close(self) -> Result<(), ScanError> {
        if let Some(store) = self.store {
            store.close().await?;
        }
        Ok(())
    }

    /// Scans what `reference` names: one report, or several where an archive holds several
    /// images and the reference names none of them.
    ///
    /// # Errors
    /// What keeps it from looking at all. What could be looked at in part is a report with gaps.
    pub async fn scan(&self, reference: &ImageRef) -> Result<Vec<Report>, ScanError> {
        self.scan_as(reference, None).await
    }

    /// The same for an image that is run in a way that is known. Such a verdict is about this
    /// launch alone: it is neither remembered nor answered from the store, which knows images; what
    /// was read of the layers is.
    ///
    /// # Errors
    /// As [`Scanner::scan`].
    pub async fn scan_as(
        &self,
        reference: &ImageRef,
        launch: Option<&Launch>,
    ) -> Result<Vec<Report>, ScanError> {
        self.scan_for(&self.own(), reference, launch).await
    }

    /// The same on behalf of somebody else, with their credentials.
    ///
    /// # Errors
    /// As [`Scanner::scan`].
    pub async fn scan_for(
        &self,
        asker: &Asker,
        reference: &ImageRef,
        launch: Option<&Launch>,
    ) -> Result<Vec<Report>, ScanError> {
        let begin = Instant::now();
        let (source, resolved) =
            Source::open(reference, &self.settings.platforms, &self.settings.budget, asker).await?;
        let resolved = source.without_statements(resolved).await?;
        let mut reports = Vec::with_capacity(resolved.len());
        for one in resolved {
            reports.push(self.one(reference, &source, one, begin, launch).await?);
        }
        Ok(reports)
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The one who asks where nobody else does: with the user's own credentials, keeping nothing.
    pub(crate) fn own(&self) -> Asker {
        Asker { client: self.client.clone(), shelf: None }
    }

    /// The version of the rules and feeds as they are now, where it is another than the one that judges.
    ///
    /// # Errors
    /// Rules or feeds that cannot be read.
    pub async fn changed(&self) -> Result<Option<String>, ScanError> {
        let (rules, only) = (self.settings.worker.rules.clone(), self.settings.worker.only_user_rules);
        let now =
            tokio::task::spawn_blocking(move || lazaret_detect::rules_version(&rules, only)).await.map_err(
                |e| ScanError::System { what: "reading the rules", error: std::io::Error::other(e) },
            )??;
        let (settings, store) = (self.settings.feeds.as_ref(), self.store.as_ref());
        let feeds = self.feeds.changed(settings, store, OffsetDateTime::now_utc()).await?;
        if now.all == self.rules.all && feeds.is_none() {
            return Ok(None);
        }
        Ok(Some(format!("{} {}", now.all, feeds.unwrap_or_default())))
    }

    /// [`Scanner::judges`] of a scanner that there is not: one with the rules of these directories, besides
    /// the built-in ones or `only` them, and with these feeds.
    ///
    /// # Errors
    /// Rules that cannot be read.
    pub fn judges_with(rules: &[PathBuf], only: bool, feeds: &Feeds) -> Result<String, ScanError> {
        Ok(judges(&analyzers(), &lazaret_detect::rules_version(rules, only)?, feeds))
    }

    /// The feeds that judge.
    pub fn feeds(&self) -> &Feeds {
        &self.feeds
    }

    /// Starts a worker, if none runs: whether it can use the rules.
    ///
    /// # Errors
    /// It cannot be started, or the rules are wrong.
    pub async fn check(&self) -> Result<(), ScanError> {
        self.workers.take().await?.get().await?;
        Ok(())
    }

    /// Keeps a worker for each image that is judged at once, for whoever judges many without a pause, and
    /// lets an image wait for a layer that another one reads.
    pub fn keep_workers(&self) {
        self.turns.get_or_init(LayerTurns::default);
        self.workers.keep(self.settings.at_once);
    }

    /// The client with which registries are asked.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// A name of everything that a verdict depends on besides the image, its name, and what the store
    /// has seen of the base that it names.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub async fn standing(&self) -> Result<String, ScanError> {
        Ok(self.judge_key("", None, &self.bases().await?, &[]))
    }

    /// Versions of all that judges: another text means that verdicts may differ.
    pub fn judges(&self) -> &str {
        &self.judges
    }

    /// Where facts and verdicts are kept, if anywhere.
    pub fn store(&self) -> Option<&Store> {
        self.store.as_ref()
    }

    /// Judges what a text says is run or built, without the images that it names: one report for
    /// each container, and one for what no container carries. `origin` says in words what the text
    /// is.
    ///
    /// # Errors
    /// A worker that cannot be started, or that dies.
    pub async fn judge_plan(&self, plan: &Plan, name: &str, origin: &str) -> Result<Vec<Report>, ScanError> {
        let begin = Instant::now();
        let place = self.workers.take().await?;
        let worker = place.get().await?;
        let mut judged = worker.plan(plan, name).await?;
        let now = OffsetDateTime::now_utc();
        for (_, image) in &mut judged {
            self.feeds.apply(image, &[], now);
        }
        let report = |(part, image): (String, ImageReport)| Report {
            requested: if part == name { part } else { format!("{name}: {part}") },
            pinned: image.image.pinned.clone(),
            source: origin.to_owned(),
            verdict: image.verdict.clone(),
            images: vec![image],
            unscanned: Vec::new(),
            rules_version: self.rules.all.clone(),
            rule_packs: worker.packs().to_vec(),
            feeds: self.feeds.in_report(),
            campaigns: Vec::new(),
            timing: Timing { total_ms: u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX) },
        };
        Ok(judged.into_iter().map(report).collect())
    }

    async fn one(
        &self,
        reference: &ImageRef,
        source: &Source,
        resolved: Resolved,
        begin: Instant,
        launch: Option<&Launch>,
    ) -> Result<Report, ScanError> {
        let Resolved { pinned, source: words, images, unscanned, gaps } = resolved;
        let took = |begin: Instant| Timing {
            total_ms: u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX),
        };
        let bases = self.bases().await?;
        let seen = self.seen_bases(&images).await?;
        let key = self.judge_key(&pinned.repository, pinned.tag.as_deref(), &bases, &seen);
        let store = self.store.as_ref().filter(|_| launch.is_none());
        if let Some(store) = store
            && let Some(mut report) = store.report(&pinned.digest, &key).await?
        {
            for image in &mut report.images {
                image.coverage.layers_remembered = image.coverage.layers;
            }
            return Ok(Report {
                requested: reference.to_string(),
                source: words,
                timing: took(begin),
                ..report
            });
        }
        let workers = self.workers.take().await?;
        let mut known = ReadLayers::default();
        let (mut judged, mut held) = (Vec::with_capacity(images.len()), Vec::new());
        let mut complete = gaps.is_empty();
        for mut image in images {
            // What is wrong with the index concerns each of its images.
            image.gaps.extend(gaps.iter().cloned());
            let (report, traces, whole) = self.image(source, &workers, image, &mut known, launch).await?;
            judged.push(report);
            held.push(traces);
            complete &= whole;
        }
        for image in &mut judged {
            lazaret_detect::compare_base(image, &bases, &seen);
        }
        lazaret_detect::compare_platforms(&mut judged);
        let now = OffsetDateTime::now_utc();
        for (image, traces) in judged.iter_mut().zip(&held) {
            self.feeds.apply(image, traces, now);
        }
        let verdict = worst(&judged);
        // Without a folder of the user's there is nothing to say, and no worker need be asked.
        let rule_packs = match self.settings.worker.rules.is_empty() {
            true => Vec::new(),
            false => workers.get().await?.packs().to_vec(),
        };
        let report = Report {
            requested: reference.to_string(),
            pinned,
            source: words,
            images: judged,
            unscanned,
            verdict,
            rules_version: self.rules.all.clone(),
            rule_packs,
            feeds: self.feeds.in_report(),
            campaigns: Vec::new(),
            timing: took(begin),
        };
        if let Some(store) = store {
            // What could not be read today may be read tomorrow: such a verdict is listed, and
            // never given as the answer to a later question.
            let key = if complete { key } else { format!("{key} partial") };
            store.put_report(&report, &key).await?;
        }
        Ok(report)
    }

    async fn image(
        &self,
        source: &Source,
        workers: &WorkerPlace,
        resolved: ResolvedImage,
        known: &mut ReadLayers,
        launch: Option<&Launch>,
    ) -> Result<(ImageReport, Vec<Trace>, bool), ScanError> {
        let ResolvedImage { image, gaps: manifest_gaps } = resolved;
        let deadline = Instant::now() + Duration::from_secs(self.settings.budget.seconds);
        let mut layers = Layers {
            source,
            workers,
            store: self.store.as_ref(),
            analyzers: &self.analyzers,
            byte_rules: &self.rules.bytes,
            budget: &self.settings.budget,
            deadline,
            at_once: self.settings.worker.jobs,
            listener: &self.listener,
            turns: self.turns.get(),
            careful: false,
        };
        let mut read = layers.read(&image, known).await?;
        if read.died {
            // What the dead worker held is gone with it, and several layers may have been open. One
            // after the other shows which it cannot survive; the others are read all the same.
            known.clear();
            layers.careful = true;
            read = layers.read(&image, known).await?;
        }
        let mut gaps = manifest_gaps;
        gaps.append(&mut read.gaps);

        let traced = !self.feeds.is_empty();
        let mut report = None;
        let mut contents = read.contents;
        for round in 1..=ROUNDS {
            let worker = workers.get().await?;
            let answer = worker
                .judge(&image, read.inputs.clone(), gaps.clone(), &contents, round == ROUNDS, launch, traced)
                .await?;
            contents.clear();
            match answer {
                JudgeAnswer::Report(judged, traces) => {
                    report = Some((*judged, traces));
                    break;
                }
                JudgeAnswer::Needs(missing) => contents = layers.again(&image, &missing).await?,
            }
        }
        let Some((mut report, traces)) = report else {
            return Err(
                crate::WorkerError::Broken("the judge asked for more in its last round".into()).into()
            );
        };
        report.coverage.layers_remembered = read.remembered;
        Ok((report, traces, read.complete))
    }

    /// Names everything that a verdict depends on besides the bytes of the image.
    fn judge_key(
        &self,
        repository: &str,
        tag: Option<&str>,
        bases: &[TrustedBase],
        seen: &[TrustedBase],
    ) -> String {
        let mut hasher = blake3::Hasher::new();
        let budget = &self.settings.budget;
        for part in [
            self.analyzers.as_str(),
            &self.rules.all,
            lazaret_detect::CODE_VERSION,
            repository,
            tag.unwrap_or_default(),
            &format!("{budget:?} {:?}", self.settings.platforms),
            self.feeds.version(),
            &format!("{bases:?}"),
            // When it was seen changes nothing.
            &format!("{:?}", seen.iter().map(|base| (&base.manifest, &base.diff_ids)).collect::<Vec<_>>()),
        ] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.finalize().to_hex()[..32].to_owned()
    }
}

fn analyzers() -> String {
    format!("{FACTS_VERSION} {}", lazaret_detect::Examiner::new().version())
}

fn judges(analyzers: &str, rules: &RulesVersion, feeds: &Feeds) -> String {
    let ours = format!("{analyzers} {} {}", rules.all, lazaret_detect::CODE_VERSION);
    match feeds.version() {
        "" => ours,
        feeds => format!("{ours} feeds {feeds}"),
    }
}

/// Facts by digest of the blob, for the platforms of one index.
pub(crate) type ByBlob<T> = HashMap<lazaret_model::Digest, T>;
