//! The directives that make entries of a layer or of an archive.

use data_encoding::BASE64;
use lazaret_model::{EntryPath, FileEntry, FileKind, Platform, Whiteout};

use crate::elf::{self, ElfSpec};
use crate::lines::{Directive, directives};
use crate::{RecipeError, RecipeFile, archive, tar};

/// An entry whose time may still be the layer's.
pub(crate) struct Parsed {
    pub file: RecipeFile,
    pub has_mtime: bool,
}

/// What stands on a file directive's line after the path.
struct Words<'a> {
    mode: Option<u32>,
    uid: u64,
    gid: u64,
    mtime: Option<i64>,
    xattrs: Vec<(String, Vec<u8>)>,
    /// What this reader does not know; the directive may.
    others: Vec<&'a str>,
}

/// Reads a file directive; `None` if the name is not one.
pub(crate) fn entry(directive: &Directive<'_>, platform: &Platform) -> Result<Option<Parsed>, RecipeError> {
    let file = match directive.name {
        "FILE" | "BASE64" | "ELF" | "ZIP" | "TAR" | "TARGZ" | "GZIP" => regular(directive, platform)?,
        "DIR" | "FIFO" | "DEVICE" => special(directive)?,
        "SYMLINK" | "HARDLINK" => link(directive)?,
        "WHITEOUT" | "OPAQUE" => whiteout(directive)?,
        _ => return Ok(None),
    };
    Ok(Some(file))
}

fn regular(directive: &Directive<'_>, platform: &Platform) -> Result<Parsed, RecipeError> {
    let (path, words) = path_and_words(directive)?;
    let mut known: Vec<&str> = Vec::new();
    let bytes = match directive.name {
        "FILE" => {
            let mut text = directive.block_text();
            if words.others.contains(&"noeol") {
                text.pop();
            }
            known.push("noeol");
            text.into_bytes()
        }
        "BASE64" => {
            let text: String =
                words.others.iter().copied().chain(directive.block.iter().map(|l| l.1.trim())).collect();
            known.clone_from(&words.others);
            base64(directive, &text)?
        }
        "GZIP" => archive::gzip(directive.block_text().as_bytes()),
        "ELF" => {
            let spec = ElfSpec::parse(&words.others, platform).map_err(|what| directive.error(what))?;
            known.clone_from(&words.others);
            let lines: Vec<&str> = directive.block.iter().map(|l| l.1).collect();
            elf::build(&spec, &lines)
        }
        archive_kind => {
            let files = nested(directive, platform)?;
            match archive_kind {
                "ZIP" => archive::zip(&files),
                "TAR" => tar::write(&files),
                _ => archive::gzip(&tar::write(&files)),
            }
        }
    };
    if let Some(word) = words.others.iter().find(|w| !known.contains(*w)) {
        return Err(directive.error(format!("{} does not know `{word}`", directive.name)));
    }
    Ok(finish(path, FileKind::File, words, 0o644, bytes))
}

/// The files of an archive's block.
fn nested(directive: &Directive<'_>, platform: &Platform) -> Result<Vec<RecipeFile>, RecipeError> {
    let mut files = Vec::new();
    for inner in directives(directive.block.iter().copied())? {
        match entry(&inner, platform)? {
            Some(parsed) => files.push(parsed.file),
            None => return Err(inner.error(format!("`{}` cannot stand inside an archive", inner.name))),
        }
    }
    Ok(files)
}

fn special(directive: &Directive<'_>) -> Result<Parsed, RecipeError> {
    directive.no_block()?;
    let (path, words) = path_and_words(directive)?;
    let (kind, mode) = match (directive.name, words.others.as_slice()) {
        ("DIR", []) => (FileKind::Directory, 0o755),
        ("FIFO", []) => (FileKind::Fifo, 0o644),
        ("DEVICE", [kind, major, minor]) => {
            let number = |text: &str| {
                text.parse::<u32>().map_err(|_| directive.error(format!("`{text}` is no device number")))
            };
            let (major, minor) = (number(major)?, number(minor)?);
            match *kind {
                "c" => (FileKind::CharDevice(major, minor), 0o666),
                "b" => (FileKind::BlockDevice(major, minor), 0o660),
                _ => return Err(directive.error("a device is `c` or `b`, then its two numbers")),
            }
        }
        ("DEVICE", _) => return Err(directive.error("write DEVICE path c|b major minor [mode]")),
        (name, _) => return Err(directive.error(format!("{name} takes a path, a mode and options"))),
    };
    Ok(finish(path, kind, words, mode, Vec::new()))
}

fn link(directive: &Directive<'_>) -> Result<Parsed, RecipeError> {
    directive.no_block()?;
    let (from, to) = directive
        .rest
        .split_once(" -> ")
        .ok_or_else(|| directive.error(format!("write {} path -> target", directive.name)))?;
    let mut tokens = to.split_whitespace();
    let target = unescape(directive, tokens.next().unwrap_or_default())?;
    let words = words(directive, tokens)?;
    let path = EntryPath::clean(&unescape(directive, from.trim())?);
    let kind = match directive.name {
        "SYMLINK" => FileKind::Symlink(target),
        _ => FileKind::Hardlink(EntryPath::clean(&target)),
    };
    Ok(finish(path, kind, words, 0o777, Vec::new()))
}

fn whiteout(directive: &Directive<'_>) -> Result<Parsed, RecipeError> {
    let (target, words) = path_and_words(directive)?;
    let (path, what) = if directive.name == "OPAQUE" {
        (target.join(b".wh..wh..opq"), Whiteout::Opaque(target))
    } else {
        let name = [b".wh.", target.file_name()].concat();
        (target.parent().join(&name), Whiteout::Path(target))
    };
    let mut parsed = finish(path, FileKind::File, words, 0, directive.block_text().into_bytes());
    parsed.file.entry.whiteout = Some(what);
    Ok(parsed)
}

fn finish(path: EntryPath, kind: FileKind, words: Words<'_>, mode: u32, bytes: Vec<u8>) -> Parsed {
    let entry = FileEntry {
        path,
        kind,
        mode: words.mode.unwrap_or(mode),
        uid: words.uid,
        gid: words.gid,
        size: bytes.len() as u64,
        mtime: words.mtime.unwrap_or_default(),
        content: None,
        xattrs: words.xattrs,
        whiteout: None,
    };
    Parsed { file: RecipeFile { entry, bytes }, has_mtime: words.mtime.is_some() }
}

fn path_and_words<'a>(directive: &Directive<'a>) -> Result<(EntryPath, Words<'a>), RecipeError> {
    let mut tokens = directive.rest.split_whitespace();
    let raw = tokens.next().ok_or_else(|| directive.error(format!("{} needs a path", directive.name)))?;
    Ok((EntryPath::clean(&unescape(directive, raw)?), words(directive, tokens)?))
}

fn words<'a>(
    directive: &Directive<'_>,
    tokens: impl Iterator<Item = &'a str>,
) -> Result<Words<'a>, RecipeError> {
    let mut words = Words { mode: None, uid: 0, gid: 0, mtime: None, xattrs: Vec::new(), others: Vec::new() };
    let bad = |word: &str| directive.error(format!("`{word}` holds no number"));
    for word in tokens {
        if words.mode.is_none()
            && word.starts_with('0')
            && word.len() >= 3
            && let Ok(mode) = u32::from_str_radix(word, 8)
        {
            words.mode = Some(mode);
        } else if let Some(uid) = word.strip_prefix("uid=") {
            words.uid = uid.parse().map_err(|_| bad(word))?;
        } else if let Some(gid) = word.strip_prefix("gid=") {
            words.gid = gid.parse().map_err(|_| bad(word))?;
        } else if let Some(time) = word.strip_prefix("mtime=") {
            words.mtime = Some(time.parse().ok().or_else(|| seconds(time)).ok_or_else(|| bad(word))?);
        } else if let Some(xattr) = word.strip_prefix("xattr:") {
            let (name, value) =
                xattr.split_once('=').ok_or_else(|| directive.error("write xattr:NAME=BASE64"))?;
            words.xattrs.push((name.to_owned(), base64(directive, value)?));
        } else {
            words.others.push(word);
        }
    }
    Ok(words)
}

fn base64(directive: &Directive<'_>, text: &str) -> Result<Vec<u8>, RecipeError> {
    BASE64.decode(text.as_bytes()).map_err(|e| directive.error(format!("not base64: {e}")))
}

/// `\xHH` in a path is a byte.
fn unescape(directive: &Directive<'_>, text: &str) -> Result<Vec<u8>, RecipeError> {
    let mut parts = text.split("\\x");
    let mut out = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let byte = part.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        let byte = byte.ok_or_else(|| directive.error("two hexadecimal digits must follow \\x in a path"))?;
        out.push(byte);
        out.extend(&part.as_bytes()[2..]);
    }
    if out.is_empty() {
        return Err(directive.error(format!("{} needs a path", directive.name)));
    }
    Ok(out)
}

/// Seconds since 1970 of an RFC 3339 time in UTC (`2024-01-31T12:00:00[.…]Z`).
pub(crate) fn seconds(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !text.ends_with('Z') || !(1..=12).contains(&month) {
        return None;
    }
    // Days since 1970 of a date in the Gregorian calendar, years counted from March.
    let shifted = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}
