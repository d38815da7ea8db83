use anyhow::{Result, bail};

use crate::args::VersionArgs;
use crate::exit::Exit;

/// `lazaret version`.
pub fn run(args: &VersionArgs) -> Result<Exit> {
    let version = env!("CARGO_PKG_VERSION");
    let rules = lazaret_detect::Pack::load(&[], crate::paths::made_cache().as_deref())?;
    match args.output.as_str() {
        "text" => super::print(&format!(
            "lazaret {version}, {} rules ({})\n",
            rules.rules().len(),
            rules.version()
        ))?,
        "json" => super::print(&format!(
            "{}\n",
            serde_json::json!({ "version": version, "rules": { "count": rules.rules().len(), "version": rules.version() } })
        ))?,
        other => bail!("`{other}` is not a form: text or json"),
    }
    Ok(Exit::Allowed)
}
