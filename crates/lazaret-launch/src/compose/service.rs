//! One service of a compose file.

use lazaret_model::{
    Healthcheck, Hook, HookTime, HostNamespace, Launch, LaunchFile, LaunchForm, Mount, MountKind,
    PublishedPort,
};

use super::at;
use crate::value::{
    add_env, add_mount, capability, env_file, kind, name_space, port, security_option, short_mount, variable,
    wrote,
};
use crate::yaml::{Kind, Node};
use crate::{Beside, Plan};

pub(super) struct Service<'n> {
    pub name: &'n str,
    pub node: &'n Node,
    pub root: &'n Node,
    pub file: &'n str,
    pub beside: &'n dyn Beside,
}

/// A map, or a list of `NAME=VALUE`, with the line of each.
pub(super) fn assignments(node: &Node) -> Vec<(String, Option<String>, u32)> {
    match &node.kind {
        Kind::Map(pairs) => pairs
            .iter()
            .map(|(name, value)| {
                let text = if value.is_null() { None } else { value.text().map(str::to_owned) };
                (name.clone(), text, value.line)
            })
            .collect(),
        Kind::List(items) => items
            .iter()
            .filter_map(|item| {
                let (name, value) = variable(item.text()?);
                Some((name, value, item.line))
            })
            .collect(),
        Kind::Scalar(..) => Vec::new(),
    }
}

/// A command as a list, or as a text that is split like a shell's words.
fn words(node: &Node) -> Vec<String> {
    match &node.kind {
        Kind::Scalar(text, _) => {
            shlex::split(text).unwrap_or_else(|| text.split_whitespace().map(str::to_owned).collect())
        }
        _ => node.texts(),
    }
}

impl Service<'_> {
    pub fn launch(&self, plan: &mut Plan) -> Launch {
        let mut launch = Launch {
            form: LaunchForm::Compose,
            workload: "service".to_owned(),
            name: self.name.to_owned(),
            ..Launch::default()
        };
        let whole = at(self.file, self.node, self.name);
        wrote(&mut launch, "", &whole);
        let text = |key: &str| self.node.get(key).and_then(Node::text).map(str::to_owned);
        launch.image = text("image");
        launch.pull_policy = text("pull_policy");
        launch.working_dir = text("working_dir");
        launch.restart = text("restart");
        launch.runtime = text("runtime");
        launch.groups = self.texts("group_add");
        launch.extra_hosts = match self.node.get("extra_hosts") {
            Some(node) if !node.pairs().is_empty() => {
                node.pairs().iter().map(|(name, value)| format!("{name}:{}", value.flat())).collect()
            }
            _ => self.texts("extra_hosts"),
        };
        for key in ["image", "restart", "runtime"] {
            if let Some(node) = self.node.get(key) {
                wrote(&mut launch, key, &at(self.file, node, key));
            }
        }
        self.command(&mut launch);
        self.environment(&mut launch);
        self.identity(&mut launch);
        self.mounts(&mut launch, plan);
        self.ports(&mut launch);
        self.limits(&mut launch);
        self.hooks(&mut launch);
        launch
    }

    fn texts(&self, key: &str) -> Vec<String> {
        self.node.get(key).map(Node::texts).unwrap_or_default()
    }

    fn command(&self, launch: &mut Launch) {
        for (key, field) in [("entrypoint", "entrypoint"), ("command", "command")] {
            let Some(node) = self.node.get(key) else { continue };
            wrote(launch, field, &at(self.file, node, key));
            let words = words(node);
            if key == "entrypoint" {
                launch.entrypoint = Some(words);
            } else {
                launch.command = Some(words);
            }
        }
        if launch.entrypoint.is_some() && launch.command.is_none() {
            launch.command = Some(Vec::new());
        }
        if let Some(check) = self.node.get("healthcheck") {
            let disabled = check.get("disable").and_then(Node::truth) == Some(true);
            let test = match check.get("test") {
                _ if disabled => Some(vec!["NONE".to_owned()]),
                Some(node) if node.text().is_some() => Some(vec!["CMD-SHELL".to_owned(), node.flat()]),
                Some(node) => Some(node.texts()),
                None => None,
            };
            if let Some(test) = test {
                wrote(launch, "healthcheck", &at(self.file, check, "healthcheck"));
                launch.healthcheck = Some(Healthcheck { test });
            }
        }
    }

    fn environment(&self, launch: &mut Launch) {
        if let Some(node) = self.node.get("env_file") {
            let long =
                node.items().iter().filter_map(|i| i.get("path").and_then(Node::text).map(str::to_owned));
            for name in node.texts().into_iter().chain(long) {
                launch.env_from.push(format!("env_file:{name}"));
                let place = at(self.file, node, "env_file");
                wrote(launch, "env_from", &place);
                let text = self.beside.read(&name).map(|b| String::from_utf8_lossy(&b).into_owned());
                for (name, value) in text.as_deref().map(env_file).unwrap_or_default() {
                    add_env(launch, name, value, &place);
                }
            }
        }
        let Some(node) = self.node.get("environment") else { return };
        for (name, value, line) in assignments(node) {
            let place =
                at(self.file, &Node { line, kind: Kind::List(Vec::new()) }, &format!("environment.{name}"));
            add_env(launch, name, value, &place);
        }
    }

    fn identity(&self, launch: &mut Launch) {
        let place_of = |key: &str| self.node.get(key).map(|node| (node, at(self.file, node, key)));
        if let Some((node, place)) = place_of("user") {
            launch.user = node.text().map(str::to_owned);
            wrote(launch, "user", &place);
        }
        if let Some((node, place)) = place_of("privileged") {
            launch.privileged = node.truth();
            wrote(launch, "privileged", &place);
        }
        if let Some((node, place)) = place_of("read_only") {
            launch.read_only_root = node.truth();
            wrote(launch, "read_only_root", &place);
        }
        for (key, field) in [("cap_add", "cap_add"), ("cap_drop", "cap_drop")] {
            for node in self.node.get(key).map(Node::items).unwrap_or_default() {
                let Some(text) = node.text() else { continue };
                let list = if key == "cap_add" { &mut launch.cap_add } else { &mut launch.cap_drop };
                list.push(capability(text));
                let number = list.len() - 1;
                wrote(launch, format!("{field}[{number}]"), &at(self.file, node, key));
            }
        }
        for (key, space) in [
            ("pid", HostNamespace::Pid),
            ("ipc", HostNamespace::Ipc),
            ("uts", HostNamespace::Uts),
            ("userns_mode", HostNamespace::User),
            ("cgroup", HostNamespace::Cgroup),
            ("network_mode", HostNamespace::Net),
        ] {
            if let Some((node, place)) = place_of(key) {
                name_space(launch, space, node.text().unwrap_or_default(), &place);
            }
        }
        for node in self.node.get("security_opt").map(Node::items).unwrap_or_default() {
            security_option(launch, node.text().unwrap_or_default(), &at(self.file, node, "security_opt"));
        }
        for node in self.node.get("devices").map(Node::items).unwrap_or_default() {
            let part = |key: &str| node.get(key).and_then(Node::text);
            let text = match (node.text(), part("source")) {
                (Some(text), _) => text.to_owned(),
                (None, Some(source)) => format!("{source}:{}", part("target").unwrap_or(source)),
                (None, None) => continue,
            };
            wrote(launch, format!("devices[{}]", launch.devices.len()), &at(self.file, node, "devices"));
            launch.devices.push(text);
        }
        if let Some((node, place)) = place_of("device_cgroup_rules") {
            launch.device_rules = node.texts();
            wrote(launch, "device_rules", &place);
        }
        if let Some((node, place)) = place_of("cgroup_parent") {
            launch.cgroup_parent = node.text().map(str::to_owned);
            wrote(launch, "cgroup_parent", &place);
        }
        if let Some((node, place)) = place_of("sysctls") {
            let settings =
                assignments(node).into_iter().map(|(name, value, _)| (name, value.unwrap_or_default()));
            launch.sysctls.extend(settings);
            wrote(launch, "sysctls", &place);
        }
    }

    fn mounts(&self, launch: &mut Launch, plan: &mut Plan) {
        for node in self.node.get("volumes").map(Node::items).unwrap_or_default() {
            let place = at(self.file, node, "volumes");
            let mount = match node.text() {
                Some(text) => short_mount(text),
                None => long(node),
            };
            add_mount(launch, mount.map(|mount| self.real(mount)), &place);
        }
        for target in self.texts("tmpfs") {
            let place = self
                .node
                .get("tmpfs")
                .map(|node| at(self.file, node, "tmpfs"))
                .unwrap_or_else(|| at(self.file, self.node, "tmpfs"));
            let target = target.split(':').next().unwrap_or_default().to_owned();
            let mount = Mount {
                kind: MountKind::Tmpfs,
                source: String::new(),
                target,
                read_only: false,
                propagation: None,
            };
            add_mount(launch, Some(mount), &place);
        }
        for (key, folder) in [("configs", "/"), ("secrets", "/run/secrets/")] {
            for node in self.node.get(key).map(Node::items).unwrap_or_default() {
                self.provided(launch, plan, node, key, folder);
            }
        }
        for from in self.texts("volumes_from") {
            let place = at(self.file, self.node, "volumes_from");
            plan.note(place, format!("the mounts of {from}, which it takes over, are not followed"), false);
        }
    }

    /// A named volume may be nothing but a path of the host (`driver_opts: {o: bind}`).
    fn real(&self, mut mount: Mount) -> Mount {
        if mount.kind != MountKind::Volume || mount.source.is_empty() {
            return mount;
        }
        let options = self.root.at(&["volumes", &mount.source]).and_then(|volume| volume.get("driver_opts"));
        if let Some(options) = options {
            let text = |key: &str| options.get(key).and_then(Node::text).unwrap_or_default();
            if (text("o").split(',').any(|o| matches!(o.trim(), "bind" | "rbind")) || text("type") == "none")
                && text("device").starts_with('/')
            {
                mount.kind = MountKind::Bind;
                text("device").clone_into(&mut mount.source);
            }
        }
        mount
    }

    /// A config or a secret: a file whose content may stand in the text.
    fn provided(&self, launch: &mut Launch, plan: &mut Plan, node: &Node, key: &str, folder: &str) {
        let part = |part: &str| node.get(part).and_then(Node::text).map(str::to_owned);
        let Some(name) = node.text().map(str::to_owned).or_else(|| part("source")) else { return };
        let target = part("target").unwrap_or_else(|| name.clone());
        let target = if target.starts_with('/') { target } else { format!("{folder}{target}") };
        let stated = self.root.at(&[key, &name]);
        let content = stated.and_then(|stated| {
            let text = stated.get("content").and_then(Node::text).map(str::to_owned);
            let file = || stated.get("file").and_then(Node::text).and_then(|file| self.beside.read(file));
            text.or_else(|| file().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
        });
        let place = at(self.file, node, key);
        match content {
            Some(content) => {
                let mode = part("mode").and_then(|m| u32::from_str_radix(m.trim_start_matches("0o"), 8).ok());
                wrote(launch, format!("files[{}]", launch.files.len()), &place);
                launch.files.push(LaunchFile { target, content, mode: mode.unwrap_or(0o444) });
            }
            None if key == "configs" => {
                plan.note(place.clone(), format!("the content of the config {name} is not known"), false);
            }
            None => {}
        }
        if key == "secrets" {
            launch.env_from.push(format!("secret:{name}"));
        }
    }

    fn ports(&self, launch: &mut Launch) {
        for node in self.node.get("ports").map(Node::items).unwrap_or_default() {
            let part = |key: &str| node.get(key).and_then(Node::text).map(str::to_owned);
            let read = match node.text() {
                Some(text) => port(text),
                None => part("target").map(|container| PublishedPort {
                    address: part("host_ip"),
                    host: part("published"),
                    container,
                    protocol: part("protocol").unwrap_or_else(|| "tcp".to_owned()),
                }),
            };
            if let Some(port) = read {
                wrote(launch, format!("ports[{}]", launch.ports.len()), &at(self.file, node, "ports"));
                launch.ports.push(port);
            }
        }
    }

    fn limits(&self, launch: &mut Launch) {
        for (name, keys) in
            [("memory", ["mem_limit"].as_slice()), ("cpu", &["cpus", "cpu_quota"]), ("pids", &["pids_limit"])]
        {
            for key in keys {
                if let Some(value) = self.node.get(key).and_then(Node::text) {
                    launch.limits.push((name.to_owned(), value.to_owned()));
                }
            }
        }
        for (part, list) in [("limits", &mut launch.limits), ("reservations", &mut launch.requests)] {
            for (key, value) in
                self.node.at(&["deploy", "resources", part]).map(Node::pairs).unwrap_or_default()
            {
                let name = if key == "cpus" { "cpu" } else { key };
                list.push((name.to_owned(), value.flat()));
            }
        }
        if launch.restart.is_none()
            && let Some(node) = self.node.at(&["deploy", "restart_policy", "condition"])
        {
            launch.restart = node.text().map(str::to_owned);
        }
    }

    fn hooks(&self, launch: &mut Launch) {
        for (key, when) in [("post_start", HookTime::PostStart), ("pre_stop", HookTime::PreStop)] {
            for node in self.node.get(key).map(Node::items).unwrap_or_default() {
                let Some(command) = node.get("command") else { continue };
                wrote(launch, format!("hooks[{}]", launch.hooks.len()), &at(self.file, command, key));
                launch.hooks.push(Hook { when, argv: words(command) });
            }
        }
    }
}

/// The long form of a volume.
fn long(node: &Node) -> Option<Mount> {
    let text = |key: &str| node.get(key).and_then(Node::text);
    let target = text("target")?;
    Some(Mount {
        kind: kind(text("type").unwrap_or("volume")),
        source: text("source").unwrap_or_default().to_owned(),
        target: target.to_owned(),
        read_only: node.get("read_only").and_then(Node::truth) == Some(true),
        propagation: node.at(&["bind", "propagation"]).and_then(Node::text).map(str::to_owned),
    })
}
