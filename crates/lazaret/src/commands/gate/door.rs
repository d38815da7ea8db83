//! What the commands of all doors do alike.

use std::sync::Arc;

use anyhow::{Result, bail};
use lazaret_gate::{Gate, GateSettings};
use lazaret_scan::{Scanner, Settings};

use super::log;
use crate::args::{DoorArgs, LogFormat, LogLevel};
use crate::commands::scan::{self, Wanted};
use crate::paths;

/// Opens the gate behind a door: with the operator's credentials, before every registry.
pub async fn open(args: &DoorArgs) -> Result<Arc<Gate>> {
    Ok(opened(args).await?.0)
}

/// The same for a door that stays open: the policy and the rules are read again when they change.
pub async fn open_long(args: &DoorArgs) -> Result<Arc<Gate>> {
    let (gate, scanning) = opened(args).await?;
    let watched = Arc::clone(&gate);
    tokio::spawn(async move { watched.watch_policy().await });
    let watched = Arc::clone(&gate);
    tokio::spawn(async move {
        let tell = |said: &str| tracing::warn!("{}", lazaret_model::visible(said));
        watched.follow_rules(scanning, Arc::new(|_| {}), tell).await;
    });
    Ok(gate)
}

async fn opened(args: &DoorArgs) -> Result<(Arc<Gate>, Settings)> {
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
        reports: None,
    };
    let scanner = Arc::new(Scanner::new(scanning.clone(), Arc::new(|_| {})).await?);
    crate::commands::feed::tell_left_out(scanner.feeds(), false, |said| {
        tracing::warn!("{}", lazaret_model::visible(said));
    })?;
    Ok((Arc::new(Gate::open(settings, scanner).await?), scanning))
}
