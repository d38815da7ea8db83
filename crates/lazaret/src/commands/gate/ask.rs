//! Asking a running gate, over its admin API.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::args::GateAdminArgs;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the gate answers to `path`, with these parameters.
pub fn ask(args: &GateAdminArgs, path: &str, parameters: &[(&str, String)]) -> Result<Value> {
    let file = token_file(args.admin_token.as_ref())?;
    let token = std::fs::read_to_string(&file).with_context(|| {
        format!("the admin token {} cannot be read: name it with --admin-token", file.display())
    })?;
    // A second provider in one process would be refused; the first one does as well.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut builder =
        reqwest::Client::builder().no_proxy().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none());
    if let Some(bundle) = &args.admin_ca {
        let place = || format!("{} cannot be read as certificates", bundle.display());
        let pem = std::fs::read(bundle).with_context(place)?;
        for certificate in reqwest::Certificate::from_pem_bundle(&pem).with_context(place)? {
            builder = builder.add_root_certificate(certificate);
        }
    }
    let address = match args.admin.split_once("://") {
        Some(_) => args.admin.trim_end_matches('/').to_owned(),
        None => format!("http://{}", args.admin),
    };
    let mut url = reqwest::Url::parse(&format!("{address}{path}"))
        .with_context(|| format!("`{}` is no address of a gate", args.admin))?;
    if !parameters.is_empty() {
        url.query_pairs_mut().extend_pairs(parameters);
    }
    let (status, body) = crate::commands::runtime()?
        .block_on(async {
            let client = builder.build()?;
            let response = client.get(url).bearer_auth(token.trim()).send().await?;
            anyhow::Ok((response.status(), response.bytes().await?))
        })
        .with_context(|| {
            format!("no gate answers at {address}: is it started with --admin, and is this its address?")
        })?;
    let answer: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    match (status.as_u16(), answer["error"].as_str()) {
        (200, _) if !answer.is_null() => Ok(answer),
        (401, _) => bail!("the gate does not know the token of {}", file.display()),
        (_, Some(error)) => bail!("the gate says: {}", lazaret_model::one_line(error, 300)),
        (status, None) => bail!("{address} answers {status}, and not as a gate's admin API does"),
    }
}

/// The file with the admin token: the one given, or the one in the user's cache directory.
pub fn token_file(given: Option<&PathBuf>) -> Result<PathBuf> {
    match (given, crate::paths::made_cache()) {
        (Some(file), _) => Ok(file.clone()),
        (None, Some(cache)) => Ok(cache.join("gate-admin-token")),
        (None, None) => bail!("neither XDG_CACHE_HOME nor HOME is set: name an --admin-token"),
    }
}
