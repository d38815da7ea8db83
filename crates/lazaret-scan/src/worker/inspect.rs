//! The threads that look at contents while the layers are still being decompressed.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crossbeam_channel::{Receiver, Sender, unbounded};
use lazaret_detect::{Examiner, Inspected, Inspector, Pack, Subject};
use lazaret_model::{ContentId, EntryPath, Fact, Gap, GapKind, Location};
use lazaret_oci::NestedBudget;

use super::protocol::ReadWhat;

/// Bytes of contents that may be read, wait or be looked at, all threads together. It bounds the
/// memory of the worker whatever the image holds.
const IN_FLIGHT: u64 = 96 << 20;
/// Results remembered so that the same file in another layer is not looked at twice.
const REMEMBERED: usize = 400_000;

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Critical sections are single moves of values; a panic leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A piece of content to be looked at.
pub(super) struct Job {
    pub layer: Arc<Gathering>,
    /// The entry, None for bytes outside of every entry.
    pub entry: Option<usize>,
    pub path: EntryPath,
    pub mode: u32,
    pub size: u64,
    pub offset: u64,
    pub bytes: Vec<u8>,
    /// The room that was taken for it.
    pub room: u64,
    /// Whether its content is handed over whatever the policy for keeping says.
    pub wanted: bool,
}

/// What comes in for one layer, from all threads.
pub(super) struct Gathering {
    pub what: ReadWhat,
    pub nested: NestedBudget,
    pub kept_bytes: u64,
    pub state: Mutex<Gathered>,
    pub done: Condvar,
}

/// Results of one layer so far.
#[derive(Default)]
pub(super) struct Gathered {
    pub waiting: usize,
    pub contents: Vec<(usize, ContentId)>,
    pub facts: Vec<Fact>,
    pub matches: Vec<Fact>,
    pub gaps: Vec<Gap>,
    pub kept: BTreeMap<ContentId, Arc<[u8]>>,
    pub kept_bytes: u64,
    pub kept_full: bool,
}

/// Two files are the same to analyzers and rules if content, name and execute bits are.
type SameKey = (ContentId, Vec<u8>, bool);

/// The pool.
pub(super) struct Inspectors {
    jobs: Sender<Job>,
    room: Arc<Room>,
    spare: Arc<Spare>,
}

/// Memory of large contents that were looked at, for the next ones: fresh memory is dear, because
/// the kernel clears it page by page.
#[derive(Default)]
struct Spare(Mutex<Vec<Vec<u8>>>);

/// What is smaller costs less fresh from the allocator.
const SPARE_FROM: usize = 256 << 10;
/// Bytes of spare memory that are held.
const SPARE_MOST: usize = 32 << 20;

impl Spare {
    fn put(&self, bytes: Vec<u8>) {
        let mut spare = lock(&self.0);
        let held: usize = spare.iter().map(Vec::capacity).sum();
        if bytes.capacity() >= SPARE_FROM && held + bytes.capacity() <= SPARE_MOST {
            spare.push(bytes);
        }
    }

    /// Memory of at least `size` bytes, and not much more; empty where there is none.
    fn take(&self, size: usize) -> Vec<u8> {
        if size < SPARE_FROM {
            return Vec::new();
        }
        let mut spare = lock(&self.0);
        let fits = |held: &Vec<u8>| (size..=size.saturating_mul(2)).contains(&held.capacity());
        spare.iter().position(fits).map_or_else(Vec::new, |at| spare.swap_remove(at))
    }
}

/// Lets only so many bytes in at a time.
struct Room {
    taken: Mutex<u64>,
    freed: Condvar,
}

impl Room {
    fn take(&self, bytes: u64) {
        let mut taken = lock(&self.taken);
        // One piece always fits, however large it is.
        while *taken > 0 && *taken + bytes > IN_FLIGHT {
            taken = self.freed.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        *taken += bytes;
    }

    fn give(&self, bytes: u64) {
        *lock(&self.taken) -= bytes;
        self.freed.notify_all();
    }
}

impl Inspectors {
    /// Starts `threads` threads, each with its own scanner.
    pub(super) fn start(pack: &Arc<Pack>, threads: usize) -> std::io::Result<Self> {
        let (jobs, queue) = unbounded();
        let spare: Arc<Spare> = Arc::default();
        let room = Arc::new(Room { taken: Mutex::new(0), freed: Condvar::new() });
        let seen: Arc<Mutex<HashMap<SameKey, Arc<Inspected>>>> = Arc::default();
        for number in 0..threads {
            let (queue, room, seen, pack) =
                (queue.clone(), Arc::clone(&room), Arc::clone(&seen), Arc::clone(pack));
            let spare = Arc::clone(&spare);
            std::thread::Builder::new()
                .name(format!("inspect-{number}"))
                .spawn(move || run(&queue, &room, &spare, &seen, &pack))?;
        }
        Ok(Self { jobs, room, spare })
    }

    /// Takes room for bytes that are about to be read; waits while too much is on the way. Who
    /// waits must hold none.
    pub(super) fn take_room(&self, bytes: u64) {
        self.room.take(bytes);
    }

    /// Gives room back that was taken and not handed over with a [`Job`].
    pub(super) fn give_room(&self, bytes: u64) {
        if bytes > 0 {
            self.room.give(bytes);
        }
    }

    /// Memory for a piece of so many bytes; empty where none is spare.
    pub(super) fn memory(&self, bytes: u64) -> Vec<u8> {
        self.spare.take(usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    /// Takes back memory that is not needed any more.
    pub(super) fn spare(&self, bytes: Vec<u8>) {
        self.spare.put(bytes);
    }

    /// Hands a piece over, with the room that was taken for it.
    pub(super) fn submit(&self, job: Job) {
        lock(&job.layer.state).waiting += 1;
        // The threads live as long as the process.
        let _ = self.jobs.send(job);
    }
}

fn run(
    queue: &Receiver<Job>,
    room: &Room,
    spare: &Spare,
    seen: &Mutex<HashMap<SameKey, Arc<Inspected>>>,
    pack: &Pack,
) {
    let examiner = Examiner::new();
    let mut inspector = Inspector::new(&examiner, pack.scanner());
    for job in queue {
        let bytes = job.room;
        let layer = Arc::clone(&job.layer);
        let place = job_place(&job);
        // The analyzers catch their own panics; this is for everything around them.
        let outcome = catch_unwind(AssertUnwindSafe(|| look(job, &mut inspector, spare, seen)));
        let mut state = lock(&layer.state);
        if outcome.is_err() {
            state.gaps.push(Gap::serious(
                GapKind::AnalyzerFailed("inspect".to_owned()),
                place,
                "looking at this content failed",
            ));
            inspector = Inspector::new(&examiner, pack.scanner());
        }
        state.waiting -= 1;
        if state.waiting == 0 {
            layer.done.notify_all();
        }
        drop(state);
        room.give(bytes);
    }
}

fn job_place(job: &Job) -> Location {
    match job.entry {
        Some(_) => Location::file(0, job.path.clone()),
        None => Location::Layer(0),
    }
}

fn look(
    job: Job,
    inspector: &mut Inspector<'_>,
    spare: &Spare,
    seen: &Mutex<HashMap<SameKey, Arc<Inspected>>>,
) {
    let Job { layer, entry, path, mode, size, offset, bytes, wanted, room: _ } = job;
    let whole = offset == 0 && bytes.len() as u64 == size;
    let id = whole.then(|| ContentId(*blake3::hash(&bytes).as_bytes()));
    let key = id.map(|id| (id, path.file_name().to_vec(), mode & 0o111 != 0));
    let known = match &key {
        _ if layer.what.only_wanted() => Some(Arc::default()),
        Some(key) => lock(seen).get(key).cloned(),
        None => None,
    };
    let looked = known.unwrap_or_else(|| {
        let subject = Subject { path: &path, inside: &[], mode, size, bytes: &bytes, offset };
        let looked = Arc::new(inspector.inspect(&subject, layer.what.into(), &layer.nested));
        if let Some(key) = key {
            let mut seen = lock(seen);
            if seen.len() < REMEMBERED {
                seen.insert(key, Arc::clone(&looked));
            }
        }
        looked
    });

    let here = |fact: &Fact| Fact { path: path.clone(), ..fact.clone() };
    let mut state = lock(&layer.state);
    state.facts.extend(looked.facts.iter().map(here));
    state.matches.extend(looked.matches.iter().map(here));
    state.gaps.extend(looked.gaps.iter().map(|gap| moved(gap, &path)));
    let Some(id) = id else {
        drop(state);
        return spare.put(bytes);
    };
    if let Some(entry) = entry {
        state.contents.push((entry, id));
    }
    if wanted || looked.keep && layer.what.analyze {
        if state.kept_bytes + size > layer.kept_bytes && !wanted {
            state.kept_full = true;
        } else if !state.kept.contains_key(&id) {
            state.kept_bytes += size;
            state.kept.insert(id, Arc::from(bytes.as_slice()));
        }
    }
    drop(state);
    spare.put(bytes);
}

/// The same gap, about the file as this layer names it.
fn moved(gap: &Gap, path: &EntryPath) -> Gap {
    let mut gap = gap.clone();
    if let Location::File { path: place, .. } = &mut gap.location {
        *place = path.clone();
    }
    gap
}
