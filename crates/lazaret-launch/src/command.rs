//! The words of `docker run` and of the programs that understand the same ones.

use lazaret_model::{HostNamespace, Launch, LaunchForm, Location, Mount, MountKind};

use crate::value::{
    add_env, add_mount, capability, env_file, long_mount, name_space, port, security_option, short_mount,
    variable, wrote,
};
use crate::{Beside, LaunchError, Plan, PlannedContainer, PlannedImage};

/// Words beyond this many are not read.
const WORDS: usize = 10_000;

/// Options that take no value. Everything else that is known takes one.
const SWITCHES: &[&str] = &[
    "detach",
    "interactive",
    "tty",
    "rm",
    "privileged",
    "init",
    "publish-all",
    "read-only",
    "oom-kill-disable",
    "no-healthcheck",
    "sig-proxy",
    "disable-content-trust",
    "quiet",
    "help",
    "replace",
    "rmi",
    "http-proxy",
    "no-hosts",
    "no-hostname",
    "env-host",
    "tls-verify",
    "rootfs",
    "passwd",
    "use-api-socket",
    "systemd-always",
    "read-only-tmpfs",
    "no-new-privileges",
    "unsetenv-all",
];

/// Options that take a value.
const VALUES: &[&str] = &[
    "add-host",
    "annotation",
    "attach",
    "blkio-weight",
    "blkio-weight-device",
    "cap-add",
    "cap-drop",
    "cgroup-parent",
    "cgroupns",
    "cidfile",
    "cpu-count",
    "cpu-percent",
    "cpu-period",
    "cpu-quota",
    "cpu-rt-period",
    "cpu-rt-runtime",
    "cpu-shares",
    "cpus",
    "cpuset-cpus",
    "cpuset-mems",
    "detach-keys",
    "device",
    "device-cgroup-rule",
    "device-read-bps",
    "device-read-iops",
    "device-write-bps",
    "device-write-iops",
    "dns",
    "dns-option",
    "dns-opt",
    "dns-search",
    "domainname",
    "entrypoint",
    "env",
    "env-file",
    "expose",
    "gpus",
    "group-add",
    "health-cmd",
    "health-interval",
    "health-retries",
    "health-start-interval",
    "health-start-period",
    "health-timeout",
    "hostname",
    "io-maxbandwidth",
    "io-maxiops",
    "ip",
    "ip6",
    "ipc",
    "isolation",
    "kernel-memory",
    "label",
    "label-file",
    "link",
    "link-local-ip",
    "log-driver",
    "log-opt",
    "mac-address",
    "memory",
    "memory-reservation",
    "memory-swap",
    "memory-swappiness",
    "mount",
    "name",
    "net",
    "net-alias",
    "network",
    "network-alias",
    "oom-score-adj",
    "pid",
    "pids-limit",
    "platform",
    "publish",
    "pull",
    "restart",
    "runtime",
    "security-opt",
    "shm-size",
    "stop-signal",
    "stop-timeout",
    "storage-opt",
    "sysctl",
    "tmpfs",
    "ulimit",
    "user",
    "userns",
    "uts",
    "volume",
    "volume-driver",
    "volumes-from",
    "workdir",
    // podman, nerdctl
    "arch",
    "authfile",
    "cgroups",
    "cgroup-conf",
    "chrootdirs",
    "conmon-pidfile",
    "creds",
    "decryption-key",
    "gidmap",
    "group-entry",
    "hooks-dir",
    "hosts-file",
    "image-volume",
    "init-path",
    "init-ctr",
    "os",
    "passwd-entry",
    "personality",
    "pidfile",
    "pod",
    "pod-id-file",
    "preserve-fds",
    "rdt-class",
    "requires",
    "retry",
    "retry-delay",
    "sdnotify",
    "seccomp-policy",
    "secret",
    "shm-size-systemd",
    "subgidname",
    "subuidname",
    "systemd",
    "timeout",
    "tz",
    "uidmap",
    "umask",
    "unsetenv",
    "variant",
    "snapshotter",
    "verify",
    "label-opt",
    "namespace",
    "address",
    "cni-path",
    "data-root",
];

/// Short options with the name of their long form. Those of [`SWITCHES`] may stand together.
const SHORT: &[(char, &str)] = &[
    ('a', "attach"),
    ('c', "cpu-shares"),
    ('d', "detach"),
    ('e', "env"),
    ('h', "hostname"),
    ('i', "interactive"),
    ('l', "label"),
    ('m', "memory"),
    ('p', "publish"),
    ('P', "publish-all"),
    ('q', "quiet"),
    ('t', "tty"),
    ('u', "user"),
    ('v', "volume"),
    ('w', "workdir"),
];

/// Reads a command line as a shell would split it.
///
/// # Errors
/// A quote that is never closed, and what [`command`] refuses.
pub fn command_line(text: &str, beside: &dyn Beside) -> Result<Plan, LaunchError> {
    let shown = || text.chars().take(200).collect::<String>();
    if text.len() > crate::TEXT {
        return Err(LaunchError::Large("the command line".to_owned()));
    }
    // A line that goes on: the shell takes both characters away.
    let text = text.replace("\\\r\n", " ").replace("\\\n", " ");
    let words = shlex::split(&text).ok_or_else(|| LaunchError::Quote(shown()))?;
    command(&words, beside)
}

/// Reads the words `docker run OPTIONS IMAGE COMMAND`, also of `docker container run`, `create`,
/// `podman`, `nerdctl` and the like, with `sudo`, `env` and variables in front. Where the program
/// is left out, the words begin with the options.
///
/// # Errors
/// Words that start no container, or that name no image.
pub fn command(words: &[String], beside: &dyn Beside) -> Result<Plan, LaunchError> {
    let words = &words[..words.len().min(WORDS)];
    let shown = || words.join(" ").chars().take(200).collect::<String>();
    let rest = after_run(words).ok_or_else(|| LaunchError::NoRun(shown()))?;
    let mut reader = Reader {
        launch: Launch { workload: "run".to_owned(), ..Launch::default() },
        plan: Plan::new(LaunchForm::Command),
        beside,
    };
    let operands = reader.options(rest);
    let Some((image, command)) = operands.split_first() else { return Err(LaunchError::NoImage(shown())) };
    let Reader { mut launch, mut plan, .. } = reader;
    let place = Location::launch("image");
    launch.image = Some(image.clone());
    if !command.is_empty() {
        launch.command = Some(command.to_vec());
    } else if launch.entrypoint.is_some() {
        launch.command = Some(Vec::new());
    }
    if launch.name.is_empty() {
        launch.name.clone_from(image);
    }
    plan.name_image(image, "image", Some(0), &place);
    plan.containers.push(PlannedContainer {
        name: launch.name.clone(),
        image: PlannedImage::Reference(image.clone()),
        launch,
        place: Location::launch("run"),
    });
    Ok(plan)
}

/// The words behind `run` or `create`.
fn after_run(words: &[String]) -> Option<&[String]> {
    let engines = ["docker", "podman", "nerdctl", "lima", "finch", "docker.io", "ctr", "buildah"];
    let name = |word: &String| word.rsplit('/').next().unwrap_or(word).trim_end_matches(".exe").to_owned();
    let mut at = 0;
    // What may stand in front: `sudo -E`, `env X=y`, `time`, `$`, a prompt.
    while let Some(word) = words.get(at) {
        let called = name(word);
        if engines.contains(&called.as_str()) {
            break;
        }
        let prefix = matches!(
            called.as_str(),
            "sudo" | "doas" | "env" | "exec" | "nohup" | "time" | "$" | "#" | "command"
        );
        let assignment = word.split_once('=').is_some_and(|(n, _)| !n.starts_with('-') && !n.contains(':'));
        if !(prefix || assignment || (at > 0 && word.starts_with('-') && !is_option(word))) {
            break;
        }
        at += 1;
    }
    let first = words.get(at)?;
    let global = if engines.contains(&name(first).as_str()) {
        at + 1
    } else if matches!(first.as_str(), "run" | "create") {
        at
    } else {
        // Options and an image alone.
        return first.starts_with('-').then(|| &words[at..]);
    };
    let mut at = global;
    while let Some(word) = words.get(at) {
        match word.as_str() {
            "run" | "create" => return Some(&words[at + 1..]),
            "container" => at += 1,
            // `docker -H tcp://… run`, `docker --context x run`, `nerdctl -n k8s.io run`.
            "-H" | "--host" | "-c" | "--context" | "--config" | "-l" | "--log-level" | "-n"
            | "--namespace" | "--tlscacert" | "--tlscert" | "--tlskey" | "-a" | "--address" | "--url"
            | "--connection" | "--root" | "--runroot" | "--storage-driver" => at += 2,
            option if option.starts_with('-') => at += 1,
            _ => return None,
        }
    }
    None
}

fn is_option(word: &str) -> bool {
    let name = word.trim_start_matches('-').split('=').next().unwrap_or_default();
    SWITCHES.contains(&name) || VALUES.contains(&name)
}

struct Reader<'b> {
    launch: Launch,
    plan: Plan,
    beside: &'b dyn Beside,
}

impl Reader<'_> {
    /// Reads options up to the image; gives the image and the words behind it.
    fn options(&mut self, words: &[String]) -> Vec<String> {
        let mut at = 0;
        while let Some(word) = words.get(at) {
            if word == "--" {
                return words[at + 1..].to_vec();
            }
            if let Some(long) = word.strip_prefix("--") {
                at += 1 + self.long(long, words.get(at + 1));
            } else if word.len() > 1 && word.starts_with('-') {
                at += 1 + self.short(&word[1..], words.get(at + 1));
            } else {
                return words[at..].to_vec();
            }
        }
        Vec::new()
    }

    /// One long option; gives how many further words it takes.
    fn long(&mut self, text: &str, next: Option<&String>) -> usize {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        if SWITCHES.contains(&name) {
            self.switch(name, !matches!(value.as_deref(), Some("false" | "0" | "f")));
            return 0;
        }
        if !VALUES.contains(&name) {
            // Most options take a value; one that looks like an image or an option is none.
            let place = Location::launch(format!("--{name}"));
            self.plan.note(place, format!("the option --{name} is not known and was left out"), false);
            let takes = value.is_none() && next.is_some_and(|n| n.contains('=') && !n.starts_with('-'));
            return usize::from(takes);
        }
        match value {
            Some(value) => {
                self.value(name, &value);
                0
            }
            None => {
                self.value(name, next.map_or("", String::as_str));
                1
            }
        }
    }

    /// Short options that stand together, the last one perhaps with its value.
    fn short(&mut self, text: &str, next: Option<&String>) -> usize {
        let mut rest = text.chars();
        while let Some(letter) = rest.next() {
            let Some((_, name)) = SHORT.iter().find(|(short, _)| *short == letter) else {
                let place = Location::launch(format!("-{letter}"));
                self.plan.note(place, format!("the option -{letter} is not known and was left out"), false);
                continue;
            };
            if SWITCHES.contains(name) {
                // `-d=false`
                let off = rest.as_str().strip_prefix('=').is_some_and(|v| v == "false");
                self.switch(name, !off);
                if rest.as_str().starts_with('=') {
                    return 0;
                }
                continue;
            }
            let attached = rest.as_str();
            if attached.is_empty() {
                self.value(name, next.map_or("", String::as_str));
                return 1;
            }
            self.value(name, attached.strip_prefix('=').unwrap_or(attached));
            return 0;
        }
        0
    }

    fn switch(&mut self, name: &str, on: bool) {
        let place = Location::launch(format!("--{name}"));
        let launch = &mut self.launch;
        match name {
            "privileged" => {
                launch.privileged = Some(on);
                wrote(launch, "privileged", &place);
            }
            "read-only" => {
                launch.read_only_root = Some(on);
                wrote(launch, "read_only_root", &place);
            }
            "no-healthcheck" if on => {
                launch.healthcheck = Some(lazaret_model::Healthcheck { test: vec!["NONE".to_owned()] });
            }
            _ => {}
        }
    }

    fn value(&mut self, name: &str, value: &str) {
        let place = Location::launch(format!("--{name}"));
        let launch = &mut self.launch;
        let set = |slot: &mut Option<String>| *slot = Some(value.to_owned());
        match name {
            "name" => value.clone_into(&mut launch.name),
            "entrypoint" => {
                launch.entrypoint = Some(if value.is_empty() { Vec::new() } else { vec![value.to_owned()] });
                wrote(launch, "entrypoint", &place);
            }
            "env" => {
                let (name, value) = variable(value);
                add_env(launch, name, value, &place);
            }
            "env-file" => {
                launch.env_from.push(format!("env_file:{value}"));
                let text = self.beside.read(value).map(|b| String::from_utf8_lossy(&b).into_owned());
                for (name, value) in text.as_deref().map(env_file).unwrap_or_default() {
                    add_env(launch, name, value, &place);
                }
            }
            "workdir" => set(&mut launch.working_dir),
            "user" => {
                set(&mut launch.user);
                wrote(launch, "user", &place);
            }
            "group-add" => launch.groups.push(value.to_owned()),
            "volume" => add_mount(launch, short_mount(value), &place),
            "mount" => add_mount(launch, long_mount(value), &place),
            "tmpfs" => {
                let target = value.split(':').next().unwrap_or(value).to_owned();
                let mount = Mount {
                    kind: MountKind::Tmpfs,
                    source: String::new(),
                    target,
                    read_only: false,
                    propagation: None,
                };
                add_mount(launch, Some(mount), &place);
            }
            "secret" => {
                let name = value.split(',').next().unwrap_or(value);
                launch.env_from.push(format!("secret:{name}"));
            }
            "cap-add" | "cap-drop" => {
                for one in value.split(',').filter(|c| !c.is_empty()) {
                    let (field, list) = if name == "cap-add" {
                        ("cap_add", &mut launch.cap_add)
                    } else {
                        ("cap_drop", &mut launch.cap_drop)
                    };
                    list.push(capability(one));
                    let at = list.len() - 1;
                    wrote(launch, format!("{field}[{at}]"), &place);
                }
            }
            "pid" => name_space(launch, HostNamespace::Pid, value, &place),
            "ipc" => name_space(launch, HostNamespace::Ipc, value, &place),
            "uts" => name_space(launch, HostNamespace::Uts, value, &place),
            "userns" => name_space(launch, HostNamespace::User, value, &place),
            "cgroupns" => name_space(launch, HostNamespace::Cgroup, value, &place),
            "net" | "network" => name_space(launch, HostNamespace::Net, value, &place),
            "security-opt" => security_option(launch, value, &place),
            "device" => {
                wrote(launch, format!("devices[{}]", launch.devices.len()), &place);
                launch.devices.push(value.to_owned());
            }
            "device-cgroup-rule" => {
                launch.device_rules.push(value.to_owned());
                wrote(launch, "device_rules", &place);
            }
            "publish" => {
                if let Some(port) = port(value) {
                    wrote(launch, format!("ports[{}]", launch.ports.len()), &place);
                    launch.ports.push(port);
                }
            }
            "restart" => {
                set(&mut launch.restart);
                wrote(launch, "restart", &place);
            }
            "health-cmd" => {
                let test = vec!["CMD-SHELL".to_owned(), value.to_owned()];
                launch.healthcheck = Some(lazaret_model::Healthcheck { test });
                wrote(launch, "healthcheck", &place);
            }
            "sysctl" => {
                if let Some((name, value)) = value.split_once('=') {
                    launch.sysctls.push((name.to_owned(), value.to_owned()));
                    wrote(launch, "sysctls", &place);
                }
            }
            "runtime" => set(&mut launch.runtime),
            "cgroup-parent" => {
                set(&mut launch.cgroup_parent);
                wrote(launch, "cgroup_parent", &place);
            }
            "memory" => launch.limits.push(("memory".to_owned(), value.to_owned())),
            "cpus" | "cpu-quota" => launch.limits.push(("cpu".to_owned(), value.to_owned())),
            "pids-limit" => launch.limits.push(("pids".to_owned(), value.to_owned())),
            "add-host" => launch.extra_hosts.push(value.to_owned()),
            "pull" => set(&mut launch.pull_policy),
            "volumes-from" => {
                let what = "the mounts of the container that --volumes-from names are not known";
                self.plan.note(place, what, false);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Nothing;

    fn launch(text: &str) -> Launch {
        command_line(text, &Nothing).unwrap().containers.remove(0).launch
    }

    #[test]
    fn every_spelling_of_an_option_says_the_same() {
        for text in [
            "docker run -v /etc:/mnt/etc --privileged x sh -c id",
            "docker run -v=/etc:/mnt/etc --privileged=true x sh -c id",
            "docker run -v/etc:/mnt/etc --privileged x sh -c id",
            "sudo -E docker container run -itd --rm --volume /etc:/mnt/etc --privileged x sh -c id",
            "DOCKER_HOST=tcp://h:2375 docker -H tcp://h run -itv /etc:/mnt/etc --privileged x sh -c id",
            "podman run --mount type=bind,source=/etc,target=/mnt/etc --privileged -- x sh -c id",
            "/usr/bin/nerdctl -n k8s.io run --volume=/etc:/mnt/etc --privileged x sh -c id",
            "run -v /etc:/mnt/etc --privileged x sh -c id",
            "-v /etc:/mnt/etc --privileged x sh -c id",
            "docker run \\\n  -v /etc:/mnt/etc \\\n  --privileged x sh -c id",
        ] {
            let read = launch(text);
            assert_eq!(read.privileged, Some(true), "{text}");
            assert_eq!(read.host_path("/mnt/etc/crontab").as_deref(), Some("/etc/crontab"), "{text}");
            assert_eq!(read.image.as_deref(), Some("x"), "{text}");
            assert_eq!(read.command.as_deref().unwrap(), ["sh", "-c", "id"], "{text}");
        }
    }

    #[test]
    fn what_an_option_says_is_kept() {
        let read = launch(
            "docker create --cap-add SYS_ADMIN,cap_net_raw --cap-drop=ALL --pid=host --net host --security-opt seccomp=unconfined \
             --security-opt no-new-privileges -e A=b -eC=d -e HOME --device /dev/sda:/dev/x:rwm -p 127.0.0.1:80:8080 -u 0:0 -w /w \
             --entrypoint /bin/sh --restart unless-stopped --sysctl net.ipv4.ip_forward=1 -m 64m image:1 -c 'echo hi'",
        );
        assert_eq!(read.cap_add, ["SYS_ADMIN", "NET_RAW"]);
        assert_eq!(read.cap_drop, ["ALL"]);
        assert_eq!(read.host_namespaces, [HostNamespace::Pid, HostNamespace::Net]);
        assert_eq!((read.seccomp.as_deref(), read.no_new_privileges), (Some("unconfined"), Some(true)));
        assert_eq!(read.env[0], ("A".into(), Some("b".into())));
        assert_eq!(read.env[2], ("HOME".into(), None));
        assert_eq!(read.entrypoint.as_deref().unwrap(), ["/bin/sh"]);
        assert_eq!(read.command.as_deref().unwrap(), ["-c", "echo hi"]);
        assert_eq!(read.limits, [("memory".to_owned(), "64m".to_owned())]);
        assert_eq!(read.place("cap_add[1]"), Location::launch("--cap-add"));
    }

    #[test]
    fn unknown_options_are_told_and_the_image_is_still_found() {
        let plan = command_line("docker run --nonsense --new-thing=1 -Z image:1 cmd", &Nothing).unwrap();
        assert_eq!(plan.references[0].name, "image:1");
        assert_eq!(plan.notes.len(), 3, "{:?}", plan.notes);
    }

    #[test]
    fn words_that_start_no_container_are_refused() {
        for text in ["docker ps", "ls -l", "docker run", "docker run -it", "", "docker run 'x"] {
            assert!(command_line(text, &Nothing).is_err(), "{text}");
        }
    }
}
