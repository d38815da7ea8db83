//! Manifests and indexes as their registries sent them, within a bound.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use lazaret_model::{Digest, RegistryRef};
use lazaret_registry::Manifest;

use crate::gate::repository;
use crate::judge::lock;

/// Bytes that are remembered. Beyond it the memory starts anew: a document is asked for again.
const BYTES: usize = 32 << 20;
/// What one takes besides its bytes.
const EACH: usize = 512;

/// By repository and digest.
type Known = HashMap<(String, Digest), Arc<Manifest>>;

/// The documents, each under its repository and its digest: what one repository shows, another one does
/// not have to hold.
#[derive(Default)]
pub(crate) struct Documents {
    inner: Mutex<(Known, usize)>,
}

impl Documents {
    /// Keeps a document, if it is not a large part of the whole by itself.
    pub(crate) fn keep(&self, image: &RegistryRef, document: Manifest) -> Arc<Manifest> {
        let document = Arc::new(document);
        let size = document.bytes.len() + EACH;
        if size <= BYTES / 4 {
            let key = (repository(image), document.digest.clone());
            let (known, total) = &mut *lock(&self.inner);
            if *total + size > BYTES {
                known.clear();
                *total = 0;
            }
            if known.insert(key, Arc::clone(&document)).is_none() {
                *total += size;
            }
        }
        document
    }

    /// A document of a repository that is remembered.
    pub(crate) fn get(&self, image: &RegistryRef, digest: &Digest) -> Option<Arc<Manifest>> {
        lock(&self.inner).0.get(&(repository(image), digest.clone())).cloned()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use lazaret_model::Algorithm;
    use lazaret_oci::digest_of;

    use super::*;

    #[test]
    fn memory_does_not_grow_with_what_is_asked_for() {
        let documents = Documents::default();
        let image: RegistryRef = "registry.example/a".parse().unwrap();
        let other: RegistryRef = "registry.example/b".parse().unwrap();
        for number in 0..40_u8 {
            let bytes = vec![number; 4 << 20];
            let digest = digest_of(Algorithm::Sha256, &bytes);
            documents.keep(&image, Manifest { digest: digest.clone(), media_type: String::new(), bytes });
            assert!(documents.get(&image, &digest).is_some());
            assert!(documents.get(&other, &digest).is_none(), "another repository");
            assert!(lock(&documents.inner).1 <= BYTES);
        }
        let bytes = vec![0; BYTES];
        let digest = digest_of(Algorithm::Sha256, &bytes);
        documents.keep(&image, Manifest { digest: digest.clone(), media_type: String::new(), bytes });
        assert!(documents.get(&image, &digest).is_none());
    }
}
