//! What was made of rules, kept between runs.
//!
//! The compiled byte rules hold native code, so anything is only read from a folder that belongs to
//! this user and that nobody else can write to, and only from a file of which the same is true.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// First bytes of a file; raised with the layout of any of them.
const MAGIC: &[u8; 8] = b"lzrules4";

/// Larger than any pack; what is larger is not ours.
const LARGEST: u64 = 512 << 20;

/// The place for one thing made of one version of the rules.
pub(crate) struct Entry {
    file: PathBuf,
}

impl Entry {
    /// The file of a name. None where the folder cannot be trusted.
    pub(crate) fn in_folder(folder: &Path, name: &str) -> Option<Self> {
        let found = fs::symlink_metadata(folder).ok()?;
        (found.is_dir() && only_ours(&found)).then(|| Self { file: folder.join(format!("{name}.bin")) })
    }

    /// What was kept, if it is whole.
    pub(crate) fn read(&self) -> Option<Vec<u8>> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32)
            .open(&self.file)
            .ok()?;
        let found = file.metadata().ok()?;
        if !found.is_file() || !only_ours(&found) || found.len() > LARGEST {
            return None;
        }
        let mut file = file.take(LARGEST);
        let mut head = [0; 8 + 32];
        file.read_exact(&mut head).ok()?;
        let sum = head.strip_prefix(MAGIC)?;
        let mut body = Vec::with_capacity(found.len() as usize);
        file.read_to_end(&mut body).ok()?;
        (blake3::hash(&body).as_bytes() == sum).then_some(body)
    }

    /// Keeps what was made. A full disk or the like costs the next start some time and nothing
    /// else, so it is no error.
    pub(crate) fn write(&self, body: &[u8]) {
        let part = self.file.with_extension(format!("{}.part", std::process::id()));
        let written = create(&part).and_then(|mut file| {
            file.write_all(MAGIC)?;
            file.write_all(blake3::hash(body).as_bytes())?;
            file.write_all(body)
        });
        if written.and_then(|()| fs::rename(&part, &self.file)).is_err() {
            let _ = fs::remove_file(&part);
        }
    }
}

fn create(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn only_ours(found: &Metadata) -> bool {
    found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o022 == 0
}
