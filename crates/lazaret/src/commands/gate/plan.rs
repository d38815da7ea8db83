//! What an engine's files must say so that it pulls through the gate and by no other way, and what
//! in them would lead round it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use lazaret_model::one_line;
use toml::{Table, Value};

use super::change::Wanted;
use super::init;

/// Where systems keep the authorities that they trust, the most common place first.
const SYSTEM_BUNDLES: [&str; 4] = [
    "etc/ssl/certs/ca-certificates.crt",
    "etc/pki/tls/certs/ca-bundle.crt",
    "etc/ssl/ca-bundle.pem",
    "etc/ssl/cert.pem",
];

/// What is to be done for one engine.
#[derive(Debug, Default)]
pub struct Plan {
    /// Files, as they should be.
    pub files: Vec<Wanted>,
    /// Ways round the gate that these files do not close.
    pub open: Vec<String>,
    /// What a person has to do then.
    pub next: Vec<String>,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// An engine's place: `path` is as the engine names it.
fn under(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

fn text(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        text => Ok(Some(text.with_context(|| format!("{} cannot be read", path.display()))?)),
    }
}

/// Names in a directory, in their order; none where there is no directory.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Docker: the daemon's environment names the proxy and what it trusts, in every version. From
/// version 23 on `proxies` in daemon.json stands over the environment, so that it must say the same.
pub fn docker(root: &Path, proxy: SocketAddr, certificate: &Path, pem: &str) -> Result<Plan> {
    let mut plan = Plan::default();
    let system = SYSTEM_BUNDLES.iter().map(|place| root.join(place)).find(|place| place.exists());
    let Some(system) = system else {
        bail!(
            "this system's list of trusted authorities was not found, so none could be added to a copy of it"
        );
    };
    let mut trusted = fs::read(&system).with_context(|| format!("{} cannot be read", system.display()))?;
    if !trusted.ends_with(b"\n") {
        trusted.push(b'\n');
    }
    trusted.extend_from_slice(pem.as_bytes());
    let bundle = init::bundle(certificate);
    plan.files.push(Wanted {
        path: bundle.clone(),
        content: trusted,
        summary: Some(format!("the authorities of {}, and the gate's", system.display())),
    });
    let directory = under(root, init::DOCKER_DROP_INS);
    plan.files.push(Wanted::text(directory.join(init::DOCKER_DROP_IN), init::docker_drop_in(proxy, &bundle)));
    for name in names(&directory) {
        if name.ends_with(".conf") && name.as_str() > init::DOCKER_DROP_IN {
            plan.open.push(format!(
                "{} is read after our file: it must not set a proxy",
                directory.join(name).display()
            ));
        }
    }
    let daemon = under(root, "/etc/docker/daemon.json");
    if let Some(known) = text(&daemon)? {
        match serde_json::from_str::<serde_json::Value>(&known) {
            Ok(mut config) if config["proxies"].is_object() => {
                let address = format!("http://{proxy}");
                config["proxies"]["http-proxy"] = address.clone().into();
                config["proxies"]["https-proxy"] = address.into();
                config["proxies"]["no-proxy"] = "".into();
                let same = serde_json::from_str::<serde_json::Value>(&known).ok().as_ref() == Some(&config);
                let text = if same { known } else { serde_json::to_string_pretty(&config)? + "\n" };
                plan.files.push(Wanted::text(daemon, text));
            }
            Ok(_) => {}
            Err(_) => plan.open.push(format!(
                "{} is no JSON that could be read: it must not have `proxies`",
                daemon.display()
            )),
        }
    }
    plan.next.push("systemctl daemon-reload && systemctl restart docker".to_owned());
    plan.notes.push(
        "a registry on this machine's loopback is never asked through a proxy: what it holds is not judged"
            .to_owned(),
    );
    Ok(plan)
}

/// podman, buildah, skopeo, CRI-O: each registry blocked, with the gate as its mirror.
pub fn podman(root: &Path, gate: SocketAddr, upstreams: &[String]) -> Result<Plan> {
    let mut plan = Plan::default();
    let directory = under(root, "/etc/containers/registries.conf.d");
    plan.files.push(Wanted::text(directory.join(init::PODMAN_FILE), init::podman_conf(gate, upstreams)));
    let mut others = vec![(false, under(root, "/etc/containers/registries.conf"))];
    for name in names(&directory) {
        if name.ends_with(".conf") && name != init::PODMAN_FILE {
            others.push((name.as_str() > init::PODMAN_FILE, directory.join(name)));
        }
    }
    for (later, file) in others {
        let Some(known) = text(&file)? else { continue };
        let Ok(table) = known.parse::<Table>() else {
            plan.open.push(format!("{} is no TOML that could be read: look at it", file.display()));
            continue;
        };
        let tables = table.get("registry").and_then(Value::as_array).into_iter().flatten();
        for entry in tables {
            let word = |name: &str| entry.get(name).and_then(Value::as_str);
            let Some(prefix) = word("prefix").or_else(|| word("location")) else { continue };
            let blocked =
                entry.get("blocked").and_then(Value::as_bool) == Some(true) && entry.get("mirror").is_none();
            let within =
                |name: &String| prefix.strip_prefix(name.as_str()).is_some_and(|r| r.starts_with('/'));
            let same = upstreams.iter().any(|name| name == prefix);
            if !blocked && (upstreams.iter().any(within) || (later && same)) {
                let prefix = one_line(prefix, 100);
                plan.open.push(format!("{} leads {prefix} elsewhere: remove that entry", file.display()));
            }
        }
    }
    let listed = upstreams.join(", ");
    plan.notes.push(format!("registries other than {listed} are pulled from directly"));
    plan.notes.push("a user's own ~/.config/containers/registries.conf stands over these files".to_owned());
    Ok(plan)
}

/// containerd: the gate for every registry, where the CRI plugin reads such files.
pub fn containerd(root: &Path, gate: SocketAddr, upstreams: &[String]) -> Result<Plan> {
    const PLACE: &str = "/etc/containerd/certs.d";
    let mut plan = Plan::default();
    let config = under(root, "/etc/containerd/config.toml");
    let add = format!("add to it:\n{}", init::containerd_config(PLACE));
    let mut place = PLACE.to_owned();
    match text(&config)? {
        None => {
            plan.files
                .push(Wanted::text(config, format!("version = 2\n\n{}", init::containerd_config(PLACE))));
        }
        Some(known) => match known.parse::<Table>() {
            Err(_) => plan.open.push(format!(
                "{} is no TOML that could be read. Where it has no config_path, {add}",
                config.display()
            )),
            Ok(table) => {
                let registry = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images"]
                    .iter()
                    .filter_map(|plugin| table.get("plugins")?.get(plugin)?.get("registry"))
                    .next();
                let set = registry.and_then(|r| r.get("config_path")?.as_str()).unwrap_or_default();
                match set.split(':').find(|place| place.starts_with('/')) {
                    Some(first) => place = first.to_owned(),
                    None => plan.open.push(format!(
                        "{} has no config_path, so that containerd's CRI plugin asks registries directly; {add}",
                        config.display()
                    )),
                }
                let filled = |name: &str| {
                    registry.and_then(|r| r.get(name)?.as_table()).is_some_and(|table| !table.is_empty())
                };
                if filled("mirrors") {
                    plan.open.push(format!(
                        "{} has registry.mirrors, which containerd does not take together with config_path: \
                         remove them",
                        config.display()
                    ));
                }
            }
        },
    }
    let directory = under(root, &place);
    let ours = init::hosts_toml(gate);
    plan.files.push(Wanted::text(directory.join("_default/hosts.toml"), ours.clone()));
    for name in names(&directory) {
        let file = directory.join(&name).join("hosts.toml");
        let Some(known) = text(&file)?.filter(|_| name != "_default") else { continue };
        if upstreams.contains(&name) {
            plan.files.push(Wanted::text(file, ours.clone()));
        } else if known != ours {
            plan.open
                .push(format!("{} stands over _default: its images do not pass the gate", file.display()));
        }
    }
    plan.notes.push(format!("ctr reads this with: ctr images pull --hosts-dir {place} NAME"));
    plan.next.push("systemctl restart containerd, where config.toml changed".to_owned());
    Ok(plan)
}

/// K3s and RKE2: the gate as the mirror of every registry, and no registry itself.
pub fn k3s(root: &Path, gate: SocketAddr) -> Result<Plan> {
    let mut plan = Plan::default();
    let registries = under(root, "/etc/rancher/k3s/registries.yaml");
    let wanted = match text(&registries)? {
        None => init::k3s_registries(gate),
        Some(known) => merged(&known, gate)
            .with_context(|| format!("{} cannot be read as YAML", registries.display()))?,
    };
    plan.files.push(Wanted::text(registries, wanted));
    let config = under(root, "/etc/rancher/k3s/config.yaml");
    let known = text(&config)?.unwrap_or_default();
    plan.files.push(Wanted::text(config, with_line(&known, init::K3S_LINE)));
    plan.next.push("systemctl restart k3s (or k3s-agent, rke2-server, rke2-agent)".to_owned());
    Ok(plan)
}

/// The file with the gate as the only mirror. Passwords and certificates for registries stay; other
/// mirrors would lead round the gate.
fn merged(known: &str, gate: SocketAddr) -> Result<String> {
    use serde_yaml_ng::{Mapping, Value};
    let ours: Value = serde_yaml_ng::from_str(&init::k3s_registries(gate))?;
    let table: Value = serde_yaml_ng::from_str(known)?;
    let mut table = match table {
        Value::Null => Mapping::new(),
        Value::Mapping(table) => table,
        _ => bail!("it is no table"),
    };
    if table.get("mirrors") == ours.get("mirrors") {
        return Ok(known.to_owned());
    }
    if let Some(mirrors) = ours.get("mirrors") {
        table.insert("mirrors".into(), mirrors.clone());
    }
    Ok(serde_yaml_ng::to_string(&table)?)
}

/// A YAML file of plain keys with this one as given.
fn with_line(known: &str, line: &str) -> String {
    let key = line.split(':').next().unwrap_or_default();
    let mut out: Vec<&str> = known
        .lines()
        .filter(|known| {
            *known == line || !known.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with(':'))
        })
        .collect();
    if !out.contains(&line) {
        out.push(line);
    }
    out.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn gate() -> SocketAddr {
        "127.0.0.1:5050".parse().unwrap()
    }

    fn put(root: &Path, path: &str, text: &str) {
        let path = under(root, path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn file(plan: &Plan, end: &str) -> String {
        let found = plan.files.iter().find(|file| file.path.ends_with(end)).unwrap();
        String::from_utf8(found.content.clone()).unwrap()
    }

    #[test]
    fn what_leads_podman_round_the_gate_is_told() {
        let root = tempfile::tempdir().unwrap();
        let hub = ["docker.io".to_owned()];
        assert!(podman(root.path(), gate(), &hub).unwrap().open.is_empty());
        let dir = "/etc/containers/registries.conf.d";
        for (name, text, found) in [
            ("10-a.conf", "[[registry]]\nlocation = \"docker.io\"\n", 0),
            ("99-a.conf", "[[registry]]\nlocation = \"docker.io\"\n", 1),
            ("10-a.conf", "[[registry]]\nprefix = \"docker.io/team\"\nlocation = \"x.test\"\n", 1),
            ("10-a.conf", "[[registry]]\nprefix = \"docker.io/team\"\nblocked = true\n", 0),
            ("10-a.conf", "[[registry]]\nprefix = \"docker.io.test\"\nlocation = \"x.test\"\n", 0),
            ("10-a.conf", "registry = nonsense", 1),
        ] {
            put(root.path(), &format!("{dir}/{name}"), text);
            let plan = podman(root.path(), gate(), &hub).unwrap();
            assert_eq!(plan.open.len(), found, "{text}: {:?}", plan.open);
            fs::remove_file(under(root.path(), &format!("{dir}/{name}"))).unwrap();
        }
    }

    #[test]
    fn containerd_is_told_where_it_reads_and_what_goes_before_it() {
        let root = tempfile::tempdir().unwrap();
        let hub = ["docker.io".to_owned()];
        let plan = containerd(root.path(), gate(), &hub).unwrap();
        assert!(plan.open.is_empty() && file(&plan, "config.toml").contains("config_path"));
        put(root.path(), "/etc/containerd/config.toml", "version = 2\n");
        let plan = containerd(root.path(), gate(), &hub).unwrap();
        assert!(plan.open[0].contains("no config_path"), "{:?}", plan.open);
        let set = "[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/srv/certs\"\n";
        put(root.path(), "/etc/containerd/config.toml", set);
        put(root.path(), "/srv/certs/docker.io/hosts.toml", "server = \"https://registry-1.docker.io\"\n");
        put(root.path(), "/srv/certs/quay.io/hosts.toml", "server = \"https://quay.io\"\n");
        let plan = containerd(root.path(), gate(), &hub).unwrap();
        assert!(file(&plan, "srv/certs/_default/hosts.toml").contains("5050"));
        assert!(file(&plan, "srv/certs/docker.io/hosts.toml").contains("5050"));
        assert!(plan.open.len() == 1 && plan.open[0].contains("quay.io"), "{:?}", plan.open);
        put(root.path(), "/etc/containerd/config.toml", "version = {");
        assert!(containerd(root.path(), gate(), &hub).unwrap().open[0].contains("no TOML"));
    }

    #[test]
    fn k3s_keeps_its_passwords_and_no_other_mirror() {
        let root = tempfile::tempdir().unwrap();
        let known = "mirrors:\n  docker.io:\n    endpoint: [\"https://mirror.test\"]\nconfigs:\n  x.test:\n    auth:\n      username: ana\n";
        put(root.path(), "/etc/rancher/k3s/registries.yaml", known);
        put(
            root.path(),
            "/etc/rancher/k3s/config.yaml",
            "token: x\ndisable-default-registry-endpoint: false\n",
        );
        let plan = k3s(root.path(), gate()).unwrap();
        let registries = file(&plan, "registries.yaml");
        assert!(registries.contains("username: ana") && !registries.contains("mirror.test"), "{registries}");
        assert_eq!(file(&plan, "config.yaml"), "token: x\ndisable-default-registry-endpoint: true\n");
        // What was written is left as it is.
        put(root.path(), "/etc/rancher/k3s/registries.yaml", &registries);
        assert_eq!(file(&k3s(root.path(), gate()).unwrap(), "registries.yaml"), registries);
    }

    #[test]
    fn docker_trusts_a_copy_and_its_own_proxies_say_the_same() {
        let root = tempfile::tempdir().unwrap();
        let certificate = root.path().join("ca/gate.crt");
        let plan = || docker(root.path(), gate(), &certificate, "OURS\n");
        assert!(plan().is_err(), "without the system's authorities none other would be trusted");
        put(root.path(), "/etc/ssl/certs/ca-certificates.crt", "THEIRS");
        assert_eq!(file(&plan().unwrap(), "gate.crt.bundle"), "THEIRS\nOURS\n");
        put(
            root.path(),
            "/etc/docker/daemon.json",
            "{\"debug\":true,\"proxies\":{\"no-proxy\":\"docker.io\"}}",
        );
        let json: serde_json::Value = serde_json::from_str(&file(&plan().unwrap(), "daemon.json")).unwrap();
        assert_eq!((&json["debug"], &json["proxies"]["no-proxy"]), (&true.into(), &"".into()));
        assert_eq!(json["proxies"]["https-proxy"], "http://127.0.0.1:5050");
        put(root.path(), "/etc/systemd/system/docker.service.d/zzz.conf", "[Service]\n");
        assert_eq!(plan().unwrap().open.len(), 1);
    }
}
