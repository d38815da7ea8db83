//! The configuration with which an engine pulls through the gate and by no other way.

use std::fmt::Write;
use std::io::{BufRead, IsTerminal};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use lazaret_gate::{Authority, AuthorityError, CERTIFICATE, host_name};

use super::change::{Force, apply, changes, difference, undo};
use super::plan::{self, Plan};
use crate::args::{GateEngine, GateInitArgs};
use crate::exit::Exit;
use crate::paths;

/// Where systemd looks for what is added to Docker's unit.
pub const DOCKER_DROP_INS: &str = "/etc/systemd/system/docker.service.d";
/// Our file there. What is read last counts.
pub const DOCKER_DROP_IN: &str = "zz-lazaret.conf";
/// Our file among those of podman.
pub const PODMAN_FILE: &str = "50-lazaret.conf";
/// Without this line K3s asks the registry itself when the gate refuses.
pub const K3S_LINE: &str = "disable-default-registry-endpoint: true";

/// `lazaret gate init`.
pub fn run(args: &GateInitArgs) -> Result<Exit> {
    let record = match (&args.state, paths::state()) {
        (Some(dir), _) => dir.clone(),
        (None, Some(dir)) => dir,
        (None, None) => bail!("neither XDG_STATE_HOME nor HOME is set: name a --state"),
    };
    let engine = match args.engine {
        GateEngine::Docker => "docker",
        GateEngine::Podman => "podman",
        GateEngine::Containerd => "containerd",
        GateEngine::K3s => "k3s",
    };
    let record = record.join(format!("gate-init-{engine}.json"));
    if args.undo {
        return put_back(&record, engine, Force(args.force));
    }
    if args.write {
        // What is written is found again from every directory.
        let root = &std::path::absolute(&args.root)?;
        let plan = match args.engine {
            GateEngine::Docker => {
                let (certificate, authority) = authority(args)?;
                plan::docker(root, args.proxy, &certificate, authority.certificate())?
            }
            GateEngine::Podman => plan::podman(root, args.gate, &args.upstreams)?,
            GateEngine::Containerd => plan::containerd(root, args.gate, &args.upstreams)?,
            GateEngine::K3s => plan::k3s(root, args.gate)?,
        };
        return write(plan, &record, engine, args);
    }
    let text = match args.engine {
        GateEngine::Docker => {
            let (certificate, authority) = authority(args)?;
            docker(args, &certificate, &authority)
        }
        GateEngine::Podman => podman(args),
        GateEngine::Containerd => containerd(args),
        GateEngine::K3s => k3s(args),
    };
    crate::commands::print(&text)?;
    Ok(Exit::Allowed)
}

/// The gate's authority, made where there is none for these registries, and its certificate's file.
fn authority(args: &GateInitArgs) -> Result<(PathBuf, Authority)> {
    let place = std::path::absolute(super::authority_place(args.ca.as_ref())?)?;
    let hosts: Vec<String> = args.upstreams.iter().map(|name| host_name(name).to_owned()).collect();
    let known = match Authority::open(&place) {
        Ok(known) if hosts.iter().all(|host| known.hosts().contains(host)) => known,
        Ok(_) | Err(AuthorityError::Missing(_)) => Authority::make(&place, &hosts)?,
        Err(error) => return Err(error.into()),
    };
    Ok((place.join(CERTIFICATE), known))
}

/// Shows what would change, asks, and writes it.
fn write(plan: Plan, record: &Path, engine: &str, args: &GateInitArgs) -> Result<Exit> {
    let Plan { files, open, next, notes } = plan;
    let changes = changes(files)?;
    let mut text = String::new();
    for change in &changes {
        text.push_str(&difference(change)?);
    }
    if changes.is_empty() {
        text.push_str("nothing is to be changed\n");
    }
    crate::commands::print(&text)?;
    if !changes.is_empty() {
        if !args.yes && !agreed(changes.len())? {
            eprintln!("lazaret: nothing was written");
            return Ok(Exit::Error);
        }
        apply(record, &changes, Force(args.force))?;
    }
    let mut text = String::new();
    for line in &open {
        let _ = writeln!(text, "OPEN: {line}");
    }
    for line in &next {
        let _ = writeln!(text, "next: {line}");
    }
    for line in &notes {
        let _ = writeln!(text, "note: {line}");
    }
    let _ = writeln!(text, "undo: lazaret gate init {engine} --undo");
    crate::commands::print(&lines(&text))?;
    Ok(if open.is_empty() { Exit::Allowed } else { Exit::Refused(1) })
}

/// Paths hold what they like: nothing of it acts on a terminal.
fn lines(text: &str) -> String {
    text.lines().map(|line| lazaret_model::visible(line).into_owned() + "\n").collect()
}

fn agreed(files: usize) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("nobody is there to be asked, so nothing was written: say --yes");
    }
    let plural = if files == 1 { "" } else { "s" };
    eprint!("Write {files} file{plural}? [y/N] ");
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn put_back(record: &Path, engine: &str, force: Force) -> Result<Exit> {
    let text = match undo(record, force)? {
        None => format!("nothing of {engine} was written, so nothing is to be put back\n"),
        Some(files) => {
            let mut text = String::new();
            for file in files {
                let _ = writeln!(text, "put back: {}", file.display());
            }
            text + "restart the engine, so that it reads them\n"
        }
    };
    crate::commands::print(&lines(&text))?;
    Ok(Exit::Allowed)
}

/// The file with the system's authorities and the gate's.
pub fn bundle(certificate: &Path) -> PathBuf {
    PathBuf::from(format!("{}.bundle", certificate.display()))
}

/// What is added to the daemon's unit. The variables stand in both cases of letters, because the
/// daemon reads the lower ones where the upper ones are empty.
pub fn docker_drop_in(proxy: SocketAddr, bundle: &Path) -> String {
    format!(
        "[Service]\n\
         Environment=HTTPS_PROXY=http://{proxy} https_proxy=http://{proxy}\n\
         Environment=HTTP_PROXY=http://{proxy} http_proxy=http://{proxy}\n\
         Environment=NO_PROXY= no_proxy=\n\
         Environment=\"SSL_CERT_FILE={}\"\n",
        // systemd.exec(5): quotes hold blanks together, and `%` begins a specifier.
        bundle.display().to_string().replace('%', "%%")
    )
}

/// dockerd falls back to Docker Hub when a mirror refuses, whatever the reason, and asks mirrors for
/// Docker Hub alone. A proxy it cannot pass by.
fn docker(args: &GateInitArgs, certificate: &Path, authority: &Authority) -> String {
    let mut text = String::new();
    let bundle = bundle(certificate);
    let upstreams: String = args.upstreams.iter().map(|name| format!(" --upstream {name}")).collect();
    let _ = write!(
        text,
        "# 1. The gate, which is the daemon's proxy:\n\
         lazaret gate --transparent {}{upstreams}\n\n\
         # 2. What the daemon trusts: the system's authorities and the gate's, in a file of its own.\n\
         #    The system's own trust store stays as it is.\n\
         cat /etc/ssl/certs/ca-certificates.crt {} > {}\n\n\
         # 3. The daemon's environment, {DOCKER_DROP_INS}/{DOCKER_DROP_IN}:\n\
         {}\n\
         # 4. systemctl daemon-reload && systemctl restart docker\n\
         #\n\
         # To undo it: remove the file of step 3, and do step 4 again.\n\
         # With --write all of this is done, and kept for --undo.\n\
         # The gate's authority can name these hosts alone: {}\n",
        args.proxy,
        certificate.display(),
        bundle.display(),
        docker_drop_in(args.proxy, &bundle),
        authority.hosts().join(", "),
    );
    text
}

/// A mirror alone is passed by when it refuses: the registry itself has to be blocked.
pub fn podman_conf(gate: SocketAddr, upstreams: &[String]) -> String {
    let mut text =
        String::from("# Each registry is blocked itself, so that a refusal of the gate is the end of it.\n");
    for name in upstreams {
        let _ = write!(
            text,
            "\n[[registry]]\nprefix = \"{name}\"\nlocation = \"{name}\"\nblocked = true\n\n\
             [[registry.mirror]]\nlocation = \"{gate}/{name}\"\ninsecure = {}\n",
            gate.ip().is_loopback(),
        );
    }
    text
}

fn podman(args: &GateInitArgs) -> String {
    format!(
        "# /etc/containers/registries.conf.d/{PODMAN_FILE}\n{}\n# To undo it: remove the file.\n",
        podman_conf(args.gate, &args.upstreams)
    )
}

/// Beyond loopback the gate speaks TLS.
fn address(gate: SocketAddr) -> String {
    let scheme = if gate.ip().is_loopback() { "http" } else { "https" };
    format!("{scheme}://{gate}")
}

/// Both `server` and `[host]` must name the gate: with `server` alone containerd pulls directly, and
/// with another `server` it falls back to it.
pub fn hosts_toml(gate: SocketAddr) -> String {
    let gate = address(gate);
    format!("server = \"{gate}\"\n\n[host.\"{gate}\"]\n  capabilities = [\"pull\", \"resolve\"]\n")
}

/// What leads containerd's CRI plugin to such files.
pub fn containerd_config(place: &str) -> String {
    format!("[plugins.\"io.containerd.grpc.v1.cri\".registry]\n  config_path = \"{place}\"\n")
}

fn containerd(args: &GateInitArgs) -> String {
    format!(
        "# /etc/containerd/config.toml, where it is not so already:\n\
         {}\n\
         # /etc/containerd/certs.d/_default/hosts.toml, for every registry:\n{}\n\
         # `ctr` reads it with: ctr images pull --hosts-dir /etc/containerd/certs.d NAME\n\
         # To undo it: remove the second file.\n",
        containerd_config("/etc/containerd/certs.d"),
        hosts_toml(args.gate)
    )
}

/// The gate as the mirror of every registry.
pub fn k3s_registries(gate: SocketAddr) -> String {
    format!("mirrors:\n  \"*\":\n    endpoint:\n      - \"{}\"\n", address(gate))
}

/// K3s adds each registry itself as the last endpoint, unless it is told not to.
fn k3s(args: &GateInitArgs) -> String {
    format!(
        "# /etc/rancher/k3s/registries.yaml\n\
         {}\n\
         # /etc/rancher/k3s/config.yaml: without this line K3s asks the registry itself when the gate\n\
         # refuses (versions of 2024 and later).\n\
         {K3S_LINE}\n\n\
         # systemctl restart k3s\n\
         # To undo it: remove both.\n",
        k3s_registries(args.gate)
    )
}
