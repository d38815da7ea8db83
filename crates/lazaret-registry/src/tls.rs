//! One TLS set-up for everything: rustls with aws-lc-rs, the system's certificate authorities
//! (or what `SSL_CERT_FILE` and `SSL_CERT_DIR` name) and the ones that the user adds.

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::{Environment, RegistryError};

/// A client certificate, as Docker keeps it in `cert.pem` and `key.pem`.
pub(crate) struct ClientCertificate {
    pub(crate) certificate: std::path::PathBuf,
    pub(crate) key: std::path::PathBuf,
}

/// Which certificate authorities besides those in a file are trusted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum SystemRoots {
    Trust,
    Ignore,
}

/// The TLS configuration. The provider is named explicitly: with two in the process, rustls
/// refuses to guess.
///
/// A system without certificates is no error here: plain HTTP and Unix sockets need none, and
/// a TLS server is then not trusted, with the reason.
pub(crate) fn config(
    environment: &Environment,
    system: SystemRoots,
    ca_file: Option<&Path>,
    client: Option<&ClientCertificate>,
) -> Result<ClientConfig, RegistryError> {
    let mut roots = RootCertStore::empty();
    if system == SystemRoots::Trust {
        let (file, directory) = (environment.path("SSL_CERT_FILE"), environment.path("SSL_CERT_DIR"));
        let found = if file.is_some() || directory.is_some() {
            let found = rustls_native_certs::load_certs_from_paths(file.as_deref(), directory.as_deref());
            // What the user named must be readable, else trust would silently differ from what was asked.
            if let (Some(error), true) = (found.errors.first(), found.certs.is_empty()) {
                let what = file.or(directory).unwrap_or_default();
                return Err(setup(&what, &error.to_string()));
            }
            found
        } else {
            rustls_native_certs::load_native_certs()
        };
        // Systems carry a few certificates that rustls cannot parse; the others count.
        roots.add_parsable_certificates(found.certs);
    }
    if let Some(path) = ca_file {
        let mut added = 0;
        for certificate in CertificateDer::pem_file_iter(path).map_err(|e| setup(path, &e.to_string()))? {
            let certificate = certificate.map_err(|e| setup(path, &e.to_string()))?;
            roots.add(certificate).map_err(|e| setup(path, &e.to_string()))?;
            added += 1;
        }
        if added == 0 {
            return Err(setup(path, "it holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"));
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| RegistryError::Setup { what: "TLS".to_owned(), reason: e.to_string() })?
        .with_root_certificates(roots);
    let mut config = match client {
        None => builder.with_no_client_auth(),
        Some(ClientCertificate { certificate, key }) => {
            let chain = CertificateDer::pem_file_iter(certificate)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|e| setup(certificate, &e.to_string()))?;
            let private = PrivateKeyDer::from_pem_file(key).map_err(|e| setup(key, &e.to_string()))?;
            builder.with_client_auth_cert(chain, private).map_err(|e| setup(certificate, &e.to_string()))?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn setup(path: &Path, reason: &str) -> RegistryError {
    RegistryError::Setup { what: path.display().to_string(), reason: reason.to_owned() }
}

/// A TLS failure for people.
pub(crate) fn words(error: &rustls::Error) -> String {
    use rustls::CertificateError;
    match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "no known authority issued its certificate".to_owned()
        }
        rustls::Error::InvalidCertificate(CertificateError::Other(other))
            if other.to_string().contains("CaUsedAsEndEntity") =>
        {
            // What `openssl req -x509` makes where nothing else is said.
            "its certificate is that of an authority and not of a server; make one with \
             `-addext basicConstraints=critical,CA:FALSE`"
                .to_owned()
        }
        other => lazaret_model::one_line(&other.to_string(), 300),
    }
}

/// What TLS says about a failed connection, if it was TLS that failed.
pub(crate) fn failure(error: &reqwest::Error) -> Option<rustls::Error> {
    let mut source: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    while let Some(current) = source {
        if let Some(tls) = current.downcast_ref::<rustls::Error>() {
            return Some(tls.clone());
        }
        if let Some(io) = current.downcast_ref::<std::io::Error>()
            && let Some(inner) = io.get_ref()
        {
            if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
                return Some(tls.clone());
            }
            source = Some(inner);
            continue;
        }
        source = current.source();
    }
    None
}
