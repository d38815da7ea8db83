//! Cases that are whole images: one scanner for each thread, whose confined worker reads its rules
//! once and not for each image.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use lazaret_model::{Budget, ImageRef, ImageReport, Launch};
use lazaret_scan::{ClientOptions, Scanner, Settings, WorkerConfig};
use tokio::runtime::Runtime;

/// Memory of one worker, in bytes; the program's own default.
const MEMORY: u64 = 2 << 30;

/// What scans images as the program does, without a store.
pub(super) struct Images {
    runtime: Runtime,
    scanner: Scanner,
}

impl Images {
    /// `program` is the program, whose file the worker is started from; `rules` are those beside
    /// the built-in ones.
    pub fn new(program: &Path, rules: &[PathBuf]) -> Result<Self> {
        if !program.exists() {
            bail!("{} is not there: cargo build --release --workspace --bins first", program.display());
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let settings = Settings {
            program: program.to_owned(),
            worker: WorkerConfig {
                rules: rules.to_vec(),
                only_user_rules: false,
                cache: None,
                // The threads of this process take one image each.
                jobs: 1,
                confine: true,
                memory: MEMORY,
            },
            budget: Budget::default(),
            platforms: Vec::new(),
            registry: ClientOptions::default(),
            store: None,
            at_once: 1,
            feeds: None,
        };
        let scanner = runtime.block_on(Scanner::new(settings, Arc::new(|_| {})))?;
        Ok(Self { runtime, scanner })
    }

    /// The reports on each image of a layout, an archive or a folder, and how long they took.
    /// `run` are the words of `docker run`, where the case is how it is started.
    pub fn scan(&self, path: &Path, run: &str) -> Result<(Vec<ImageReport>, Duration)> {
        let launch = launch(run)?;
        let reference = ImageRef::Path(path.to_owned());
        let begun = Instant::now();
        let reports = self.runtime.block_on(self.scanner.scan_as(&reference, launch.as_ref()))?;
        let took = begun.elapsed();
        Ok((reports.into_iter().flat_map(|report| report.images).collect(), took))
    }
}

fn launch(run: &str) -> Result<Option<Launch>> {
    if run.is_empty() {
        return Ok(None);
    }
    let plan = lazaret_launch::command_line(run, &lazaret_launch::Nothing)?;
    Ok(plan.containers.into_iter().next().map(|container| container.launch))
}
