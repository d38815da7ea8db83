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

/// What is remembered of manifests that were read.
#[derive(Default)]
struct Memory {
    /// By repository and blob.
    blobs: HashMap<(String, Digest), Vec<Holder>>,
    /// How many holders that are in all.
    total: usize,
    /// Manifests that are of images and whose blobs are all noted above: by repository and type, and
    /// digest. They are not read again, so nothing of them may be forgotten alone.
    images: HashSet<(String, Digest)>,
}

impl Memory {
    /// Notes all these, and says which of them are new.
    fn note(&mut self, repository: &str, blobs: Vec<(Digest, Holder)>) -> Vec<(Digest, Holder)> {
        // Room is made before the first, so that what belongs together is forgotten together.
        if self.total.saturating_add(blobs.len()) > REMEMBERED {
            *self = Self::default();
        }
        let mut new = Vec::new();
        for (blob, holder) in blobs {
            let list = self.blobs.entry((repository.to_owned(), blob.clone())).or_default();
            if !list.contains(&holder) {
                list.push(holder.clone());
                self.total += 1;
                new.push((blob, holder));
            }
        }
        new
    }

    fn known(&self, repository: &str, blob: &Digest) -> Option<Vec<Holder>> {
        self.blobs.get(&(repository.to_owned(), blob.clone())).cloned()
    }
}

/// What is known of it here, and what the others with the same store are still to be told.
#[derive(Default)]
pub(crate) struct Holders {
    memory: Mutex<Memory>,
    untold: Mutex<Vec<Note>>,
    telling: Turn<()>,
}

impl Holders {
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
        lock(&self.holders.memory).images.contains(&image_key(image, document))
    }

    /// Notes which blobs a manifest holds, all at once.
    pub(crate) fn note(
        &self,
        image: &RegistryRef,
        document: &Manifest,
        manifest: &lazaret_oci::Manifest,
        is_image: bool,
    ) {
        let repository = repository(image);
        let blobs = manifest.layers.iter().chain([&manifest.config]).map(|blob| {
            let holder = Holder { manifest: document.digest.clone(), size: blob.size, image: is_image };
            (blob.digest.clone(), holder)
        });
        let new = {
            let mut memory = lock(&self.holders.memory);
            let new = memory.note(&repository, blobs.collect());
            if is_image {
                if memory.images.len() >= REMEMBERED {
                    memory.images.clear();
                }
                memory.images.insert(image_key(image, document));
            }
            new
        };
        if self.judge.scanner().store().is_none() {
            return;
        }
        let mut untold = lock(&self.holders.untold);
        // A store that fails for long is not waited for with ever more: who is not told learns it from
        // the manifest.
        let room = REMEMBERED.saturating_sub(untold.len());
        untold.extend(new.into_iter().take(room).map(|(blob, holder)| (repository.clone(), blob, holder)));
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
        if let Some(known) = lock(&self.holders.memory).known(&repository, blob) {
            return Some(known);
        }
        self.learn_holders(&repository, blob).await;
        lock(&self.holders.memory).known(&repository, blob)
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
        let now = lock(&self.holders.memory).known(&repository, blob).unwrap_or_default();
        now.into_iter().filter(|holder| holder.image && !known.contains(holder)).collect()
    }

    async fn learn_holders(&self, repository: &str, blob: &Digest) {
        let scanner = self.judge.scanner();
        let Some(store) = scanner.store() else { return };
        match store.holders(repository, blob).await {
            Ok(found) => {
                let holders = found.into_iter().map(|holder| {
                    let holder =
                        Holder { manifest: holder.manifest, size: holder.size, image: holder.is_image };
                    (blob.clone(), holder)
                });
                lock(&self.holders.memory).note(repository, holders.collect());
            }
            Err(error) => tracing::warn!(%error, "it is not known which image a blob belongs to"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blobs(numbers: std::ops::Range<usize>) -> Vec<(Digest, Holder)> {
        let of = |number: usize| {
            let mut sum = [0; 32];
            sum[..8].copy_from_slice(&(number as u64).to_le_bytes());
            Digest::sha256(&sum)
        };
        let holder = Holder { manifest: of(usize::MAX), size: 1, image: true };
        numbers.map(|number| (of(number), holder.clone())).collect()
    }

    #[test]
    fn the_blobs_of_a_manifest_are_forgotten_together_or_not_at_all() {
        let mut memory = Memory::default();
        assert_eq!(memory.note("r", blobs(0..REMEMBERED - 2)).len(), REMEMBERED - 2);
        memory.images.insert(("r".to_owned(), Digest::sha256(&[1; 32])));
        // Room for two of the three: what was before goes, and all three are there.
        let three = blobs(REMEMBERED..REMEMBERED + 3);
        assert_eq!(memory.note("r", three.clone()), three);
        assert!(three.iter().all(|(blob, _)| memory.known("r", blob).is_some()));
        assert!(memory.known("r", &blobs(0..1)[0].0).is_none() && memory.images.is_empty());
        // Who comes again is not new, and in another repository it is another.
        assert!(memory.note("r", three.clone()).is_empty());
        assert_eq!(memory.note("s", three).len(), 3);
    }
}
