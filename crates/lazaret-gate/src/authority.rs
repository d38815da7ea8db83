//! The authority whose certificates the gate shows where it stands in for a registry.
//!
//! It may name the registries that were listed when it was made, and nothing else (RFC 5280,
//! 4.2.1.10, name constraints), so that whoever gets hold of its key gains no more than the gate has.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, NameConstraints,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use time::{Duration, OffsetDateTime};

use crate::judge::lock;

/// File of the certificate, for clients to trust.
pub const CERTIFICATE: &str = "lazaret-gate-ca.crt";
/// File of the key, for the gate alone.
const KEY: &str = "lazaret-gate-ca.key";
/// File with the hosts that the authority may name.
const HOSTS: &str = "lazaret-gate-ca.hosts";
/// How long the authority lasts.
const YEARS: i64 = 5;
/// How long the certificate of one host lasts; it is made anew at each start.
const DAYS: i64 = 90;

/// An authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
    hosts: Vec<String>,
    shown: Mutex<HashMap<String, Arc<ServerConfig>>>,
}

/// What is wrong with an authority.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// Its files cannot be read or written.
    #[error("the gate's certificate authority in {place}: {error}")]
    Files {
        /// The directory.
        place: String,
        /// What the system says.
        error: io::Error,
    },
    /// A certificate cannot be made.
    #[error("a certificate cannot be made: {0}")]
    Certificate(String),
    /// It was not made yet.
    #[error("there is no certificate authority in {0}: `lazaret gate init` makes one")]
    Missing(String),
}

impl Authority {
    /// Makes an authority for these hosts in a directory. One that is there is replaced.
    ///
    /// # Errors
    /// The directory cannot be written; a host that is no DNS name.
    pub fn make(directory: &Path, hosts: &[String]) -> Result<Self, AuthorityError> {
        let files = |error| AuthorityError::Files { place: directory.display().to_string(), error };
        let key = KeyPair::generate().map_err(wrong)?;
        let certificate = params(hosts)?.self_signed(&key).map_err(wrong)?.pem();
        fs::create_dir_all(directory).map_err(files)?;
        let secret = directory.join(KEY);
        // Made anew with its rights, so that no moment exists in which others can read it.
        let _ = fs::remove_file(&secret);
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&secret).map_err(files)?;
        file.write_all(key.serialize_pem().as_bytes()).map_err(files)?;
        fs::write(directory.join(HOSTS), hosts.join("\n")).map_err(files)?;
        fs::write(directory.join(CERTIFICATE), &certificate).map_err(files)?;
        Self::with(key, certificate, hosts.to_vec())
    }

    /// Opens the authority of a directory.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn open(directory: &Path) -> Result<Self, AuthorityError> {
        let read = |name: &str| {
            fs::read_to_string(directory.join(name)).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => AuthorityError::Missing(directory.display().to_string()),
                _ => AuthorityError::Files { place: directory.display().to_string(), error },
            })
        };
        let key = KeyPair::from_pem(&read(KEY)?).map_err(wrong)?;
        let hosts = read(HOSTS)?.lines().map(str::to_owned).collect();
        Self::with(key, read(CERTIFICATE)?, hosts)
    }

    fn with(key: KeyPair, certificate: String, hosts: Vec<String>) -> Result<Self, AuthorityError> {
        let issuer = Issuer::new(params(&hosts)?, key);
        Ok(Self { issuer, certificate, hosts, shown: Mutex::default() })
    }

    /// The certificate that clients are to trust, PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// The hosts that it may name.
    pub fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// What the gate shows as `host`.
    ///
    /// # Errors
    /// A host that the authority may not name.
    pub fn server(&self, host: &str) -> Result<Arc<ServerConfig>, AuthorityError> {
        if !self.hosts.iter().any(|known| known == host) {
            return Err(AuthorityError::Certificate(format!("{host} is none of the hosts of this gate")));
        }
        if let Some(known) = lock(&self.shown).get(host) {
            return Ok(Arc::clone(known));
        }
        let key = KeyPair::generate().map_err(wrong)?;
        let mut params = CertificateParams::new(vec![host.to_owned()]).map_err(wrong)?;
        params.distinguished_name.push(DnType::CommonName, host);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let now = OffsetDateTime::now_utc();
        params.not_before = now - Duration::hours(1);
        params.not_after = now + Duration::days(DAYS);
        let leaf = params.signed_by(&key, &self.issuer).map_err(wrong)?;
        let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(wrong)?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], secret)
            .map_err(wrong)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let config = Arc::new(config);
        lock(&self.shown).insert(host.to_owned(), Arc::clone(&config));
        Ok(config)
    }
}

fn params(hosts: &[String]) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::new(Vec::new()).map_err(wrong)?;
    params.distinguished_name.push(DnType::CommonName, "Lazaret gate");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: hosts.iter().cloned().map(GeneralSubtree::DnsName).collect(),
        excluded_subtrees: Vec::new(),
    });
    let now = OffsetDateTime::now_utc();
    params.not_before = now - Duration::hours(1);
    params.not_after = now + Duration::days(365 * YEARS);
    Ok(params)
}

fn wrong(error: impl std::fmt::Display) -> AuthorityError {
    AuthorityError::Certificate(error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_key_is_for_the_gate_alone_and_no_other_host_can_be_named() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Authority::open(folder.path()), Err(AuthorityError::Missing(_))));
        Authority::make(folder.path(), &["registry-1.docker.io".into()]).unwrap();
        let mode = fs::metadata(folder.path().join(KEY)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = Authority::open(folder.path()).unwrap();
        assert!(again.server("registry-1.docker.io").is_ok());
        assert!(again.server("bank.example").is_err());
        assert!(again.certificate().contains("BEGIN CERTIFICATE"));
    }
}
