use std::path::PathBuf;
use std::process::Command;

use lazaret_registry::Environment;
use lazaret_registry::daemon::DaemonOptions;
use tempfile::TempDir;

use super::images::Workshop;
use super::{Process, needed, run};

/// A container engine of this test alone.
pub struct Engine {
    _process: Process,
    pub socket: PathBuf,
    // Storage and sockets go after the process.
    pub dir: TempDir,
}

/// The options that lead to an engine: one variable, and nothing else of this machine.
pub fn options(variable: &str, address: String) -> DaemonOptions {
    DaemonOptions {
        environment: Environment::from_pairs([
            (variable, address),
            ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin".to_owned()),
        ]),
        ..DaemonOptions::default()
    }
}

/// Debian's Docker daemon, without any network.
pub fn dockerd() -> Engine {
    dockerd_with(&[])
}

/// The same with variables of its own.
pub fn dockerd_with(env: &[(&str, &str)]) -> Engine {
    dockerd_in(TempDir::new().unwrap(), env, &[])
}

/// The same in a directory, where it listens on `docker.sock`, with further arguments.
pub fn dockerd_in(dir: TempDir, env: &[(&str, &str)], arguments: &[&str]) -> Engine {
    start_dockerd(dir, &[], env, arguments)
}

/// The same started by another command, such as one that enters a namespace first.
pub fn dockerd_after(before: &[&str], env: &[(&str, &str)]) -> Engine {
    start_dockerd(TempDir::new().unwrap(), before, env, &[])
}

fn start_dockerd(dir: TempDir, before: &[&str], env: &[(&str, &str)], arguments: &[&str]) -> Engine {
    let program = needed("dockerd", "docker.io");
    needed("runc", "runc");
    let socket = dir.path().join("docker.sock");
    let config = dir.path().join("daemon.json");
    std::fs::write(
        &config,
        r#"{"bridge":"none","iptables":false,"ip6tables":false,"ip-forward":false,"ip-masq":false,"storage-driver":"vfs"}"#,
    )
    .unwrap();
    let mut command = match before {
        [] => Command::new(program),
        [first, rest @ ..] => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
    };
    let mut process = Process::start(
        command
            .envs(env.iter().copied())
            .args(arguments)
            .arg("--config-file")
            .arg(&config)
            .arg("--data-root")
            .arg(dir.path().join("data"))
            .arg("--exec-root")
            .arg(dir.path().join("exec"))
            .arg("--pidfile")
            .arg(dir.path().join("pid"))
            .arg("-H")
            .arg(format!("unix://{}", socket.display())),
        &dir.path().join("log"),
    );
    process.wait(|log| log.contains("API listen on").then_some(()));
    Engine { _process: process, socket, dir }
}

impl Engine {
    pub fn load_docker(&self, archive: &std::path::Path) {
        run(Command::new(needed("docker", "docker.io"))
            .env("DOCKER_HOST", format!("unix://{}", self.socket.display()))
            .env("DOCKER_CONFIG", self.dir.path())
            .arg("load")
            .arg("-i")
            .arg(archive));
    }
}

/// podman's service over the storage of a workshop.
pub fn podman(workshop: &Workshop) -> Engine {
    let dir = TempDir::new().unwrap();
    let socket = dir.path().join("podman.sock");
    let mut process = Process::start(
        workshop
            .tool("podman")
            .args(["system", "service", "--time=0"])
            .arg(format!("unix://{}", socket.display())),
        &dir.path().join("log"),
    );
    process.wait(|_| std::os::unix::net::UnixStream::connect(&socket).ok().map(|_| ()));
    Engine { _process: process, socket, dir }
}

/// containerd without its Kubernetes plugin.
pub fn containerd() -> Engine {
    let program = needed("containerd", "containerd");
    let dir = TempDir::new().unwrap();
    let socket = dir.path().join("containerd.sock");
    let config = dir.path().join("config.toml");
    std::fs::write(
        &config,
        format!(
            "version = 2\nroot = \"{0}/root\"\nstate = \"{0}/state\"\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = \"{1}\"\n[ttrpc]\naddress = \"{1}.ttrpc\"\n",
            dir.path().display(),
            socket.display()
        ),
    )
    .unwrap();
    let mut process =
        Process::start(Command::new(program).arg("--config").arg(&config), &dir.path().join("log"));
    process.wait(|log| log.contains("containerd successfully booted").then_some(()));
    Engine { _process: process, socket, dir }
}
