//! The certificate that the gate shows on its own address, read again when its files change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};

use crate::judge::lock;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// A certificate with its key.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    config: Mutex<Arc<ServerConfig>>,
}

/// What is wrong with a certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read as PEM.
    #[error("{what} {file} cannot be read: {reason}")]
    File {
        /// The certificate or the key.
        what: &'static str,
        /// The file.
        file: String,
        /// What the system, or the reader of PEM, says.
        reason: String,
    },
    /// They do not belong together, or are of a kind that cannot be used.
    #[error("{certificate} and {key} cannot be used together: {reason}")]
    Pair {
        /// File of the certificate.
        certificate: String,
        /// File of the key.
        key: String,
        /// Why.
        reason: rustls::Error,
    },
}

impl Tls {
    /// Reads a certificate (PEM, those that signed it behind it) and its key (PEM: PKCS #8, PKCS #1
    /// or SEC 1).
    ///
    /// # Errors
    /// A file that is not there or not PEM; a key that is not the certificate's.
    pub fn open(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let config = read(certificate, key)?;
        Ok(Self { certificate: certificate.to_owned(), key: key.to_owned(), config: Mutex::new(config) })
    }

    /// What is shown to whoever connects now.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&lock(&self.config))
    }

    /// Looks at the files again and again and takes what is new and right. What is wrong is logged,
    /// and the one before is still shown. Never returns.
    pub async fn watch(&self) {
        let mut last = self.stamps();
        loop {
            tokio::time::sleep(LOOK).await;
            let now = self.stamps();
            if now != last {
                last = now;
                self.reload();
            }
        }
    }

    fn reload(&self) {
        match read(&self.certificate, &self.key) {
            Ok(config) => {
                *lock(&self.config) = config;
                tracing::info!("the certificate was read again");
            }
            Err(error) => tracing::error!("{error}; the certificate before it is still shown"),
        }
    }

    fn stamps(&self) -> [Option<(SystemTime, u64)>; 2] {
        [&self.certificate, &self.key].map(|file| {
            let about = std::fs::metadata(file).ok()?;
            Some((about.modified().ok()?, about.len()))
        })
    }
}

fn read(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let wrong =
        |what, file: &Path, reason: String| TlsError::File { what, file: file.display().to_string(), reason };
    let no_certificate = |error: pem::Error| wrong("the certificate", certificate, said(error));
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .map_err(no_certificate)?
        .collect::<Result<_, _>>()
        .map_err(no_certificate)?;
    if chain.is_empty() {
        return Err(wrong("the certificate", certificate, "there is none in it (PEM is needed)".to_owned()));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong("the key", key, said(error)))?;
    let pair = |reason| TlsError::Pair {
        certificate: certificate.display().to_string(),
        key: key.display().to_string(),
        reason,
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(pair)?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(pair)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// What the reader of PEM says, and nothing of what it read.
fn said(error: pem::Error) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => "there is none in it (PEM is needed)".to_owned(),
        _ => "it is no sound PEM".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    fn pair() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec!["gate.test".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn a_broken_pair_is_told_and_the_one_before_is_still_shown() {
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
        let ((one, one_key), (other, other_key)) = (pair(), pair());
        fs::write(&cert, &one).unwrap();
        assert!(Tls::open(&cert, &key).err().unwrap().to_string().contains("the key"));
        fs::write(&key, &one_key).unwrap();
        let tls = Tls::open(&cert, &key).unwrap();
        let before = tls.config();
        for (broken, says) in
            [(other.as_str(), "cannot be used together"), ("", "there is none in it"), (&one[..80], "PEM")]
        {
            fs::write(&cert, broken).unwrap();
            tls.reload();
            assert!(Arc::ptr_eq(&before, &tls.config()), "{broken}");
            let error = Tls::open(&cert, &key).err().unwrap().to_string();
            assert!(error.contains(says) && !error.contains("BEGIN"), "{error}");
        }
        fs::write(&cert, &other).unwrap();
        fs::write(&key, &other_key).unwrap();
        tls.reload();
        assert!(!Arc::ptr_eq(&before, &tls.config()));
    }
}
