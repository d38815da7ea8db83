//! Two inert images that the gate itself holds, so that a machine can prove that its engine has no
//! way round: one that is refused and one that passes (`lazaret gate doctor`).
//!
//! Their verdicts are fixed. All else is real: the engine's own pull, the policy, the refusal, the
//! audit log.

use std::io::{Seek, SeekFrom, Write};
use std::sync::Arc;

use lazaret_model::{Algorithm, Class, Digest, Outcome, RegistryRef, Severity};
use lazaret_oci::digest_of;
use lazaret_registry::Manifest;
use serde_json::json;
use time::OffsetDateTime;

use crate::Refusal;
use crate::blobs::Served;
use crate::gate::Gate;
use crate::judge::{Judged, Named};
use crate::manifests::Trace;

/// The repository, in every registry, that the gate answers for by itself.
const REPOSITORY: &str = "lazaret-doctor/";
/// The tag.
const TAG: &str = "1";

/// The names of the two in a registry: the one that passes, and the one that is refused.
pub fn trial_names(registry: &str) -> [String; 2] {
    ["clean", "refused"].map(|name| format!("{registry}/{REPOSITORY}{name}:{TAG}"))
}

/// One of them.
pub(crate) struct Trial {
    name: &'static str,
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) judged: Arc<Judged>,
    blobs: Vec<(Digest, Vec<u8>)>,
}

/// Both.
pub(crate) struct Trials([Trial; 2]);

impl Trials {
    pub(crate) fn new() -> Self {
        let harmless = "nothing is wrong with this test image of the gate";
        let marked = "this harmless test image is marked as malicious, to prove that it is refused";
        Self([
            Trial::new("clean", Outcome::Clean, harmless),
            Trial::new("refused", Outcome::Malicious, marked),
        ])
    }

    /// The one that a reference names.
    pub(crate) fn find(&self, image: &RegistryRef) -> Option<&Trial> {
        let name = image.repository.strip_prefix(REPOSITORY)?;
        let trial = self.0.iter().find(|trial| trial.name == name)?;
        match (&image.digest, &image.tag) {
            (Some(digest), _) => (*digest == trial.manifest.digest).then_some(trial),
            (None, Some(tag)) => (tag == TAG).then_some(trial),
            (None, None) => Some(trial),
        }
    }
}

impl Trial {
    fn new(name: &'static str, outcome: Outcome, why: &str) -> Self {
        let layer = archive(name, why);
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let config = json!({
            "architecture": architecture,
            "os": "linux",
            "config": {},
            "rootfs": { "type": "layers", "diff_ids": [digest(&layer).to_string()] },
            "history": [{ "created_by": why }],
        });
        let config = config.to_string().into_bytes();
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": digest(&config).to_string(),
                "size": config.len(),
            },
            "layers": [{
                "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": digest(&layer).to_string(),
                "size": layer.len(),
            }],
        });
        let bytes = manifest.to_string().into_bytes();
        let manifest = Manifest { digest: digest(&bytes), media_type: media_type.to_owned(), bytes };
        let findings = match outcome {
            Outcome::Malicious => vec![Named {
                rule: "gate-doctor".to_owned(),
                class: Class::Malware,
                severity: Severity::Critical,
            }],
            _ => Vec::new(),
        };
        let judged = Judged {
            digest: manifest.digest.clone(),
            outcome,
            why: why.to_owned(),
            findings,
            judged_at: OffsetDateTime::now_utc(),
            judges: "gate doctor".to_owned(),
        };
        Self {
            name,
            manifest: Arc::new(manifest),
            judged: Arc::new(judged),
            blobs: vec![(digest(&config), config), (digest(&layer), layer)],
        }
    }

    fn bytes(&self, wanted: &Digest) -> Option<&[u8]> {
        self.blobs.iter().find(|(known, _)| known == wanted).map(|(_, bytes)| bytes.as_slice())
    }

    /// One of its blobs, as any other is served.
    fn serve(&self, wanted: &Digest) -> Option<std::io::Result<Served>> {
        let bytes = self.bytes(wanted)?;
        let write = || {
            let mut file = tempfile::tempfile()?;
            file.write_all(bytes)?;
            file.seek(SeekFrom::Start(0))?;
            Ok(Served { file, size: bytes.len() as u64 })
        };
        Some(write())
    }
}

impl Gate {
    /// A blob of one of the two, if it is one, and if it may come in.
    pub(crate) fn trial_blob(
        &self,
        image: &RegistryRef,
        digest: &Digest,
        trace: &mut Trace,
    ) -> Option<Result<Served, Refusal>> {
        let trial = self.trials.find(image)?;
        trace.digest = Some(digest.clone());
        let mut served = || {
            self.decide(image, &trial.judged, trace)?;
            let served = trial.serve(digest).ok_or_else(|| Refusal::unreached(digest))?;
            served.map_err(|error| Refusal::broken(format!("the gate's disk: {error}")))
        };
        Some(served())
    }
}

fn digest(bytes: &[u8]) -> Digest {
    digest_of(Algorithm::Sha256, bytes)
}

/// A tar archive (POSIX.1-1988, ustar) with one small text.
fn archive(name: &str, text: &str) -> Vec<u8> {
    let mut header = [0_u8; 512];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, format!("lazaret-doctor-{name}.txt").as_bytes());
    put(100, b"0000644");
    put(108, b"0000000");
    put(116, b"0000000");
    put(124, format!("{:011o}", text.len()).as_bytes());
    put(136, b"00000000000");
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let mut archive = header.to_vec();
    archive.extend_from_slice(text.as_bytes());
    archive.resize(archive.len().next_multiple_of(512) + 1_024, 0);
    archive
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_is_found_by_its_name_alone_and_holds_what_its_manifest_says() {
        let trials = Trials::new();
        for (name, outcome) in [("clean", Outcome::Clean), ("refused", Outcome::Malicious)] {
            let named = |reference: String| trials.find(&reference.parse().unwrap());
            let trial = named(format!("ghcr.io/lazaret-doctor/{name}:1")).unwrap();
            assert_eq!(trial.judged.outcome, outcome);
            assert!(named(format!("ghcr.io/lazaret-doctor/{name}@{}", trial.manifest.digest)).is_some());
            assert!(named(format!("ghcr.io/lazaret-doctor/{name}:2")).is_none());
            assert!(named(format!("ghcr.io/lazaret-doctor/{name}/x:1")).is_none());
            assert!(named(format!("ghcr.io/x/lazaret-doctor/{name}:1")).is_none());
            let manifest: serde_json::Value = serde_json::from_slice(&trial.manifest.bytes).unwrap();
            for part in [&manifest["config"], &manifest["layers"][0]] {
                let digest = part["digest"].as_str().unwrap().parse().unwrap();
                let served = trial.serve(&digest).unwrap().unwrap();
                assert_eq!(served.size, part["size"].as_u64().unwrap());
            }
            assert!(trial.serve(&trial.manifest.digest).is_none());
        }
    }
}
