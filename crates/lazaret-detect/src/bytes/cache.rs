//! The compiled form of the byte rules, kept between runs.
//!
//! It holds native code, so it is only read from a folder that belongs to this user and that
//! nobody else can write to, and only from a file of which the same is true.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use lazaret_model::LeftOutRule;

/// First bytes of the file; raised with its layout.
const MAGIC: &[u8; 8] = b"lzbytes3";

/// Larger than any pack; what is larger is not ours.
const LARGEST: u64 = 512 << 20;

/// The place for one version of the rules.
pub(super) struct Entry {
    file: PathBuf,
}

impl Entry {
    /// None where the folder cannot be trusted.
    pub(super) fn in_folder(folder: &Path, version: &str) -> Option<Self> {
        let found = fs::symlink_metadata(folder).ok()?;
        (found.is_dir() && only_ours(&found))
            .then(|| Self { file: folder.join(format!("byte-rules-{version}.bin")) })
    }

    /// What was compiled before, if it is whole and this engine takes it.
    pub(super) fn read(&self) -> Option<(Vec<yara_x::Rules>, Vec<LeftOutRule>)> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32)
            .open(&self.file)
            .ok()?;
        let found = file.metadata().ok()?;
        if !found.is_file() || !only_ours(&found) || found.len() > LARGEST {
            return None;
        }
        let mut bytes = Vec::with_capacity(found.len() as usize);
        file.take(LARGEST).read_to_end(&mut bytes).ok()?;
        let rest = bytes.strip_prefix(MAGIC)?;
        let (sum, body) = rest.split_at_checked(32)?;
        if blake3::hash(body).as_bytes() != sum {
            return None;
        }
        let (left_out, mut rest) = part(body)?;
        let mut shards = Vec::new();
        while !rest.is_empty() {
            let (compiled, after) = part(rest)?;
            shards.push(yara_x::Rules::deserialize(compiled).ok()?);
            rest = after;
        }
        Some((shards, serde_json::from_slice(left_out).ok()?))
    }

    /// Keeps what was compiled. A full disk or the like costs the next start some time and
    /// nothing else, so it is no error.
    pub(super) fn write(&self, shards: &[yara_x::Rules], left_out: &[LeftOutRule]) {
        let Ok(notes) = serde_json::to_vec(left_out) else { return };
        let Ok(compiled) = shards.iter().map(yara_x::Rules::serialize).collect::<Result<Vec<_>, _>>() else {
            return;
        };
        let mut body = Vec::new();
        for part in std::iter::once(&notes).chain(&compiled) {
            body.extend_from_slice(&(part.len() as u64).to_le_bytes());
            body.extend_from_slice(part);
        }
        let part = self.file.with_extension(format!("{}.part", std::process::id()));
        let written = create(&part).and_then(|mut file| {
            file.write_all(MAGIC)?;
            file.write_all(blake3::hash(&body).as_bytes())?;
            file.write_all(&body)
        });
        if written.and_then(|()| fs::rename(&part, &self.file)).is_err() {
            let _ = fs::remove_file(&part);
        }
    }
}

/// The next part, which is led by its length, and what follows it.
fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)
}

fn create(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn only_ours(found: &Metadata) -> bool {
    found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o022 == 0
}
