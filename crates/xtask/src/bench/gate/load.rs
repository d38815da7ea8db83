//! Many clients that ask for the same, each over a connection of its own that stays open: plain
//! HTTP/1.1, so that the one who measures takes as little of the machine as can be.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// How long each request took.
pub fn ask(host: &str, path: &str, clients: usize, requests: usize) -> Result<Vec<Duration>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        let mut times = Vec::with_capacity(clients * requests);
        for _ in 0..clients {
            let mut client = Client::open(host).await?;
            let path = path.to_owned();
            tasks.spawn(async move {
                let mut times = Vec::with_capacity(requests);
                for _ in 0..requests {
                    let begin = Instant::now();
                    client.get(&path).await?;
                    times.push(begin.elapsed());
                }
                anyhow::Ok(times)
            });
        }
        while let Some(done) = tasks.join_next().await {
            times.extend(done??);
        }
        Ok(times)
    })
}

/// The digest that a tag stands for.
pub fn digest_of_tag(host: &str, repository: &str, tag: &str) -> Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut client = Client::open(host).await?;
        let head = client.get(&format!("/v2/{repository}/manifests/{tag}")).await?;
        let digest = head.iter().find_map(|line| line.strip_prefix("docker-content-digest: "));
        Ok(digest.context("an answer without a digest")?.to_owned())
    })
}

struct Client {
    host: String,
    stream: BufReader<TcpStream>,
}

impl Client {
    async fn open(host: &str) -> Result<Self> {
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        Ok(Self { host: host.to_owned(), stream: BufReader::new(stream) })
    }

    /// Asks once and reads all of the answer; returns its head.
    async fn get(&mut self, path: &str) -> Result<Vec<String>> {
        let accept = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\naccept: {accept}\r\n\r\n", self.host);
        self.stream.get_mut().write_all(request.as_bytes()).await?;
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line).await? == 0 {
                bail!("the gate hung up");
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            head.push(line.to_owned());
        }
        let length: usize = head
            .iter()
            .find_map(|line| line.strip_prefix("content-length: "))
            .context("an answer without a length")?
            .parse()?;
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await?;
        let status = head.first().map_or("", String::as_str);
        if !status.contains(" 200 ") {
            bail!("{path}: {status}: {}", String::from_utf8_lossy(&body));
        }
        Ok(head)
    }
}
