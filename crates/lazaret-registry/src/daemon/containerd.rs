//! containerd through `ctr`, which is installed with it. `CONTAINERD_ADDRESS` and
//! `CONTAINERD_NAMESPACE` mean what they mean to `ctr`.

use std::process::Stdio;

use lazaret_model::RegistryRef;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use super::spool::Spool;
use super::{DaemonOptions, Export};
use crate::RegistryError;
use crate::error::seconds;

const ENGINE: &str = "containerd";
const DEFAULT_ADDRESS: &str = "/run/containerd/containerd.sock";
const DEFAULT_NAMESPACE: &str = "default";
/// Most bytes of lists and messages that are read from `ctr`.
const OUTPUT_LIMIT: u64 = 4 << 20;

/// Exports an image as an OCI archive.
pub(super) async fn export(name: &str, options: &DaemonOptions) -> Result<Export, RegistryError> {
    let ctr = Ctr::new(options);
    let (found, digest) = ctr.find(name).await?;
    let mut spool = Spool::new(name, options)?;
    let mut child = ctr.start(&["images", "export", "-", &found], name)?;
    let mut stdout = child.stdout.take().ok_or_else(|| ctr.failed(name, "no output".to_owned()))?;
    // Read on the side, so that a full pipe never blocks the child.
    let stderr = child.stderr.take();
    let said = tokio::spawn(text_of(stderr));
    let mut buffer = vec![0; 256 << 10];
    loop {
        match tokio::time::timeout(options.stall_timeout, stdout.read(&mut buffer)).await {
            Ok(Ok(0)) => break,
            Ok(Ok(read)) => spool.write(&buffer[..read])?,
            Ok(Err(error)) => return Err(ctr.failed(name, error.to_string())),
            Err(_) => {
                return Err(
                    ctr.failed(name, format!("no more bytes within {}", seconds(options.stall_timeout)))
                );
            }
        }
    }
    let status = child.wait().await.map_err(|e| ctr.failed(name, e.to_string()))?;
    if !status.success() {
        let said = said.await.unwrap_or_default();
        return Err(ctr.failed(name, spoken(&said, &status.to_string())));
    }
    let (file, size) = spool.finish()?;
    let repository = found.rsplit_once(':').map_or(found.as_str(), |(repository, _)| repository);
    Ok(Export {
        file,
        size,
        origin: format!("{ENGINE} at {} (namespace {})", ctr.address, ctr.namespace),
        repo_digests: vec![format!("{repository}@{digest}")],
        id: digest,
    })
}

/// `ctr` with its address and namespace.
struct Ctr<'a> {
    address: String,
    namespace: String,
    options: &'a DaemonOptions,
}

impl<'a> Ctr<'a> {
    fn new(options: &'a DaemonOptions) -> Self {
        let text =
            |name: &str, default: &str| options.environment.text(name).unwrap_or_else(|| default.to_owned());
        Self {
            address: text("CONTAINERD_ADDRESS", DEFAULT_ADDRESS),
            namespace: text("CONTAINERD_NAMESPACE", DEFAULT_NAMESPACE),
            options,
        }
    }

    /// The full name under which containerd holds the image, and its digest.
    async fn find(&self, name: &str) -> Result<(String, String), RegistryError> {
        let child = self.start(&["images", "list"], name)?;
        let waited = tokio::time::timeout(self.options.stall_timeout, collect(child)).await;
        let (output, said, success) = waited
            .map_err(|_| self.failed(name, "`ctr images list` gave no answer".to_owned()))?
            .map_err(|e| self.failed(name, e.to_string()))?;
        if !success {
            let reason = spoken(&said, "ctr failed");
            return Err(if reason.contains("dial") || reason.contains("no such file") {
                RegistryError::NoDaemon { engine: ENGINE, tried: reason, variable: "CONTAINERD_ADDRESS" }
            } else {
                self.failed(name, reason)
            });
        }
        // containerd knows full names only; people type short ones.
        let full = name.parse::<RegistryRef>().ok().map(|reference| reference.to_string());
        let wanted = [Some(name.to_owned()), full];
        output
            .lines()
            .skip(1)
            .filter_map(|line| {
                let mut columns = line.split_whitespace();
                Some((columns.next()?, columns.next()?, columns.next()?))
            })
            .find(|(held, _, _)| wanted.iter().flatten().any(|wanted| wanted == held))
            .map(|(held, _, digest)| (held.to_owned(), digest.to_owned()))
            .ok_or_else(|| RegistryError::NoSuchImage {
                engine: ENGINE,
                address: format!("{} (namespace {})", self.address, self.namespace),
                name: name.to_owned(),
                hint: format!(
                    "images of Kubernetes are in the namespace k8s.io and those of Docker in moby (set \
                     CONTAINERD_NAMESPACE), or {}",
                    super::registry_hint(name)
                ),
            })
    }

    /// Starts `ctr`; it is killed when its handle goes.
    fn start(&self, arguments: &[&str], name: &str) -> Result<Child, RegistryError> {
        let mut command = Command::new("ctr");
        command
            .args(["--address", &self.address, "--namespace", &self.namespace])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let Some(path) = self.options.environment.path("PATH") {
            command.env("PATH", path);
        }
        command.spawn().map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => self.failed(
                name,
                "`ctr` is not installed; it comes with containerd and is how its images are exported"
                    .to_owned(),
            ),
            _ => self.failed(name, format!("ctr: {e}")),
        })
    }

    fn failed(&self, name: &str, reason: String) -> RegistryError {
        RegistryError::Daemon {
            engine: ENGINE,
            address: format!("{} (namespace {})", self.address, self.namespace),
            name: name.to_owned(),
            reason,
        }
    }
}

/// Output, messages and success of a child.
async fn collect(mut child: Child) -> std::io::Result<(String, String, bool)> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (output, said) = futures_util::future::join(text_of(stdout), text_of(stderr)).await;
    Ok((output, said, child.wait().await?.success()))
}

async fn text_of(stream: Option<impl AsyncRead + Unpin>) -> String {
    let mut text = Vec::new();
    if let Some(stream) = stream {
        // What was read before an error is still worth showing.
        let _ = stream.take(OUTPUT_LIMIT).read_to_end(&mut text).await;
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// The last line that `ctr` said: the one with the error.
fn spoken(said: &str, otherwise: &str) -> String {
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or(otherwise);
    lazaret_model::one_line(last.trim().trim_start_matches("ctr: "), 300)
}
