//! The configuration with which an engine pulls through the gate and by no other way.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;
use lazaret_gate::{Authority, AuthorityError, CERTIFICATE, host_name};

use crate::args::{GateEngine, GateInitArgs};
use crate::exit::Exit;

/// `lazaret gate init`.
pub fn run(args: &GateInitArgs) -> Result<Exit> {
    let text = match args.engine {
        GateEngine::Docker => {
            let place = super::authority_place(args.ca.as_ref())?;
            let hosts: Vec<String> = args.upstreams.iter().map(|name| host_name(name).to_owned()).collect();
            let known = match Authority::open(&place) {
                Ok(known) if hosts.iter().all(|host| known.hosts().contains(host)) => known,
                Ok(_) | Err(AuthorityError::Missing(_)) => Authority::make(&place, &hosts)?,
                Err(error) => return Err(error.into()),
            };
            docker(args, &place.join(CERTIFICATE), &known)
        }
        GateEngine::Podman => podman(args),
        GateEngine::Containerd => containerd(args),
        GateEngine::K3s => k3s(args),
    };
    crate::commands::print(&text)?;
    Ok(Exit::Allowed)
}

/// dockerd falls back to Docker Hub when a mirror refuses, whatever the reason, and asks mirrors for
/// Docker Hub alone. A proxy it cannot pass by.
fn docker(args: &GateInitArgs, certificate: &Path, authority: &Authority) -> String {
    let mut text = String::new();
    let certificate = certificate.display();
    let bundle = format!("{certificate}.bundle");
    let upstreams: String = args.upstreams.iter().map(|name| format!(" --upstream {name}")).collect();
    let _ = write!(
        text,
        "# 1. The gate, which is the daemon's proxy:\n\
         lazaret gate --transparent {}{upstreams}\n\n\
         # 2. What the daemon trusts: the system's authorities and the gate's, in a file of its own.\n\
         #    The system's own trust store stays as it is.\n\
         cat /etc/ssl/certs/ca-certificates.crt {certificate} > {bundle}\n\n\
         # 3. The daemon's environment, /etc/systemd/system/docker.service.d/lazaret.conf:\n\
         [Service]\n\
         Environment=HTTPS_PROXY=http://{}\n\
         Environment=SSL_CERT_FILE={bundle}\n\n\
         # 4. systemctl daemon-reload && systemctl restart docker\n\
         #\n\
         # To undo it: remove the file of step 3, and do step 4 again.\n\
         # The gate's authority can name these hosts alone: {}\n",
        args.proxy,
        args.proxy,
        authority.hosts().join(", "),
    );
    text
}

/// A mirror alone is passed by when it refuses: the registry itself has to be blocked.
fn podman(args: &GateInitArgs) -> String {
    let mut text = String::from(
        "# /etc/containers/registries.conf.d/50-lazaret.conf\n\
         # Each registry is blocked itself, so that a refusal of the gate is the end of it.\n",
    );
    for name in &args.upstreams {
        let _ = write!(
            text,
            "\n[[registry]]\nprefix = \"{name}\"\nlocation = \"{name}\"\nblocked = true\n\n\
             [[registry.mirror]]\nlocation = \"{}/{name}\"\ninsecure = {}\n",
            args.gate,
            args.gate.ip().is_loopback(),
        );
    }
    text.push_str("\n# To undo it: remove the file.\n");
    text
}

/// Both `server` and `[host]` must name the gate: with `server` alone containerd pulls directly, and
/// with another `server` it falls back to it.
fn hosts_toml(gate: std::net::SocketAddr) -> String {
    format!(
        "server = \"http://{gate}\"\n\n[host.\"http://{gate}\"]\n  capabilities = [\"pull\", \"resolve\"]\n"
    )
}

fn containerd(args: &GateInitArgs) -> String {
    format!(
        "# /etc/containerd/config.toml, where it is not so already:\n\
         [plugins.\"io.containerd.grpc.v1.cri\".registry]\n  config_path = \"/etc/containerd/certs.d\"\n\n\
         # /etc/containerd/certs.d/_default/hosts.toml, for every registry:\n{}\n\
         # `ctr` reads it with: ctr images pull --hosts-dir /etc/containerd/certs.d NAME\n\
         # To undo it: remove the second file.\n",
        hosts_toml(args.gate)
    )
}

/// K3s adds each registry itself as the last endpoint, unless it is told not to.
fn k3s(args: &GateInitArgs) -> String {
    format!(
        "# /etc/rancher/k3s/registries.yaml\n\
         mirrors:\n  \"*\":\n    endpoint:\n      - \"http://{}\"\n\n\
         # /etc/rancher/k3s/config.yaml: without this line K3s asks the registry itself when the gate\n\
         # refuses (versions of 2024 and later).\n\
         disable-default-registry-endpoint: true\n\n\
         # systemctl restart k3s\n\
         # To undo it: remove both.\n",
        args.gate
    )
}
