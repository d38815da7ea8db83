//! What the Docker Engine is asked over its API: `POST /containers/create`, `POST /services/create`,
//! and what it says of a container (Docker Engine API reference, v1.24 and later).

use lazaret_model::{
    Healthcheck, HostNamespace, Launch, LaunchForm, Location, Mount, MountKind, PublishedPort,
};

use crate::gojson::Json;
use crate::value::{
    add_env, add_mount, capability, kind, name_space, security_option, short_mount, variable, wrote,
};
use crate::{LaunchError, Plan, PlannedContainer, PlannedImage};

/// Reads the body of `POST /containers/create`.
///
/// # Errors
/// What is no such request, and what may be read in two ways.
pub fn create_request(body: &[u8]) -> Result<Plan, LaunchError> {
    let root = Json::read(body)?;
    let inner = root.field("HostConfig")?;
    // Old clients write the host's part beside the configuration, and daemons still read it there.
    let host = if inner.is_null() { &root } else { inner };
    container(&root, host, &root, "run")
}

/// Reads what the engine says of a container (`GET /containers/ID/json`): the id of its image, and
/// how it is run.
///
/// # Errors
/// What is no such answer.
pub fn inspected_container(body: &[u8]) -> Result<(String, Plan), LaunchError> {
    let root = Json::read(body)?;
    let id = root.text("Image")?.unwrap_or_default().to_owned();
    let (config, host) = (root.field("Config")?, root.field("HostConfig")?);
    if id.is_empty() || config.is_null() || host.is_null() {
        return Err(LaunchError::Request("it describes no container".to_owned()));
    }
    Ok((id, container(config, host, &root, "run")?))
}

/// Reads the body of `POST /services/create` and `POST /services/ID/update`.
///
/// # Errors
/// What is no such request, and what may be read in two ways.
pub fn service_request(body: &[u8]) -> Result<Plan, LaunchError> {
    let root = Json::read(body)?;
    let task = root.field("TaskTemplate")?;
    if !task.field("PluginSpec")?.is_null() {
        return Err(LaunchError::Request("it runs a plugin of the engine and no image".to_owned()));
    }
    let spec = task.field("ContainerSpec")?;
    let mut plan = Plan::new(LaunchForm::Command);
    let mut launch = Launch { workload: "service".to_owned(), ..Launch::default() };
    let at = |key: &str| Location::launch(format!("ContainerSpec.{key}"));
    // A service calls the entry point command, and the command arguments.
    launch.entrypoint = spec.texts("Command")?;
    launch.command = spec.texts("Args")?;
    launch.working_dir = spec.text("Dir")?.map(str::to_owned);
    common(&mut launch, &mut plan, spec, &at)?;
    launch.read_only_root = spec.truth("ReadOnly")?;
    capabilities(&mut launch, spec, "CapabilityAdd", "CapabilityDrop", &at)?;
    let rights = spec.field("Privileges")?;
    if rights.field("SELinuxContext")?.truth("Disable")? == Some(true) {
        security_option(&mut launch, "label=disable", &at("Privileges"));
    }
    for (key, word) in [("Seccomp", "seccomp"), ("AppArmor", "apparmor")] {
        if let Some(mode) = rights.field(key)?.text("Mode")? {
            let mode = if mode == "disabled" { "unconfined" } else { mode };
            security_option(&mut launch, &format!("{word}={mode}"), &at("Privileges"));
        }
    }
    launch.no_new_privileges = rights.truth("NoNewPrivileges")?;
    for networks in [task.items("Networks")?, root.items("Networks")?] {
        for network in networks {
            if network.text("Target")? == Some("host") {
                name_space(&mut launch, HostNamespace::Net, "host", &at("Networks"));
            }
        }
    }
    finish(plan, launch, spec.text("Image")?)
}

fn container(config: &Json, host: &Json, root: &Json, workload: &str) -> Result<Plan, LaunchError> {
    let mut plan = Plan::new(LaunchForm::Command);
    let mut launch = Launch { workload: workload.to_owned(), ..Launch::default() };
    let at = |key: &str| Location::launch(format!("HostConfig.{key}"));
    // `--entrypoint ""` is sent as a list of one empty word.
    launch.entrypoint = config.texts("Entrypoint")?.map(|words| match words.as_slice() {
        [empty] if empty.is_empty() => Vec::new(),
        _ => words,
    });
    launch.command = config.texts("Cmd")?.filter(|words| !words.is_empty());
    launch.working_dir = config.text("WorkingDir")?.filter(|dir| !dir.is_empty()).map(str::to_owned);
    common(&mut launch, &mut plan, config, &at)?;
    for (target, _) in config.pairs("Volumes")? {
        add_mount(&mut launch, short_mount(target), &Location::launch("Volumes"));
    }

    if let Some(privileged) = host.truth("Privileged")? {
        launch.privileged = Some(privileged);
        wrote(&mut launch, "privileged", &at("Privileged"));
    }
    for bind in host.texts("Binds")?.unwrap_or_default() {
        add_mount(&mut launch, short_mount(&bind), &at("Binds"));
    }
    mounts(&mut launch, &mut plan, host, &at)?;
    for (target, _) in host.pairs("Tmpfs")? {
        let target = target.clone();
        let mount = Mount {
            kind: MountKind::Tmpfs,
            source: String::new(),
            target,
            read_only: false,
            propagation: None,
        };
        add_mount(&mut launch, Some(mount), &at("Tmpfs"));
    }
    if !host.items("VolumesFrom")?.is_empty() {
        let what = "the mounts of the container that VolumesFrom names are known when it starts";
        plan.note(at("VolumesFrom"), what, false);
    }
    // What the engine found out by itself, in its description of a container.
    for mount in if host == root { &[] } else { resolved_mounts(root)? } {
        let text = |key: &str| mount.text(key).map(|text| text.unwrap_or_default().to_owned());
        let (source, target) = (text("Source")?, text("Destination")?);
        let known = |m: &Mount| m.kind == MountKind::Bind && m.source == source && m.target == target;
        if text("Type")? == "bind" && !launch.mounts.iter().any(known) {
            let read_only = mount.truth("RW")? == Some(false);
            let mount = Mount { kind: MountKind::Bind, source, target, read_only, propagation: None };
            add_mount(&mut launch, Some(mount), &Location::launch("Mounts"));
        }
    }
    capabilities(&mut launch, host, "CapAdd", "CapDrop", &at)?;
    for (key, space) in [
        ("PidMode", HostNamespace::Pid),
        ("NetworkMode", HostNamespace::Net),
        ("IpcMode", HostNamespace::Ipc),
        ("UTSMode", HostNamespace::Uts),
        ("UsernsMode", HostNamespace::User),
        ("CgroupnsMode", HostNamespace::Cgroup),
    ] {
        if let Some(value) = host.text(key)? {
            name_space(&mut launch, space, value, &at(key));
        }
    }
    for option in host.texts("SecurityOpt")?.unwrap_or_default() {
        security_option(&mut launch, &option, &at("SecurityOpt"));
    }
    // An empty list masks nothing; without one the engine masks what it always does.
    if matches!(host.field("MaskedPaths")?, Json::List(paths) if paths.is_empty()) {
        security_option(&mut launch, "systempaths=unconfined", &at("MaskedPaths"));
    }
    devices(&mut launch, host, &at)?;
    launch.read_only_root = host.truth("ReadonlyRootfs")?;
    launch.groups = host.texts("GroupAdd")?.unwrap_or_default();
    launch.extra_hosts = host.texts("ExtraHosts")?.unwrap_or_default();
    launch.runtime = host.text("Runtime")?.filter(|name| !name.is_empty()).map(str::to_owned);
    launch.cgroup_parent = host.text("CgroupParent")?.filter(|name| !name.is_empty()).map(str::to_owned);
    for (name, value) in host.pairs("Sysctls")? {
        launch.sysctls.push((name.clone(), value.scalar().unwrap_or_default().to_owned()));
        wrote(&mut launch, "sysctls", &at("Sysctls"));
    }
    if let Some(name) = host.field("RestartPolicy")?.text("Name")?.filter(|name| !name.is_empty()) {
        launch.restart = Some(name.to_owned());
        wrote(&mut launch, "restart", &at("RestartPolicy"));
    }
    ports(&mut launch, host, &at)?;
    finish(plan, launch, config.text("Image")?)
}

/// `Mounts` of the engine's description. In a request the same name has another meaning.
fn resolved_mounts(root: &Json) -> Result<&[Json], LaunchError> {
    if root.field("Config")?.is_null() { Ok(&[]) } else { root.items("Mounts") }
}

/// What a container and a service write in the same words.
fn common(
    launch: &mut Launch,
    plan: &mut Plan,
    config: &Json,
    at: &dyn Fn(&str) -> Location,
) -> Result<(), LaunchError> {
    for pair in config.texts("Env")?.unwrap_or_default() {
        let (name, value) = variable(&pair);
        add_env(launch, name, value, &Location::launch("Env"));
    }
    if let Some(user) = config.text("User")?.filter(|user| !user.is_empty()) {
        launch.user = Some(user.to_owned());
        wrote(launch, "user", &Location::launch("User"));
    }
    if let Some(test) = config.field("Healthcheck")?.texts("Test")?.filter(|test| !test.is_empty()) {
        launch.healthcheck = Some(Healthcheck { test });
        wrote(launch, "healthcheck", &Location::launch("Healthcheck"));
    }
    for (field, key) in [("entrypoint", "Entrypoint"), ("command", "Cmd")] {
        let is_set = if key == "Cmd" { launch.command.is_some() } else { launch.entrypoint.is_some() };
        if is_set {
            wrote(launch, field, &Location::launch(key));
        }
    }
    if launch.workload == "service" {
        mounts(launch, plan, config, at)?;
    }
    Ok(())
}

/// `Mounts` as an engine is asked for them.
fn mounts(
    launch: &mut Launch,
    plan: &mut Plan,
    host: &Json,
    at: &dyn Fn(&str) -> Location,
) -> Result<(), LaunchError> {
    // In a description of a container, as in an old request, the host's part is an object of its own.
    for mount in host.items("Mounts")? {
        let word = mount.text("Type")?.unwrap_or_default();
        let source = mount.text("Source")?.unwrap_or_default().to_owned();
        if word.eq_ignore_ascii_case("image") {
            plan.name_image(&source, "mounts.image", None, &at("Mounts"));
        }
        let mut read = Mount {
            kind: kind(word),
            source,
            target: mount.text("Target")?.unwrap_or_default().to_owned(),
            read_only: mount.truth("ReadOnly")?.unwrap_or_default(),
            propagation: mount.field("BindOptions")?.text("Propagation")?.map(str::to_owned),
        };
        // A volume that the engine makes of a path or a disk of the host.
        let options = mount.field("VolumeOptions")?.field("DriverConfig")?.pairs("Options")?;
        let option = |name: &str| {
            options.iter().rev().find(|(key, _)| key == name).and_then(|(_, value)| value.scalar())
        };
        if let Some(device) = option("device").filter(|device| device.starts_with('/')) {
            if device.starts_with("/dev/") {
                launch.devices.push(device.to_owned());
            } else {
                read.kind = MountKind::Bind;
                device.clone_into(&mut read.source);
            }
        }
        add_mount(launch, Some(read), &at("Mounts"));
    }
    Ok(())
}

fn capabilities(
    launch: &mut Launch,
    host: &Json,
    add: &str,
    drop: &str,
    at: &dyn Fn(&str) -> Location,
) -> Result<(), LaunchError> {
    for one in host.texts(add)?.unwrap_or_default() {
        wrote(launch, format!("cap_add[{}]", launch.cap_add.len()), &at(add));
        launch.cap_add.push(capability(&one));
    }
    for one in host.texts(drop)?.unwrap_or_default() {
        wrote(launch, format!("cap_drop[{}]", launch.cap_drop.len()), &at(drop));
        launch.cap_drop.push(capability(&one));
    }
    Ok(())
}

fn devices(launch: &mut Launch, host: &Json, at: &dyn Fn(&str) -> Location) -> Result<(), LaunchError> {
    for device in host.items("Devices")? {
        let part = |key: &str| device.text(key).map(Option::unwrap_or_default);
        let words = [part("PathOnHost")?, part("PathInContainer")?, part("CgroupPermissions")?];
        wrote(launch, format!("devices[{}]", launch.devices.len()), &at("Devices"));
        launch.devices.push(words.join(":").trim_end_matches(':').to_owned());
    }
    for rule in host.texts("DeviceCgroupRules")?.unwrap_or_default() {
        launch.device_rules.push(rule);
        wrote(launch, "device_rules", &at("DeviceCgroupRules"));
    }
    Ok(())
}

fn ports(launch: &mut Launch, host: &Json, at: &dyn Fn(&str) -> Location) -> Result<(), LaunchError> {
    for (container, bindings) in host.pairs("PortBindings")? {
        let (number, protocol) = container.split_once('/').unwrap_or((container, "tcp"));
        let Json::List(bindings) = bindings else { continue };
        for binding in bindings {
            let text = |key: &str| {
                binding.text(key).map(|text| text.filter(|text| !text.is_empty()).map(str::to_owned))
            };
            wrote(launch, format!("ports[{}]", launch.ports.len()), &at("PortBindings"));
            launch.ports.push(PublishedPort {
                address: text("HostIp")?,
                host: text("HostPort")?,
                container: number.to_owned(),
                protocol: protocol.to_ascii_lowercase(),
            });
        }
    }
    Ok(())
}

fn finish(mut plan: Plan, mut launch: Launch, image: Option<&str>) -> Result<Plan, LaunchError> {
    let Some(image) = image.filter(|image| !image.is_empty()) else {
        return Err(LaunchError::Request("it names no image".to_owned()));
    };
    let place = Location::launch("Image");
    launch.image = Some(image.to_owned());
    image.clone_into(&mut launch.name);
    plan.name_image(image, "image", Some(0), &place);
    plan.containers.push(PlannedContainer {
        name: image.to_owned(),
        image: PlannedImage::Reference(image.to_owned()),
        launch,
        place: Location::launch("run"),
    });
    Ok(plan)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Nothing, command_line};

    fn created(body: &str) -> Launch {
        create_request(body.as_bytes()).unwrap().containers.remove(0).launch
    }

    fn refused(body: &str) -> String {
        create_request(body.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_request_says_what_the_words_of_docker_run_say() {
        let request = created(
            r#"{"Image":"x:1","Cmd":["-c","id"],"Entrypoint":["/bin/sh"],"Env":["A=b","C"],"User":"0","WorkingDir":"/w",
               "HostConfig":{"Privileged":true,"Binds":["/etc:/mnt/etc:ro"],"CapAdd":["CAP_SYS_ADMIN"],"CapDrop":["ALL"],
               "PidMode":"host","NetworkMode":"host","SecurityOpt":["seccomp=unconfined"],
               "Devices":[{"PathOnHost":"/dev/sda","PathInContainer":"/dev/x","CgroupPermissions":"rwm"}],
               "PortBindings":{"8080/tcp":[{"HostIp":"127.0.0.1","HostPort":"80"}]},"RestartPolicy":{"Name":"always"}}}"#,
        );
        let words = command_line(
            "docker run --privileged -v /etc:/mnt/etc:ro --cap-add CAP_SYS_ADMIN --cap-drop ALL --pid host --net host \
             --security-opt seccomp=unconfined --device /dev/sda:/dev/x:rwm -p 127.0.0.1:80:8080 --restart always -e A=b \
             -e C -u 0 -w /w --entrypoint /bin/sh x:1 -c id",
            &Nothing,
        )
        .unwrap()
        .containers
        .remove(0)
        .launch;
        let bare = |launch: Launch| Launch { written: Vec::new(), name: String::new(), ..launch };
        assert_eq!(bare(request), bare(words));
    }

    #[test]
    fn what_an_engine_could_read_in_two_ways_is_refused() {
        for body in [
            r#"{"Image":"good","Image":"bad"}"#,
            r#"{"Image":"good","image":"bad"}"#,
            r#"{"Image":"good","IMAGE":"bad"}"#,
            r#"{"Image":"good","HostConfig":{"Privileged":true},"HostConfig":{}}"#,
            r#"{"Image":"good","HostConfig":{"Privileged":false,"privileged":true}}"#,
            "{\"Image\":\"good\",\"HostConfig\":{},\"Ho\u{17f}tConfig\":{\"Privileged\":true}}",
        ] {
            assert!(refused(body).contains("twice"), "{body}: {}", refused(body));
        }
        for body in [
            "",
            "{}",
            "[]",
            "null",
            "{\"Image\":1}",
            "{\"Image\":\"a\"}{\"Image\":\"b\"}",
            "{\"Image\":\"\"}",
        ] {
            assert!(create_request(body.as_bytes()).is_err(), "{body}");
        }
        // Names that are no fields may differ in their case alone.
        assert!(create_request(br#"{"Image":"a","Labels":{"x":"1","X":"2"}}"#).is_ok());
    }

    #[test]
    fn the_hosts_part_counts_where_daemons_read_it() {
        assert_eq!(
            created(r#"{"Image":"a","Privileged":true}"#).privileged,
            Some(true),
            "as old clients write it"
        );
        assert_eq!(created(r#"{"Image":"a","Privileged":true,"HostConfig":{}}"#).privileged, None);
        assert_eq!(created(r#"{"image":"a","hostconfig":{"PRIVILEGED":true}}"#).privileged, Some(true));
        assert_eq!(
            created("{\"Image\":\"a\",\"Ho\u{17f}tConfig\":{\"Privileged\":true}}").privileged,
            Some(true)
        );
        assert!(created(r#"{"Image":"a","HostConfig":{"MaskedPaths":[]}}"#).unmasked_proc);
    }

    #[test]
    fn a_volume_that_is_a_path_of_the_host_is_a_mount_of_it() {
        let launch = created(
            r#"{"Image":"a","HostConfig":{"Mounts":[{"Type":"volume","Target":"/h","VolumeOptions":{"DriverConfig":
               {"Name":"local","Options":{"type":"none","o":"bind","device":"/"}}}}]}}"#,
        );
        assert_eq!(launch.host_path("/h/etc").as_deref(), Some("/etc"));
    }

    #[test]
    fn an_image_that_is_mounted_is_named_too() {
        let plan = create_request(
            br#"{"Image":"a","HostConfig":{"Mounts":[{"Type":"image","Source":"b:2","Target":"/b"}]}}"#,
        )
        .unwrap();
        let names: Vec<&str> = plan.references.iter().map(|named| named.name.as_str()).collect();
        assert_eq!(names, ["b:2", "a"]);
    }

    #[test]
    fn what_the_engine_says_of_a_container_counts_as_it_is_run() {
        let body = br#"{"Id":"1","Image":"sha256:00","Config":{"Image":"a","Cmd":["x"]},"HostConfig":{"VolumesFrom":["b"]},
            "Mounts":[{"Type":"bind","Source":"/","Destination":"/h","RW":true}]}"#;
        let (id, mut plan) = inspected_container(body).unwrap();
        assert_eq!(id, "sha256:00");
        assert_eq!(plan.containers.remove(0).launch.host_path("/h").as_deref(), Some("/"));
        assert!(inspected_container(b"{\"message\":\"no\"}").is_err());
    }

    #[test]
    fn a_service_is_read_as_a_launch() {
        let mut plan = service_request(
            br#"{"Name":"s","TaskTemplate":{"ContainerSpec":{"Image":"a:1","Args":["x"],"CapabilityAdd":["CAP_BPF"],
            "Mounts":[{"Type":"bind","Source":"/etc","Target":"/e"}]},"Networks":[{"Target":"host"}]}}"#,
        )
        .unwrap();
        let launch = plan.containers.remove(0).launch;
        assert_eq!(launch.cap_add, ["BPF"]);
        assert_eq!(launch.host_path("/e").as_deref(), Some("/etc"));
        assert_eq!(launch.host_namespaces, [HostNamespace::Net]);
        assert!(
            service_request(br#"{"TaskTemplate":{"Runtime":"plugin","PluginSpec":{"Remote":"p"}}}"#).is_err()
        );
    }
}
