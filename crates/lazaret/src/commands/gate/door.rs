//! What the commands of all doors do alike.

use std::sync::Arc;

use anyhow::{Result, bail};
use lazaret_gate::{Gate, GateSettings};
use lazaret_scan::Scanner;

use super::log;
use crate::args::{DoorArgs, LogFormat, LogLevel};
use crate::commands::scan::{self, Wanted};
use crate::paths;

/// Opens the gate behind a door: with the operator's credentials, before every registry.
pub async fn open(args: &DoorArgs) -> Result<Arc<Gate>> {
    log::start(LogFormat::Text, LogLevel::Info);
    let blobs = match (&args.cache, paths::cache()) {
        (Some(dir), _) => dir.clone(),
        (None, Some(cache)) => cache.join("doors"),
        (None, None) => bail!("neither XDG_CACHE_HOME nor HOME is set: name a --cache"),
    };
    let wanted = Wanted {
        references: &[],
        rules: &args.rules.rules,
        only_rules: args.rules.only_rules,
        source: &args.source,
        budget: &args.budget,
        quiet: true,
        no_progress: true,
    };
    let mut scanning = scan::settings(&wanted, &[])?;
    scanning.at_once = lazaret_gate::AT_ONCE;
    let settings = GateSettings {
        upstreams: Vec::new(),
        registry: scanning.registry.clone(),
        budget: scanning.budget,
        blobs,
        blob_bytes: args.cache_size,
        bucket: None,
        policy: args.policy.clone(),
        audit: args.audit_log.clone(),
    };
    let scanner = Arc::new(Scanner::new(scanning, Arc::new(|_| {})).await?);
    Ok(Arc::new(Gate::open(settings, scanner).await?))
}

/// Reads the policy again when it changes.
pub fn watch(gate: &Arc<Gate>) {
    let gate = Arc::clone(gate);
    tokio::spawn(async move { gate.watch_policy().await });
}
