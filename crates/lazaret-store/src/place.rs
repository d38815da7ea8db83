//! Where the store is, and that nobody else may read it: it tells which images were looked at.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

use crate::StoreError;

/// Reads `sqlite:PATH`, `sqlite://PATH` or a plain path.
pub(crate) fn parse(url: &str) -> Result<PathBuf, StoreError> {
    let refused = || StoreError::Address(url.to_owned());
    let path = match url.strip_prefix("sqlite:") {
        Some(rest) => rest.strip_prefix("//").unwrap_or(rest),
        // `postgres://…` is an address and not a strange file name.
        None if url.contains("://") => return Err(refused()),
        None => url,
    };
    if path.is_empty() || path.contains('\0') || path.starts_with(':') {
        return Err(refused());
    }
    Ok(PathBuf::from(path))
}

/// Makes the directory (0700) and the file (0600) where they are not there yet. What is there
/// keeps its permissions: they are its owner's choice. SQLite gives the two files that it puts
/// beside it the permissions of this one.
pub(crate) fn prepare(path: &PathBuf) -> Result<(), StoreError> {
    let failed = |source: io::Error| StoreError::Open { path: path.clone(), source };
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    }
    match File::options().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            if fs::metadata(path).map_err(failed)?.is_file() {
                return Ok(());
            }
            Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")))
        }
        Err(e) => Err(failed(e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_path_with_or_without_its_scheme() {
        for (url, path) in [
            ("sqlite:/a/b.db", "/a/b.db"),
            ("sqlite:///a/b.db", "/a/b.db"),
            ("sqlite:b.db", "b.db"),
            ("/a/b.db", "/a/b.db"),
            ("b:c.db", "b:c.db"),
        ] {
            assert_eq!(parse(url).ok(), Some(PathBuf::from(path)), "{url}");
        }
        for bad in ["", "sqlite:", "postgres://h/d", "sqlite::memory:", ":memory:"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
