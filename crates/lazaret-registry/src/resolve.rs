use futures_util::StreamExt;
use lazaret_model::{Budget, PinnedRef, Platform, RegistryRef};
use lazaret_oci::{DOCKER_LIST, DOCKER_MANIFEST, Descriptor, OCI_INDEX, OCI_MANIFEST, Resolved, Resolver};

use crate::RegistryError;
use crate::client::{Client, Target};
use crate::manifest::ChildKind;

/// Manifests and configurations that are fetched at the same time.
const AT_ONCE: usize = 4;

impl Client {
    /// Resolves a reference to the images behind it: the tag once, everything after by digest.
    /// An empty `platforms` means all.
    ///
    /// A manifest or configuration that the registry does not have becomes a gap of the result; a
    /// registry that lies about a digest, breaks off or refuses ends it.
    ///
    /// # Errors
    /// The registry cannot be read from, or there is nothing to scan.
    pub async fn resolve(
        &self,
        reference: &RegistryRef,
        platforms: &[Platform],
        budget: &Budget,
    ) -> Result<Resolved, RegistryError> {
        let root = self.manifest(reference, budget).await?;
        let target = self.target(&reference.registry, &reference.repository).await?;
        let pinned = PinnedRef {
            repository: format!("{}/{}", reference.registry, reference.repository),
            // With a digest the tag was never asked for.
            tag: reference.digest.is_none().then(|| reference.tag_or_latest().to_owned()),
            digest: root.digest,
        };
        let stated = Some(root.media_type.as_str()).filter(|stated| !stated.is_empty());
        let mut resolver = Resolver::new(pinned, &root.bytes, stated, platforms, budget)?;
        loop {
            let needed: Vec<Descriptor> = resolver.needed().cloned().collect();
            if needed.is_empty() {
                break;
            }
            let (client, target) = (self, &target);
            let mut fetched = futures_util::stream::iter(needed)
                .map(async |descriptor| {
                    let outcome = client.needed(target, reference, &descriptor, budget.document_bytes).await;
                    (descriptor, outcome)
                })
                .buffered(AT_ONCE);
            while let Some((descriptor, outcome)) = fetched.next().await {
                let given = match outcome {
                    Ok(bytes) => Ok(bytes),
                    Err(
                        missing @ (RegistryError::NoSuchDigest { .. }
                        | RegistryError::DocumentTooLarge { .. }),
                    ) => Err(missing.to_string()),
                    Err(error) => return Err(error),
                };
                resolver.provide(&descriptor.digest, given);
            }
        }
        Ok(resolver.finish(format!("the registry {}", reference.registry))?)
    }

    /// One document that the resolver wants.
    async fn needed(
        &self,
        target: &Target,
        reference: &RegistryRef,
        descriptor: &Descriptor,
        limit: u64,
    ) -> Result<Vec<u8>, RegistryError> {
        let is_manifest = matches!(
            descriptor.media_type.as_str(),
            OCI_INDEX | OCI_MANIFEST | DOCKER_LIST | DOCKER_MANIFEST
        );
        // A registry keeps manifests and blobs apart, and the stated type may lie: the other
        // place is looked at before a document counts as missing.
        let (first, second) = if is_manifest {
            (ChildKind::Manifest, ChildKind::Blob)
        } else {
            (ChildKind::Blob, ChildKind::Manifest)
        };
        let (digest, size) = (&descriptor.digest, descriptor.size);
        match self.child(target, reference, digest, size, first, limit).await {
            Err(missing @ RegistryError::NoSuchDigest { .. }) => {
                match self.child(target, reference, digest, size, second, limit).await {
                    Err(RegistryError::NoSuchDigest { .. }) => Err(missing),
                    other => other,
                }
            }
            other => other,
        }
    }
}
