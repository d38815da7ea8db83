mod admission;
mod ask;
mod change;
mod docker_authz;
pub mod docker_cli;
mod doctor;
mod door;
pub mod image_verifier;
mod init;
mod list;
mod log;
mod plan;
mod status;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use lazaret_gate::{AdminToken, Authority, Bucket, Gate, GateSettings, Limits, Tls};
use lazaret_scan::{CredentialFiles, Scanner};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::args::{GateArgs, GateCommand, GateServeArgs};
use crate::commands::scan::{self, Wanted};
use crate::exit::Exit;
use crate::paths;

/// `lazaret gate`.
pub fn run(args: &GateArgs) -> Result<Exit> {
    match &args.command {
        Some(GateCommand::Init(args)) => init::run(args),
        Some(GateCommand::Doctor(args)) => doctor::run(args),
        Some(GateCommand::Status(args)) => status::run(args),
        Some(GateCommand::List(args)) => list::run(args),
        Some(GateCommand::DockerAuthz(args)) => docker_authz::run(args),
        Some(GateCommand::Admission(args)) => admission::run(args),
        Some(GateCommand::ImageVerifier(args)) => image_verifier::run(args),
        None => serve(&args.serve),
    }
}

/// Serves until it is told to stop.
fn serve(args: &GateServeArgs) -> Result<Exit> {
    if !args.listen.ip().is_loopback() && !args.insecure && args.cert.is_none() {
        bail!(
            "{} can be reached by others, and the gate would speak without TLS: give it --cert and --key, listen \
             on 127.0.0.1 behind a server that ends TLS, or say --insecure",
            args.listen
        );
    }
    if let Some(admin) = args.admin
        && !admin.ip().is_loopback()
        && args.cert.is_none()
    {
        bail!(
            "{admin} can be reached by others, and the admin token would pass in the clear: give --cert and --key"
        );
    }
    log::start(args.log_format, args.log_level);
    let tls = match (&args.cert, &args.key) {
        (Some(certificate), Some(key)) => Some(Arc::new(Tls::open(certificate, key)?)),
        _ => None,
    };
    let limits = Limits {
        // A connection may need a file and a connection of its own to a registry.
        connections: (args.max_connections as usize).min(descriptors() / 3),
        ..Limits::default()
    };
    let blobs = match (&args.cache, paths::cache()) {
        (Some(dir), _) => dir.clone(),
        (None, Some(cache)) => cache.join("gate"),
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
    // Clients' own credentials decide what they may see; the gate lends them none.
    scanning.registry.credential_files = CredentialFiles::Ignore;
    scanning.registry.login = None;
    scanning.at_once = lazaret_gate::AT_ONCE;
    // A client that must wait for long is told so, and for how long, instead of being kept.
    scanning.registry.retry.longest_retry_after = std::time::Duration::from_secs(5);
    let mut upstreams = Vec::new();
    for upstream in &args.upstreams {
        match upstream.split_once('=') {
            Some((name, address)) => {
                scanning.registry.addresses.insert(name.to_owned(), address.to_owned());
                upstreams.push(name.to_owned());
            }
            None => upstreams.push(upstream.clone()),
        }
    }
    let authority = match args.transparent {
        Some(_) => Some(Arc::new(Authority::open(&authority_place(args.ca.as_ref())?)?)),
        None => None,
    };
    let named = upstreams.join(", ");
    let settings = GateSettings {
        upstreams,
        registry: scanning.registry.clone(),
        budget: scanning.budget,
        blobs,
        blob_bytes: args.cache_size,
        bucket: args.bucket.as_deref().map(Bucket::open).transpose()?,
        policy: args.policy.clone(),
        audit: args.audit_log.clone(),
        reports: args.report_url.clone(),
    };
    crate::commands::runtime()?.block_on(async {
        if let Some(bucket) = &settings.bucket {
            bucket.check().await?;
        }
        let scanner = Arc::new(Scanner::new(scanning.clone(), Arc::new(|_| {})).await?);
        crate::commands::feed::tell_left_out(scanner.feeds(), false, |said| {
            tracing::warn!("{}", lazaret_model::visible(said));
        })?;
        let gate = Arc::new(Gate::open(settings, scanner).await?);
        let listener = TcpListener::bind(args.listen)
            .await
            .with_context(|| format!("cannot listen on {}", args.listen))?;
        let at = listener.local_addr()?;
        tracing::info!("the gate listens on {at}, before {named}");
        let watched = Arc::clone(&gate);
        tokio::spawn(async move { watched.watch_policy().await });
        let watched = Arc::clone(&gate);
        tokio::spawn(async move {
            let tell = |said: &str| tracing::warn!("{}", lazaret_model::visible(said));
            watched.watch_rules(scanning, Arc::new(|_| {}), tell).await;
        });
        if let Some(tls) = tls.clone() {
            tokio::spawn(async move { tls.watch().await });
        }
        let mut others = JoinSet::new();
        if let (Some(address), Some(authority)) = (args.transparent, authority) {
            let proxy =
                TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
            tracing::info!("it is a proxy for engines on {}", proxy.local_addr()?);
            let (gate, limits, stop) = (Arc::clone(&gate), limits.clone(), stopped()?);
            others.spawn(lazaret_gate::serve_proxy(gate, authority, proxy, limits, stop));
        }
        if let Some(address) = args.admin {
            let token = ask::token_file(args.admin_token.as_ref())?;
            let token = AdminToken::open(&token)
                .with_context(|| format!("the admin token {} cannot be used", token.display()))?;
            let admin =
                TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
            tracing::info!("its admin API is on {}", admin.local_addr()?);
            others.spawn(lazaret_gate::serve_admin(Arc::clone(&gate), token, admin, tls.clone(), stopped()?));
        }
        lazaret_gate::serve(Arc::clone(&gate), listener, tls, limits, stopped()?).await;
        others.join_all().await;
        gate.finish().await;
        anyhow::Ok(Exit::Allowed)
    })
}

/// How many files this process may have open, after it asked for as many as it may have.
fn descriptors() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum;
    let raised = setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most });
    let now = if raised.is_ok() { most } else { limit.current };
    now.map_or(usize::MAX, |now| usize::try_from(now).unwrap_or(usize::MAX))
}

/// Ends when somebody asks the program to end.
pub(super) fn stopped() -> Result<impl Future<Output = ()> + Send + 'static> {
    let mut ended = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = ended.recv() => {}
            _ = interrupted.recv() => {}
        }
    })
}

/// Where the gate's certificate authority lies.
fn authority_place(given: Option<&PathBuf>) -> Result<PathBuf> {
    match (given, paths::cache()) {
        (Some(dir), _) => Ok(dir.clone()),
        (None, Some(cache)) => Ok(cache.join("gate-ca")),
        (None, None) => bail!("neither XDG_CACHE_HOME nor HOME is set: name a --ca"),
    }
}
