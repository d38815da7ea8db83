//! Small images written as text, for rule examples and the lab. No input or output: a recipe is
//! parsed from a string and yields a configuration and the bytes of each layer. The same text
//! always yields the same bytes.
//!
//! A recipe reads like a Dockerfile that states results instead of commands:
//!
//! ```
//! let recipe = lazaret_recipe::Recipe::parse(r#"
//! PLATFORM linux/arm64
//! FILE /usr/local/bin/start.sh 0755
//!     #!/bin/sh
//!     exec nginx -g 'daemon off;'
//! LAYER RUN apt-get install -y nginx
//! ELF /usr/sbin/nginx 0755
//!     nginx version: nginx/1.25.3
//! ENTRYPOINT ["/usr/local/bin/start.sh"]
//! "#)?;
//! assert_eq!(recipe.layers.len(), 2);
//! assert_eq!(recipe.config.entrypoint, ["/usr/local/bin/start.sh"]);
//! # Ok::<(), lazaret_recipe::RecipeError>(())
//! ```
//!
//! # Lines
//!
//! A directive starts in the first column. Lines below it that are indented by four spaces are its
//! block (the four spaces are taken off; blank lines inside are kept, blank lines at the end are
//! not). A line whose first character is `#` is a comment.
//!
//! ## Image
//!
//! | directive | meaning |
//! |---|---|
//! | `PLATFORM os/arch[/variant]` | default `linux/amd64`; write it first, `ELF` takes its machine from it |
//! | `CREATED 2024-01-01T00:00:00Z` | creation time; also the default time of files and steps |
//! | `NAME repository` | the name that it goes by in a registry, without tag |
//! | `AUTHOR text` | the configuration's `author` |
//! | `BUILDER buildkit\|classic\|none` | how the steps look that configuration directives leave in the history (`none`: they leave none); applies to the lines below it |
//! | `LAYER [@time] text` | starts a layer whose history step is `text`; without a text it is a `COPY`; `LAYER -` has no step. Files before the first `LAYER` are a first layer of their own |
//! | `HISTORY [@time] text` | a step that says that it made no layer |
//! | `CLAIM [@time] text` | a step that says that it made a layer, though there is none |
//! | `RUNARGS docker run …` | how somebody starts this image |
//! | `MANIFEST name` | the block is a compose file, a Kubernetes manifest or a Dockerfile of this name |
//!
//! ## Configuration
//!
//! `ENTRYPOINT`, `CMD`, `ENV`, `USER`, `WORKDIR`, `LABEL`, `HEALTHCHECK`, `ONBUILD`, `EXPOSE`,
//! `VOLUME`, `SHELL` and `STOPSIGNAL` as in a Dockerfile: a JSON array is the exec form, any other
//! text the shell form, which becomes `["/bin/sh", "-c", text]`.
//!
//! ## Files
//!
//! | directive | meaning |
//! |---|---|
//! | `FILE path [mode] [options]` | the block is its content; option `noeol` leaves out the last line end |
//! | `BASE64 path [mode] [options] text` | content in base64, also as a block |
//! | `ELF path [mode] [options]` | an inert program (see below) |
//! | `ZIP path [mode] [options]`, `TARGZ path …`, `TAR path …` | an archive; the block holds file directives |
//! | `GZIP path …` | the block compressed |
//! | `DIR path [mode]` | a directory |
//! | `SYMLINK path -> target`, `HARDLINK path -> target` | links |
//! | `DEVICE path c\|b major minor [mode]`, `FIFO path [mode]` | special files |
//! | `WHITEOUT path` | removes a path of the layers below; a block is content that it carries |
//! | `OPAQUE dir` | removes all that the layers below have in a directory |
//!
//! Options: `uid=`, `gid=`, `mtime=` (seconds since 1970 or RFC 3339), `xattr:NAME=BASE64`. A path
//! may hold `\xHH` for a byte that cannot be written (`\x20` is a space).
//!
//! ## ELF
//!
//! A well-formed 64-bit program whose code is `_exit(0)`, with the lines of the block in `.rodata`
//! as NUL-terminated strings. Options: `arch=amd64|arm64|riscv64|ppc64le`, `shared` (a library),
//! `interp=path`, `needed=a,b`, `symbols=a,b` (functions it defines), `imports=a,b`, `ifuncs=a,b`,
//! `sections=.a,.b` (further section names), `stripped` (no section table), `entropy=KIB`
//! (that many KiB of bytes that look compressed), `upx` (no sections, UPX's marks, the strings
//! packed as UPX packs them), `upx-damaged` (the same with the magic overwritten).

mod archive;
mod elf;
mod entries;
mod lines;
mod nrv;
mod parse;
mod tar;

use lazaret_model::{FileEntry, HistoryStep, ImageConfig, Platform};

/// An image, as its recipe describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// The configuration, history included.
    pub config: ImageConfig,
    /// The platform.
    pub platform: Platform,
    /// The layers, lowest first.
    pub layers: Vec<RecipeLayer>,
    /// The command by which somebody starts this image, where the launch and not the image is
    /// guilty.
    pub run: Option<String>,
    /// The repository that it goes by in a registry, where `NAME` says so.
    pub name: Option<String>,
    /// A text that says how images are run or built (a compose file, a Kubernetes manifest, a
    /// Dockerfile), with the name of its file: for what is guilty without an image of its own.
    pub manifest: Option<(String, String)>,
}

/// A layer of a recipe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecipeLayer {
    /// The step that made it; it also stands in the configuration's history.
    pub history: Option<HistoryStep>,
    /// What it holds, in order.
    pub files: Vec<RecipeFile>,
}

/// An entry of a layer with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipeFile {
    /// The entry; its `content` is `None`.
    pub entry: FileEntry,
    /// The content; empty for what has none.
    pub bytes: Vec<u8>,
}

/// Why a text is no recipe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("recipe line {line}: {what}")]
pub struct RecipeError {
    /// The line, counted from one.
    pub line: usize,
    /// What is wrong and what to write instead.
    pub what: String,
}

impl RecipeError {
    fn new(line: usize, what: impl Into<String>) -> Self {
        Self { line, what: what.into() }
    }
}

impl Recipe {
    /// Reads a recipe.
    pub fn parse(text: &str) -> Result<Self, RecipeError> {
        parse::parse(text)
    }
}

impl RecipeLayer {
    /// The layer as a tar archive: ustar, with PAX records where ustar has no room.
    pub fn to_tar(&self) -> Vec<u8> {
        tar::write(&self.files)
    }
}
