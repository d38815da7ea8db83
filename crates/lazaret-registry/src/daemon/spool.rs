use std::fs::File;
use std::io::{ErrorKind, Seek, Write};
use std::path::PathBuf;

use super::DaemonOptions;
use crate::RegistryError;

/// A temporary file without a name that takes an export, within a limit.
pub(super) struct Spool {
    file: File,
    name: String,
    directory: PathBuf,
    limit: u64,
    written: u64,
}

impl Spool {
    pub(super) fn new(name: &str, options: &DaemonOptions) -> Result<Self, RegistryError> {
        let directory =
            options.directory.clone().unwrap_or_else(|| options.environment.temporary_directory());
        match tempfile::tempfile_in(&directory) {
            Ok(file) => {
                Ok(Self { file, name: name.to_owned(), directory, limit: options.export_limit, written: 0 })
            }
            Err(e) => {
                Err(RegistryError::Spool { name: name.to_owned(), directory, reason: said(&e), written: 0 })
            }
        }
    }

    /// Writes a piece. It blocks for as long as the page cache takes.
    pub(super) fn write(&mut self, piece: &[u8]) -> Result<(), RegistryError> {
        if self.written + piece.len() as u64 > self.limit {
            return Err(RegistryError::ExportTooLarge { name: self.name.clone(), limit: self.limit });
        }
        self.file.write_all(piece).map_err(|e| self.failed(&e))?;
        self.written += piece.len() as u64;
        Ok(())
    }

    /// The file, at its start, and its size in bytes.
    pub(super) fn finish(mut self) -> Result<(File, u64), RegistryError> {
        self.file.rewind().map_err(|e| self.failed(&e))?;
        Ok((self.file, self.written))
    }

    fn failed(&self, error: &std::io::Error) -> RegistryError {
        RegistryError::Spool {
            name: self.name.clone(),
            directory: self.directory.clone(),
            reason: said(error),
            written: self.written,
        }
    }
}

fn said(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "the disk is full".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_full_disk_is_told_with_its_directory_and_what_to_do() {
        // The kernel's device that is always full.
        let file = File::options().write(true).open("/dev/full").unwrap();
        let (name, directory) = ("a:1".to_owned(), PathBuf::from("/spool"));
        let mut spool = Spool { file, name, directory, limit: 100, written: 0 };
        let text = spool.write(b"bytes").unwrap_err().to_string();
        assert!(
            text.contains("/spool") && text.contains("the disk is full") && text.contains("TMPDIR"),
            "{text}"
        );
        let text = spool.write(&[0; 101]).unwrap_err().to_string();
        assert!(text.contains("larger than 100 bytes"), "{text}");
    }
}
