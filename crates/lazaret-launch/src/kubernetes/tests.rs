#![allow(clippy::unwrap_used)]

use lazaret_model::{HookTime, HostNamespace, Launch, MountKind};

use super::*;

fn launch(text: &str) -> Launch {
    let plan = kubernetes(text, "pod.yaml");
    assert_eq!(plan.notes, [], "{plan:?}");
    plan.containers[0].launch.clone()
}

const POD: &str = r#"
apiVersion: v1
kind: Pod
metadata: { name: web, namespace: prod }
spec:
  hostPID: true
  hostNetwork: true
  automountServiceAccountToken: false
  securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: RuntimeDefault } }
  containers:
  - name: app
    image: "example.test/app:1"
    command: ["sh", "-c"]
    args: ["echo $(GREETING) $$(NOT) $(OPEN)"]
    env:
    - { name: GREETING, value: hello }
    - name: TOKEN
      valueFrom: { secretKeyRef: { name: s, key: token } }
    securityContext:
      privileged: true
      allowPrivilegeEscalation: false
      capabilities: { add: [SYS_ADMIN], drop: ["ALL"] }
    ports: [ { containerPort: 80, hostPort: 8080 } ]
    resources: { limits: { memory: 64Mi } }
    lifecycle: { postStart: { exec: { command: [sh, -c, "id"] } } }
    livenessProbe: { httpGet: { path: / } }
    volumeMounts:
    - { name: root, mountPath: /host, readOnly: true, mountPropagation: HostToContainer }
    - { name: etc, mountPath: /mnt, subPath: cron.d }
  volumes:
  - { name: root, hostPath: { path: / } }
  - { name: etc, hostPath: { path: /etc } }
"#;

#[test]
fn a_pod_says_how_its_container_runs() {
    let read = launch(POD);
    assert_eq!(read.host_namespaces, [HostNamespace::Pid, HostNamespace::Net]);
    assert_eq!(read.entrypoint.as_deref().unwrap(), ["sh", "-c"]);
    assert_eq!(read.command.as_deref().unwrap(), ["echo hello $(NOT) $(OPEN)"]);
    assert_eq!((read.privileged, read.no_new_privileges), (Some(true), Some(true)));
    assert_eq!((read.run_as_non_root, read.user.as_deref()), (Some(true), Some("1000")));
    assert_eq!(read.seccomp.as_deref(), Some("RuntimeDefault"));
    assert_eq!((read.cap_add[0].as_str(), read.cap_drop[0].as_str()), ("SYS_ADMIN", "ALL"));
    assert!(read.mounts[0].read_only && read.mounts[0].kind == MountKind::Bind);
    assert_eq!(read.host_path("/mnt/x").as_deref(), Some("/etc/cron.d/x"));
    assert_eq!(read.ports[0].host.as_deref(), Some("8080"));
    assert_eq!(read.hooks[0].when, HookTime::PostStart);
    assert_eq!(read.probes, ["liveness"]);
    assert_eq!(read.env[1], ("TOKEN".into(), None));
    assert_eq!(read.place("privileged").to_string(), "pod.yaml:20 privileged");
}

#[test]
fn every_kind_that_holds_a_pod_is_opened() {
    for kind in
        ["Deployment", "DaemonSet", "StatefulSet", "ReplicaSet", "ReplicationController", "Job", "Rollout"]
    {
        let text = format!(
            "kind: {kind}\nmetadata: {{name: a}}\nspec:\n  template:\n    spec:\n      initContainers: [{{name: i, image: one}}]\n      \
             containers: [{{name: c, image: two}}]\n"
        );
        let plan = kubernetes(&text, "x");
        let names: Vec<_> = plan.references.iter().map(|r| r.name.as_str()).collect();
        assert_eq!(names, ["one", "two"], "{kind}");
        assert_eq!(plan.containers[0].name, format!("{kind}/a init i"));
    }
    let cron = "kind: CronJob\nspec:\n  jobTemplate:\n    spec:\n      template:\n        spec:\n          containers: [{name: c, image: x}]\n";
    assert_eq!(kubernetes(cron, "x").containers.len(), 1);
    let list = "kind: List\nitems:\n- {kind: Pod, spec: {containers: [{image: a}]}}\n- {kind: Service}\n";
    let plan = kubernetes(list, "x");
    assert_eq!((plan.containers.len(), plan.objects.len()), (1, 1));
}

#[test]
fn a_config_map_of_the_same_file_is_a_file_of_the_container() {
    let text = "kind: ConfigMap\nmetadata: {name: scripts}\ndata:\n  run.sh: |\n    #!/bin/sh\n    id\n---\nkind: Pod\nspec:\n  \
        containers:\n  - image: x\n    command: [/s/run.sh]\n    envFrom: [{configMapRef: {name: scripts}}]\n    \
        volumeMounts: [{name: s, mountPath: /s}]\n  volumes:\n  - name: s\n    configMap: {name: scripts, defaultMode: 0755}\n";
    let read = launch(text);
    assert_eq!(read.files[0].target, "/s/run.sh");
    assert_eq!((read.files[0].content.as_str(), read.files[0].mode), ("#!/bin/sh\nid\n", 0o755));
}

#[test]
fn roles_and_bindings_are_statements() {
    let text = "kind: ClusterRole\nmetadata: {name: r}\nrules:\n- {apiGroups: ['*'], resources: [secrets], verbs: [get, list]}\n---\n\
        kind: ClusterRoleBinding\nmetadata: {name: b}\nroleRef: {name: cluster-admin}\nsubjects: [{kind: ServiceAccount, name: default}]\n";
    let plan = kubernetes(text, "x");
    assert_eq!(plan.objects[0].field("RoleRule"), Some("groups=* resources=secrets verbs=get,list names="));
    assert_eq!(plan.objects[1].field("RoleRef"), Some("cluster-admin"));
    assert_eq!(plan.objects[1].field("Subject"), Some("ServiceAccount:default"));
}

#[test]
fn templates_and_damage_do_not_hide_what_can_be_read() {
    let text = "{{- if .Values.on }}\nkind: Pod\nspec:\n  hostPID: true\n  containers:\n  - image: {{ .Values.image }}:{{ .Values.tag }}\n{{- end }}\n";
    let plan = kubernetes(text, "x");
    assert_eq!(plan.containers[0].launch.host_namespaces, [HostNamespace::Pid]);
    assert!(plan.notes.iter().any(|note| note.matters && note.what.contains("not rendered")));
    let broken = kubernetes("kind: Pod\nspec: {containers: [{image: a}]}\n---\n\t- {[", "x");
    assert_eq!(broken.containers.len(), 1);
    assert!(broken.notes[0].matters);
}
