//! Credential helpers: `docker-credential-NAME get`, the server on standard input, JSON on
//! standard output (github.com/docker/docker-credential-helpers, README, "Development").

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

/// Longest run of a helper. One that asks a person for a PIN takes a while.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Most bytes read from a helper.
const OUTPUT_LIMIT: u64 = 64 << 10;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct HelperAnswer {
    #[serde(default)]
    pub(crate) username: String,
    pub(crate) secret: String,
}

/// Asks a helper for the credentials of a server. None: it has none.
///
/// The helper is started without a shell, found on `search` (or the process's `PATH`), and
/// killed when it takes too long.
pub(crate) async fn get(
    name: &str,
    server: &str,
    search: Option<PathBuf>,
) -> Result<Option<HelperAnswer>, String> {
    if name.is_empty() || name.contains(['/', '\\', '\0']) || name.starts_with('.') {
        return Err(format!("`{name}` is no name of a credential helper"));
    }
    let program = format!("docker-credential-{name}");
    match tokio::time::timeout(TIMEOUT, run(&program, server, search)).await {
        Ok(outcome) => outcome.map_err(|reason| format!("{program}: {reason}")),
        Err(_) => Err(format!("{program} gave no answer within {} seconds", TIMEOUT.as_secs())),
    }
}

async fn run(program: &str, server: &str, search: Option<PathBuf>) -> Result<Option<HelperAnswer>, String> {
    let located = search
        .as_ref()
        .and_then(|path| std::env::split_paths(path).map(|d| d.join(program)).find(|p| p.is_file()))
        .unwrap_or_else(|| PathBuf::from(program));
    let mut child = Command::new(located)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => "it is not installed (not found on PATH)".to_owned(),
            _ => e.to_string(),
        })?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that leaves without reading has its say through its exit status.
        let _ = stdin.write_all(server.as_bytes()).await;
    }
    let mut output = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(OUTPUT_LIMIT).read_to_end(&mut output).await.map_err(|e| e.to_string())?;
    }
    let status = child.wait().await.map_err(|e| e.to_string())?;
    if status.success() {
        // The answer holds a secret: no part of it goes into a message.
        let answer: HelperAnswer = serde_json::from_slice(&output)
            .map_err(|_| "its answer is not {Username, Secret} in JSON".to_owned())?;
        return Ok(Some(answer).filter(|a| !a.secret.is_empty()));
    }
    let said = String::from_utf8_lossy(&output);
    // The protocol has no code for "none": every helper prints this sentence.
    if said.contains("credentials not found") {
        return Ok(None);
    }
    Err(format!("it failed ({status}): {}", lazaret_model::one_line(said.trim(), 200)))
}
