use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::{Process, needed, run, sha256};

/// A real registry (Debian's `docker-registry`) on a free loopback port.
pub struct Registry {
    // Ended before its directory goes.
    _process: Process,
    /// `127.0.0.1:PORT`.
    pub host: String,
    pub dir: TempDir,
}

/// How a registry lets people in.
pub enum Access<'a> {
    Open,
    /// One user with a password.
    Htpasswd {
        user: &'a str,
        password: &'a str,
    },
    /// Tokens of this server, signed with the key that belongs to a certificate.
    Token {
        realm: &'a str,
        certificate: &'a Path,
    },
    /// Open, over TLS.
    Tls {
        certificate: &'a Path,
        key: &'a Path,
    },
}

impl Registry {
    pub fn start(access: Access<'_>) -> Self {
        let program = needed("docker-registry", "docker-registry");
        let dir = TempDir::new().unwrap();
        let root = dir.path().join("data");
        // Port 0: the kernel picks a free one, and the log tells which.
        let mut config = format!(
            "version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: {}\n  delete:\n    enabled: true\nhttp:\n  addr: 127.0.0.1:0\n",
            root.display()
        );
        match access {
            Access::Open => {}
            Access::Tls { certificate, key } => {
                config += &format!(
                    "  tls:\n    certificate: {}\n    key: {}\n",
                    certificate.display(),
                    key.display()
                );
            }
            Access::Htpasswd { user, password } => {
                let file = dir.path().join("htpasswd");
                let htpasswd = needed("htpasswd", "apache2-utils");
                run(Command::new(htpasswd).args(["-Bbc", "-C", "4"]).arg(&file).args([user, password]));
                config += &format!("auth:\n  htpasswd:\n    realm: lab\n    path: {}\n", file.display());
            }
            Access::Token { realm, certificate } => {
                config += &format!(
                    "auth:\n  token:\n    realm: {realm}\n    service: lab\n    issuer: lab-issuer\n    rootcertbundle: {}\n",
                    certificate.display()
                );
            }
        }
        let file = dir.path().join("config.yml");
        std::fs::write(&file, config).unwrap();
        let log = dir.path().join("log");
        let mut process = Process::start(
            Command::new(program).arg("serve").arg(&file).env("OTEL_TRACES_EXPORTER", "none"),
            &log,
        );
        let host = process.wait(|log| {
            let rest = log.split("listening on ").nth(1)?;
            let address: String =
                rest.chars().take_while(|c| c.is_ascii_digit() || ".:".contains(*c)).collect();
            // The line may be half-written.
            rest.contains('\n').then_some(address)
        });
        Self { _process: process, host, dir }
    }

    /// `HOST/NAME`.
    pub fn name(&self, name: &str) -> String {
        format!("{}/{name}", self.host)
    }

    /// `docker://HOST/NAME`, as skopeo and buildah write it.
    pub fn url(&self, name: &str) -> String {
        format!("docker://{}/{name}", self.host)
    }

    /// Puts a blob there by hand, for content that no tool would push. Returns its digest.
    pub async fn put_blob(&self, repository: &str, bytes: &[u8]) -> String {
        let digest = sha256(bytes);
        let http = reqwest::Client::builder().no_proxy().tls_backend_preconfigured(no_tls()).build().unwrap();
        let begun =
            http.post(format!("http://{}/v2/{repository}/blobs/uploads/", self.host)).send().await.unwrap();
        let location = begun.headers()["location"].to_str().unwrap().to_owned();
        let joined = if location.contains('?') { '&' } else { '?' };
        let put = http
            .put(format!("{location}{joined}digest={digest}"))
            .header("content-type", "application/octet-stream")
            .body(bytes.to_vec())
            .send()
            .await
            .unwrap();
        assert_eq!(put.status(), 201, "blob {digest}");
        digest
    }

    /// Puts a manifest there under a tag. Returns its digest.
    pub async fn put_manifest(&self, repository: &str, tag: &str, media_type: &str, bytes: &[u8]) -> String {
        let http = reqwest::Client::builder().no_proxy().tls_backend_preconfigured(no_tls()).build().unwrap();
        let put = http
            .put(format!("http://{}/v2/{repository}/manifests/{tag}", self.host))
            .header("content-type", media_type)
            .body(bytes.to_vec())
            .send()
            .await
            .unwrap();
        let status = put.status();
        assert!(status.is_success(), "manifest {tag}: {status} {}", put.text().await.unwrap());
        sha256(bytes)
    }
}

/// reqwest wants a TLS set-up even where none is used.
fn no_tls() -> rustls::ClientConfig {
    rustls::ClientConfig::builder_with_provider(std::sync::Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_root_certificates(rustls::RootCertStore::empty())
    .with_no_client_auth()
}

/// A certificate for `localhost` and 127.0.0.1 that signs itself, and its key; marked as that of
/// an authority if `authority`.
pub fn certificate(dir: &Path, authority: bool) -> (PathBuf, PathBuf) {
    let (certificate, key) = (dir.join("cert.pem"), dir.join("key.pem"));
    let openssl = needed("openssl", "openssl");
    run(Command::new(openssl)
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .args([
            "-addext",
            if authority {
                "basicConstraints=critical,CA:TRUE"
            } else {
                "basicConstraints=critical,CA:FALSE"
            },
        ])
        .args(["-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate));
    (certificate, key)
}
