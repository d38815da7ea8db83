//! `cargo xtask lab OUT`: the inert test images as OCI layouts.

use std::path::Path;

use anyhow::{Context, bail};

/// Builds the lab into the folder named by the only argument.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let [out] = arguments else {
        bail!("usage: cargo xtask lab OUT");
    };
    let out = Path::new(out);
    std::fs::create_dir_all(out).with_context(|| format!("cannot make the folder {}", out.display()))?;
    let built = lazaret_lab::build(out)?;
    eprintln!("{} images and {} registry records in {}", built.layouts, built.records, out.display());
    Ok(())
}
