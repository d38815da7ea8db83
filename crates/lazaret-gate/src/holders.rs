//! Which manifests hold a blob: what a client may be given without the manifest being asked for again.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use lazaret_model::{Digest, RegistryRef};
use lazaret_registry::Manifest;
use lazaret_store::{Store, StoreError};
use tokio::sync::Mutex as Turn;

use crate::gate::{Gate, repository};
use crate::judge::lock;

/// What is remembered, a blob in a manifest each; beyond it the memory starts anew, from the store.
const REMEMBERED: usize = 100_000;

/// A manifest that holds a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) manifest: Digest,
    /// Size of the blob as the manifest states it.
    pub(crate) size: u64,
    /// Whether it is an image, which has a verdict.
    pub(crate) image: bool,
}

/// Repository, blob and the manifest that holds it.
type Note = (String, Digest, Holder);

/// By repository and blob, and how many in all.
type Known = (HashMap<(String, Digest), Vec<Holder>>, usize);

/// What is known of it here, and what the others with the same store are still to be told.
#[derive(Default)]
pub(crate) struct Holders {
    known: Mutex<Known>,
    /// Manifests that were read, are of images, and whose blobs are all noted above: by repository and
    /// type, and digest.
    images: Mutex<HashSet<(String, Digest)>>,
    untold: Mutex<Vec<Note>>,
    telling: Turn<()>,
}

impl Holders {
    /// Whether this was new.
    fn note(&self, repository: &str, blob: &Digest, holder: &Holder) -> bool {
        let (known, total) = &mut *lock(&self.known);
        if *total >= REMEMBERED {
            known.clear();
            *total = 0;
            lock(&self.images).clear();
        }
        let list = known.entry((repository.to_owned(), blob.clone())).or_default();
        let new = !list.contains(holder);
        if new {
            list.push(holder.clone());
            *total += 1;
        }
        new
    }

    fn known(&self, repository: &str, blob: &Digest) -> Option<Vec<Holder>> {
        lock(&self.known).0.get(&(repository.to_owned(), blob.clone())).cloned()
    }

    /// Tells the others what they do not know yet. Where that fails it is told with the next.
    async fn tell(&self, store: &Store) -> Result<(), StoreError> {
        // Whoever comes while another tells waits: what it noted may be among that.
        let _turn = self.telling.lock().await;
        let untold = std::mem::take(&mut *lock(&self.untold));
        let mut by_repository: HashMap<&str, Vec<_>> = HashMap::new();
        for (repository, blob, holder) in &untold {
            let held = (blob.clone(), holder.manifest.clone(), holder.size, holder.image);
            by_repository.entry(repository).or_default().push(held);
        }
        for (repository, held) in by_repository {
            if let Err(error) = store.put_holders(repository, &held).await {
                lock(&self.untold).extend(untold);
                return Err(error);
            }
        }
        Ok(())
    }
}

/// The same bytes under another type are read again.
fn image_key(image: &RegistryRef, document: &Manifest) -> (String, Digest) {
    (format!("{} {}", repository(image), document.media_type), document.digest.clone())
}

impl Gate {
    /// Whether a manifest was read before, is of an image, and has all its blobs noted.
    pub(crate) fn is_noted_image(&self, image: &RegistryRef, document: &Manifest) -> bool {
        lock(&self.holders.images).contains(&image_key(image, document))
    }

    /// Notes that it is.
    pub(crate) fn note_image(&self, image: &RegistryRef, document: &Manifest) {
        let mut images = lock(&self.holders.images);
        if images.len() >= REMEMBERED {
            images.clear();
        }
        images.insert(image_key(image, document));
    }

    /// Notes that a manifest of a repository holds a blob.
    pub(crate) fn holds(&self, image: &RegistryRef, blob: &Digest, holder: Holder) {
        let repository = repository(image);
        if self.holders.note(&repository, blob, &holder) {
            lock(&self.holders.untold).push((repository, blob.clone(), holder));
        }
    }

    /// Tells the gates with the same store which blobs the manifests hold that were served here, so
    /// that they serve those too.
    pub(crate) async fn tell_holders(&self) {
        let scanner = self.judge.scanner();
        let Some(store) = scanner.store().filter(|_| !lock(&self.holders.untold).is_empty()) else { return };
        if let Err(error) = self.holders.tell(store).await {
            // Another gate then refuses the blob until the manifest is asked for there.
            tracing::warn!(%error, "other gates do not know what this one serves");
        }
    }

    /// The manifests of a repository that hold a blob, as far as this gate or one with the same store
    /// was asked for them.
    pub(crate) async fn holders_of(&self, image: &RegistryRef, blob: &Digest) -> Option<Vec<Holder>> {
        let repository = repository(image);
        if let Some(known) = self.holders.known(&repository, blob) {
            return Some(known);
        }
        self.learn_holders(&repository, blob).await;
        self.holders.known(&repository, blob)
    }

    /// Images that hold a blob and that only another gate was asked for so far. What is no image
    /// does not count here: it vouches for nothing that an image was refused for.
    pub(crate) async fn other_holders(
        &self,
        image: &RegistryRef,
        blob: &Digest,
        known: &[Holder],
    ) -> Vec<Holder> {
        let repository = repository(image);
        self.learn_holders(&repository, blob).await;
        let now = self.holders.known(&repository, blob).unwrap_or_default();
        now.into_iter().filter(|holder| holder.image && !known.contains(holder)).collect()
    }

    async fn learn_holders(&self, repository: &str, blob: &Digest) {
        let scanner = self.judge.scanner();
        let Some(store) = scanner.store() else { return };
        match store.holders(repository, blob).await {
            Ok(found) => {
                for holder in found {
                    let holder =
                        Holder { manifest: holder.manifest, size: holder.size, image: holder.is_image };
                    self.holders.note(repository, blob, &holder);
                }
            }
            Err(error) => tracing::warn!(%error, "it is not known which image a blob belongs to"),
        }
    }
}
