//! Signatures and attestations that are stored in the clothes of an image (cosign, BuildKit): let in
//! because of what they hold, not because of what they are called.

use std::io::Read;

use lazaret_model::RegistryRef;
use lazaret_oci::Manifest;
use serde::de::IgnoredAny;

use crate::gate::{Gate, Holder};
use crate::{Credential, Refusal};

/// Most layers that a statement has, and most bytes of one.
const LAYERS: usize = 64;
const BYTES: u64 = 4 << 20;

/// Whether a manifest could be one: small, and no layer calls itself a file system.
pub(crate) fn is_statement(manifest: &Manifest) -> bool {
    let unpacked = ["application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs."];
    (1..=LAYERS).contains(&manifest.layers.len())
        && manifest.layers.iter().all(|layer| {
            let kind = layer.media_type.trim().to_ascii_lowercase();
            layer.size <= BYTES
                && kind.starts_with("application/")
                && kind.ends_with("+json")
                && !unpacked.iter().any(|prefix| kind.starts_with(prefix))
        })
}

impl Gate {
    /// Whether each layer is a JSON document. No engine can unpack one, whatever it is called: neither
    /// an archive nor anything compressed can be JSON.
    pub(crate) async fn holds_texts(
        &self,
        credential: &Credential,
        image: &RegistryRef,
        manifest: &Manifest,
    ) -> Result<bool, Refusal> {
        for layer in &manifest.layers {
            let holder = Holder { manifest: layer.digest.clone(), size: layer.size, image: false };
            let mut served = self.have(credential, image, &layer.digest, &holder).await?;
            let read = tokio::task::spawn_blocking(move || {
                let mut text = Vec::new();
                served.file.by_ref().take(BYTES + 1).read_to_end(&mut text)?;
                std::io::Result::Ok(serde_json::from_slice::<IgnoredAny>(&text).is_ok())
            });
            let read = read.await.map_err(|_| Refusal::broken("reading a statement broke off"))?;
            let is_text =
                read.map_err(|error| Refusal::broken(format!("a statement cannot be read: {error}")))?;
            if !is_text {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
