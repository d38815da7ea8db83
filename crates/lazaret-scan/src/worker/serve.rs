//! The worker's own main loop.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt::Display;
use std::fs::File;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use crossbeam_channel::{Receiver, Sender, unbounded};
use lazaret_detect::{Beside, DeepStackError, Judgement, LayerInput, Pack};
use lazaret_model::{ContentId, Fact, Gap, Image, LayerFacts};

use super::channel::{self, Frame};
use super::inspect::{Inspectors, lock};
use super::protocol::{Answer, JudgeLayer, Request, WorkerConfig};
use super::reading::{self, BlobSource};

/// What the worker holds of the layers that it read, by request.
struct Held {
    facts: Arc<LayerFacts>,
    matches: Arc<Vec<Fact>>,
}

#[derive(Default)]
struct Memory {
    layers: HashMap<u64, Held>,
    contents: HashMap<ContentId, Arc<[u8]>>,
}

/// Everything that the threads of the worker share.
struct Shared {
    socket: Mutex<UnixStream>,
    memory: Mutex<Memory>,
    pack: Arc<Pack>,
    inspectors: Inspectors,
}

impl Shared {
    fn answer(&self, answer: &Answer, parts: &[&[u8]]) {
        // Where nobody listens any more, the loop below ends by itself.
        let _ = channel::send(&lock(&self.socket), answer, parts, None);
    }
}

/// Runs the worker: the program calls this when its first argument is
/// [`super::WORKER_ARGUMENT`], before anything else, so that it is alone in its process.
pub fn run_worker(config: Option<OsString>) -> ExitCode {
    let Some(socket) = socket() else {
        eprintln!("lazaret: this is started by the program itself, not by people");
        return ExitCode::from(2);
    };
    let fail = |message: String| {
        let _ = channel::send(&socket, &Answer::Failed { message }, &[], None);
        ExitCode::from(2)
    };
    let config: WorkerConfig =
        match config.and_then(|c| c.into_string().ok()).map(|c| serde_json::from_str(&c)) {
            Some(Ok(config)) => config,
            _ => {
                return fail(
                    "the reading worker was started with a configuration that it does not understand".into(),
                );
            }
        };
    // Rules are the user's own files; they are read before the walls go up.
    let pack = match load_rules(&config) {
        Ok(pack) => Arc::new(pack),
        Err(error) => return fail(error.to_string()),
    };
    let confinement = if config.confine {
        let walls = lazaret_sandbox::Confinement {
            memory_bytes: Some(config.memory),
            // Whatever else the program's starter left open is none of the worker's business; its
            // socket is standard input.
            keep_only: Some(vec![std::os::fd::AsRawFd::as_raw_fd(&socket)]),
            ..lazaret_sandbox::Confinement::default()
        };
        match lazaret_sandbox::confine(&walls) {
            Ok(applied) => applied.to_string(),
            Err(error) => {
                return fail(format!(
                    "the worker that reads images cannot be confined: {error}; --unconfined reads without, at your risk"
                ));
            }
        }
    } else {
        "none (--unconfined)".to_owned()
    };
    let no_thread = |error: &dyn Display| {
        fail(format!(
            "the reading worker cannot start its threads: {error}; it may need more than --max-memory allows"
        ))
    };
    let inspectors = match Inspectors::start(&pack, config.jobs) {
        Ok(inspectors) => inspectors,
        Err(error) => return no_thread(&error),
    };
    let Ok(writer) = socket.try_clone() else {
        return fail("the reading worker cannot share its socket".to_owned());
    };
    let shared = Arc::new(Shared { socket: Mutex::new(writer), memory: Mutex::default(), pack, inspectors });
    let (reads, queue) = unbounded::<Frame<Request>>();
    for number in 0..config.jobs {
        let (queue, shared) = (queue.clone(), Arc::clone(&shared));
        let started = std::thread::Builder::new()
            .name(format!("read-{number}"))
            .spawn(move || read_layers(&queue, &shared));
        if let Err(error) = started {
            return no_thread(&error);
        }
    }
    let packs = shared.pack.packs().to_vec();

    // One thread judges all that comes, so that what it learned of one image helps with the next.
    let served = lazaret_detect::on_deep_stack(|| {
        shared.answer(&Answer::Ready { confinement, packs }, &[]);
        answer_all(&socket, &shared, &reads);
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error @ DeepStackError::Thread(_)) => no_thread(&error),
        Err(DeepStackError::Panicked) => ExitCode::from(2),
    }
}

/// Answers until the program hangs up.
fn answer_all(socket: &UnixStream, shared: &Shared, reads: &Sender<Frame<Request>>) {
    while let Ok(Some(frame)) = channel::receive::<Request>(socket) {
        match frame.message {
            Request::Read { .. } => {
                let _ = reads.send(frame);
            }
            Request::Judge { id, image, layers, gaps, contents, last_round, launch, traced } => {
                let traces = RefCell::default();
                let beside = Beside {
                    launch: launch.as_deref(),
                    traces: traced.then_some(&traces),
                    ..Beside::default()
                };
                let answer =
                    judge(shared, id, &image, layers, gaps, &contents, &frame.bytes, last_round, &beside);
                shared.answer(&answer, &[]);
            }
            Request::Plan { id, plan, name } => {
                let reports = lazaret_detect::judge_plan(&shared.pack, &plan, &name);
                shared.answer(&Answer::Planned { id, reports }, &[]);
            }
            Request::Forget => {
                let mut memory = lock(&shared.memory);
                memory.layers.clear();
                memory.contents.clear();
            }
        }
    }
}

/// The socket to the program: it is standard input.
fn socket() -> Option<UnixStream> {
    let input = rustix::stdio::stdin().try_clone_to_owned().ok()?;
    rustix::net::sockopt::socket_type(&input).ok()?;
    Some(UnixStream::from(input))
}

fn load_rules(config: &WorkerConfig) -> Result<Pack, lazaret_detect::PackError> {
    lazaret_detect::load_rules(&config.rules, config.only_user_rules, config.cache.as_deref())
}

fn read_layers(queue: &Receiver<Frame<Request>>, shared: &Shared) {
    for frame in queue {
        let Request::Read { id, layer, offset, length, seekable, what, wanted, budget, seconds } =
            frame.message
        else {
            continue;
        };
        let Some(descriptor) = frame.descriptor else {
            let message = format!("layer {} came without its content", layer.digest);
            shared.answer(&Answer::Broken { id, message }, &[]);
            continue;
        };
        let blob = BlobSource { file: File::from(descriptor), offset, length, seekable };
        let wanted = wanted.into_iter().collect();
        let progress = |bytes| shared.answer(&Answer::Progress { id, bytes }, &[]);
        let read =
            reading::read(blob, &layer, what, &wanted, &budget, seconds, &shared.inspectors, &progress);

        let parts: Vec<&[u8]> = read.kept.iter().map(|(_, bytes)| &**bytes).collect();
        let answer = Answer::Read {
            id,
            facts: Box::new(read.facts),
            matches: read.matches,
            blob_ok: read.blob_ok,
            blob_digest: read.blob_digest,
            blob_bytes: read.blob_bytes,
            whole: read.whole,
            kept: read.kept.iter().map(|(id, bytes)| (*id, bytes.len() as u64)).collect(),
        };
        let encoded = channel::encode(&answer);
        let Answer::Read { facts, matches, .. } = answer else { continue };
        {
            // Before the answer goes out: it is what lets the program ask for a judgement.
            let mut memory = lock(&shared.memory);
            memory.layers.insert(id, Held { facts: Arc::from(facts), matches: Arc::new(matches) });
            for (id, bytes) in &read.kept {
                memory.contents.entry(*id).or_insert_with(|| Arc::clone(bytes));
            }
        }
        if let Ok(encoded) = encoded {
            let _ = channel::send_encoded(&lock(&shared.socket), &encoded, &parts, None);
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "each is a different thing of the request")]
fn judge(
    shared: &Shared,
    id: u64,
    image: &Image,
    layers: Vec<JudgeLayer>,
    gaps: Vec<Gap>,
    lengths: &[(ContentId, u64)],
    bytes: &[u8],
    last_round: bool,
    beside: &Beside<'_>,
) -> Answer {
    let mut memory = lock(&shared.memory);
    let mut rest = bytes;
    for (content, length) in lengths {
        let Some((part, tail)) = rest.split_at_checked(*length as usize) else {
            return Answer::Broken { id, message: "the program sent fewer bytes than it said".to_owned() };
        };
        memory.contents.insert(*content, Arc::from(part));
        rest = tail;
    }
    let mut held = Vec::with_capacity(layers.len());
    for layer in layers {
        held.push(match layer {
            JudgeLayer::Held(read) => match memory.layers.get(&read) {
                Some(layer) => (Arc::clone(&layer.facts), Arc::clone(&layer.matches)),
                None => {
                    return Answer::Broken {
                        id,
                        message: format!("the layer of request {read} is forgotten"),
                    };
                }
            },
            JudgeLayer::Given(facts, matches) => (Arc::new(*facts), Arc::new(matches)),
            JudgeLayer::Keep(number, facts, matches) => {
                let layer = Held { facts: Arc::new(*facts), matches: Arc::new(matches) };
                let both = (Arc::clone(&layer.facts), Arc::clone(&layer.matches));
                memory.layers.insert(number, layer);
                both
            }
        });
    }
    let inputs: Vec<LayerInput<'_>> =
        held.iter().map(|(facts, matches)| LayerInput { facts, matches }).collect();
    let contents = &memory.contents;
    match lazaret_detect::judge_started(&shared.pack, image, &inputs, gaps, contents, last_round, beside) {
        Judgement::Report(report) => {
            let traces = beside.traces.map(RefCell::take).unwrap_or_default();
            Answer::Judged { id, report, traces }
        }
        Judgement::Needs(missing) => Answer::Needs { id, missing },
    }
}
