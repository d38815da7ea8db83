//! A small HTTP server that answers as it is told, for what a real registry does not do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Lower-case names, values of equal names joined with `|`.
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Request {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What happens after the bytes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    Close,
    /// Sends filler for as long as somebody reads.
    Endless,
    /// Sends nothing more and keeps the connection.
    Stall,
    /// Sends a byte now and then, for as long as somebody reads.
    Trickle,
}

#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// `Content-Length`, where it is another one than that of the body.
    pub length: Option<u64>,
    /// No `Content-Length` at all.
    pub unsized_body: bool,
    pub then: Then,
}

impl Reply {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
            length: None,
            unsized_body: false,
            then: Then::Close,
        }
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// States the length of the whole and ends, stalls or goes on after the body given.
    pub fn cut(mut self, whole: u64, then: Then) -> Self {
        self.length = Some(whole);
        self.then = then;
        self
    }

    pub fn endless(mut self) -> Self {
        self.unsized_body = true;
        self.then = Then::Endless;
        self
    }
}

type Handler = dyn Fn(&Request, usize) -> Reply + Send + Sync;

/// The server; it ends with the test's runtime.
pub struct Fake {
    /// `127.0.0.1:PORT`.
    pub host: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Fake {
    /// `handler` gets each request and how many came before it to the same path.
    pub async fn start(handler: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, handler): (_, Arc<Handler>) = (seen.clone(), Arc::new(handler));
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (log, handler) = (log.clone(), handler.clone());
                tokio::spawn(async move {
                    // A client that goes away in the middle is what some tests are about.
                    let _ = serve(connection, &log, &*handler).await;
                });
            }
        });
        Self { host, seen }
    }

    /// Every request so far, without those that only ask whether this is a registry.
    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().iter().filter(|r| r.path != "/v2/").cloned().collect()
    }

    /// How many requests named this in their path.
    pub fn count(&self, part: &str) -> usize {
        self.seen().iter().filter(|r| r.path.contains(part)).count()
    }
}

async fn serve(connection: TcpStream, log: &Mutex<Vec<Request>>, handler: &Handler) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection);
    let mut line = String::new();
    reader.read_line(&mut line).await?;
    let mut words = line.split_whitespace();
    let (method, path) =
        (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let mut headers: HashMap<String, String> = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers
            .entry(name.to_ascii_lowercase())
            .and_modify(|all| *all += &format!("|{}", value.trim()))
            .or_insert_with(|| value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).await?;
    let body = String::from_utf8_lossy(&body).into_owned();
    let request = Request { method, path, headers, body };
    let before = {
        let mut log = log.lock().unwrap();
        let before = log.iter().filter(|r| r.path == request.path).count();
        log.push(request.clone());
        before
    };
    let reply = handler(&request, before);
    let mut head = format!("HTTP/1.1 {} Told\r\nConnection: close\r\n", reply.status);
    if !reply.unsized_body {
        head += &format!("Content-Length: {}\r\n", reply.length.unwrap_or(reply.body.len() as u64));
    }
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += "\r\n";
    let mut connection = reader.into_inner();
    connection.write_all(head.as_bytes()).await?;
    connection.write_all(&reply.body).await?;
    match reply.then {
        Then::Close => connection.shutdown().await?,
        Then::Stall => tokio::time::sleep(Duration::from_secs(60)).await,
        Then::Trickle => {
            for _ in 0..600 {
                tokio::time::sleep(Duration::from_millis(100)).await;
                connection.write_all(b" ").await?;
            }
        }
        Then::Endless => {
            let filler = vec![b' '; 64 << 10];
            loop {
                connection.write_all(&filler).await?;
            }
        }
    }
    Ok(())
}

/// A registry with one image of one layer, for tests that change one answer of it.
pub struct OneImage {
    pub layer: Vec<u8>,
    pub config: Vec<u8>,
    pub manifest: Vec<u8>,
}

impl OneImage {
    pub fn new() -> Self {
        // Not compressible to nothing, and longer than any buffer on the way.
        let layer: Vec<u8> = (0..700_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let config = format!(
            r#"{{"architecture":"amd64","os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
            super::sha256(&layer)
        )
        .into_bytes();
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}","size":{}}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{}","size":{}}}]}}"#,
            lazaret_oci::OCI_MANIFEST,
            super::sha256(&config),
            config.len(),
            super::sha256(&layer),
            layer.len()
        )
        .into_bytes();
        Self { layer, config, manifest }
    }

    /// What an honest registry answers.
    pub fn answer(&self, request: &Request) -> Reply {
        let path = request.path.split('?').next().unwrap_or_default();
        if path == "/v2/" {
            return Reply::new(200, "{}").header("Docker-Distribution-Api-Version", "registry/2.0");
        }
        if path.contains("/manifests/") {
            return Reply::new(200, self.manifest.clone())
                .header("Content-Type", lazaret_oci::OCI_MANIFEST)
                .header("Docker-Content-Digest", super::sha256(&self.manifest));
        }
        if path.ends_with(&super::sha256(&self.config)) {
            return Reply::new(200, self.config.clone());
        }
        if path.ends_with(&super::sha256(&self.layer)) {
            return self.ranged(request);
        }
        Reply::new(404, r#"{"errors":[{"code":"BLOB_UNKNOWN","message":"blob unknown"}]}"#)
    }

    /// The layer, from where the request wants it.
    pub fn ranged(&self, request: &Request) -> Reply {
        match from(request) {
            0 => Reply::new(200, self.layer.clone()),
            from => Reply::new(206, self.layer[from..].to_vec()).header(
                "Content-Range",
                format!("bytes {from}-{}/{}", self.layer.len() - 1, self.layer.len()),
            ),
        }
    }
}

/// The first byte that a request asks for.
pub fn from(request: &Request) -> usize {
    request
        .header("range")
        .strip_prefix("bytes=")
        .and_then(|range| range.trim_end_matches('-').parse().ok())
        .unwrap_or(0)
}
