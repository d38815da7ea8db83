use bytes::Bytes;
use futures_util::Stream;
use lazaret_model::{Digest, Layer, RegistryRef};
use reqwest::Response;
use reqwest::header::CONTENT_RANGE;
use std::time::Duration;

use crate::RegistryError;
use crate::client::{Ask, Client, Target, reason};
use crate::error::seconds;
use crate::manifest::What;

/// Most times that one download is taken up again, however much each attempt brings.
const RESUMPTIONS: u32 = 40;
/// After the last byte, how long the server may take to say that it was the last.
const FAREWELL: Duration = Duration::from_secs(2);

/// The bytes of a blob as they arrive. A broken transfer is taken up where it broke. The
/// stream ends only after exactly as many bytes as the manifest states; whether they are the
/// right ones, the reader finds out by their digest.
#[derive(Debug)]
pub struct BlobStream {
    client: Client,
    target: Target,
    reference: RegistryRef,
    digest: Digest,
    size: u64,
    got: u64,
    /// Bytes of the current answer that were seen before the break: the server ignored `Range`.
    skip: u64,
    response: Option<Response>,
    /// Breaks since the last new byte, and in all.
    breaks_in_a_row: u32,
    breaks: u32,
    finished: bool,
}

impl Client {
    /// Starts the download of a layer. Addresses that a foreign layer names are never contacted.
    ///
    /// # Errors
    /// The registry does not have it or refuses it.
    pub async fn open_blob(
        &self,
        reference: &RegistryRef,
        layer: &Layer,
    ) -> Result<BlobStream, RegistryError> {
        match self.blob(reference, &layer.digest, layer.size).await {
            Err(RegistryError::NoSuchDigest { digest, .. }) if !layer.foreign_urls.is_empty() => {
                Err(RegistryError::ForeignLayer { digest })
            }
            outcome => outcome,
        }
    }

    /// Starts the download of a blob of which digest and size are known.
    ///
    /// # Errors
    /// The registry does not have it or refuses it.
    pub async fn blob(
        &self,
        reference: &RegistryRef,
        digest: &Digest,
        size: u64,
    ) -> Result<BlobStream, RegistryError> {
        let target = self.target(&reference.registry, &reference.repository).await?;
        let mut stream = BlobStream {
            client: self.clone(),
            target,
            reference: RegistryRef { digest: Some(digest.clone()), ..reference.clone() },
            digest: digest.clone(),
            size,
            got: 0,
            skip: 0,
            response: None,
            breaks_in_a_row: 0,
            breaks: 0,
            finished: false,
        };
        stream.connect().await?;
        Ok(stream)
    }

    /// Asks whether a repository has a blob and shows it to this client. Nothing of it is sent.
    ///
    /// # Errors
    /// The registry does not have it or refuses it.
    pub async fn has_blob(&self, reference: &RegistryRef, digest: &Digest) -> Result<(), RegistryError> {
        let target = self.target(&reference.registry, &reference.repository).await?;
        let what = format!("layer {digest}");
        let ask = Ask { path: format!("blobs/{digest}"), accept: None, from: 0, what: &what, presence: true };
        let response = self.ask(&target, &ask).await?;
        if matches!(response.status().as_u16(), 200..=399) {
            return Ok(());
        }
        let reference = RegistryRef { digest: Some(digest.clone()), ..reference.clone() };
        Err(self.explain(&target, response, &what, &reference, What::Layer).await)
    }
}

impl BlobStream {
    /// The blob's digest.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The blob's size in bytes according to the manifest.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// How often the transfer broke and was taken up again.
    pub fn resumptions(&self) -> u32 {
        self.breaks
    }

    /// The next bytes, or None after the last. After an error the stream is at its end.
    ///
    /// # Errors
    /// Too many bytes, or too few after every permitted new attempt.
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>, RegistryError> {
        let outcome = self.advance().await;
        if !matches!(outcome, Ok(Some(_))) {
            self.finished = true;
            self.response = None;
        }
        outcome
    }

    /// The same as a [`Stream`].
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, RegistryError>> + Send {
        futures_util::stream::try_unfold(self, |mut blob| async move {
            Ok(blob.next_chunk().await?.map(|chunk| (chunk, blob)))
        })
    }

    async fn advance(&mut self) -> Result<Option<Bytes>, RegistryError> {
        let stall = self.client.options().stall_timeout;
        loop {
            if self.finished {
                return Ok(None);
            }
            let Some(response) = self.response.as_mut() else {
                self.connect().await?;
                continue;
            };
            let complete = self.got == self.size;
            let patience = if complete { FAREWELL.min(stall) } else { stall };
            let broken = match tokio::time::timeout(patience, response.chunk()).await {
                Ok(Ok(Some(chunk))) => match self.accept(chunk)? {
                    Some(fresh) => return Ok(Some(fresh)),
                    None => continue,
                },
                // All is there: how the connection ends is of no interest.
                _ if complete => return Ok(None),
                Ok(Ok(None)) => "the transfer ended early".to_owned(),
                Ok(Err(error)) => reason(&error),
                Err(_) => format!("no more bytes within {}", seconds(stall)),
            };
            self.pause_after_break(broken).await?;
        }
    }

    /// Takes a chunk: drops what was seen before, refuses what is too much.
    fn accept(&mut self, mut chunk: Bytes) -> Result<Option<Bytes>, RegistryError> {
        let seen = self.skip.min(chunk.len() as u64);
        self.skip -= seen;
        // `seen` is at most the length of a chunk in memory.
        let fresh = chunk.split_off(seen as usize);
        if fresh.is_empty() {
            return Ok(None);
        }
        if fresh.len() as u64 > self.size - self.got {
            return Err(self.too_long());
        }
        self.got += fresh.len() as u64;
        self.breaks_in_a_row = 0;
        Ok(Some(fresh))
    }

    async fn pause_after_break(&mut self, broken: String) -> Result<(), RegistryError> {
        self.response = None;
        self.breaks += 1;
        self.breaks_in_a_row += 1;
        let retry = self.client.options().retry;
        if self.breaks_in_a_row >= retry.tries.max(1) || self.breaks > RESUMPTIONS {
            return Err(RegistryError::BlobTooShort {
                host: self.reference.registry.clone(),
                digest: self.digest.clone(),
                got: self.got,
                size: self.size,
                reason: broken,
                tries: self.breaks,
            });
        }
        tokio::time::sleep(retry.wait(self.breaks_in_a_row)).await;
        Ok(())
    }

    /// Asks for the blob from where it stands. The registry itself is asked again each time, as
    /// the signed address that it redirected to may have run out.
    async fn connect(&mut self) -> Result<(), RegistryError> {
        let what = format!("layer {}", self.digest);
        let ask = Ask {
            path: format!("blobs/{}", self.digest),
            accept: None,
            from: self.got,
            what: &what,
            presence: false,
        };
        let response = self.client.ask(&self.target, &ask).await?;
        let length = response.content_length();
        match response.status().as_u16() {
            200 => {
                if length.is_some_and(|length| length > self.size) {
                    return Err(self.too_long());
                }
                self.skip = self.got;
            }
            206 => {
                let start = range_start(&response).filter(|start| *start <= self.got);
                let Some(start) = start else {
                    return Err(RegistryError::UnexpectedStatus {
                        host: self.reference.registry.clone(),
                        status: 206,
                        detail: " (with another range than the one asked for)".to_owned(),
                        what,
                    });
                };
                self.skip = self.got - start;
            }
            _ => {
                return Err(self
                    .client
                    .explain(&self.target, response, &what, &self.reference, What::Layer)
                    .await);
            }
        }
        self.response = Some(response);
        Ok(())
    }

    fn too_long(&self) -> RegistryError {
        RegistryError::BlobTooLong {
            host: self.reference.registry.clone(),
            digest: self.digest.clone(),
            size: self.size,
        }
    }
}

/// The first byte of `Content-Range: bytes FIRST-LAST/LENGTH` (RFC 9110, 14.4).
fn range_start(response: &Response) -> Option<u64> {
    let text = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    text.trim().strip_prefix("bytes")?.trim_start().split('-').next()?.parse().ok()
}
