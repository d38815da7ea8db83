use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, Mutex as Lock, PoisonError};

use tokio::sync::{Mutex, Semaphore, SemaphorePermit, mpsc};

use super::{Worker, WorkerConfig, WorkerError};

/// The places of the workers: as many images at once, each with a worker of its own, because a
/// worker holds what belongs to one image. Where one image follows another, one worker does both.
pub(crate) struct Workers {
    program: PathBuf,
    config: WorkerConfig,
    progress: mpsc::UnboundedSender<u64>,
    turns: Semaphore,
    idle: Lock<Idle>,
}

/// The workers that wait for the next image.
struct Idle {
    places: Vec<WorkerPlace>,
    /// How many are kept; those besides end, and their memory with them.
    kept: usize,
    /// Whether a worker goes on holding the layers of earlier images: many images follow that share them.
    warm: bool,
}

impl Workers {
    /// Places for workers started from `program`; none starts before it is needed.
    pub(crate) fn new(
        program: PathBuf,
        config: WorkerConfig,
        at_once: usize,
        progress: mpsc::UnboundedSender<u64>,
    ) -> Self {
        let idle = Lock::new(Idle { places: Vec::new(), kept: 1, warm: false });
        Self { program, config, progress, turns: Semaphore::new(at_once.max(1)), idle }
    }

    /// Keeps as many workers for the next images as images are judged at once, for whoever judges many
    /// without a pause.
    pub(crate) fn keep(&self, workers: usize) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.kept = workers.max(1);
        idle.warm = true;
    }

    /// A place for one image, waited for. It is given back when it is dropped.
    ///
    /// # Errors
    /// Never while the scanner lives.
    pub(crate) async fn take(&self) -> Result<Lease<'_>, WorkerError> {
        let turn = self.turns.acquire().await.map_err(|e| WorkerError::Start(e.to_string()))?;
        let (idle, warm) = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            (idle.places.pop(), idle.warm)
        };
        let place = idle.unwrap_or_else(|| WorkerPlace {
            warm,
            program: self.program.clone(),
            config: self.config.clone(),
            progress: self.progress.clone(),
            worker: Mutex::new(None),
        });
        Ok(Lease { place: Some(place), idle: &self.idle, _turn: turn })
    }
}

/// A place that belongs to one image for a while.
pub(crate) struct Lease<'a> {
    place: Option<WorkerPlace>,
    idle: &'a Lock<Idle>,
    _turn: SemaphorePermit<'a>,
}

impl Deref for Lease<'_> {
    type Target = WorkerPlace;

    fn deref(&self) -> &WorkerPlace {
        // It is taken out by `drop` alone.
        self.place.as_ref().expect("a lease holds its place")
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let Some(mut place) = self.place.take() else { return };
        let most = if place.warm { place.config.memory / WARM } else { 0 };
        if let Some(worker) = place.worker.get_mut()
            && (!place.warm || worker.held_bytes() > most)
        {
            worker.forget();
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.places.len() < idle.kept {
            idle.places.push(place);
        }
    }
}

/// The place of a worker: it is started when it is first needed, and another one after it died.
pub(crate) struct WorkerPlace {
    program: PathBuf,
    config: WorkerConfig,
    progress: mpsc::UnboundedSender<u64>,
    warm: bool,
    worker: Mutex<Option<Arc<Worker>>>,
}

/// Which part of its memory a worker may fill with the layers of earlier images.
const WARM: u64 = 8;

impl WorkerPlace {
    /// Whether the worker goes on holding the layers of earlier images.
    pub(crate) fn is_warm(&self) -> bool {
        self.warm
    }

    /// The worker; a new one, which holds nothing, where there is none or it is dead.
    ///
    /// # Errors
    /// It cannot be started, or refuses to work.
    pub(crate) async fn get(&self) -> Result<Arc<Worker>, WorkerError> {
        let mut place = self.worker.lock().await;
        if let Some(worker) = place.as_ref().filter(|worker| worker.is_alive()) {
            return Ok(Arc::clone(worker));
        }
        let (program, config, progress) = (self.program.clone(), self.config.clone(), self.progress.clone());
        let started = tokio::task::spawn_blocking(move || Worker::start(&program, &config, Some(progress)))
            .await
            .map_err(|e| WorkerError::Start(e.to_string()))??;
        let worker = Arc::new(started);
        *place = Some(Arc::clone(&worker));
        Ok(worker)
    }
}
