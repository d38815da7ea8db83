use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::ZlibDecoder;
use serde::{Deserialize, Serialize};

use crate::PackError;

/// The built-in rules, compressed by the build script.
const BUILT_IN: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/rules.bin"));

/// Upper bound for one rule file: beyond it, the folder is not one of rules.
const LARGEST_FILE: u64 = 64 << 20;

/// The language of a rule file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Language {
    /// Bytes in files.
    Yara,
    /// Behaviour and configuration.
    Sigma,
}

impl Language {
    fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "yar" | "yara" => Some(Self::Yara),
            "yml" | "yaml" => Some(Self::Sigma),
            _ => None,
        }
    }
}

/// A rule file as it was written.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// Its path below the folder that it came from, without the ending.
    pub(crate) id: String,
    /// What people are told: the path, or `built-in …`.
    pub(crate) origin: String,
    pub(crate) language: Language,
    pub(crate) built_in: bool,
    /// The folder or file that the user named; empty for the rules that the program carries.
    pub(crate) pack: String,
    pub(crate) text: String,
}

impl Source {
    pub(crate) fn error(&self, line: u32, reason: impl Into<String>) -> PackError {
        PackError::Rule { file: self.origin.clone(), line, reason: reason.into() }
    }

    /// The line of the first line of text that starts with `start`, after white space; 1 where
    /// there is none.
    pub(crate) fn line_starting(&self, start: &str) -> u32 {
        let at = self.text.lines().position(|line| line.trim_start().starts_with(start));
        at.map_or(1, |at| at as u32 + 1)
    }
}

/// The rules that the program carries, in the order of their names.
pub(crate) fn built_in() -> Result<Vec<Source>, PackError> {
    let damaged =
        |e: io::Error| PackError::Engine(format!("the built-in rules are damaged ({e}); build again"));
    let mut packed = Vec::new();
    ZlibDecoder::new(BUILT_IN).read_to_end(&mut packed).map_err(damaged)?;
    let mut rest = packed.as_slice();
    let mut part = || -> io::Result<Option<String>> {
        let Some((length, after)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_le_bytes(*length) as usize;
        let Some((text, after)) = after.split_at_checked(length) else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        rest = after;
        String::from_utf8(text.to_vec()).map(Some).map_err(io::Error::other)
    };
    let mut sources = Vec::new();
    while let Some(name) = part().map_err(damaged)? {
        let text = part().map_err(damaged)?.ok_or_else(|| damaged(io::ErrorKind::UnexpectedEof.into()))?;
        let path = PathBuf::from(&name);
        let language = Language::of(&path).ok_or_else(|| damaged(io::Error::other("unknown ending")))?;
        sources.push(Source {
            id: without_ending(&path),
            origin: format!("built-in {name}"),
            language,
            built_in: true,
            pack: String::new(),
            text,
        });
    }
    Ok(sources)
}

/// All rule files below a folder, sorted by path, or the one file that is named. Hidden folders
/// are left alone, links to files are followed, links to folders are not.
pub(crate) fn below(root: &Path) -> Result<Vec<Source>, PackError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| PackError::Unreadable { path, source }
    };
    let mut files = Vec::new();
    let base = if fs::metadata(root).map_err(unreadable(root))?.is_dir() {
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).map_err(unreadable(&folder))? {
                let entry = entry.map_err(unreadable(&folder))?;
                let path = entry.path();
                if entry.file_name().as_encoded_bytes().starts_with(b".") {
                    continue;
                }
                if entry.file_type().map_err(unreadable(&path))?.is_dir() {
                    folders.push(path);
                } else if Language::of(&path).is_some()
                    && fs::metadata(&path).map_err(unreadable(&path))?.is_file()
                {
                    files.push(path);
                }
            }
        }
        root
    } else {
        files.push(root.to_owned());
        root.parent().unwrap_or(Path::new(""))
    };
    files.sort();

    let pack = root.display().to_string();
    let mut sources = Vec::new();
    for path in files {
        let Some(language) = Language::of(&path) else { continue };
        let mut bytes = Vec::new();
        let file = fs::File::open(&path).map_err(unreadable(&path))?;
        file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(unreadable(&path))?;
        let origin = path.display().to_string();
        let refuse =
            |reason: &str| PackError::Rule { file: origin.clone(), line: 1, reason: reason.to_owned() };
        if bytes.len() as u64 > LARGEST_FILE {
            return Err(refuse("the file is larger than 64 MiB, which no rule file is"));
        }
        let text = String::from_utf8(bytes).map_err(|_| refuse("the file is not UTF-8 text"))?;
        let id = without_ending(path.strip_prefix(base).unwrap_or(&path));
        sources.push(Source { id, origin, language, built_in: false, pack: pack.clone(), text });
    }
    sources.retain(|source| !is_index(source));
    if sources.is_empty() {
        return Err(PackError::Empty { place: root.display().to_string() });
    }
    Ok(sources)
}

/// Whether a YARA file only includes others. Those are found by themselves, and to follow the
/// includes as well would load each rule twice.
fn is_index(source: &Source) -> bool {
    let mut lines =
        source.text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with("//")).peekable();
    source.language == Language::Yara
        && lines.peek().is_some()
        && lines.all(|line| line.starts_with("include ") || (line.starts_with("/*") && line.ends_with("*/")))
}

fn without_ending(path: &Path) -> String {
    path.with_extension("").to_string_lossy().into_owned()
}
