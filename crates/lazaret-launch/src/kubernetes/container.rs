//! One container of a pod.

use lazaret_model::{Hook, HookTime, HostNamespace, Launch, LaunchForm, Location, PublishedPort};

use super::{Data, place, volumes};
use crate::value::{add_env, capability, wrote};
use crate::yaml::Node;
use crate::{Plan, PlannedContainer, PlannedImage};

/// What the containers of a pod share.
pub(super) struct PodContext<'n> {
    pub kind: &'n str,
    pub owner: &'n str,
    pub namespace: Option<&'n str>,
    pub spec: &'n Node,
    pub annotations: &'n [(String, Node)],
    pub file: &'n str,
    pub maps: &'n Data,
    pub secrets: &'n Data,
}

impl PodContext<'_> {
    pub fn container(&self, plan: &mut Plan, container: &Node, role: &str) {
        let name = container.get("name").and_then(Node::text).unwrap_or("unnamed");
        let mut launch = Launch {
            form: LaunchForm::Kubernetes,
            workload: self.kind.to_owned(),
            name: name.to_owned(),
            image: container.get("image").and_then(Node::text).map(str::to_owned),
            namespace: self.namespace.map(str::to_owned),
            ..Launch::default()
        };
        let own = self.at(container, "container");
        wrote(&mut launch, "", &own);
        let text = |key: &str| container.get(key).and_then(Node::text).map(str::to_owned);
        launch.pull_policy = text("imagePullPolicy");
        launch.working_dir = text("workingDir");
        self.pod(&mut launch);
        self.environment(&mut launch, container);
        self.command(&mut launch, container);
        self.security(&mut launch, container, name);
        self.resources(&mut launch, container);
        self.ports(&mut launch, container);
        self.hooks(&mut launch, container);
        volumes::mounts(self, &mut launch, container);

        let at = plan.containers.len();
        let image = match &launch.image {
            Some(image) => {
                let place = container.get("image").map_or_else(|| own.clone(), |n| self.at(n, "image"));
                plan.name_image(image, "image", Some(at), &place);
                let reference = PlannedImage::Reference(image.clone());
                wrote(&mut launch, "image", &place);
                reference
            }
            None => PlannedImage::Unknown,
        };
        let role = if role.is_empty() { String::new() } else { format!("{role} ") };
        let name = format!("{}/{} {role}{name}", self.kind, self.owner);
        plan.containers.push(PlannedContainer { name, image, launch, place: own });
    }

    pub fn at(&self, node: &Node, key: &str) -> Location {
        place(self.file, node, key)
    }

    /// What is said of the pod as a whole.
    fn pod(&self, launch: &mut Launch) {
        for (key, space) in [
            ("hostPID", HostNamespace::Pid),
            ("hostIPC", HostNamespace::Ipc),
            ("hostNetwork", HostNamespace::Net),
        ] {
            if let Some(node) = self.spec.get(key).filter(|n| n.truth() == Some(true)) {
                wrote(
                    launch,
                    format!("host_namespaces[{}]", launch.host_namespaces.len()),
                    &self.at(node, key),
                );
                launch.host_namespaces.push(space);
            }
        }
        // `hostUsers` is true unless it is said otherwise: only what is written counts.
        let text = |key: &str| self.spec.get(key).and_then(Node::text).map(str::to_owned);
        launch.service_account = text("serviceAccountName").or_else(|| text("serviceAccount"));
        launch.restart = text("restartPolicy");
        launch.runtime = text("runtimeClassName");
        if let Some(node) = self.spec.get("automountServiceAccountToken") {
            launch.automount_token = node.truth();
            wrote(launch, "automount_token", &self.at(node, "automountServiceAccountToken"));
        }
        if let Some(node) = self.spec.get("serviceAccountName") {
            wrote(launch, "service_account", &self.at(node, "serviceAccountName"));
        }
        for alias in self.spec.get("hostAliases").map(Node::items).unwrap_or_default() {
            let ip = alias.get("ip").and_then(Node::text).unwrap_or_default();
            for host in alias.get("hostnames").map(Node::texts).unwrap_or_default() {
                launch.extra_hosts.push(format!("{host}:{ip}"));
            }
        }
        for sysctl in self.spec.at(&["securityContext", "sysctls"]).map(Node::items).unwrap_or_default() {
            let part = |key: &str| sysctl.get(key).and_then(Node::text).unwrap_or_default().to_owned();
            launch.sysctls.push((part("name"), part("value")));
            wrote(launch, "sysctls", &self.at(sysctl, "sysctls"));
        }
    }

    fn environment(&self, launch: &mut Launch, container: &Node) {
        for from in container.get("envFrom").map(Node::items).unwrap_or_default() {
            let place = self.at(from, "envFrom");
            let prefix = from.get("prefix").and_then(Node::text).unwrap_or_default();
            for (key, data) in [("configMapRef", self.maps), ("secretRef", self.secrets)] {
                let Some(name) = from.at(&[key, "name"]).and_then(Node::text) else { continue };
                launch.env_from.push(format!("{key}:{name}"));
                wrote(launch, "env_from", &place);
                for (variable, value) in data.get(name).into_iter().flatten().take(500) {
                    add_env(launch, format!("{prefix}{variable}"), Some(value.clone()), &place);
                }
            }
        }
        for variable in container.get("env").map(Node::items).unwrap_or_default() {
            let Some(name) = variable.get("name").and_then(Node::text) else { continue };
            let place = self.at(variable, &format!("env.{name}"));
            let from = variable.get("valueFrom");
            let value = match (variable.get("value"), from) {
                (Some(value), _) => value.text().map(|text| references(text, &launch.env)),
                (None, Some(from)) => self.value_from(launch, from, &place),
                (None, None) => Some(String::new()),
            };
            add_env(launch, name.to_owned(), value, &place);
        }
    }

    fn value_from(&self, launch: &mut Launch, from: &Node, place: &Location) -> Option<String> {
        for (key, data) in [("configMapKeyRef", self.maps), ("secretKeyRef", self.secrets)] {
            let Some(reference) = from.get(key) else { continue };
            let part = |part: &str| reference.get(part).and_then(Node::text).unwrap_or_default();
            launch.env_from.push(format!("{key}:{}/{}", part("name"), part("key")));
            wrote(launch, "env_from", place);
            let values = data.get(part("name"))?;
            return values.iter().find(|(k, _)| k == part("key")).map(|(_, v)| v.clone());
        }
        None
    }

    fn command(&self, launch: &mut Launch, container: &Node) {
        for (key, field) in [("command", "entrypoint"), ("args", "command")] {
            let Some(node) = container.get(key) else { continue };
            let words = node.texts().iter().map(|word| references(word, &launch.env)).collect();
            wrote(launch, field, &self.at(node, key));
            if key == "command" {
                launch.entrypoint = Some(words);
            } else {
                launch.command = Some(words);
            }
        }
        // A new command without arguments leaves those of the image out.
        if launch.entrypoint.is_some() && launch.command.is_none() {
            launch.command = Some(Vec::new());
        }
    }

    /// The container's security context over the pod's.
    fn security(&self, launch: &mut Launch, container: &Node, name: &str) {
        let levels = [container.get("securityContext"), self.spec.get("securityContext")];
        let first = |keys: &[&str]| levels.iter().flatten().find_map(|context| context.at(keys));
        let own = |keys: &[&str]| levels[0].and_then(|context| context.at(keys));
        let truth = |launch: &mut Launch, node: Option<&Node>, field: &str, key: &str| {
            let node = node?;
            wrote(launch, field, &self.at(node, key));
            node.truth()
        };
        launch.privileged = truth(launch, own(&["privileged"]), "privileged", "privileged");
        let escalation = truth(
            launch,
            own(&["allowPrivilegeEscalation"]),
            "no_new_privileges",
            "allowPrivilegeEscalation",
        );
        launch.no_new_privileges = escalation.map(|allowed| !allowed);
        launch.read_only_root =
            truth(launch, own(&["readOnlyRootFilesystem"]), "read_only_root", "readOnlyRootFilesystem");
        launch.run_as_non_root = truth(launch, first(&["runAsNonRoot"]), "run_as_non_root", "runAsNonRoot");
        if let Some(node) = first(&["runAsUser"])
            && let Some(user) = node.text()
        {
            launch.user = Some(user.to_owned());
            wrote(launch, "user", &self.at(node, "runAsUser"));
        }
        for node in
            levels[1].and_then(|pod| pod.get("supplementalGroups")).map(Node::items).unwrap_or_default()
        {
            launch.groups.extend(node.text().map(str::to_owned));
        }
        for (key, field) in [("add", "cap_add"), ("drop", "cap_drop")] {
            for node in own(&["capabilities", key]).map(Node::items).unwrap_or_default() {
                let Some(text) = node.text() else { continue };
                let list = if key == "add" { &mut launch.cap_add } else { &mut launch.cap_drop };
                list.push(capability(text));
                let at = list.len() - 1;
                wrote(launch, format!("{field}[{at}]"), &self.at(node, &format!("capabilities.{key}")));
            }
        }
        if let Some(node) = first(&["seccompProfile", "type"]) {
            launch.seccomp = node.text().map(str::to_owned);
            wrote(launch, "seccomp", &self.at(node, "seccompProfile"));
        }
        if let Some(node) = first(&["appArmorProfile", "type"]) {
            launch.apparmor = node.text().map(str::to_owned);
            wrote(launch, "apparmor", &self.at(node, "appArmorProfile"));
        }
        if let Some(node) = first(&["seLinuxOptions"]) {
            launch.selinux = Some(node.flat());
            wrote(launch, "selinux", &self.at(node, "seLinuxOptions"));
        }
        if let Some(node) = own(&["procMount"]).filter(|n| n.text() == Some("Unmasked")) {
            launch.unmasked_proc = true;
            wrote(launch, "unmasked_proc", &self.at(node, "procMount"));
        }
        for (key, value) in self.annotations {
            let (Some(value_text), place) = (value.text(), self.at(value, key)) else { continue };
            if key.strip_prefix("container.apparmor.security.beta.kubernetes.io/") == Some(name) {
                launch.apparmor = Some(value_text.to_owned());
                wrote(launch, "apparmor", &place);
            }
            let pod_wide = key == "seccomp.security.alpha.kubernetes.io/pod";
            let of_this = key.strip_prefix("container.seccomp.security.alpha.kubernetes.io/") == Some(name);
            if (pod_wide || of_this) && launch.seccomp.is_none() {
                launch.seccomp = Some(value_text.to_owned());
                wrote(launch, "seccomp", &place);
            }
        }
    }

    fn resources(&self, launch: &mut Launch, container: &Node) {
        for (key, list) in [("limits", &mut launch.limits), ("requests", &mut launch.requests)] {
            for (name, value) in container.at(&["resources", key]).map(Node::pairs).unwrap_or_default() {
                list.push((name.clone(), value.text().unwrap_or_default().to_owned()));
            }
        }
    }

    fn ports(&self, launch: &mut Launch, container: &Node) {
        for port in container.get("ports").map(Node::items).unwrap_or_default() {
            let text = |key: &str| port.get(key).and_then(Node::text).map(str::to_owned);
            let Some(number) = text("containerPort") else { continue };
            let host = text("hostPort")
                .or_else(|| launch.host_namespaces.contains(&HostNamespace::Net).then(|| number.clone()));
            // Without a port of the host it is open inside the cluster only.
            let Some(host) = host else { continue };
            wrote(launch, format!("ports[{}]", launch.ports.len()), &self.at(port, "hostPort"));
            launch.ports.push(PublishedPort {
                address: text("hostIP"),
                host: Some(host),
                container: number,
                protocol: text("protocol").unwrap_or_else(|| "tcp".to_owned()).to_ascii_lowercase(),
            });
        }
    }

    fn hooks(&self, launch: &mut Launch, container: &Node) {
        let found = [
            (HookTime::PostStart, ["lifecycle", "postStart"].as_slice()),
            (HookTime::PreStop, &["lifecycle", "preStop"]),
            (HookTime::Probe, &["livenessProbe"]),
            (HookTime::Probe, &["readinessProbe"]),
            (HookTime::Probe, &["startupProbe"]),
        ];
        for (when, path) in found {
            let Some(node) = container.at(path) else { continue };
            if when == HookTime::Probe {
                launch.probes.push(path[0].trim_end_matches("Probe").to_owned());
            }
            let argv: Vec<String> = node
                .at(&["exec", "command"])
                .map(Node::texts)
                .unwrap_or_default()
                .iter()
                .map(|word| references(word, &launch.env))
                .collect();
            if argv.is_empty() {
                continue;
            }
            wrote(launch, format!("hooks[{}]", launch.hooks.len()), &self.at(node, path[path.len() - 1]));
            launch.hooks.push(Hook { when, argv });
        }
    }
}

/// `$(NAME)` from variables set before; `$$(NAME)` is kept as `$(NAME)`. A name that is not set
/// stays as written, as the engine does it.
fn references(text: &str, env: &[(String, Option<String>)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("$$") {
            out.push('$');
            rest = after;
            continue;
        }
        let name = rest.strip_prefix("$(").and_then(|r| r.split_once(')'));
        let value = name.and_then(|(name, after)| {
            let (_, value) = env.iter().rev().find(|(n, _)| n == name)?;
            Some((value.clone()?, after))
        });
        match value {
            Some((value, after)) if out.len() + value.len() < 1 << 20 => {
                out.push_str(&value);
                rest = after;
            }
            _ => {
                out.push('$');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}
