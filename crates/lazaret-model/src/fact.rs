use serde::{Deserialize, Serialize};

use crate::{ContentId, Digest, EntryPath, FileEntry, Gap, Indicator, Location};

/// Something that an analyzer saw in a layer. A fact accuses nobody.
///
/// It names no layer number: facts are stored per layer content, which many images share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// The file in the layer.
    pub path: EntryPath,
    /// Members of archives on the way from the file to the thing.
    pub inside: Vec<String>,
    /// Line, counted from 1, where the content is text.
    pub line: Option<u32>,
    /// Byte offset in the content.
    pub offset: Option<u64>,
    /// What was seen.
    pub kind: FactKind,
}

impl Fact {
    /// A fact about a whole file.
    pub fn about(path: &EntryPath, kind: FactKind) -> Self {
        Self { path: path.clone(), inside: Vec::new(), line: None, offset: None, kind }
    }

    /// Where this is, in an image whose layer number `layer` holds it.
    pub fn location(&self, layer: usize) -> Location {
        Location::File {
            layer,
            path: self.path.clone(),
            inside: self.inside.clone(),
            line: self.line,
            offset: self.offset,
        }
    }
}

/// What an analyzer can say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FactKind {
    /// SHA-256 of the content.
    Sha256(Digest),
    /// The content is text of a kind; for a script, the interpreter line besides.
    Text {
        /// What kind of text.
        kind: TextKind,
        /// The interpreter and its arguments after `#!`, if there is one.
        shebang: Option<String>,
    },
    /// The content is an ELF file.
    Elf {
        /// 32 or 64.
        bits: u8,
        /// `x86_64`, `aarch64`, … or `machine-N`.
        machine: String,
        /// Whether it can be started (has an entry point and is no plain shared object).
        executable: bool,
        /// `PT_INTERP`; None where it is statically linked.
        interpreter: Option<String>,
        /// `DT_NEEDED`.
        needed: Vec<String>,
        /// Whether it has neither a symbol table nor debug sections.
        stripped: bool,
        /// The packer, where one left its marks: `upx`, `upx (damaged header)`.
        packer: Option<String>,
        /// Whether the section table is unusable though the kernel would run the file.
        damaged_sections: bool,
        /// Entropy of the loaded code in hundredths of a bit per byte (0 to 800).
        entropy: u16,
        /// Names exported as dynamic symbols that hide things when preloaded (`readdir`, …).
        hooks: Vec<String>,
    },
    /// An indicator stands in the content.
    Indicator(Indicator),
    /// A byte rule matched.
    ByteMatch {
        /// Id of the rule.
        rule: String,
        /// What matched, decoded to text as far as it is text, at most 200 characters.
        excerpt: String,
    },
    /// The content is an archive whose members were read.
    Archive {
        /// `zip`, `tar`, `gzip`, `xz`, `deb`, …
        format: String,
        /// How many members.
        members: u64,
    },
    /// A list of keys of a miner's configuration stands in a JSON document:
    /// `pools`, `algo`, `donate-level`, …
    MinerConfig {
        /// The keys found.
        keys: Vec<String>,
    },
    /// The way the archive was written lets two readers see different files.
    ArchiveOddity {
        /// What is odd, in words.
        what: String,
    },
    /// Digests of the content in the forms that package databases use: dpkg writes MD5, apk SHA-1
    /// (rpm writes SHA-256, which is [`FactKind::Sha256`]).
    PackageDigests {
        /// MD5.
        md5: Option<[u8; 16]>,
        /// SHA-1.
        sha1: Option<[u8; 20]>,
    },
    /// A packed program was unpacked in memory; what came out was looked at as its member
    /// `(unpacked)`.
    Unpacked {
        /// The packer, as in [`FactKind::Elf`].
        packer: String,
        /// How it was compressed: `NRV2B`, `NRV2D`, `NRV2E`, `LZMA`, `deflate`.
        method: String,
        /// Bytes that came out.
        size: u64,
    },
    /// Data stands after the last byte that a program's headers name.
    Overlay {
        /// Where it begins.
        offset: u64,
        /// How long it is.
        size: u64,
        /// What it is by its first bytes: `zip`, `gzip`, `pyinstaller`, `script`, `data`, …
        kind: String,
        /// Its entropy in hundredths of a bit per byte.
        entropy: u16,
    },
    /// A whole program stands in another one.
    EmbeddedProgram {
        /// Where it begins.
        offset: u64,
        /// Its length by its own headers.
        size: u64,
    },
    /// The build information that Go's linker puts into a program (`debug/buildinfo`).
    GoBuild {
        /// The version of Go.
        go: String,
        /// The package path of the program.
        path: String,
        /// The main module and its version.
        module: (String, String),
        /// The modules that it was built with, and their versions, at most 1,000.
        modules: Vec<(String, String)>,
        /// How it was built: `vcs.revision`, `-ldflags`, `GOOS`, …
        settings: Vec<(String, String)>,
    },
    /// The list of crates that `cargo auditable` puts into a program; the program itself comes first.
    RustCrates {
        /// Names and versions, at most 2,000.
        crates: Vec<(String, String)>,
    },
    /// A Java archive names the coordinates under which Maven built it. The fact stands at the member
    /// that says so.
    JavaArtifact {
        /// Group.
        group: String,
        /// Artifact.
        artifact: String,
        /// Version.
        version: String,
    },
    /// Sets of functions that a program asks its libraries for, by what they are good for together:
    /// `packet-capture`, `process-injection`, `kernel-module`, `program-from-memory`, `bpf`.
    ElfImports {
        /// The sets, sorted.
        sets: Vec<String>,
    },
    /// Trend Micro's locality-sensitive hash (TLSH, 128 buckets, one byte of checksum): contents with
    /// hashes that are near are alike.
    FuzzyHash {
        /// `T1` and 70 hexadecimal digits.
        tlsh: String,
    },
    /// The executable is a program of a script language with its interpreter.
    Bundle {
        /// `pyinstaller`, `nuitka`, `shc`, `pkg`, `nexe`, `node`, `deno`, `bun`.
        packer: String,
        /// Names of the scripts, modules and libraries inside, where they can be listed.
        entries: Vec<String>,
    },
    /// Names of users and groups that the headers of a layer's archive give besides the numbers:
    /// those of the machine on which it was written. The fact stands at the root; root itself is left
    /// out.
    ArchiveOwners {
        /// At most 32, sorted.
        users: Vec<String>,
        /// At most 32, sorted.
        groups: Vec<String>,
    },
}

/// A kind of text, by content first and name second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TextKind {
    /// POSIX shell, bash and relatives.
    Shell,
    /// Python.
    Python,
    /// Perl.
    Perl,
    /// PHP.
    Php,
    /// Ruby.
    Ruby,
    /// JavaScript.
    JavaScript,
    /// Lua.
    Lua,
    /// awk.
    Awk,
    /// PowerShell.
    PowerShell,
    /// A crontab of any kind.
    Crontab,
    /// A systemd unit.
    SystemdUnit,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// Any other text.
    Plain,
}

/// All that is known of one layer's content. Stored under (diff id, analyzer-set version).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerFacts {
    /// The diff id as computed, None where the layer could not be read to its end.
    pub diff_id: Option<Digest>,
    /// Every entry, in the order of the archive. A path may occur twice; the last one wins.
    pub entries: Vec<FileEntry>,
    /// What the analyzers saw.
    pub facts: Vec<Fact>,
    /// What could not be read. Locations in these have layer number 0.
    pub gaps: Vec<Gap>,
    /// Contents that were handed over for later stages.
    pub kept: Vec<ContentId>,
    /// Bytes of the uncompressed layer that were read.
    pub bytes: u64,
    /// Whether the tar was read to its end and its diff id is right.
    pub complete: bool,
}
