use serde::{Deserialize, Serialize};

use crate::{EntryPath, Healthcheck, ImageConfig, Location};

/// How an image is run: everything that the person who starts it adds to the image.
///
/// What is absent was not said: `None` is the engine's default, an empty list adds nothing. The
/// texts are those of whoever wrote them; variables that could not be resolved stand as written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Launch {
    /// In which form it was written.
    pub form: LaunchForm,
    /// The kind of thing that runs it: `run`, `service`, `Pod`, `DaemonSet`, `stage`.
    pub workload: String,
    /// The name that it was given.
    pub name: String,
    /// The image as it was written.
    pub image: Option<String>,
    /// When the image is fetched again: `Always`, `IfNotPresent`, `Never`.
    pub pull_policy: Option<String>,
    /// Replaces `ENTRYPOINT`; an empty list clears it.
    pub entrypoint: Option<Vec<String>>,
    /// Replaces `CMD`; an empty list clears it.
    pub command: Option<Vec<String>>,
    /// Environment variables, in order; without a value where it comes from outside.
    pub env: Vec<(String, Option<String>)>,
    /// Where further variables come from: `secretRef:NAME`, `env_file:PATH`.
    pub env_from: Vec<String>,
    /// Replaces `WORKDIR`.
    pub working_dir: Option<String>,
    /// Replaces `USER`.
    pub user: Option<String>,
    /// Supplementary groups.
    pub groups: Vec<String>,
    /// What is mounted.
    pub mounts: Vec<Mount>,
    /// Whether all capabilities and devices of the host are given.
    pub privileged: Option<bool>,
    /// Capabilities added, in capitals and without `CAP_`.
    pub cap_add: Vec<String>,
    /// Capabilities dropped, in capitals and without `CAP_`.
    pub cap_drop: Vec<String>,
    /// Name spaces of the host that it is in.
    pub host_namespaces: Vec<HostNamespace>,
    /// Name spaces of other containers that it joins: `pid=container:db`.
    pub joined_namespaces: Vec<String>,
    /// The seccomp profile: `unconfined`, `RuntimeDefault`, a file.
    pub seccomp: Option<String>,
    /// The AppArmor profile: `unconfined`, `docker-default`, a name.
    pub apparmor: Option<String>,
    /// SELinux: `disable`, or a label.
    pub selinux: Option<String>,
    /// Whether set-user-id programs and file capabilities have no effect.
    pub no_new_privileges: Option<bool>,
    /// Whether the masked and read-only parts of `/proc` are given free (`systempaths=unconfined`,
    /// `procMount: Unmasked`).
    pub unmasked_proc: bool,
    /// Whether the engine refuses to start it as root.
    pub run_as_non_root: Option<bool>,
    /// Whether the root file system is read-only.
    pub read_only_root: Option<bool>,
    /// Devices of the host, `HOST[:CONTAINER[:RIGHTS]]`.
    pub devices: Vec<String>,
    /// Rules for devices (`a *:* rwm`).
    pub device_rules: Vec<String>,
    /// Ports published on the host.
    pub ports: Vec<PublishedPort>,
    /// `no`, `always`, `unless-stopped`, `on-failure[:N]`, `Always`, `OnFailure`, `Never`.
    pub restart: Option<String>,
    /// Replaces the health check.
    pub healthcheck: Option<Healthcheck>,
    /// What the engine runs in the container besides its process: probes and hooks.
    pub hooks: Vec<Hook>,
    /// Probes that are set up: `liveness`, `readiness`, `startup`.
    pub probes: Vec<String>,
    /// Files that are mounted and whose content is known.
    pub files: Vec<LaunchFile>,
    /// Kernel settings.
    pub sysctls: Vec<(String, String)>,
    /// The OCI runtime.
    pub runtime: Option<String>,
    /// The parent control group.
    pub cgroup_parent: Option<String>,
    /// Limits that are set: `memory`, `cpu`, `pids`, with their values.
    pub limits: Vec<(String, String)>,
    /// What is asked for at least: `memory`, `cpu`.
    pub requests: Vec<(String, String)>,
    /// The account under which it speaks to the cluster.
    pub service_account: Option<String>,
    /// Whether the account's token is mounted.
    pub automount_token: Option<bool>,
    /// The cluster's name space.
    pub namespace: Option<String>,
    /// Names for addresses (`--add-host`), `NAME:ADDRESS`.
    pub extra_hosts: Vec<String>,
    /// Where each thing was written: a field's name, `mounts[1]`, and the place.
    pub written: Vec<(String, Location)>,
}

/// In which form a launch was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LaunchForm {
    /// The words of `docker run` and its like.
    #[default]
    Command,
    /// A compose file.
    Compose,
    /// A Kubernetes manifest.
    Kubernetes,
    /// A Dockerfile: the image that it makes, started plainly.
    Dockerfile,
}

impl LaunchForm {
    /// The name used in reports and in rules (`Form: compose`).
    pub fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Compose => "compose",
            Self::Kubernetes => "kubernetes",
            Self::Dockerfile => "dockerfile",
        }
    }
}

/// A name space of the host that a container is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostNamespace {
    /// Processes.
    Pid,
    /// Network.
    Net,
    /// System V and POSIX inter-process communication.
    Ipc,
    /// Host name.
    Uts,
    /// User ids: root in it is root on the host.
    User,
    /// Control groups.
    Cgroup,
}

impl HostNamespace {
    /// The name used in reports and in rules (`HostNamespace: pid`).
    pub fn name(self) -> &'static str {
        match self {
            Self::Pid => "pid",
            Self::Net => "net",
            Self::Ipc => "ipc",
            Self::Uts => "uts",
            Self::User => "user",
            Self::Cgroup => "cgroup",
        }
    }
}

/// What stands behind a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MountKind {
    /// A path of the host.
    Bind,
    /// A volume of the engine or the cluster.
    Volume,
    /// Memory.
    Tmpfs,
    /// A secret, a configuration, another part of the cluster.
    Provided,
}

impl MountKind {
    /// The name used in reports and in rules.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bind => "bind",
            Self::Volume => "volume",
            Self::Tmpfs => "tmpfs",
            Self::Provided => "provided",
        }
    }
}

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mount {
    /// What stands behind it.
    pub kind: MountKind,
    /// The host's path, the volume's name; empty for what has none.
    pub source: String,
    /// Where the container sees it.
    pub target: String,
    /// Whether the container can only read.
    pub read_only: bool,
    /// `rprivate`, `rshared`, `rslave`, `Bidirectional` and so on.
    pub propagation: Option<String>,
}

/// A port of the container on the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PublishedPort {
    /// The host's address; all of them where None.
    pub address: Option<String>,
    /// The host's port or ports, as written; any free one where None.
    pub host: Option<String>,
    /// The container's port or ports, as written.
    pub container: String,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
}

/// Something that the engine runs in the container beside its process.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Hook {
    /// When.
    pub when: HookTime,
    /// What.
    pub argv: Vec<String>,
}

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookTime {
    /// Right after the container's process starts.
    PostStart,
    /// Before it is stopped.
    PreStop,
    /// Again and again while it lives.
    Probe,
}

/// A file that is mounted and whose content stands beside the launch.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LaunchFile {
    /// Where the container sees it.
    pub target: String,
    /// What it holds.
    pub content: String,
    /// Permission bits.
    pub mode: u32,
}

impl Launch {
    /// The configuration with which the engine starts the image: a new entry point clears the
    /// image's command, a new command alone keeps its entry point, variables are added and the
    /// last one wins.
    pub fn apply(&self, config: &ImageConfig) -> ImageConfig {
        let mut with = config.clone();
        if let Some(entrypoint) = &self.entrypoint {
            with.entrypoint.clone_from(entrypoint);
            with.cmd.clear();
        }
        if let Some(command) = &self.command {
            with.cmd.clone_from(command);
        }
        for (name, value) in &self.env {
            if let Some(value) = value {
                with.env.retain(|(other, _)| other != name);
                with.env.push((name.clone(), value.clone()));
            }
        }
        if let Some(dir) = &self.working_dir {
            with.working_dir.clone_from(dir);
        }
        if let Some(user) = &self.user {
            with.user.clone_from(user);
        }
        if let Some(check) = &self.healthcheck {
            with.healthcheck = Some(check.clone());
        }
        with
    }

    /// The path on the host that a path in the container is, through the innermost mount of a
    /// host's path above it. None where it stays in the container.
    pub fn host_path(&self, path: &str) -> Option<String> {
        let (mount, rest) = self.mount_of(path)?;
        if mount.kind != MountKind::Bind {
            return None;
        }
        let source = mount.source.trim_end_matches('/');
        Some(match (source, rest.as_str()) {
            ("", "") => "/".to_owned(),
            (source, rest) => format!("{source}{rest}"),
        })
    }

    /// The innermost mount that holds a path of the container, and the rest of the path below it.
    pub fn mount_of<'l>(&'l self, path: &str) -> Option<(&'l Mount, String)> {
        let path = EntryPath::clean(path.as_bytes()).to_string();
        let mut best: Option<(&'l Mount, usize)> = None;
        for mount in &self.mounts {
            let target = EntryPath::clean(mount.target.as_bytes()).to_string();
            let target = target.trim_end_matches('/');
            let within =
                path.strip_prefix(target).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            // Of two mounts at one place the later one is seen.
            if within && best.is_none_or(|(_, length)| target.len() >= length) {
                best = Some((mount, target.len()));
            }
        }
        best.map(|(mount, length)| (mount, path[length..].to_owned()))
    }

    /// Where a field was written, `mounts[1]`; the launch as a whole where that is not known.
    pub fn place(&self, field: &str) -> Location {
        let exact = self.written.iter().find(|(name, _)| name == field);
        let whole = || {
            let list = field.split('[').next().unwrap_or(field);
            self.written.iter().find(|(name, _)| name == list)
        };
        match exact.or_else(whole) {
            Some((_, place)) => place.clone(),
            None => match self.written.iter().find(|(name, _)| name.is_empty()) {
                Some((_, Location::Launch { file, line, .. })) => {
                    Location::Launch { file: file.clone(), line: *line, key: field.to_owned() }
                }
                _ => Location::launch(field),
            },
        }
    }

    /// Whether nothing is added to the image.
    pub fn is_plain(&self) -> bool {
        let plain = Self {
            form: self.form,
            workload: self.workload.clone(),
            name: self.name.clone(),
            image: self.image.clone(),
            written: self.written.clone(),
            ..Self::default()
        };
        *self == plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(source: &str, target: &str) -> Mount {
        Mount {
            kind: MountKind::Bind,
            source: source.into(),
            target: target.into(),
            read_only: false,
            propagation: None,
        }
    }

    #[test]
    fn a_new_entry_point_clears_the_command_and_a_new_command_keeps_the_entry_point() {
        let config =
            ImageConfig { entrypoint: vec!["/e".into()], cmd: vec!["c".into()], ..ImageConfig::default() };
        let entry = Launch { entrypoint: Some(vec!["/x".into()]), ..Launch::default() };
        assert_eq!(entry.apply(&config).argv(), ["/x"]);
        let command = Launch { command: Some(vec!["d".into()]), ..Launch::default() };
        assert_eq!(command.apply(&config).argv(), ["/e", "d"]);
        assert_eq!(Launch::default().apply(&config).argv(), ["/e", "c"]);
    }

    #[test]
    fn a_path_is_traced_to_the_host_through_the_innermost_mount() {
        let launch =
            Launch { mounts: vec![bind("/", "/host"), bind("/srv/x", "/host/data/")], ..Launch::default() };
        assert_eq!(launch.host_path("/host/etc/crontab").as_deref(), Some("/etc/crontab"));
        assert_eq!(launch.host_path("/host/data/a").as_deref(), Some("/srv/x/a"));
        assert_eq!(launch.host_path("/host").as_deref(), Some("/"));
        assert_eq!(launch.host_path("/hostile/etc"), None);
        assert_eq!(launch.host_path("/etc/crontab"), None);
    }

    #[test]
    fn a_volume_inside_a_host_mount_is_not_the_host() {
        let mut volume = bind("data", "/host/var");
        volume.kind = MountKind::Volume;
        let launch = Launch { mounts: vec![bind("/", "/host"), volume], ..Launch::default() };
        assert_eq!(launch.host_path("/host/var/x"), None);
    }

    #[test]
    fn a_field_without_a_place_of_its_own_is_told_by_its_list() {
        let launch =
            Launch { written: vec![("mounts".into(), Location::launch("volumes"))], ..Launch::default() };
        assert_eq!(launch.place("mounts[3]"), Location::launch("volumes"));
        assert_eq!(launch.place("privileged"), Location::launch("privileged"));
    }
}
