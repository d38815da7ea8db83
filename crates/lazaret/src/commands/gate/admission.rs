use std::sync::Arc;

use anyhow::{Context, Result};
use lazaret_gate::Tls;
use tokio::net::TcpListener;

use super::{door, stopped};
use crate::args::AdmissionArgs;
use crate::exit::Exit;

/// `lazaret gate admission`: answers the API server until it is told to stop.
pub fn run(args: &AdmissionArgs) -> Result<Exit> {
    let tls = Arc::new(Tls::open(&args.cert, &args.key)?);
    crate::commands::runtime()?.block_on(async {
        let gate = door::open_long(&args.door).await?;
        let place = || format!("cannot listen on {}", args.listen);
        let listener = TcpListener::bind(args.listen).await.with_context(place)?;
        eprintln!("lazaret: the admission webhook listens on {}", listener.local_addr()?);
        let watched = Arc::clone(&tls);
        tokio::spawn(async move { watched.watch().await });
        let served = lazaret_gate::serve_admission(Arc::clone(&gate), tls, listener, stopped()?).await;
        gate.finish().await;
        served.context("serving")?;
        anyhow::Ok(Exit::Allowed)
    })
}
