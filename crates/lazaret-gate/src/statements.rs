//! Signatures and attestations that are stored in the clothes of an image (cosign, BuildKit): let in
//! because of what they hold, not because of what they are called.

use std::io::Read;

use lazaret_model::RegistryRef;
use lazaret_oci::{Manifest, STATEMENT_BYTES, may_be_statement};

use crate::gate::{Gate, Holder};
use crate::{Credential, Refusal};

/// Whether a manifest could be one.
pub(crate) fn is_statement(manifest: &Manifest) -> bool {
    may_be_statement(manifest.layers.iter().map(|layer| (layer.media_type.as_str(), layer.size)))
}

impl Gate {
    /// Whether each layer is a document that no engine can unpack.
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
                served.file.by_ref().take(STATEMENT_BYTES + 1).read_to_end(&mut text)?;
                std::io::Result::Ok(lazaret_oci::is_statement(&text))
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
