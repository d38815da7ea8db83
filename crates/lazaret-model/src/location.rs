use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{EntryPath, visible};

/// Where in an image something was seen.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Location {
    /// The image as a whole.
    Image,
    /// The manifest or index.
    Manifest,
    /// A key of the configuration, with an index where it is a list: `Entrypoint`, `Env[3]`,
    /// `Labels.maintainer`.
    Config(String),
    /// A step of the history, counted from 0.
    History(usize),
    /// A layer as a whole, lowest is 0.
    Layer(usize),
    /// A file in a layer.
    File {
        /// The layer, lowest is 0.
        layer: usize,
        /// Path in it.
        path: EntryPath,
        /// Members of archives on the way from the file to the place: `["lib/x.jar", "a.class"]`.
        inside: Vec<String>,
        /// Line, counted from 1, where the content is text.
        line: Option<u32>,
        /// Byte offset in the content.
        offset: Option<u64>,
    },
    /// In what says how the image is run or built: a manifest, a compose file, a Dockerfile, the
    /// words of a command. It is no part of the image.
    Launch {
        /// The file, as the person named it; None for words of the command line.
        file: Option<String>,
        /// Line in it, counted from 1.
        line: Option<u32>,
        /// What stands there: `privileged`, `mounts[1]`, `RUN`.
        key: String,
    },
}

impl Location {
    /// A file as a whole.
    pub fn file(layer: usize, path: EntryPath) -> Self {
        Self::File { layer, path, inside: Vec::new(), line: None, offset: None }
    }

    /// A part of a launch that stands in no file.
    pub fn launch(key: impl Into<String>) -> Self {
        Self::Launch { file: None, line: None, key: key.into() }
    }

    /// The same place, at a line.
    pub fn at_line(mut self, number: u32) -> Self {
        if let Self::File { line, .. } = &mut self {
            *line = Some(number);
        }
        self
    }

    /// The same place, at a byte offset.
    pub fn at_offset(mut self, at: u64) -> Self {
        if let Self::File { offset, .. } = &mut self {
            *offset = Some(at);
        }
        self
    }

    /// The layer, if the place is in one.
    pub fn layer(&self) -> Option<usize> {
        match self {
            Self::Layer(layer) | Self::File { layer, .. } => Some(*layer),
            _ => None,
        }
    }

    /// The file, if the place is in one.
    pub fn path(&self) -> Option<&EntryPath> {
        match self {
            Self::File { path, .. } => Some(path),
            _ => None,
        }
    }
}

/// Safe to print: names from the image are neutralised.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image => f.write_str("image"),
            Self::Manifest => f.write_str("manifest"),
            Self::Config(key) => write!(f, "config {}", visible(key)),
            Self::History(step) => write!(f, "history step {step}"),
            Self::Layer(layer) => write!(f, "layer {layer}"),
            Self::Launch { file, line, key } => {
                match (file, line) {
                    (Some(file), Some(line)) => write!(f, "{}:{line} ", visible(file))?,
                    (Some(file), None) => write!(f, "{} ", visible(file))?,
                    (None, _) => f.write_str("launch ")?,
                }
                f.write_str(&visible(key))
            }
            Self::File { path, inside, line, offset, .. } => {
                f.write_str(&visible(&path.to_string()))?;
                for member in inside {
                    write!(f, "!{}", visible(member))?;
                }
                match (line, offset) {
                    (Some(line), _) => write!(f, ":{line}"),
                    (None, Some(offset)) => write!(f, "+0x{offset:x}"),
                    (None, None) => Ok(()),
                }
            }
        }
    }
}
