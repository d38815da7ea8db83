//! apk: `/lib/apk/db/installed` (`apk-v2` database: one letter, a colon, a value for each line; a
//! blank line between packages).

use data_encoding::{BASE64, HEXLOWER};
use lazaret_model::EntryPath;

use super::history::{Parsed, read_history};
use super::trace::Trace;
use super::{Listed, Manager, Ownership, Source, Sum};

/// Most packages of one database.
const MOST_PACKAGES: usize = 50_000;
const PLACES: [&str; 2] = ["lib/apk/db/installed", "usr/lib/apk/db/installed"];

pub(super) fn read(source: &Source<'_>, trace: &mut Trace<'_>, out: &mut Ownership) {
    let parse = |bytes: &[u8]| Ok(parse(&String::from_utf8_lossy(bytes)));
    read_history(source, trace, out, Manager::Apk, &PLACES, &parse);
}

fn parse(text: &str) -> Vec<Parsed> {
    let mut packages = Vec::new();
    for block in text.split("\n\n").take(MOST_PACKAGES) {
        let mut package = Parsed { name: String::new(), version: String::new(), files: Vec::new() };
        let mut dir = EntryPath::default();
        for line in block.lines() {
            let Some((letter, value)) = line.split_once(':') else { continue };
            match letter {
                "P" => value.clone_into(&mut package.name),
                "V" => value.clone_into(&mut package.version),
                // A directory, then the files in it.
                "F" => dir = EntryPath::from(value),
                "R" => {
                    let path = dir.join(value.as_bytes());
                    let config = path.as_bytes().starts_with(b"etc/");
                    package.files.push(Listed { path, sum: None, config });
                }
                // The checksum of the file before it.
                "Z" => {
                    if let Some(last) = package.files.last_mut() {
                        last.sum = checksum(value);
                    }
                }
                _ => {}
            }
        }
        if !package.name.is_empty() {
            packages.push(package);
        }
    }
    packages
}

/// `Q1` and SHA-1 in base64, `Q2` and SHA-256 in base64, or MD5 in hex (the oldest). Links have
/// that of their target's name, which no content has; nothing asks for it.
fn checksum(value: &str) -> Option<Sum> {
    if let Some(text) = value.strip_prefix("Q1") {
        return BASE64.decode(text.as_bytes()).ok()?.try_into().ok().map(Sum::Sha1);
    }
    if let Some(text) = value.strip_prefix("Q2") {
        return BASE64.decode(text.as_bytes()).ok()?.try_into().ok().map(Sum::Sha256);
    }
    HEXLOWER.decode(value.as_bytes()).ok()?.try_into().ok().map(Sum::Md5)
}
