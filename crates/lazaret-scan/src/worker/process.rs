use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use lazaret_detect::Trace;
use lazaret_launch::Plan;
use lazaret_model::{
    Budget, ContentId, Digest, EntryPath, Fact, Gap, Image, ImageReport, Launch, Layer, LayerFacts, RulePack,
};
use tokio::sync::{mpsc, oneshot};

use super::channel;
use super::protocol::{Answer, JudgeLayer, ReadWhat, Request, WorkerConfig};

/// The argument that makes the program a worker. It is no command for people.
pub const WORKER_ARGUMENT: &str = "__worker";

/// Why the worker gave no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WorkerError {
    /// It could not be started.
    #[error("the reading worker cannot be started: {0}")]
    Start(String),
    /// It refused to work (rules that do not compile, no confinement).
    #[error("{0}")]
    Refused(String),
    /// It died. What it was reading is suspect.
    #[error("the reading worker died ({0}) while it read this image")]
    Died(String),
    /// It answered that it failed.
    #[error("{0}")]
    Broken(String),
}

/// How the C library's allocator works in the worker (mallopt(3)): contents of files come and go
/// by the hundred megabytes there, on several threads, and what was freed is given back at once
/// instead of being kept by the thread that freed it.
const ALLOCATOR: [(&str, &str); 3] =
    [("MALLOC_ARENA_MAX", "2"), ("MALLOC_MMAP_THRESHOLD_", "1048576"), ("MALLOC_TRIM_THRESHOLD_", "8388608")];

/// What the judge works on for one layer.
#[derive(Debug, Clone)]
pub(crate) enum LayerInput {
    /// The worker holds it since this request.
    Held(u64),
    /// From the store.
    Given(Box<LayerFacts>, Vec<Fact>),
    /// From the store, to be held for later images.
    Keep(String, Box<LayerFacts>, Vec<Fact>),
}

/// A layer that the worker holds between two images.
#[derive(Debug, Clone)]
pub(crate) struct HeldLayer {
    /// Its number.
    pub id: u64,
    /// What of it was not read.
    pub gaps: Vec<Gap>,
}

/// What a worker holds between two images, by what it is of: the layer, and who stated the facts.
#[derive(Debug, Default)]
struct HeldLayers {
    layers: HashMap<String, HeldLayer>,
    /// Bytes that the worker holds, about.
    bytes: u64,
}

/// Bytes that a fact takes in memory, about.
const FACT: u64 = 400;

fn weight(facts: &LayerFacts, matches: &[Fact]) -> u64 {
    (facts.facts.len() as u64 + facts.entries.len() as u64 + matches.len() as u64) * FACT
}

/// A layer to be read, and where its blob is.
pub(crate) struct ReadRequest {
    pub layer: Layer,
    pub descriptor: OwnedFd,
    pub offset: u64,
    pub length: Option<u64>,
    pub seekable: bool,
    pub what: ReadWhat,
    pub wanted: Vec<EntryPath>,
    pub budget: Budget,
    pub seconds: u64,
}

/// A layer that was read.
pub(crate) struct LayerAnswer {
    pub id: u64,
    pub facts: LayerFacts,
    pub matches: Vec<Fact>,
    pub blob_ok: bool,
    pub blob_digest: Digest,
    pub blob_bytes: u64,
    pub whole: bool,
    pub kept: Vec<(ContentId, Vec<u8>)>,
}

/// What the judge said.
pub(crate) enum JudgeAnswer {
    Report(Box<ImageReport>, Vec<Trace>),
    Needs(Vec<(usize, EntryPath)>),
}

/// What abort(3) raises.
const SIGABRT: i32 = 6;

type Waiting = HashMap<u64, oneshot::Sender<(Answer, Vec<u8>)>>;

/// The confined process that reads layers and judges images. Dropping it ends the process.
pub struct Worker {
    socket: Mutex<UnixStream>,
    waiting: Arc<Mutex<Waiting>>,
    next: AtomicU64,
    child: Arc<Mutex<Child>>,
    listener: Option<JoinHandle<()>>,
    /// In words, what confines the worker.
    pub confinement: String,
    packs: Vec<RulePack>,
    held: Mutex<HeldLayers>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A panic while it was held leaves nothing half done: each critical section is one insert,
    // one remove or one send.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Worker {
    /// Starts `program` as a worker and waits until it is confined. `progress` is told how many
    /// blob bytes each read has taken.
    pub fn start(
        program: &Path,
        config: &WorkerConfig,
        progress: Option<mpsc::UnboundedSender<u64>>,
    ) -> Result<Self, WorkerError> {
        let start = |e: &dyn std::fmt::Display| WorkerError::Start(e.to_string());
        let (ours, theirs) = UnixStream::pair().map_err(|e| start(&e))?;
        let config = serde_json::to_string(config).map_err(|e| start(&e))?;
        let mut child = Command::new(program)
            .arg(WORKER_ARGUMENT)
            .arg(config)
            .env_clear()
            .envs(ALLOCATOR)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(|e| start(&format!("{}: {e}", program.display())))?;
        let (confinement, packs) = match channel::receive::<Answer>(&ours) {
            Ok(Some(frame)) => match frame.message {
                Answer::Ready { confinement, packs } => (confinement, packs),
                Answer::Failed { message } => {
                    let _ = child.wait();
                    return Err(WorkerError::Refused(message));
                }
                _ => return Err(WorkerError::Start("it spoke out of turn".to_owned())),
            },
            Ok(None) | Err(_) => {
                let status = child.wait().map_or_else(|e| e.to_string(), |s| describe(&s));
                return Err(WorkerError::Died(status));
            }
        };
        let waiting: Arc<Mutex<Waiting>> = Arc::default();
        let child = Arc::new(Mutex::new(child));
        let listener = std::thread::Builder::new()
            .name("worker-answers".to_owned())
            .spawn({
                let socket = ours.try_clone().map_err(|e| start(&e))?;
                let waiting = Arc::clone(&waiting);
                move || listen(&socket, &waiting, progress.as_ref())
            })
            .map_err(|e| start(&e))?;
        Ok(Self {
            socket: Mutex::new(ours),
            waiting,
            next: AtomicU64::new(1),
            child,
            listener: Some(listener),
            confinement,
            packs,
            held: Mutex::default(),
        })
    }

    /// What became of the rules that the user named.
    pub fn packs(&self) -> &[RulePack] {
        &self.packs
    }

    async fn ask(
        &self,
        id: u64,
        request: &Request,
        parts: &[&[u8]],
        descriptor: Option<OwnedFd>,
    ) -> Result<(Answer, Vec<u8>), WorkerError> {
        let (sender, receiver) = oneshot::channel();
        lock(&self.waiting).insert(id, sender);
        let sent = {
            let socket = lock(&self.socket);
            channel::send(&socket, request, parts, descriptor.as_ref().map(AsFd::as_fd))
        };
        // The worker has its own copy now; ours would keep a pipe open for ever.
        drop(descriptor);
        if sent.is_err() {
            lock(&self.waiting).remove(&id);
            return Err(self.died());
        }
        match receiver.await {
            Ok((Answer::Broken { message, .. }, _)) => Err(WorkerError::Broken(message)),
            Ok(answer) => Ok(answer),
            Err(_) => Err(self.died()),
        }
    }

    fn died(&self) -> WorkerError {
        let mut child = lock(&self.child);
        // Its end of the socket is closed, so it is dead or about to be.
        let _ = child.kill();
        WorkerError::Died(child.wait().map_or_else(|e| e.to_string(), |s| describe(&s)))
    }

    /// Whether the process still lives.
    pub fn is_alive(&self) -> bool {
        matches!(lock(&self.child).try_wait(), Ok(None))
    }

    pub(crate) async fn read(&self, request: ReadRequest) -> Result<LayerAnswer, WorkerError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let ReadRequest { layer, descriptor, offset, length, seekable, what, wanted, budget, seconds } =
            request;
        let request = Request::Read { id, layer, offset, length, seekable, what, wanted, budget, seconds };
        match self.ask(id, &request, &[], Some(descriptor)).await? {
            (Answer::Read { id, facts, matches, blob_ok, blob_digest, blob_bytes, whole, kept }, bytes) => {
                lock(&self.held).bytes += bytes.len() as u64 + weight(&facts, &matches);
                let kept = split(kept, bytes)?;
                Ok(LayerAnswer { id, facts: *facts, matches, blob_ok, blob_digest, blob_bytes, whole, kept })
            }
            _ => Err(WorkerError::Broken("the reading worker answered another question".to_owned())),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "each is a different thing of the request")]
    pub(crate) async fn judge(
        &self,
        image: &Image,
        layers: Vec<LayerInput>,
        gaps: Vec<Gap>,
        contents: &[(ContentId, Arc<[u8]>)],
        last_round: bool,
        launch: Option<&Launch>,
        traced: bool,
    ) -> Result<JudgeAnswer, WorkerError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut kept = Vec::new();
        let layers = layers
            .into_iter()
            .map(|layer| match layer {
                LayerInput::Held(id) => JudgeLayer::Held(id),
                LayerInput::Given(facts, matches) => JudgeLayer::Given(facts, matches),
                LayerInput::Keep(key, facts, matches) => {
                    let number = self.next.fetch_add(1, Ordering::Relaxed);
                    let held = HeldLayer { id: number, gaps: facts.gaps.clone() };
                    kept.push((key, held, weight(&facts, &matches)));
                    JudgeLayer::Keep(number, facts, matches)
                }
            })
            .collect();
        let request = Request::Judge {
            id,
            image: Box::new(image.clone()),
            layers,
            gaps,
            contents: contents.iter().map(|(id, bytes)| (*id, bytes.len() as u64)).collect(),
            last_round,
            launch: launch.map(|launch| Box::new(launch.clone())),
            traced,
        };
        let parts: Vec<&[u8]> = contents.iter().map(|(_, bytes)| bytes.as_ref()).collect();
        let answer = self.ask(id, &request, &parts, None).await?.0;
        {
            let mut held = lock(&self.held);
            held.bytes += parts.iter().map(|part| part.len() as u64).sum::<u64>();
            for (key, layer, weight) in kept {
                held.bytes += weight;
                held.layers.insert(key, layer);
            }
        }
        match answer {
            Answer::Judged { report, traces, .. } => Ok(JudgeAnswer::Report(report, traces)),
            Answer::Needs { missing, .. } => Ok(JudgeAnswer::Needs(missing)),
            _ => Err(WorkerError::Broken("the reading worker answered another question".to_owned())),
        }
    }

    /// Judges a plan without the images that it names.
    pub(crate) async fn plan(
        &self,
        plan: &Plan,
        name: &str,
    ) -> Result<Vec<(String, ImageReport)>, WorkerError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let request = Request::Plan { id, plan: Box::new(plan.clone()), name: name.to_owned() };
        match self.ask(id, &request, &[], None).await?.0 {
            Answer::Planned { reports, .. } => Ok(reports),
            _ => Err(WorkerError::Broken("the reading worker answered another question".to_owned())),
        }
    }

    /// The layer that the worker holds since an earlier image.
    pub(crate) fn held(&self, key: &str) -> Option<HeldLayer> {
        lock(&self.held).layers.get(key).cloned()
    }

    /// Notes that the worker holds a layer that it read to its end.
    pub(crate) fn hold(&self, key: String, layer: HeldLayer) {
        lock(&self.held).layers.insert(key, layer);
    }

    /// Bytes that the worker holds of earlier images, about.
    pub(crate) fn held_bytes(&self) -> u64 {
        lock(&self.held).bytes
    }

    /// Lets the worker drop what it holds of earlier images.
    pub(crate) fn forget(&self) {
        *lock(&self.held) = HeldLayers::default();
        let socket = lock(&self.socket);
        // A dead worker holds nothing.
        let _ = channel::send(&socket, &Request::Forget, &[], None);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = lock(&self.socket).shutdown(std::net::Shutdown::Both);
        let mut child = lock(&self.child);
        let _ = child.kill();
        let _ = child.wait();
        drop(child);
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

/// Hands answers to those who wait for them; when the worker closes, all of them learn it by
/// their senders being dropped.
fn listen(socket: &UnixStream, waiting: &Mutex<Waiting>, progress: Option<&mpsc::UnboundedSender<u64>>) {
    while let Ok(Some(frame)) = channel::receive::<Answer>(socket) {
        let id = match &frame.message {
            Answer::Progress { bytes, .. } => {
                if let Some(progress) = progress {
                    let _ = progress.send(*bytes);
                }
                continue;
            }
            Answer::Read { id, .. }
            | Answer::Judged { id, .. }
            | Answer::Planned { id, .. }
            | Answer::Needs { id, .. }
            | Answer::Broken { id, .. } => *id,
            Answer::Ready { .. } | Answer::Failed { .. } => continue,
        };
        if let Some(sender) = lock(waiting).remove(&id) {
            let _ = sender.send((frame.message, frame.bytes));
        }
    }
    lock(waiting).clear();
}

pub(super) fn split(
    lengths: Vec<(ContentId, u64)>,
    bytes: Vec<u8>,
) -> Result<Vec<(ContentId, Vec<u8>)>, WorkerError> {
    let mut rest = bytes.as_slice();
    let mut parts = Vec::with_capacity(lengths.len());
    for (id, length) in lengths {
        let Some((part, tail)) = rest.split_at_checked(length as usize) else {
            return Err(WorkerError::Broken("the reading worker sent fewer bytes than it said".to_owned()));
        };
        parts.push((id, part.to_vec()));
        rest = tail;
    }
    Ok(parts)
}

fn describe(status: &std::process::ExitStatus) -> String {
    match (status.signal(), status.code()) {
        // Out of memory, an allocation aborts.
        (Some(SIGABRT), _) => format!("signal {SIGABRT}; it may need more than --max-memory allows"),
        (Some(signal), _) => format!("signal {signal}"),
        (None, Some(code)) => format!("exit {code}"),
        (None, None) => "unknown status".to_owned(),
    }
}

impl From<io::Error> for WorkerError {
    fn from(error: io::Error) -> Self {
        Self::Broken(error.to_string())
    }
}
