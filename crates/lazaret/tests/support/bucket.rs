//! An S3 server on loopback, with a bucket that is a directory.
#![allow(missing_docs, clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use hyper_util::rt::{TokioExecutor, TokioIo};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// The server, which ends with the test.
pub struct Bucket {
    root: PathBuf,
    endpoint: String,
    _runtime: Runtime,
}

const KEY: &str = "lazaret";
const SECRET: &str = "of-the-tests";

impl Bucket {
    pub fn start(root: &Path) -> Self {
        std::fs::create_dir_all(root.join("blobs")).unwrap();
        let mut service = S3ServiceBuilder::new(FileSystem::new(root).unwrap());
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = service.build();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(async move {
            let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            while let Ok((stream, _)) = listener.accept().await {
                let connection = server.serve_connection(TokioIo::new(stream), service.clone()).into_owned();
                tokio::spawn(async move {
                    // A client that hangs up is none of the server's business.
                    let _ = connection.await;
                });
            }
        });
        Self { root: root.to_owned(), endpoint, _runtime: runtime }
    }

    /// Where a client finds it, and as whom it asks.
    pub fn environment(&self) -> [(&str, &str); 4] {
        [
            ("AWS_ENDPOINT_URL", &self.endpoint),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
        ]
    }

    /// The file of a blob, under the prefix that the tests use.
    pub fn file(&self, digest: &str) -> PathBuf {
        self.root.join("blobs/of/ours/sha256").join(&digest["sha256:".len()..])
    }
}
