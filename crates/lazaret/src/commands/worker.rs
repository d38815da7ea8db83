use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use lazaret_model::{ImageRef, Report, one_line, visible};
use lazaret_scan::{Feeds, Scanner, Settings};
use lazaret_store::{ItemState, Job, JobState, Queue, Store, StoreOptions};
use time::OffsetDateTime;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinSet, spawn_blocking};

use crate::args::{WorkerAddArgs, WorkerArgs, WorkerCommand, WorkerListArgs, WorkerServeArgs};
use crate::commands::scan::{self, Wanted};
use crate::exit::Exit;

/// How long a worker waits before it looks again whether something is due, or whether the store
/// answers again.
const PAUSE: Duration = Duration::from_secs(2);
/// How long an image that could not be judged waits after its first attempt; each later attempt
/// doubles it.
const RETRY: Duration = Duration::from_secs(10);
/// The longest such wait.
const LONGEST_RETRY: Duration = Duration::from_secs(600);
/// How often it is looked whether the user's rules are others now.
const RULES_LOOK: Duration = Duration::from_secs(10);
/// How long what was done or given up stays listed.
const LISTED: Duration = Duration::from_secs(180 * 24 * 3600);
/// How often what dead processes left is swept away.
const SWEEP: Duration = Duration::from_secs(3600);

/// `lazaret worker`.
pub fn run(args: &WorkerArgs) -> Result<Exit> {
    match &args.command {
        Some(WorkerCommand::Add(args)) => add(args),
        Some(WorkerCommand::List(args)) => list(args),
        None => serve(&args.serve),
    }
}

fn add(args: &WorkerAddArgs) -> Result<Exit> {
    let mut typed = Vec::new();
    for reference in &args.references {
        if reference == "-" {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("the images on standard input")?;
            typed.extend(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned));
        } else {
            typed.push(reference.clone());
        }
    }
    // All of them are understood before one of them is put into the queue.
    let references = typed.iter().map(|text| in_a_registry(text)).collect::<Result<Vec<_>>>()?;
    let url = scan::store(args.store.as_deref(), false)?;
    let added = super::runtime()?.block_on(async {
        let store = Store::open(url.as_deref().unwrap_or_default()).await?;
        let feeds = super::feed::settings(&args.feeds);
        let feeds = Feeds::load(feeds.as_ref(), Some(&store), OffsetDateTime::now_utc()).await?;
        let judges = Scanner::judges_with(&args.rules.rules, args.rules.only_rules, &feeds)?;
        let mut added = 0usize;
        for reference in &references {
            let ImageRef::Registry(image) = reference else { continue };
            let (name, digest) = (reference.to_string(), image.digest.as_ref());
            let new = match args.again {
                true => store.enqueue_again(&name, digest, &judges, args.priority).await?,
                false => store.enqueue(&name, digest, &judges, args.priority).await?,
            };
            added += usize::from(new);
        }
        store.close().await?;
        anyhow::Ok(added)
    })?;
    let known = references.len() - added;
    super::print(&match known {
        0 => format!("{added} put into the queue\n"),
        _ => format!("{added} put into the queue, {known} asked for before\n"),
    })?;
    Ok(Exit::Allowed)
}

/// An image that any worker can reach.
fn in_a_registry(text: &str) -> Result<ImageRef> {
    let reference: ImageRef = text.parse()?;
    if !matches!(reference, ImageRef::Registry(_)) {
        bail!("`{text}` is not in a registry, and a worker elsewhere could not read it: use lazaret scan");
    }
    Ok(reference)
}

fn list(args: &WorkerListArgs) -> Result<Exit> {
    let url = scan::store(args.store.as_deref(), false)?;
    let queue = super::runtime()?.block_on(async {
        let store = Store::open(url.as_deref().unwrap_or_default()).await?;
        let queue = store.queue(args.limit).await?;
        store.close().await?;
        anyhow::Ok(queue)
    })?;
    let text = match args.json {
        true => lazaret_report::json_document(&queue),
        false => table(&queue),
    };
    super::print(&text)?;
    Ok(Exit::Allowed)
}

/// The queue in 80 columns.
fn table(queue: &Queue) -> String {
    let mut text = format!(
        "{} pending, {} running, {} done, {} failed\n",
        queue.pending, queue.running, queue.done, queue.failed
    );
    if !queue.jobs.is_empty() {
        text.push_str(&format!("\n{:<8} {:>5} {:<20} IMAGE\n", "STATE", "TRIES", "SINCE"));
    }
    for job in &queue.jobs {
        let since = super::images::when(job.changed / 1000);
        text.push_str(&format!(
            "{:<8} {:>5} {since:<20} {}\n",
            job.state.word(),
            job.attempts,
            one_line(&job.reference, 44)
        ));
        let note = match job.state {
            JobState::Running => format!("by {}", job.worker),
            _ => job.note.clone(),
        };
        if !note.is_empty() {
            text.push_str(&format!("{:15}{}\n", "", one_line(&note, 65)));
        }
    }
    text
}

/// Judges until it is told to stop, or with `--once` until nothing is due.
fn serve(args: &WorkerServeArgs) -> Result<Exit> {
    if args.source.no_store {
        bail!("the queue is in the store, and there is none: leave out --no-store");
    }
    let wanted = Wanted {
        references: &[],
        rules: &args.rules.rules,
        only_rules: args.rules.only_rules,
        source: &args.source,
        budget: &args.budget,
        quiet: true,
        no_progress: true,
    };
    let mut settings = scan::settings(&wanted, &[])?;
    settings.at_once = usize::from(args.at_once);
    let url = settings.store.clone().unwrap_or_default();
    super::runtime()?.block_on(async {
        let mut stop = told_to_stop()?;
        let options = StoreOptions { connections: u32::from(args.at_once) + 1, ..StoreOptions::default() };
        let store = Arc::new(Store::open_with(&url, options).await?);
        let scanner = Scanner::new(settings.clone(), Arc::new(|_| {})).await?;
        super::feed::tell_left_out(scanner.feeds(), false, |said| eprintln!("lazaret: {}", visible(said)))?;
        let desk = Desk {
            store: Arc::clone(&store),
            scanner: Arc::new(Mutex::new(Arc::new(scanner))),
            name: name(),
            lease: Duration::from_secs(args.lease),
            attempts: args.attempts,
            once: args.once,
            quiet: args.quiet,
        };
        desk.tell(&format!("worker {} waits for work in {}", desk.name, store.address()));
        let mut desks = JoinSet::new();
        for _ in 0..args.at_once {
            desks.spawn(desk.clone().work(stop.clone()));
        }
        let watched = settings.feeds.is_some() || !settings.worker.rules.is_empty();
        let watching = watched.then(|| tokio::spawn(desk.clone().watch(settings)));
        let sweeping = tokio::spawn(async move {
            loop {
                // What cannot be swept today can be tomorrow.
                let _ = store.prune_leases().await;
                let now = OffsetDateTime::now_utc() - LISTED;
                let before = i64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or(0);
                let _ = store.prune_jobs(before).await;
                tokio::time::sleep(SWEEP).await;
            }
        });
        let mut result = Ok(Exit::Allowed);
        while let Some(ended) = desks.join_next().await {
            if let Err(error) = ended.context("the worker broke off").flatten() {
                result = Err(error);
            }
        }
        sweeping.abort();
        if let Some(watching) = watching {
            watching.abort();
        }
        if *stop.borrow_and_update() {
            desk.tell("the worker was told to stop; what it had not judged is in the queue again");
        }
        result
    })
}

/// Becomes true when somebody asks the program to end.
fn told_to_stop() -> Result<watch::Receiver<bool>> {
    let stopped = super::gate::stopped()?;
    let (tell, told) = watch::channel(false);
    tokio::spawn(async move {
        stopped.await;
        // Nobody listens any more where the work was done before.
        let _ = tell.send(true);
    });
    Ok(told)
}

/// A name that no other worker has: the machine, the process, and when it began.
fn name() -> String {
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let begun = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis());
    let machine = machine.trim();
    let machine = if machine.is_empty() { "unnamed" } else { machine };
    format!("{machine}:{}:{:x}", std::process::id(), begun & 0xffff_ffff)
}

/// One of the places at which a worker judges an image.
#[derive(Clone)]
struct Desk {
    store: Arc<Store>,
    /// Replaced when the rules change; what is being judged is judged to its end by the one before.
    scanner: Arc<Mutex<Arc<Scanner>>>,
    name: String,
    lease: Duration,
    attempts: u32,
    once: bool,
    quiet: bool,
}

impl Desk {
    /// Claims and judges, one image after the other.
    async fn work(self, mut stop: watch::Receiver<bool>) -> Result<Exit> {
        while !*stop.borrow_and_update() {
            match self.store.claim(&self.name, self.lease, self.attempts).await {
                Ok(Some(job)) => {
                    if let Err(error) = self.judge(&job, &mut stop).await {
                        // The job is due again when its lease has run out.
                        self.complain(&scan::chain(&error));
                        pause(&mut stop).await;
                    }
                }
                Ok(None) if self.once => break,
                Ok(None) => pause(&mut stop).await,
                Err(error) if self.once => return Err(error.into()),
                Err(error) => {
                    self.complain(&scan::chain(&error));
                    pause(&mut stop).await;
                }
            }
        }
        Ok(Exit::Allowed)
    }

    /// Judges one image, says from time to time that it is still at it, and says how it ended.
    async fn judge(
        &self,
        job: &Job,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<(), lazaret_store::StoreError> {
        let begun = Instant::now();
        let (scanner, wanted) = (self.scanner(), wanted(job));
        // On a thread of its own: a panic in it is the end of this image and not of the worker. It
        // ends when `_going_on` goes.
        let (_going_on, over) = oneshot::channel::<()>();
        let mut judging = spawn_blocking(move || {
            let reference = wanted?;
            Handle::current().block_on(async {
                tokio::select! {
                    reports = scanner.scan(&reference) => match reports {
                        Ok(reports) => Ok(verdict(&reports)),
                        Err(error) if error.is_no_image() => {
                            Ok(format!("{}: {}", ItemState::NoImage.word(), scan::chain(&error)))
                        }
                        Err(error) => Err(scan::chain(&error)),
                    },
                    _ = over => Err("it was broken off".to_owned()),
                }
            })
        });
        let mut beat = tokio::time::interval(self.lease / 3);
        beat.tick().await;
        let judged: Result<String, String> = loop {
            tokio::select! {
                done = &mut judging => break done.unwrap_or_else(|e| Err(format!("judging broke off: {e}"))),
                _ = beat.tick() => match self.store.extend(job, &self.name, self.lease).await {
                    Ok(true) => {}
                    Ok(false) => {
                        self.complain(&format!("{}: another worker has it now", job.reference));
                        return Ok(());
                    }
                    // It may answer the next time; if not, somebody else judges the image as well.
                    Err(error) => self.complain(&scan::chain(&error)),
                },
                () = told(stop) => {
                    return self.store.give_back(job, &self.name).await.map(drop);
                }
            }
        };
        match judged {
            Ok(note) => {
                if !self.store.finish(job, &self.name, &note).await? {
                    self.complain(&format!("{}: another worker has it now", job.reference));
                    return Ok(());
                }
                let seconds = begun.elapsed().as_secs_f64();
                self.tell(&format!("{}: {note} ({seconds:.1} s)", job.reference));
            }
            Err(reason) => {
                let wait =
                    RETRY.saturating_mul(1 << job.attempts.saturating_sub(1).min(10)).min(LONGEST_RETRY);
                self.store.fail(job, &self.name, &reason, wait, self.attempts).await?;
                let then = match job.attempts >= self.attempts {
                    true => "it is given up".to_owned(),
                    false => format!("it is tried again in {} s", wait.as_secs()),
                };
                self.complain(&format!("{}: {reason}; {then}", job.reference));
            }
        }
        Ok(())
    }

    fn scanner(&self) -> Arc<Scanner> {
        Arc::clone(&self.scanner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks whether the user's rules are others now, and reads them again. Never ends.
    async fn watch(self, settings: Settings) {
        let mut told = String::new();
        loop {
            tokio::time::sleep(RULES_LOOK).await;
            let renewed = match self.scanner().changed().await {
                Ok(None) => continue,
                Ok(Some(_)) => Scanner::new(settings.clone(), Arc::new(|_| {})).await,
                Err(error) => Err(error),
            };
            match renewed {
                Ok(scanner) => {
                    let left_out: Vec<String> =
                        scanner.feeds().left_out().iter().map(ToString::to_string).collect();
                    *self.scanner.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(scanner);
                    self.tell("the rules were read again, and the feeds");
                    left_out.iter().for_each(|said| self.complain(said));
                    told.clear();
                }
                Err(error) => {
                    let text = format!("{}; the rules before still hold", scan::chain(&error));
                    // Once, not every few seconds.
                    if text != told {
                        self.complain(&text);
                        told = text;
                    }
                }
            }
        }
    }

    fn tell(&self, text: &str) {
        if !self.quiet {
            self.complain(text);
        }
    }

    fn complain(&self, text: &str) {
        eprintln!("lazaret: {}", visible(text));
    }
}

/// The image that a job is about, by its digest where that is known.
fn wanted(job: &Job) -> Result<ImageRef, String> {
    let mut reference = in_a_registry(&job.reference).map_err(|e| e.to_string())?;
    if let (ImageRef::Registry(image), Some(digest)) = (&mut reference, &job.digest) {
        image.digest = Some(digest.clone());
    }
    Ok(reference)
}

/// The verdict in a line.
fn verdict(reports: &[Report]) -> String {
    let lines = reports.iter().map(|report| {
        let verdict = &report.verdict;
        match verdict.why.is_empty() {
            true => verdict.outcome.word().to_owned(),
            false => format!("{}: {}", verdict.outcome.word(), verdict.why),
        }
    });
    lines.collect::<Vec<_>>().join("; ")
}

async fn pause(stop: &mut watch::Receiver<bool>) {
    let _ = tokio::time::timeout(PAUSE, told(stop)).await;
}

/// Ends when the worker is told to stop.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
