//! How an image is run and built, as events.

use lazaret_launch::Statement;
use lazaret_model::{HookTime, ImageConfig, Launch, LaunchForm, Location, Mount, MountKind};
use serde_json::Value;

use super::event::Event;
use super::{Hit, HitPlace, SigmaRules};

/// The fields of events of the category `launch`.
pub(super) const LAUNCH_FIELDS: &[&str] = &[
    "AppArmor",
    "Argument",
    "AutomountToken",
    "CapAdd",
    "CapDrop",
    "CgroupParent",
    "CommandLine",
    "CommandOverride",
    "Device",
    "DeviceRule",
    "Digest",
    "Env",
    "EnvFrom",
    "EnvName",
    "ExtraHost",
    "File",
    "FileContent",
    "Form",
    "Group",
    "Healthcheck",
    "Hook",
    "HostNamespace",
    "Image",
    "ImageBase",
    "ImageName",
    "JoinedNamespace",
    "Limit",
    "Mount",
    "Name",
    "Namespace",
    "NoNewPrivileges",
    "Port",
    "Privileged",
    "Probe",
    "PullPolicy",
    "ReadOnlyRoot",
    "Request",
    "Restart",
    "RunAsNonRoot",
    "Runtime",
    "SELinux",
    "Seccomp",
    "ServiceAccount",
    "Tag",
    "UnmaskedProc",
    "User",
    "UserSet",
    "Workload",
];

/// The fields of events of the category `dockerfile`.
pub(super) const DOCKERFILE_FIELDS: &[&str] = &[
    "Instruction",
    "Arguments",
    "Stage",
    "Final",
    "Image",
    "FromStage",
    "Tag",
    "Digest",
    "Flag",
    "Name",
    "Pair",
    "User",
    "Port",
    "Source",
    "Destination",
    "From",
    "Command",
    "Form",
];

/// The fields of events of the category `kubernetes`.
pub(super) const KUBERNETES_FIELDS: &[&str] =
    &["Kind", "Name", "Namespace", "RoleRule", "RoleRef", "Subject", "Value"];

/// The launch as one event; docs/LAUNCH.md lists the fields.
pub(super) fn of_launch(launch: &Launch, config: &ImageConfig, platform: &str) -> Event {
    let mut event = Event::new("launch", platform);
    event.set("Form", launch.form.name());
    event.set("Workload", launch.workload.as_str());
    event.set("Name", launch.name.as_str());
    event.set("Namespace", launch.namespace.clone());
    if let Some(image) = &launch.image {
        let (name, digest) = image.split_once('@').unwrap_or((image, ""));
        let last = name.rsplit('/').next().unwrap_or(name);
        let (base, tag) = last.split_once(':').unwrap_or((last, ""));
        event.set("Image", image.as_str());
        event.set("ImageName", name.strip_suffix(&format!(":{tag}")).unwrap_or(name));
        event.set("ImageBase", base);
        event.set("Tag", tag);
        event.set("Digest", digest);
    }
    event.set("PullPolicy", launch.pull_policy.clone());
    event.set("CommandLine", config.argv().join(" "));
    list(&mut event, "Argument", config.argv());
    if launch.entrypoint.is_some() || launch.command.as_ref().is_some_and(|c| !c.is_empty()) {
        event.set("CommandOverride", "true");
    }
    let env = launch.env.iter().filter_map(|(name, value)| Some(format!("{name}={}", value.as_ref()?)));
    // What a Dockerfile sets, its instructions tell.
    if launch.form != LaunchForm::Dockerfile {
        list(&mut event, "Env", env.collect());
        list(&mut event, "EnvName", launch.env.iter().map(|(name, _)| name.clone()).collect());
    }
    list(&mut event, "EnvFrom", launch.env_from.clone());
    event.set("User", config.user.as_str());
    event.set("UserSet", flag(launch.user.is_some() || !config.user.is_empty()));
    list(&mut event, "Group", launch.groups.clone());
    event.set("Privileged", launch.privileged.map(flag));
    list(&mut event, "CapAdd", launch.cap_add.clone());
    list(&mut event, "CapDrop", launch.cap_drop.clone());
    list(&mut event, "HostNamespace", launch.host_namespaces.iter().map(|n| n.name().to_owned()).collect());
    list(&mut event, "JoinedNamespace", launch.joined_namespaces.clone());
    event.set("Seccomp", launch.seccomp.clone());
    event.set("AppArmor", launch.apparmor.clone());
    event.set("SELinux", launch.selinux.clone());
    event.set("NoNewPrivileges", launch.no_new_privileges.map(flag));
    event.set("UnmaskedProc", launch.unmasked_proc.then_some("true"));
    event.set("RunAsNonRoot", launch.run_as_non_root.map(flag));
    event.set("ReadOnlyRoot", launch.read_only_root.map(flag));
    list(&mut event, "Mount", launch.mounts.iter().map(mount).collect());
    list(&mut event, "Device", launch.devices.clone());
    list(&mut event, "DeviceRule", launch.device_rules.clone());
    let ports = launch.ports.iter().map(|port| {
        let address = port.address.as_deref().unwrap_or("0.0.0.0");
        format!("{address}:{}:{}/{}", port.host.as_deref().unwrap_or_default(), port.container, port.protocol)
    });
    list(&mut event, "Port", ports.collect());
    event.set("Restart", launch.restart.clone());
    event.set("Healthcheck", config.healthcheck.as_ref().map(|check| check.test.join(" ")));
    list(&mut event, "Probe", launch.probes.clone());
    let hooks = launch.hooks.iter().filter(|hook| hook.when != HookTime::Probe);
    list(&mut event, "Hook", hooks.map(|hook| hook.argv.join(" ")).collect());
    list(&mut event, "File", launch.files.iter().map(|file| file.target.clone()).collect());
    list(&mut event, "FileContent", launch.files.iter().map(|file| file.content.clone()).collect());
    list(
        &mut event,
        "Sysctl",
        launch.sysctls.iter().map(|(name, value)| format!("{name}={value}")).collect(),
    );
    event.set("Runtime", launch.runtime.clone());
    event.set("CgroupParent", launch.cgroup_parent.clone());
    list(&mut event, "Limit", launch.limits.iter().map(|(name, _)| name.clone()).collect());
    list(&mut event, "Request", launch.requests.iter().map(|(name, _)| name.clone()).collect());
    event.set("ServiceAccount", launch.service_account.clone());
    event.set("AutomountToken", launch.automount_token.map(flag));
    list(&mut event, "ExtraHost", launch.extra_hosts.clone());
    event
}

/// `bind:/etc:/mnt/etc:rw`, the propagation behind it where one is set.
fn mount(mount: &Mount) -> String {
    // What a person writes with slashes at its end is the same folder.
    let clean = |path: &str| match (mount.kind, path.trim_end_matches('/')) {
        (MountKind::Bind, "") => "/".to_owned(),
        (_, path) => path.to_owned(),
    };
    let rights = if mount.read_only { "ro" } else { "rw" };
    let mut text =
        format!("{}:{}:{}:{rights}", mount.kind.name(), clean(&mount.source), clean(&mount.target));
    if let Some(propagation) = &mount.propagation {
        text.push(':');
        text.push_str(propagation);
    }
    text
}

fn flag(on: bool) -> &'static str {
    if on { "true" } else { "false" }
}

/// An empty list is absent, so that rules can ask for what is not said.
fn list(event: &mut Event, name: &str, values: Vec<String>) {
    if !values.is_empty() {
        event.set(name, values);
    }
}

/// A statement as an event: its parts as they are named, several values of one name as a list.
pub(super) fn of_statement(category: &str, statement: &Statement, platform: &str) -> Event {
    let mut event = Event::new(category, platform);
    event.set(if category == "dockerfile" { "Instruction" } else { "Kind" }, statement.kind.as_str());
    let mut names: Vec<&str> = statement.fields.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let mut values: Vec<Value> =
            statement.fields.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str().into()).collect();
        match values.len() {
            1 => event.set(name, values.remove(0)),
            _ => event.set(name, values),
        }
    }
    event
}

/// Which list of a launch a field of the event shows.
const LISTS: &[(&str, &str)] = &[
    ("Mount", "mounts"),
    ("CapAdd", "cap_add"),
    ("CapDrop", "cap_drop"),
    ("HostNamespace", "host_namespaces"),
    ("Device", "devices"),
    ("Port", "ports"),
    ("Hook", "hooks"),
    ("File", "files"),
    ("FileContent", "files"),
];

/// Where a single field of the event is written.
const SINGLE: &[(&str, &str)] = &[
    ("Privileged", "privileged"),
    ("Seccomp", "seccomp"),
    ("AppArmor", "apparmor"),
    ("SELinux", "selinux"),
    ("NoNewPrivileges", "no_new_privileges"),
    ("UnmaskedProc", "unmasked_proc"),
    ("RunAsNonRoot", "run_as_non_root"),
    ("ReadOnlyRoot", "read_only_root"),
    ("User", "user"),
    ("Image", "image"),
    ("Tag", "image"),
    ("CommandLine", "command"),
    ("Argument", "command"),
    ("Restart", "restart"),
    ("Sysctl", "sysctls"),
    ("Runtime", "runtime"),
    ("CgroupParent", "cgroup_parent"),
    ("DeviceRule", "device_rules"),
    ("EnvFrom", "env_from"),
    ("ServiceAccount", "service_account"),
    ("AutomountToken", "automount_token"),
    ("Healthcheck", "healthcheck"),
    ("JoinedNamespace", "joined_namespaces"),
];

/// Judges how an image is run.
pub(super) fn judge<'r>(
    rules: &'r SigmaRules,
    launch: &Launch,
    config: &ImageConfig,
    platform: &str,
) -> Vec<Hit<'r>> {
    let event = of_launch(launch, config, platform);
    let mut hits = rules.judge_event(&event, HitPlace::Launch);
    for hit in &mut hits {
        let (place, value) = written(rules, launch, &event, hit);
        hit.written = Some(place);
        if let Some((name, value)) = value {
            hit.fields.retain(|(other, _)| *other != name);
            hit.fields.insert(0, (name, value));
        }
    }
    hits
}

/// Where what met a rule was written, and of a list the one value that did.
fn written(
    rules: &SigmaRules,
    launch: &Launch,
    event: &Event,
    hit: &Hit<'_>,
) -> (Location, Option<(String, String)>) {
    for (field, _) in &hit.fields {
        let Some((_, list)) = LISTS.iter().find(|(name, _)| name == field) else { continue };
        let Some(values) = event.fields().get(field).and_then(Value::as_array) else { continue };
        // Which of them it was: the one that meets the rule without the others.
        for (at, value) in values.iter().enumerate().take(64) {
            let alone = event.with_only(field, value.clone());
            if rules.judge_event(&alone, HitPlace::Launch).iter().any(|other| other.rule.id == hit.rule.id) {
                let text = value.as_str().unwrap_or_default().to_owned();
                return (launch.place(&format!("{list}[{at}]")), Some((field.clone(), text)));
            }
        }
    }
    for (field, _) in &hit.fields {
        if matches!(field.as_str(), "Env" | "EnvName")
            && let Some(values) = event.fields().get(field).and_then(Value::as_array)
        {
            for value in values.iter().take(256) {
                let alone = event.with_only(field, value.clone());
                let text = value.as_str().unwrap_or_default();
                let name = text.split('=').next().unwrap_or_default();
                if rules.judge_event(&alone, HitPlace::Launch).iter().any(|o| o.rule.id == hit.rule.id) {
                    let at = launch.env.iter().position(|(n, _)| n == name).unwrap_or_default();
                    return (launch.place(&format!("env[{at}]")), Some((field.clone(), text.to_owned())));
                }
            }
        }
        if let Some((_, single)) = SINGLE.iter().find(|(name, _)| name == field) {
            return (launch.place(single), None);
        }
    }
    (launch.place(""), None)
}
