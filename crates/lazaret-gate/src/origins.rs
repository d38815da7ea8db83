//! Which repositories are known to have which blobs. A manifest may name any digest: that it names a
//! blob which another repository once brought to the shelf gives nobody a right to it.

use std::collections::HashSet;
use std::fs::File;
use std::sync::{Arc, Mutex};

use lazaret_model::{Digest, RegistryRef};
use lazaret_scan::{Asker, BlobCopy, BlobShelf};

use crate::gate::{Gate, repository};
use crate::judge::lock;
use crate::shelf::{Arriving, Shelf};
use crate::{Credential, Refusal};

/// Blobs that are remembered; beyond it the memory starts anew, and registries are asked again.
const REMEMBERED: usize = 100_000;

/// What repositories are known to have.
#[derive(Clone, Default)]
pub(crate) struct Origins {
    known: Arc<Mutex<HashSet<(String, Digest)>>>,
}

impl Origins {
    fn note(&self, repository: String, blob: Digest) {
        let mut known = lock(&self.known);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert((repository, blob));
    }
}

impl Gate {
    /// Who asks for an image in a client's stead, and keeps what arrives for the client.
    pub(crate) fn asker_for(&self, credential: &Credential, image: &RegistryRef) -> Asker {
        let shelf = RepositoryShelf {
            shelf: self.shelf.clone(),
            origins: self.origins.clone(),
            repository: repository(image),
        };
        Asker { shelf: Some(Arc::new(shelf)), ..self.asker(credential, &image.registry) }
    }

    /// Notes that a repository sent a blob.
    pub(crate) fn came_from(&self, image: &RegistryRef, blob: &Digest) {
        self.origins.note(repository(image), blob.clone());
    }

    /// Makes sure that a repository has a blob that lies here: its registry is asked once.
    ///
    /// # Errors
    /// It has not, or does not show it to this client.
    pub(crate) async fn is_of(
        &self,
        credential: &Credential,
        image: &RegistryRef,
        blob: &Digest,
    ) -> Result<(), Refusal> {
        if lock(&self.origins.known).contains(&(repository(image), blob.clone())) {
            return Ok(());
        }
        let asker = self.asker(credential, &image.registry);
        asker.client.has_blob(image, blob).await.map_err(|error| Refusal::upstream(&error))?;
        self.came_from(image, blob);
        Ok(())
    }
}

/// The shelf, for what one repository sends.
struct RepositoryShelf {
    shelf: Shelf,
    origins: Origins,
    repository: String,
}

impl BlobShelf for RepositoryShelf {
    fn open(&self, digest: &Digest) -> Option<(File, u64)> {
        self.shelf.open(digest)
    }

    fn copy(&self, digest: &Digest, size: u64) -> Option<Box<dyn BlobCopy>> {
        let arriving = self.shelf.begin(digest, size).ok()??;
        Some(Box::new(Copy {
            arriving,
            origins: self.origins.clone(),
            repository: self.repository.clone(),
            digest: digest.clone(),
        }))
    }
}

struct Copy {
    arriving: Arriving,
    origins: Origins,
    repository: String,
    digest: Digest,
}

impl BlobCopy for Copy {
    fn write(&mut self, bytes: &[u8]) {
        self.arriving.add(bytes);
    }

    fn complete(self: Box<Self>) {
        // A copy that fails is fetched again when it is wanted. Other bytes than the digest names say
        // nothing of what the repository has.
        if self.arriving.finish().is_ok() {
            self.origins.note(self.repository, self.digest);
        }
    }
}
