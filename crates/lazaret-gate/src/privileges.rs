//! What a policy says about how an image is run: privileges, mounts, name spaces, devices.

use lazaret_model::{HostNamespace, Launch, MountKind};
use lazaret_scan::Glob;
use serde::Deserialize;

/// Capabilities of Linux, capabilities(7), without `CAP_`. `ALL` stands for each of them.
const CAPABILITIES: &[&str] = &[
    "ALL",
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

/// Conditions on a launch. What is absent fits every launch; of a list one item is enough. Where
/// it is not known how an image is run, as at the registry, none of them fits.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Privileges {
    /// Whether it is given all rights of the host.
    pub privileged: Option<bool>,
    /// Capabilities added: `SYS_ADMIN`. A privileged container has them all.
    pub capability: Vec<String>,
    /// Paths of the host: what is mounted is the path itself, or holds it, or fits it as a pattern.
    pub mounts: Vec<String>,
    /// Name spaces of the host.
    pub host_namespace: Vec<HostNamespace>,
    /// Devices of the host, as patterns. A privileged container has them all.
    pub devices: Vec<String>,
    /// Whether seccomp, AppArmor, SELinux or the masks over `/proc` are switched off.
    pub unconfined: Option<bool>,
}

impl Privileges {
    /// What is wrong with it, in words.
    pub(crate) fn wrong(&self) -> Option<String> {
        if let Some(word) =
            self.capability.iter().find(|word| !CAPABILITIES.contains(&capability(word).as_str()))
        {
            return Some(format!("`{word}` is no capability; write it as SYS_ADMIN"));
        }
        for pattern in self.mounts.iter().chain(&self.devices) {
            if !pattern.starts_with(['/', '*']) {
                return Some(format!("`{pattern}` is no path of the host: it begins with a slash"));
            }
            if let Err(error) = Glob::new(pattern) {
                return Some(format!("`{pattern}` is no pattern: {error}"));
            }
        }
        None
    }

    /// Whether a launch fits.
    pub(crate) fn fit(&self, launch: &Launch) -> bool {
        let privileged = launch.privileged == Some(true);
        let added = |wanted: &String| {
            let wanted = capability(wanted);
            privileged || launch.cap_add.iter().any(|has| *has == wanted || has == "ALL")
        };
        let mounted = |pattern: &String| {
            launch
                .mounts
                .iter()
                .filter(|mount| mount.kind == MountKind::Bind)
                .any(|mount| reaches(&mount.source, pattern))
        };
        let device = |pattern: &String| {
            let name = |device: &String| device.split(':').next().unwrap_or_default().to_owned();
            privileged || launch.devices.iter().any(|device| reaches(&name(device), pattern))
        };
        let any = |list: &[String], fits: &dyn Fn(&String) -> bool| list.is_empty() || list.iter().any(fits);
        self.privileged.is_none_or(|wanted| wanted == privileged)
            && any(&self.capability, &added)
            && any(&self.mounts, &mounted)
            && (self.host_namespace.is_empty()
                || self.host_namespace.iter().any(|space| launch.host_namespaces.contains(space)))
            && any(&self.devices, &device)
            && self.unconfined.is_none_or(|wanted| wanted == is_unconfined(launch))
    }
}

fn capability(text: &str) -> String {
    let upper = text.trim().to_ascii_uppercase();
    upper.strip_prefix("CAP_").map_or(upper.clone(), str::to_owned)
}

fn is_unconfined(launch: &Launch) -> bool {
    let off = |profile: &Option<String>, word: &str| {
        profile.as_ref().is_some_and(|profile| profile.eq_ignore_ascii_case(word))
    };
    launch.privileged == Some(true)
        || launch.unmasked_proc
        || off(&launch.seccomp, "unconfined")
        || off(&launch.apparmor, "unconfined")
        || off(&launch.selinux, "disable")
}

/// Whether who has `source` of the host has what `pattern` names: it is that, holds it, or fits.
fn reaches(source: &str, pattern: &str) -> bool {
    let (source, pattern) = (place(source), place(pattern));
    let holds = source == "/" || pattern.strip_prefix(&source).is_some_and(|rest| rest.starts_with('/'));
    source == pattern || holds || Glob::new(&pattern).is_ok_and(|glob| glob.is_match(&source))
}

/// A path of the host without detours, so that two spellings of one place are equal.
fn place(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    // Links of every system of today.
    match parts.as_slice() {
        ["var", "run", rest @ ..] => parts = [&["run"], rest].concat(),
        ["var", "lock", rest @ ..] => parts = [&["run", "lock"], rest].concat(),
        _ => {}
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use lazaret_model::Mount;

    fn fits(conditions: &str, launch: &Launch) -> bool {
        let privileges: Privileges = toml::from_str(conditions).unwrap();
        assert_eq!(privileges.wrong(), None);
        privileges.fit(launch)
    }

    fn with_mount(source: &str) -> Launch {
        let mount = Mount {
            kind: MountKind::Bind,
            source: source.into(),
            target: "/x".into(),
            read_only: true,
            propagation: None,
        };
        Launch { mounts: vec![mount], ..Launch::default() }
    }

    #[test]
    fn a_mount_is_what_it_holds_however_it_is_spelled() {
        let socket = "mounts = [\"/var/run/docker.sock\"]";
        for source in [
            "/var/run/docker.sock",
            "/run/docker.sock",
            "/run",
            "/",
            "//var/./run/",
            "/etc/../run/docker.sock/",
        ] {
            assert!(fits(socket, &with_mount(source)), "{source}");
        }
        for source in ["/srv", "/run/docker.sock.d", "/ru"] {
            assert!(!fits(socket, &with_mount(source)), "{source}");
        }
        assert!(fits("mounts = [\"/\"]", &with_mount("/")) && !fits("mounts = [\"/\"]", &with_mount("/srv")));
        assert!(fits("mounts = [\"/etc/**\"]", &with_mount("/etc/ssh/x")));
        let volume = Launch {
            mounts: with_mount("/")
                .mounts
                .into_iter()
                .map(|mount| Mount { kind: MountKind::Volume, ..mount })
                .collect(),
            ..Launch::default()
        };
        assert!(!fits(socket, &volume));
    }

    #[test]
    fn a_privileged_container_has_every_capability_and_device() {
        let privileged = Launch { privileged: Some(true), ..Launch::default() };
        for conditions in [
            "privileged = true",
            "capability = [\"CAP_SYS_ADMIN\"]",
            "devices = [\"/dev/sd*\"]",
            "unconfined = true",
        ] {
            assert!(fits(conditions, &privileged), "{conditions}");
            assert!(!fits(conditions, &Launch::default()), "{conditions}");
        }
        let all = Launch { cap_add: vec!["ALL".into()], ..Launch::default() };
        assert!(fits("capability = [\"bpf\", \"sys_ptrace\"]", &all));
        let disk = Launch { devices: vec!["/dev/sda:/dev/x:r".into()], ..Launch::default() };
        assert!(fits("devices = [\"/dev/sd*\"]", &disk) && !fits("devices = [\"/dev/kvm\"]", &disk));
    }

    #[test]
    fn conditions_hold_together_and_one_of_a_list_is_enough() {
        let launch = Launch { host_namespaces: vec![HostNamespace::Net], ..Launch::default() };
        assert!(fits("host-namespace = [\"pid\", \"net\"]", &launch));
        assert!(!fits("host-namespace = [\"pid\"]", &launch));
        assert!(!fits("host-namespace = [\"net\"]\nprivileged = true", &launch));
    }

    #[test]
    fn what_is_no_capability_or_path_is_told() {
        for (conditions, says) in [
            ("capability = [\"SYS_ROOT\"]", "no capability"),
            ("mounts = [\"docker.sock\"]", "no path of the host"),
        ] {
            let privileges: Privileges = toml::from_str(conditions).unwrap();
            assert!(privileges.wrong().unwrap().contains(says), "{conditions}");
        }
        assert!(toml::from_str::<Privileges>("host-namespace = [\"everything\"]").is_err());
    }
}
