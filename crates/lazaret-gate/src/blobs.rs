//! Blobs: served from the shelf, and only if a manifest that may come in holds them.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::Stream;
use lazaret_model::{Digest, RegistryRef};
use lazaret_scan::BlobShelf;

use crate::gate::{Gate, Holder};
use crate::manifests::Trace;
use crate::metrics::Origin;
use crate::{Credential, Refusal};

/// Bytes read from the disk at once.
const CHUNK: usize = 256 << 10;

/// A blob that may be served.
pub(crate) struct Served {
    pub(crate) file: File,
    pub(crate) size: u64,
}

/// Which bytes of a blob are wanted (RFC 9110, 14.1.2): first and last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl Range {
    /// Reads a `Range` header. None where the whole is to be sent; an error where no byte of the
    /// range is there. Several ranges in one header are answered with the whole, as is allowed.
    pub(crate) fn read(header: &str, size: u64) -> Result<Option<Self>, ()> {
        let Some(spec) = header.trim().strip_prefix("bytes=") else { return Ok(None) };
        let Some((first, last)) = spec.split_once('-').filter(|_| !spec.contains(',')) else {
            return Ok(None);
        };
        let number = |text: &str| text.trim().parse::<u64>();
        let end = size.checked_sub(1).ok_or(())?;
        let range = match (first.trim(), last.trim()) {
            ("", "") => return Ok(None),
            ("", suffix) => {
                let Ok(length) = number(suffix) else { return Ok(None) };
                if length == 0 {
                    return Err(());
                }
                Self { first: size.saturating_sub(length), last: end }
            }
            (first, "") => {
                let Ok(first) = number(first) else { return Ok(None) };
                Self { first, last: end }
            }
            (first, last) => {
                let (Ok(first), Ok(last)) = (number(first), number(last)) else { return Ok(None) };
                if last < first {
                    return Ok(None);
                }
                Self { first, last: last.min(end) }
            }
        };
        if range.first > end { Err(()) } else { Ok(Some(range)) }
    }

    /// How many bytes.
    pub(crate) fn length(self) -> u64 {
        self.last - self.first + 1
    }
}

impl Gate {
    /// A blob, if it may be served.
    pub(crate) async fn blob(
        &self,
        credential: &Credential,
        image: &RegistryRef,
        digest: &Digest,
        trace: &mut Trace,
    ) -> Result<Served, Refusal> {
        let holder = self.holder(credential, image, digest, trace).await?;
        self.have(credential, image, digest, &holder).await
    }

    /// The manifest for whose sake a blob may be served: one of an image of this repository that may
    /// come in, and that this credential may see.
    pub(crate) async fn holder(
        &self,
        credential: &Credential,
        image: &RegistryRef,
        digest: &Digest,
        trace: &mut Trace,
    ) -> Result<Holder, Refusal> {
        trace.digest = Some(digest.clone());
        let holders = self.holders_of(image, digest).await.unwrap_or_default();
        let mut vouched = self.vouch(credential, image, holders.clone(), trace).await;
        if vouched.is_err() {
            // Another gate with the same store may have been asked for an image that holds it too.
            let others = self.other_holders(image, digest, &holders).await;
            if let Ok(Some(holder)) = self.vouch(credential, image, others, trace).await {
                vouched = Ok(Some(holder));
            }
        }
        let Some(holder) = vouched? else { return Err(self.unreached(credential, image, digest).await) };
        if !self.may_see(credential, image) {
            let asker = self.asker(credential, &image.registry);
            let named = RegistryRef { digest: Some(holder.manifest.clone()), ..image.clone() };
            let shown = asker.client.manifest(&named, &self.document_budget()).await;
            shown.map_err(|error| Refusal::upstream(&error))?;
            self.was_shown(credential, image);
        }
        Ok(holder)
    }

    /// One of these that may come in; none where there are none; the refusal where they may not.
    async fn vouch(
        &self,
        credential: &Credential,
        image: &RegistryRef,
        holders: Vec<Holder>,
        trace: &mut Trace,
    ) -> Result<Option<Holder>, Refusal> {
        // What one image may not bring in, another that holds it may: a base layer is no contraband
        // because something bad was built on it. An artifact, which nobody judges, vouches for nothing.
        let (images, artifacts): (Vec<Holder>, Vec<Holder>) =
            holders.into_iter().partition(|holder| holder.image);
        // Those whose verdict is known come first: nothing is judged for a blob that may come in anyway.
        let (known, others): (Vec<Holder>, Vec<Holder>) =
            images.into_iter().partition(|holder| self.known(&holder.manifest).is_some());
        let until = Instant::now() + Duration::from_secs(self.policy().hold);
        let mut refused = None;
        for holder in known.into_iter().chain(others) {
            let judged = self.judged_until(credential, image, &holder.manifest, until).await;
            match judged.and_then(|judged| self.decide(image, &judged, trace)) {
                Ok(()) => return Ok(Some(holder)),
                Err(refusal) => refused = Some(refusal),
            }
        }
        refused.map_or_else(|| Ok(artifacts.into_iter().next()), Err)
    }

    /// Why a blob is not served that no manifest is known to hold. The registry is asked only whether it
    /// is there at all, so that clients which look for what is missing are told so.
    async fn unreached(&self, credential: &Credential, image: &RegistryRef, digest: &Digest) -> Refusal {
        let asker = self.asker(credential, &image.registry);
        match asker.client.has_blob(image, digest).await {
            Ok(()) => Refusal::unreached(digest),
            Err(error) => Refusal::upstream(&error),
        }
    }

    /// The blob from the shelf, fetched first where it is not there. Nothing is served before all
    /// of it has the right digest.
    pub(crate) async fn have(
        &self,
        credential: &Credential,
        image: &RegistryRef,
        digest: &Digest,
        holder: &Holder,
    ) -> Result<Served, Refusal> {
        let count = |origin: &str| {
            self.metrics.blobs.get_or_create(&Origin { origin: origin.to_owned() }).inc();
        };
        // Another length than the manifest states is not what was judged: cut while nobody looked.
        let there = || self.shelf.open(digest).filter(|(_, size)| *size == holder.size);
        if let Some((file, size)) = there() {
            self.is_of(credential, image, digest).await?;
            count("shelf");
            return Ok(Served { file, size });
        }
        let _turn = self.fetching.wait(digest.clone()).await;
        let kept = match there() {
            Some(there) => Some(there),
            None => {
                let brought = self.brought(digest).await;
                count(if brought.is_some() { "bucket" } else { "upstream" });
                brought
            }
        };
        let (file, size) = match kept {
            Some(kept) => {
                self.is_of(credential, image, digest).await?;
                kept
            }
            None => self.fetch(credential, image, digest, holder.size).await?,
        };
        Ok(Served { file, size })
    }

    async fn brought(&self, digest: &Digest) -> Option<(File, u64)> {
        self.settings.bucket.as_ref()?.bring(digest, &self.shelf).await.then_some(())?;
        self.shelf.open(digest)
    }

    async fn fetch(
        &self,
        credential: &Credential,
        image: &RegistryRef,
        digest: &Digest,
        size: u64,
    ) -> Result<(File, u64), Refusal> {
        let asker = self.asker(credential, &image.registry);
        let mut stream =
            asker.client.blob(image, digest, size).await.map_err(|error| Refusal::upstream(&error))?;
        let disk = |error: std::io::Error| {
            Refusal::broken(format!("the gate's disk cannot take the layer, so it is not passed on: {error}"))
        };
        let arriving = self.shelf.begin(digest, size).map_err(disk)?;
        let mut arriving = arriving.ok_or_else(|| {
            Refusal::broken("the layer is larger than the gate's whole cache: raise --cache-size")
        })?;
        while let Some(chunk) = stream.next_chunk().await.map_err(|error| Refusal::upstream(&error))? {
            arriving = tokio::task::spawn_blocking(move || {
                arriving.add(&chunk);
                arriving
            })
            .await
            .map_err(|_| Refusal::broken("writing the layer broke off"))?;
        }
        tokio::task::spawn_blocking(move || arriving.finish())
            .await
            .map_err(|_| Refusal::broken("writing the layer broke off"))?
            .map_err(disk)?;
        self.came_from(image, digest);
        self.shelf.open(digest).ok_or_else(|| Refusal::broken("the layer was taken away again: try again"))
    }
}

impl Served {
    /// The bytes, of the whole or of a range.
    pub(crate) fn stream(self, range: Option<Range>) -> impl Stream<Item = std::io::Result<Bytes>> + Send {
        let (first, left) = match range {
            Some(range) => (range.first, range.length()),
            None => (0, self.size),
        };
        futures_util::stream::try_unfold(
            (self.file, first, left, true),
            |(mut file, at, left, begin)| async move {
                if left == 0 {
                    return Ok(None);
                }
                // A chunk is at most CHUNK long, so this holds in memory.
                let wanted = left.min(CHUNK as u64) as usize;
                let read = tokio::task::spawn_blocking(move || {
                    if begin && at > 0 {
                        file.seek(SeekFrom::Start(at))?;
                    }
                    let mut buffer = vec![0; wanted];
                    file.read_exact(&mut buffer)?;
                    std::io::Result::Ok((file, buffer))
                });
                let (file, buffer) = read.await.map_err(std::io::Error::other)??;
                let read = buffer.len() as u64;
                Ok(Some((Bytes::from(buffer), (file, at + read, left - read, false))))
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_specification_says() {
        let range = |first, last| Ok(Some(Range { first, last }));
        for (header, meant) in [
            ("bytes=0-9", range(0, 9)),
            ("bytes=5-", range(5, 99)),
            ("bytes=-10", range(90, 99)),
            ("bytes=-1000", range(0, 99)),
            ("bytes=90-1000", range(90, 99)),
            ("bytes=100-", Err(())),
            ("bytes=-0", Err(())),
            ("bytes=9-5", Ok(None)),
            ("bytes=0-1,5-6", Ok(None)),
            ("bytes=x-", Ok(None)),
            ("lines=1-2", Ok(None)),
        ] {
            assert_eq!(Range::read(header, 100), meant, "{header}");
        }
        assert_eq!(Range::read("bytes=0-", 0), Err(()));
    }
}
