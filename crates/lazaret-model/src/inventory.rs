use serde::{Deserialize, Serialize};

use crate::{EntryPath, Location};

/// What an image holds, as far as telling its story and comparing it with another one need it.
///
/// It is bounded: of an image with more programs than are listed, those that no package brought
/// come first, and [`Inventory::left_out`] counts the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// The operating system that its files name (`os-release(5)`).
    pub system: Option<System>,
    /// What each layer brought, lowest first.
    pub layers: Vec<LayerContents>,
    /// Installed packages of the system's package manager, sorted by name.
    pub packages: Vec<Package>,
    /// Files that can act or that decide how others act, as the container sees them, sorted by
    /// path.
    pub files: Vec<NotedFile>,
    /// Files of that kind that are not in the list.
    pub left_out: u64,
    /// Lines of scripts that behaviours rest on, sorted by place.
    pub lines: Vec<ScriptLine>,
}

/// The system that an image is built on, by its own word.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct System {
    /// `PRETTY_NAME`, or what stands for it.
    pub name: String,
    /// Where that is written.
    pub location: Option<Location>,
}

/// What one layer brought.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerContents {
    /// Regular files.
    pub files: u64,
    /// Of those, programs: an execute bit is set.
    pub programs: u64,
    /// Whiteouts: what it takes away from the layers below.
    pub removed: u64,
    /// Packages that it installs anew, sorted.
    pub packages: Vec<String>,
    /// Files in it that a reader should know of, at most a handful, most telling first.
    pub notable: Vec<NotableFile>,
    /// Further files of that kind.
    pub notable_left_out: u64,
}

/// A file that a reader should know of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotableFile {
    /// Where.
    pub path: EntryPath,
    /// Why.
    pub kind: NotedKind,
}

/// What a file is good for. The order is the order in which a reader should know of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotedKind {
    /// Keys that may log in (`authorized_keys`).
    LoginKeys,
    /// A crontab, or a script that a scheduler runs.
    Schedule,
    /// A systemd unit, an init script, a service of a supervisor.
    Service,
    /// `/etc/ld.so.preload`, or a library that it names.
    Preload,
    /// A program that runs with the rights of its owner or group (setuid, setgid), or with
    /// capabilities of its own.
    Privileged,
    /// A program or script whose name begins with a dot, or in a folder whose name does.
    HiddenProgram,
    /// A script with an execute bit, or that another one reads.
    Script,
    /// A program.
    Program,
    /// A shared library.
    Library,
    /// A file that shells read when somebody logs in.
    LoginScript,
    /// A configuration.
    Configuration,
}

impl NotedKind {
    /// The noun used in reports, without an article.
    pub fn noun(self) -> &'static str {
        match self {
            Self::LoginKeys => "login keys",
            Self::Schedule => "schedule",
            Self::Service => "service",
            Self::Preload => "preloaded library",
            Self::Privileged => "privileged program",
            Self::HiddenProgram => "hidden program",
            Self::Script => "script",
            Self::Program => "program",
            Self::Library => "library",
            Self::LoginScript => "login script",
            Self::Configuration => "configuration",
        }
    }
}

/// An installed package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version, as the package manager writes it.
    pub version: String,
}

/// A file that can act, or that decides how others act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotedFile {
    /// Where the container sees it.
    pub path: EntryPath,
    /// What it is good for.
    pub kind: NotedKind,
    /// The layer that it comes from, lowest is 0.
    pub layer: usize,
    /// Size in bytes.
    pub size: u64,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// The first half of the content's [`crate::ContentId`] in hexadecimal; empty where the
    /// content was not read whole.
    pub content: String,
    /// Position in [`Inventory::packages`] of the package that says that it brought this file.
    pub package: Option<u32>,
}

/// A line of a script that a behaviour rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptLine {
    /// The file and its line.
    pub location: Location,
    /// The command as written, lines that a backslash joins included, cut where it is long.
    pub text: String,
    /// What it stands under, outermost first.
    pub under: Vec<Under>,
    /// Whether the shell goes on without waiting for it (`&`).
    pub background: bool,
    /// Whether the script is over with it (`exec`).
    pub replaces: bool,
}

/// What a line of a script stands under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Under {
    /// `if` or `elif`, with the condition as written.
    If(String),
    /// `else` of the `if` with this condition.
    Else(String),
    /// An arm of a `case`: the word and the pattern.
    Case(String, String),
    /// `for`, `while`, `until` or `select`, as written up to `do`.
    Loop(String),
    /// A function, by name.
    Function(String),
}
