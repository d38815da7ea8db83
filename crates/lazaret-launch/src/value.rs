//! Parts that several forms share: mounts, ports, capabilities, security options.

use lazaret_model::{HostNamespace, Launch, Location, Mount, MountKind, PublishedPort};

/// `HOST:CONTAINER[:OPTIONS]`, `VOLUME:CONTAINER[:OPTIONS]` or `CONTAINER`.
pub(crate) fn short_mount(text: &str) -> Option<Mount> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    // A drive letter of another system is no separator.
    let drive = text.len() > 2
        && text.as_bytes()[1] == b':'
        && matches!(text.as_bytes()[2], b'\\' | b'/')
        && text.as_bytes()[0].is_ascii_alphabetic();
    let from = if drive { 2 } else { 0 };
    let (source, rest) = match text[from..].split_once(':') {
        Some((left, rest)) => (&text[..from + left.len()], rest),
        None => {
            let kind = MountKind::Volume;
            return Some(Mount {
                kind,
                source: String::new(),
                target: text.into(),
                read_only: false,
                propagation: None,
            });
        }
    };
    let (target, options) = rest.split_once(':').unwrap_or((rest, ""));
    let mut mount = Mount {
        kind: if is_host_path(source) { MountKind::Bind } else { MountKind::Volume },
        source: source.to_owned(),
        target: target.to_owned(),
        read_only: false,
        propagation: None,
    };
    for option in options.split(',') {
        mount_option(&mut mount, option);
    }
    Some(mount)
}

pub(crate) fn mount_option(mount: &mut Mount, option: &str) {
    match option.trim() {
        "ro" | "readonly" | "RO" => mount.read_only = true,
        "rw" => mount.read_only = false,
        word @ ("shared" | "rshared" | "slave" | "rslave" | "private" | "rprivate") => {
            mount.propagation = Some(word.to_owned());
        }
        _ => {}
    }
}

/// Whether the source of a mount is a path of the host and no volume's name.
pub(crate) fn is_host_path(source: &str) -> bool {
    source.starts_with(['/', '.', '~', '$', '\\'])
        || source.contains('/')
        || (source.len() > 1 && source.as_bytes()[1] == b':')
}

/// `type=bind,source=/,target=/host,readonly` (docker's `--mount`, compose's and podman's words).
pub(crate) fn long_mount(text: &str) -> Option<Mount> {
    let mut mount = Mount {
        kind: MountKind::Volume,
        source: String::new(),
        target: String::new(),
        read_only: false,
        propagation: None,
    };
    for part in text.split(',') {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let value = value.trim().trim_matches('"');
        match key.trim().trim_matches('"') {
            "type" => mount.kind = kind(value),
            "source" | "src" => value.clone_into(&mut mount.source),
            "target" | "dst" | "destination" => value.clone_into(&mut mount.target),
            "readonly" | "ro" => mount.read_only = !matches!(value, "false" | "0"),
            "bind-propagation" => mount.propagation = Some(value.to_owned()),
            _ => {}
        }
    }
    (!mount.target.is_empty()).then_some(mount)
}

/// The kind of a mount by docker's and compose's word.
pub(crate) fn kind(word: &str) -> MountKind {
    match word {
        "bind" | "npipe" => MountKind::Bind,
        "tmpfs" | "ramfs" => MountKind::Tmpfs,
        "cluster" | "image" | "glob" | "devpts" => MountKind::Provided,
        _ => MountKind::Volume,
    }
}

/// `[ADDRESS:][HOST:]CONTAINER[/PROTOCOL]`.
pub(crate) fn port(text: &str) -> Option<PublishedPort> {
    let text = text.trim();
    let (rest, protocol) = text.rsplit_once('/').unwrap_or((text, "tcp"));
    // An IPv6 address stands in brackets.
    let (address, rest) = match rest.strip_prefix('[').and_then(|r| r.split_once("]:")) {
        Some((address, rest)) => (Some(address.to_owned()), rest),
        None => match rest.split(':').collect::<Vec<_>>().as_slice() {
            [address, _, _] => (Some((*address).to_owned()), &rest[address.len() + 1..]),
            _ => (None, rest),
        },
    };
    let (host, container) = match rest.rsplit_once(':') {
        Some((host, container)) => ((!host.is_empty()).then(|| host.to_owned()), container),
        None => (None, rest),
    };
    if container.is_empty() {
        return None;
    }
    Some(PublishedPort {
        address: address.filter(|a| !a.is_empty()),
        host,
        container: container.to_owned(),
        protocol: protocol.to_ascii_lowercase(),
    })
}

/// A capability in capitals and without `CAP_`.
pub(crate) fn capability(text: &str) -> String {
    let upper = text.trim().to_ascii_uppercase();
    upper.strip_prefix("CAP_").map_or(upper.clone(), str::to_owned)
}

/// Notes a value, and where it was written.
pub(crate) fn wrote(launch: &mut Launch, field: impl Into<String>, place: &Location) {
    if launch.written.len() < 2_000 {
        launch.written.push((field.into(), place.clone()));
    }
}

pub(crate) fn add_mount(launch: &mut Launch, mount: Option<Mount>, place: &Location) {
    if let Some(mount) = mount {
        wrote(launch, format!("mounts[{}]", launch.mounts.len()), place);
        launch.mounts.push(mount);
    }
}

/// A word of `--security-opt` or compose's `security_opt`.
pub(crate) fn security_option(launch: &mut Launch, text: &str, place: &Location) {
    let text = text.trim();
    let (key, value) = match text.split_once('=').or_else(|| text.split_once(':')) {
        Some((key, value)) => (key.trim(), value.trim()),
        None => (text, ""),
    };
    match key {
        "seccomp" => {
            launch.seccomp = Some(value.to_owned());
            wrote(launch, "seccomp", place);
        }
        "apparmor" => {
            launch.apparmor = Some(value.to_owned());
            wrote(launch, "apparmor", place);
        }
        "label" | "selinux" => {
            launch.selinux = Some(value.to_owned());
            wrote(launch, "selinux", place);
        }
        "no-new-privileges" => {
            launch.no_new_privileges = Some(!matches!(value, "false" | "0"));
            wrote(launch, "no_new_privileges", place);
        }
        "systempaths" | "unmask" => {
            launch.unmasked_proc = true;
            wrote(launch, "unmasked_proc", place);
        }
        _ => {}
    }
}

/// A value for one name space: `host`, `container:x`, `service:x`, `private`.
pub(crate) fn name_space(launch: &mut Launch, space: HostNamespace, value: &str, place: &Location) {
    let value = value.trim();
    if value == "host" {
        if !launch.host_namespaces.contains(&space) {
            wrote(launch, format!("host_namespaces[{}]", launch.host_namespaces.len()), place);
            launch.host_namespaces.push(space);
        }
    } else if value.starts_with("container:") || value.starts_with("service:") || value.starts_with("ns:") {
        launch.joined_namespaces.push(format!("{}={value}", space.name()));
        wrote(launch, "joined_namespaces", place);
    }
}

/// `NAME=VALUE` or `NAME`.
pub(crate) fn variable(text: &str) -> (String, Option<String>) {
    match text.split_once('=') {
        Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
        None => (text.to_owned(), None),
    }
}

pub(crate) fn add_env(launch: &mut Launch, name: String, value: Option<String>, place: &Location) {
    if name.is_empty() || launch.env.len() >= 2_000 {
        return;
    }
    wrote(launch, format!("env[{}]", launch.env.len()), place);
    launch.env.push((name, value));
}

/// The lines of an `env_file`.
pub(crate) fn env_file(text: &str) -> Vec<(String, Option<String>)> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (name, value) = variable(line.strip_prefix("export ").unwrap_or(line));
            let bare = |v: String| v.trim().trim_matches(['"', '\'']).to_owned();
            (name.trim().to_owned(), value.map(bare))
        })
        .take(2_000)
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn mounts_are_told_apart_from_volumes_in_both_spellings() {
        let bind = short_mount("/etc:/mnt/etc:ro,rslave").unwrap();
        assert_eq!(
            (bind.kind, bind.source.as_str(), bind.target.as_str()),
            (MountKind::Bind, "/etc", "/mnt/etc")
        );
        assert_eq!((bind.read_only, bind.propagation.as_deref()), (true, Some("rslave")));
        assert_eq!(short_mount("data:/var/lib").unwrap().kind, MountKind::Volume);
        assert_eq!(short_mount("./conf:/conf").unwrap().kind, MountKind::Bind);
        assert_eq!(short_mount("/data").unwrap().target, "/data");
        let long = long_mount("type=bind,src=/,dst=/host,readonly").unwrap();
        assert_eq!((long.kind, long.source.as_str(), long.read_only), (MountKind::Bind, "/", true));
    }

    #[test]
    fn ports_are_read_in_every_form() {
        let port_of = |text: &str| {
            let p = port(text).unwrap();
            (p.address.unwrap_or_default(), p.host.unwrap_or_default(), p.container, p.protocol)
        };
        let row =
            |a: &str, h: &str, c: &str, p: &str| (a.to_owned(), h.to_owned(), c.to_owned(), p.to_owned());
        assert_eq!(port_of("80"), row("", "", "80", "tcp"));
        assert_eq!(port_of("8080:80/udp"), row("", "8080", "80", "udp"));
        assert_eq!(port_of("127.0.0.1:8080:80"), row("127.0.0.1", "8080", "80", "tcp"));
        assert_eq!(port_of("[::1]:2222:22"), row("::1", "2222", "22", "tcp"));
    }
}
