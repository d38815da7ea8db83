//! Where the store is, and that nobody else may read it: it tells which images were looked at.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sqlx::postgres::PgConnectOptions;

use crate::StoreError;

/// What an address names.
#[derive(Debug)]
pub(crate) enum Place {
    /// A file of SQLite.
    File(PathBuf),
    /// A database of PostgreSQL, and how it is named where people read it.
    Server {
        /// How to connect.
        options: Box<PgConnectOptions>,
        /// Without the password.
        address: String,
    },
}

impl Place {
    /// Reads `sqlite:PATH`, `sqlite://PATH`, a plain path, or an address of PostgreSQL as libpq
    /// has them.
    pub(crate) fn parse(url: &str) -> Result<Self, StoreError> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return server(url);
        }
        let refused = || StoreError::Address(without_secrets(url));
        let path = match url.strip_prefix("sqlite:") {
            Some(rest) => rest.strip_prefix("//").unwrap_or(rest),
            // `mysql://…` is an address and not a strange file name.
            None if url.contains("://") => return Err(refused()),
            None => url,
        };
        if path.is_empty() || path.contains('\0') || path.starts_with(':') {
            return Err(refused());
        }
        Ok(Self::File(PathBuf::from(path)))
    }
}

fn server(url: &str) -> Result<Place, StoreError> {
    let options: PgConnectOptions =
        url.parse().map_err(|_: sqlx::Error| StoreError::Address(without_secrets(url)))?;
    let host = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => options.get_host().to_owned(),
    };
    let address = format!(
        "postgres://{}@{host}:{}/{}",
        options.get_username(),
        options.get_port(),
        options.get_database().unwrap_or(options.get_username())
    );
    Ok(Place::Server { options: Box::new(options), address })
}

/// An address that could not be read, as far as no password can be in it.
fn without_secrets(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, _)) => format!("{scheme}://…"),
        None => url.to_owned(),
    }
}

/// Makes the directory (0700) and the file (0600) where they are not there yet. What is there
/// keeps its permissions: they are its owner's choice. SQLite gives the two files that it puts
/// beside it the permissions of this one.
pub(crate) fn prepare(path: &Path) -> Result<(), StoreError> {
    let failed = |source: io::Error| StoreError::Open { store: path.display().to_string(), source };
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
#[allow(clippy::unwrap_used, clippy::panic)]
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
            assert!(matches!(Place::parse(url), Ok(Place::File(p)) if p == Path::new(path)), "{url}");
        }
        for bad in ["", "sqlite:", "mysql://h/d", "sqlite::memory:", ":memory:", "postgres://h:port/d"] {
            assert!(Place::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_of_a_server_is_told_without_its_password() {
        for (url, told) in [
            (
                "postgres://lazaret:hunter2@db.example.test/images",
                "postgres://lazaret@db.example.test:5432/images",
            ),
            (
                "postgresql://l:hunter2@[2001:db8::1]:5433/i?sslmode=require",
                "postgres://l@[2001:db8::1]:5433/i",
            ),
            ("postgres:///i?host=/run/pg&user=l&password=hunter2", "postgres://l@/run/pg:5432/i"),
        ] {
            let Ok(Place::Server { address, .. }) = Place::parse(url) else { panic!("{url}") };
            assert_eq!(address, told);
        }
        for bad in [
            "postgres://l:hunter2@h:port/i",
            "postgres://l:hunter2@h/i?sslmode=hunter2",
            "mysql://l:hunter2@h/i",
        ] {
            let error = Place::parse(bad).unwrap_err().to_string();
            assert!(error.contains("names no store") && !error.contains("hunter2"), "{error}");
        }
    }
}
