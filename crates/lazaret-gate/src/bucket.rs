//! A bucket that several gates share: what one fetched and checked, the others need not fetch from
//! the registry. It trusts the bucket with nothing: what comes out is checked like what a registry
//! sends.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use lazaret_model::Digest;
use object_store::aws::AmazonS3Builder;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, ObjectStoreExt, RetryConfig};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use crate::shelf::{Arriving, Shelf};

/// Bytes of one part of an upload; S3 demands at least 5 MiB for all but the last.
const PART: usize = 8 << 20;
/// Blobs that wait to be uploaded. One that finds no room is uploaded when it is fetched again.
const WAITING: usize = 256;

/// Why a bucket cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// Not `s3://BUCKET` or `s3://BUCKET/PREFIX`.
    #[error("`{0}` names no bucket: expected s3://BUCKET or s3://BUCKET/PREFIX")]
    Address(String),
    /// Its service says no, or cannot be reached.
    #[error("the bucket {address}: {error}")]
    Service {
        /// Which.
        address: String,
        /// What was said.
        error: object_store::Error,
    },
}

/// A bucket. Clones are the same bucket.
#[derive(Clone, Debug)]
pub struct Bucket {
    service: Arc<dyn ObjectStore>,
    prefix: Path,
    address: String,
}

impl Bucket {
    /// Names a bucket; who asks, and where, comes from the environment as every S3 client reads it
    /// (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT_URL`, …).
    ///
    /// # Errors
    /// Another address, or an environment that does not say who asks.
    pub fn open(address: &str) -> Result<Self, BucketError> {
        let wrong = || BucketError::Address(address.to_owned());
        let rest = address.strip_prefix("s3://").ok_or_else(wrong)?;
        let (name, prefix) = rest.trim_end_matches('/').split_once('/').unwrap_or((rest, ""));
        let name = name.trim_end_matches('/');
        let prefix = Path::parse(prefix).map_err(|_| wrong())?;
        if name.is_empty() || name.contains(['@', '?', ':']) {
            return Err(wrong());
        }
        // The client of the bucket takes the process's provider, where others bring their own.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        // What the bucket cannot do soon, the registry does.
        let retry = RetryConfig {
            backoff: BackoffConfig::default(),
            max_retries: 2,
            retry_timeout: Duration::from_secs(10),
        };
        let plain = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT"]
            .iter()
            .any(|name| std::env::var(name).is_ok_and(|url| url.starts_with("http://")));
        let options = ClientOptions::new()
            .with_connect_timeout(Duration::from_secs(5))
            .with_timeout(Duration::from_secs(600))
            .with_allow_http(plain);
        let service = AmazonS3Builder::from_env()
            .with_bucket_name(name)
            .with_client_options(options)
            .with_retry(retry)
            .build()
            .map_err(|error| BucketError::Service { address: address.to_owned(), error })?;
        Ok(Self { service: Arc::new(service), prefix, address: address.to_owned() })
    }

    fn key(&self, digest: &Digest) -> Path {
        self.prefix.clone().join(digest.algorithm().name()).join(digest.hex())
    }

    /// Whether it can be asked.
    ///
    /// # Errors
    /// What its service says.
    pub async fn check(&self) -> Result<(), BucketError> {
        let any = self.service.list(Some(&self.prefix)).try_next().await;
        any.map(drop).map_err(|error| BucketError::Service { address: self.address.clone(), error })
    }

    /// Brings a blob to the shelf. False where it is not in the bucket, or is not what its digest
    /// says: then the registry is asked.
    pub(crate) async fn bring(&self, digest: &Digest, shelf: &Shelf) -> bool {
        let found = match self.service.get(&self.key(digest)).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return false,
            Err(error) => {
                tracing::warn!(bucket = self.address, %digest, %error, "the bucket cannot be asked");
                return false;
            }
        };
        let Ok(Some(arriving)) = shelf.begin(digest, found.meta.size) else { return false };
        match receive(found.into_stream(), arriving).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(bucket = self.address, %digest, %error, "a blob in the bucket is not used");
                false
            }
        }
    }

    async fn put(&self, digest: &Digest, file: File) -> object_store::Result<()> {
        let key = self.key(digest);
        if self.service.head(&key).await.is_ok() {
            return Ok(());
        }
        let generic =
            |source: std::io::Error| object_store::Error::Generic { store: "S3", source: source.into() };
        let mut writer =
            BufWriter::with_capacity(Arc::clone(&self.service), key, PART).with_max_concurrency(2);
        let copied = tokio::io::copy(&mut tokio::fs::File::from_std(file), &mut writer).await;
        if let Err(error) = copied {
            writer.abort().await?;
            return Err(generic(error));
        }
        writer.shutdown().await.map_err(generic)
    }

    /// Uploads what comes to the shelf from now on, one after the other.
    pub(crate) fn follow(&self, shelf: &Shelf) {
        let (sender, mut arrived) = mpsc::channel::<Digest>(WAITING);
        shelf.tell(sender);
        let (bucket, shelf) = (self.clone(), shelf.clone());
        tokio::spawn(async move {
            while let Some(digest) = arrived.recv().await {
                // What had to make room meanwhile is not there.
                let Some((file, _)) = lazaret_scan::BlobShelf::open(&shelf, &digest) else { continue };
                if let Err(error) = bucket.put(&digest, file).await {
                    tracing::warn!(bucket = bucket.address, %digest, %error, "a blob was not uploaded");
                }
            }
        });
    }
}

async fn receive(
    mut stream: impl futures_util::Stream<Item = object_store::Result<bytes::Bytes>> + Unpin,
    mut arriving: Arriving,
) -> std::io::Result<()> {
    while let Some(chunk) = stream.try_next().await.map_err(std::io::Error::other)? {
        arriving = tokio::task::spawn_blocking(move || {
            arriving.add(&chunk);
            arriving
        })
        .await
        .map_err(std::io::Error::other)?;
    }
    tokio::task::spawn_blocking(move || arriving.finish()).await.map_err(std::io::Error::other)?
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_address_names_a_bucket_and_nothing_else() {
        for wrong in
            ["bucket", "s3://", "s3:///x", "https://bucket", "s3://user:secret@bucket", "s3://b/../x"]
        {
            let Err(error) = Bucket::open(wrong) else { panic!("{wrong} is no bucket") };
            assert!(matches!(error, BucketError::Address(_)), "{wrong}: {error}");
        }
        let bucket = Bucket::open("s3://blobs/of/ours/").unwrap();
        let digest: Digest = format!("sha256:{}", "a".repeat(64)).parse().unwrap();
        assert_eq!(bucket.key(&digest).as_ref(), format!("of/ours/sha256/{}", "a".repeat(64)));
    }
}
