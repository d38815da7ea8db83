use serde::{Deserialize, Serialize};

use crate::Location;

/// When something happens in the life of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Phase {
    /// While the image was built (a history step).
    Build,
    /// When an image is built from this one (`ONBUILD`).
    OnBuild,
    /// When the container starts.
    Start,
    /// At each health check.
    Health,
    /// When somebody logs in or opens a shell.
    Login,
    /// When a scheduler or a service manager in the container runs it.
    Scheduled,
}

impl Phase {
    /// The name used in reports and in rules (`Phase: start`).
    pub fn name(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::OnBuild => "onbuild",
            Self::Start => "start",
            Self::Health => "health",
            Self::Login => "login",
            Self::Scheduled => "scheduled",
        }
    }
}

/// How sure it is that the behaviour happens once its phase begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Certainty {
    /// It may: in an arm of a condition, in a function that may not be called.
    May,
    /// It will, as far as paper can tell.
    Will,
}

/// What is done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum FileOp {
    /// Created or overwritten.
    Write,
    /// Added to.
    Append,
    /// Removed.
    Delete,
    /// Permissions changed.
    Chmod,
}

/// One thing that an image does, in the words that also describe a traced or a live container.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Behaviour {
    /// What.
    pub kind: BehaviourKind,
    /// When.
    pub phase: Phase,
    /// How sure.
    pub certainty: Certainty,
    /// Where it is written down: the outermost place last (script line, then the configuration
    /// key that starts the script).
    pub because: Vec<Location>,
}

/// A process starts, a file is written, a connection is made.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BehaviourKind {
    /// A process starts.
    Process {
        /// Arguments, the program first. What is not known on paper is `$name` or `$(…)` as
        /// written.
        argv: Vec<String>,
        /// The program's path where it was resolved in the image.
        image: Option<String>,
        /// The command that runs it, one level up (`sh -c …`, the script's name).
        parent: Option<String>,
        /// Names of programs that write to its standard input, nearest first: a shell fed by
        /// `curl` has `["curl"]`.
        fed_by: Vec<String>,
        /// The text on standard input, where it is known (here-document, decoded literal).
        stdin: Option<String>,
        /// The address that the program, the script or the text it runs was fetched from by an
        /// earlier step: content that nobody has seen. Rules map it to the field `Downloaded`.
        downloaded: Option<String>,
    },
    /// A file changes.
    File {
        /// What is done.
        op: FileOp,
        /// Absolute path, as far as it is known.
        path: String,
        /// What is written, where it is known.
        content: Option<String>,
        /// The program that does it.
        by: String,
    },
    /// A connection is made.
    Network {
        /// Host name or address.
        host: String,
        /// Port, where it is known.
        port: Option<u16>,
        /// Full address, where there is one.
        url: Option<String>,
        /// The program that does it.
        by: String,
    },
}
