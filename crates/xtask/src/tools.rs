//! Clients that Debian has in a newer suite than the one that the tests run on: programs that need no
//! library but the C one, taken out of their packages. The machine's own packages stay as they are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Package and suite of each.
const TOOLS: &[(&str, &str)] = &[("crane", "sid"), ("oras", "trixie")];

/// The folder with the programs, brought there where they are missing.
///
/// # Errors
/// A machine without apt, or without a way to a Debian mirror.
pub fn bring() -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools");
    let programs = folder.join("root/usr/bin");
    if !TOOLS.iter().all(|(tool, _)| programs.join(tool).exists()) {
        fetch(&folder)?;
    }
    Ok(programs.canonicalize()?)
}

/// A package manager with lists of its own.
fn fetch(folder: &Path) -> Result<()> {
    let mirror = mirror().context("there is no source of Debian packages")?;
    fs::create_dir_all(folder.join("lists/partial"))?;
    fs::create_dir_all(folder.join("cache/archives/partial"))?;
    fs::create_dir_all(folder.join("root"))?;
    let folder = folder.canonicalize()?;
    let keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
    let sources: String = ["trixie", "sid"]
        .iter()
        .map(|suite| format!("deb [signed-by={keys}] {mirror} {suite} main\n"))
        .collect();
    fs::write(folder.join("sources.list"), sources)?;
    fs::write(folder.join("status"), "")?;
    let at = folder.display();
    fs::write(
        folder.join("apt.conf"),
        format!(
            "Dir::Etc::sourcelist \"{at}/sources.list\";\nDir::Etc::sourceparts \"/dev/null\";\n\
             Dir::State::lists \"{at}/lists\";\nDir::Cache \"{at}/cache\";\nDir::State::status \"{at}/status\";\n\
             APT::Sandbox::User \"root\";\nAcquire::Languages \"none\";\n"
        ),
    )?;
    let apt = |arguments: &[&str]| -> Result<()> {
        let mut command = Command::new("apt-get");
        command.args(["-q", "-q"]).args(arguments).env("APT_CONFIG", folder.join("apt.conf"));
        let said = command.current_dir(&folder).output().context("apt-get cannot be started")?;
        if !said.status.success() {
            bail!("apt-get {}: {}", arguments.join(" "), String::from_utf8_lossy(&said.stderr).trim());
        }
        Ok(())
    };
    apt(&["update"])?;
    for (tool, suite) in TOOLS {
        apt(&["download", &format!("{tool}/{suite}")])?;
    }
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|kind| kind == "deb") {
            let unpacked = Command::new("dpkg-deb").arg("-x").arg(&path).arg(folder.join("root")).status()?;
            if !unpacked.success() {
                bail!("{} cannot be unpacked", path.display());
            }
        }
    }
    Ok(())
}

/// The mirror that the machine itself uses.
fn mirror() -> Option<String> {
    let lines = ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"]
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok())
        .collect::<String>();
    let address = lines.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        line.split_whitespace()
            .find(|word| word.starts_with("http") && word.trim_end_matches('/').ends_with("/debian"))
    })?;
    Some(address.trim_end_matches('/').to_owned())
}
