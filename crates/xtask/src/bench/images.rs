//! Real images, made here from Debian's packages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::ci::step;

/// Name, packages, and what starts.
const IMAGES: &[(&str, &str, &[&str])] = &[
    ("slim", "", &["bash"]),
    ("nginx", "nginx", &["/usr/sbin/nginx", "-g", "daemon off;"]),
    ("tomcat", "tomcat10 openjdk-17-jre-headless", &["/usr/libexec/tomcat10/tomcat-start.sh"]),
    ("mariadb", "mariadb-server", &["/usr/sbin/mariadbd", "--user=mysql"]),
    ("node", "nodejs npm", &["/usr/bin/node"]),
    ("python", "python3 python3-pip python3-venv python3-numpy", &["/usr/bin/python3"]),
];

/// Makes the images once, below `target/bench-images`, as gzip, and two of them as zstd too.
pub fn make() -> Result<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench-images");
    fs::create_dir_all(&folder)?;
    let folder = folder.canonicalize()?;
    let base = folder.join("base.tar");
    if !base.exists() {
        step("base system", shell(&folder, "mmdebstrap --variant=apt bookworm base.tar"))?;
    }
    let mut layouts = Vec::new();
    for (name, packages, command) in IMAGES {
        let layout = folder.join(name);
        if !layout.join("index.json").exists() {
            step(&format!("image {name}"), shell(&folder, &recipe(name, packages, command)))?;
        }
        layouts.push(layout);
    }
    for name in ["tomcat", "node"] {
        let layout = folder.join(format!("{name}-zstd"));
        if !layout.join("index.json").exists() {
            let copy = format!(
                "skopeo --override-os linux copy -q --dest-compress-format zstd --dest-compress-level 3 oci:{name}:latest oci:{name}-plain:latest --dest-decompress 2>/dev/null; \
                 skopeo copy -q --dest-compress-format zstd --dest-compress-level 3 oci:{name}-plain:latest oci:{name}-zstd:latest; rm -rf {name}-plain"
            );
            step(&format!("image {name}, zstd"), shell(&folder, &copy))?;
        }
        layouts.push(layout);
    }
    Ok(layouts)
}

/// A shell in `folder` whose container storage lies below it.
fn shell(folder: &Path, script: &str) -> Command {
    let storage = folder.join("storage.conf");
    let text = format!(
        "[storage]\ndriver=\"overlay\"\ngraphroot=\"{0}/graph\"\nrunroot=\"{0}/run\"\n",
        folder.display()
    );
    // Where it cannot be written, buildah says so in its own words.
    let _ = fs::write(&storage, text);
    let mut command = Command::new("sh");
    command.args(["-e", "-c", script]).current_dir(folder).env("CONTAINERS_STORAGE_CONF", storage);
    command
}

fn recipe(name: &str, packages: &str, command: &[&str]) -> String {
    let command = serde_json::to_string(command).unwrap_or_default();
    let install = if packages.is_empty() {
        String::new()
    } else {
        format!(
            "buildah run --isolation chroot --network host $c -- sh -c 'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends {packages} >/dev/null && apt-get clean && rm -rf /var/lib/apt/lists/*'\n"
        )
    };
    format!(
        "if ! buildah inspect localhost/base >/dev/null 2>&1; then\n\
         c=$(buildah from scratch); buildah add -q $c base.tar /; buildah commit -q --rm $c localhost/base\nfi\n\
         c=$(buildah from --pull-never localhost/base)\n{install}\
         buildah config --entrypoint '{command}' $c\n\
         buildah commit -q --rm $c oci:{name}:latest\n"
    )
}

/// Joins those of our byte rules that Debian's yara also compiles into one file for the peers.
/// Gives how many of how many they are.
pub fn rules_for_yara(folder: &Path, out: &Path) -> Result<String> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "yar") {
                files.push(path);
            }
        }
    }
    files.sort();
    let mut all = String::new();
    let mut kept = 0;
    for file in &files {
        let text = fs::read_to_string(file)?;
        // Two files may not hold rules of one name in one file for the peers.
        let alone = Command::new("yara").arg("-w").arg(file).arg("/dev/null").output();
        if alone.is_ok_and(|o| o.status.success()) {
            kept += 1;
            all.push_str(&text);
            all.push('\n');
        }
    }
    if kept == 0 && !files.is_empty() {
        bail!("Debian's yara compiles none of the rules (is the package `yara` installed?)");
    }
    fs::write(out, all)?;
    Ok(format!("{kept} of {}", files.len()))
}
