use std::path::PathBuf;

use lazaret_detect::Trace;
use lazaret_launch::Plan;
use lazaret_model::{
    Budget, ContentId, Digest, EntryPath, Fact, Gap, Image, ImageReport, Launch, Layer, LayerFacts, RulePack,
};
use serde::{Deserialize, Serialize};

/// How a worker is set up, handed over on its command line before it confines itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WorkerConfig {
    /// Directories with rules that the user named, besides the built-in ones.
    pub rules: Vec<PathBuf>,
    /// Whether the built-in rules are left out.
    pub only_user_rules: bool,
    /// Where compiled rules are kept; None compiles them each time.
    pub cache: Option<PathBuf>,
    /// Threads that look at contents, and layers read at once.
    pub jobs: usize,
    /// Whether the worker confines itself. Off only where the user said so.
    pub confine: bool,
    /// Bytes of memory that the worker may have.
    pub memory: u64,
}

/// What to do with a layer; neither means that only the contents wanted are handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadWhat {
    /// Run the analyzers.
    pub analyze: bool,
    /// Run the byte rules.
    pub match_bytes: bool,
}

impl ReadWhat {
    /// Whether nothing is looked at.
    pub(super) fn only_wanted(self) -> bool {
        !self.analyze && !self.match_bytes
    }
}

/// From the program to the worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    /// Read a layer from the descriptor that comes along.
    Read {
        id: u64,
        layer: Layer,
        /// Where the blob starts in the descriptor.
        offset: u64,
        /// How long it is; None reads to the end (a pipe).
        length: Option<u64>,
        /// Whether the descriptor can be read at positions.
        seekable: bool,
        what: ReadWhat,
        /// Contents to hand over whatever the policy for keeping says.
        wanted: Vec<EntryPath>,
        budget: Budget,
        seconds: u64,
    },
    /// Judge an image.
    Judge {
        id: u64,
        image: Box<Image>,
        layers: Vec<JudgeLayer>,
        gaps: Vec<Gap>,
        /// Contents, one after the other in the bytes behind the message.
        contents: Vec<(ContentId, u64)>,
        /// Whether what is missing can still be fetched.
        last_round: bool,
        /// How it is run.
        launch: Option<Box<Launch>>,
        /// Whether what it holds is to be told, for lists that name such things.
        traced: bool,
    },
    /// Judge what a text says is to be run, without the images that it names.
    Plan {
        id: u64,
        plan: Box<Plan>,
        /// The name of the text.
        name: String,
    },
    /// Let go of everything held for earlier images.
    Forget,
}

/// The facts of one layer for the judge.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum JudgeLayer {
    /// Those that the worker made for request `id` and still holds.
    Held(u64),
    /// These, from the store.
    Given(Box<LayerFacts>, Vec<Fact>),
    /// These, from the store, to be held under this number for later images.
    Keep(u64, Box<LayerFacts>, Vec<Fact>),
}

/// From the worker to the program.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// The worker is confined and waits; in words, what is in force. What became of the rules
    /// that the user named.
    Ready { confinement: String, packs: Vec<RulePack> },
    /// It cannot work, and why.
    Failed { message: String },
    /// So many bytes of the blob of request `id` were read in all.
    Progress { id: u64, bytes: u64 },
    /// A layer was read.
    Read {
        id: u64,
        facts: Box<LayerFacts>,
        matches: Vec<Fact>,
        /// The digest of the blob is what the manifest says.
        blob_ok: bool,
        blob_digest: Digest,
        blob_bytes: u64,
        /// Whether reading stopped for no limit: then `blob_ok` speaks about the whole blob.
        whole: bool,
        /// Kept contents, one after the other in the bytes behind the message.
        kept: Vec<(ContentId, u64)>,
    },
    /// An image was judged.
    Judged { id: u64, report: Box<ImageReport>, traces: Vec<Trace> },
    /// A plan was judged: each part by its name.
    Planned { id: u64, reports: Vec<(String, ImageReport)> },
    /// Contents are needed that were not kept: layer and path.
    Needs { id: u64, missing: Vec<(usize, EntryPath)> },
    /// Request `id` failed, and why.
    Broken { id: u64, message: String },
}

impl From<ReadWhat> for lazaret_detect::Inspection {
    fn from(what: ReadWhat) -> Self {
        Self { analyze: what.analyze, match_bytes: what.match_bytes }
    }
}
