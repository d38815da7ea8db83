use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{Mutex, mpsc};

use super::{Worker, WorkerConfig, WorkerError};

/// The place of the worker: it is started when it is first needed, and another one after it died.
pub(crate) struct WorkerPlace {
    program: PathBuf,
    config: WorkerConfig,
    progress: mpsc::UnboundedSender<u64>,
    worker: Mutex<Option<Arc<Worker>>>,
}

impl WorkerPlace {
    /// An empty place for workers started from `program`.
    pub(crate) fn new(program: PathBuf, config: WorkerConfig, progress: mpsc::UnboundedSender<u64>) -> Self {
        Self { program, config, progress, worker: Mutex::new(None) }
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

    /// Lets the worker drop what it holds of earlier images.
    pub(crate) async fn forget(&self) {
        if let Some(worker) = self.worker.lock().await.as_ref() {
            worker.forget();
        }
    }
}
