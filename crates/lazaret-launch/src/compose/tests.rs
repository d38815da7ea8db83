#![allow(clippy::unwrap_used)]

use lazaret_model::{HostNamespace, MountKind};

use super::*;
use crate::Nothing;

const TEXT: &str = r##"
x-common: &common
  restart: always
  security_opt: [seccomp:unconfined, no-new-privileges:true]
services:
  web:
    <<: *common
    image: "nginx:${TAG:-1.27}"
    command: sh -c "echo $$HOME"
    privileged: true
    pid: host
    network_mode: host
    volumes:
      - /:/host:ro
      - data:/data
      - { type: bind, source: /etc, target: /mnt/etc, bind: { propagation: rshared } }
      - hidden:/hidden
    ports: ["127.0.0.1:8080:80", { target: 22, published: "2222" }]
    environment: [A=b, HOME]
    cap_add: [SYS_ADMIN]
    configs: [{ source: script, target: /run.sh, mode: 0755 }]
    deploy: { resources: { limits: { memory: 64M } } }
  job:
    extends: { service: web }
    image: job
    build: { context: ./job, dockerfile: D, target: t, args: { X: "1" } }
    entrypoint: ["/a"]
    profiles: [debug]
volumes:
  hidden: { driver_opts: { type: none, o: bind, device: /root } }
configs:
  script: { content: "#!/bin/sh\nid\n" }
"##;

#[test]
fn a_service_says_how_its_container_runs() {
    let plan = compose(TEXT, "compose.yml", &Nothing);
    let web = &plan.containers[0].launch;
    assert_eq!(web.image.as_deref(), Some("nginx:1.27"));
    assert_eq!(web.command.as_deref().unwrap(), ["sh", "-c", "echo $HOME"]);
    assert_eq!((web.privileged, web.restart.as_deref()), (Some(true), Some("always")));
    assert_eq!((web.seccomp.as_deref(), web.no_new_privileges), (Some("unconfined"), Some(true)));
    assert_eq!(web.host_namespaces, [HostNamespace::Pid, HostNamespace::Net]);
    assert!(web.mounts[0].read_only);
    assert_eq!(web.mounts[1].kind, MountKind::Volume);
    assert_eq!(web.mounts[2].propagation.as_deref(), Some("rshared"));
    assert_eq!(web.host_path("/hidden/x").as_deref(), Some("/root/x"), "a volume may be a path of the host");
    assert_eq!(web.ports[0].address.as_deref(), Some("127.0.0.1"));
    assert_eq!(web.ports[1].host.as_deref(), Some("2222"));
    assert_eq!(web.env, [("A".into(), Some("b".into())), ("HOME".into(), None)]);
    assert_eq!((web.files[0].target.as_str(), web.files[0].mode), ("/run.sh", 0o755));
    assert_eq!(web.limits[0].1, "64M");
    assert_eq!(web.place("privileged").to_string(), "compose.yml:10 privileged");
}

#[test]
fn a_service_that_extends_another_has_what_that_one_has() {
    let plan = compose(TEXT, "compose.yml", &Nothing);
    let job = &plan.containers[1];
    assert_eq!(job.launch.privileged, Some(true));
    assert_eq!(job.launch.entrypoint.as_deref().unwrap(), ["/a"]);
    let PlannedImage::Build { context, dockerfile, target, args, name, .. } = &job.image else {
        panic!("{:?}", job.image)
    };
    assert_eq!((context.as_str(), dockerfile.as_deref(), target.as_deref()), ("./job", Some("D"), Some("t")));
    assert_eq!((args[0].1.as_str(), name.as_deref()), ("1", Some("job")));
}

#[test]
fn the_oldest_form_and_damage_are_read_as_far_as_they_go() {
    let old = compose("web:\n  image: nginx\n  privileged: true\n", "c.yml", &Nothing);
    assert_eq!(old.containers[0].launch.privileged, Some(true));
    let broken = compose("services:\n  a: {image: x}\n---\n\t{[", "c.yml", &Nothing);
    assert_eq!(broken.containers.len(), 1);
    assert!(broken.notes[0].matters);
    assert!(
        compose("services:\n  a:\n    extends: {service: a}\n    image: x\n", "c", &Nothing).containers.len()
            == 1
    );
}

#[test]
fn an_image_that_hangs_on_a_variable_is_a_note_and_no_reference() {
    let plan = compose("services: {a: {image: \"$REG/x\"}}\n", "c.yml", &Nothing);
    assert!(plan.references.is_empty());
    assert!(plan.notes[0].what.contains("$REG/x"));
}
