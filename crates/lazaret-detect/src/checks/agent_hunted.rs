use lazaret_model::{BehaviourKind, Class, Confidence, Finding, Rule, Severity};

use super::Check;
use crate::Case;
use crate::case::base_name;

/// When it starts, the image looks for a security agent in the list of processes and then ends what
/// it found. Neither step says both: the search names the agent, the end names only a number.
pub(super) struct AgentHunted;

/// Parts of the names under which security agents run.
const AGENTS: &[&str] = &[
    "aegis", "aliyun", "alisec", "alihids", "assist_daemon", "argusagent", "cloudmonitor", "cmsgoagent",
    "qcloud", "yunjing", "ydservice", "ydlive", "barad_agent", "sgagent", "bcm-agent", "bcm-si", "titanagent",
    "hostguard", "falcon-sensor", "falcond", "crowdstrike", "sentinelone", "sentinelagent", "sentinelctl",
    "mdatp", "wdavdaemon", "ossec", "wazuh", "osquery", "auditbeat", "elastic-agent", "elastic-endpoint",
    "falco", "sysdig", "tetragon", "tracee", "kubearmor", "twistlock", "neuvector", "carbonblack", "cbagentd",
    "cbdaemon", "cylance", "traps_pmd", "cortex", "sophos", "ds_agent", "klnagent", "kesl", "drweb", "esets",
    "bitdefender", "f-secure", "mcafee", "mfetpd", "symantec", "qualys", "nessus", "rapid7", "ir_agent",
    "lacework", "threatstack", "uptycs", "cybereason", "tanium", "xagt", "fireeye", "auditd", "sysmon",
    "safedog", "clamd", "rkhunter", "chkrootkit",
];

impl Check for AgentHunted {
    fn rule(&self) -> Rule {
        Rule {
            id: "defense-evasion/agent-hunted".into(),
            title: "look for a security agent and end it".into(),
            explanation: "When the container starts, it searches the list of processes for the name of a security \
                agent and ends what it finds. In a container of its own there is none; it is meant for the machine \
                that it runs on. Do not run it."
                .into(),
            class: Class::Malware,
            severity: Severity::High,
            confidence: Confidence::Medium,
            attack: vec!["T1562.001".into(), "T1685".into(), "T1489".into()],
            references: vec!["https://attack.mitre.org/techniques/T1562/001/".into()],
        }
    }

    fn fires(&self) -> &'static [&'static str] {
        &[
            "FILE /start.sh 0755\n    #!/bin/sh\n    ps aux | grep -i '[a]liyun' | awk '{print $2}' | xargs kill -9\n\
             ENTRYPOINT [\"/start.sh\"]",
            "FILE /start.sh 0755\n    #!/bin/sh\n    ps -ef | grep -v grep | grep falco | awk '{print $2}' | \
             xargs -I % kill -9 %\nENTRYPOINT [\"/start.sh\"]",
        ]
    }

    fn quiet(&self) -> &'static [&'static str] {
        &[
            "FILE /start.sh 0755\n    #!/bin/sh\n    ps aux | grep worker | awk '{print $2}' | xargs kill\n\
             ENTRYPOINT [\"/start.sh\"]",
            // Whether it is there is a question, and what is ended is another's.
            "FILE /start.sh 0755\n    #!/bin/sh\n    ps aux | grep -q falco && echo watched\n    \
             kill $(cat /run/app.pid)\nENTRYPOINT [\"/start.sh\"]",
        ]
    }

    fn look(&self, case: &Case<'_>, _earlier: &[Finding]) -> Vec<Finding> {
        let mut searched: Option<&str> = None;
        for behaviour in &case.start.behaviours {
            let BehaviourKind::Process { argv, fed_by, .. } = &behaviour.kind else { continue };
            let name = argv.first().map_or("", |program| base_name(program));
            let fed = |names: &[&str]| fed_by.iter().any(|by| names.contains(&base_name(by)));
            match name {
                "grep" | "egrep" | "fgrep" | "awk" | "gawk" | "mawk" | "sed" if fed(&["ps", "top", "netstat", "ss"]) => {
                    searched = argv[1..].iter().find_map(|word| agent(word)).or(searched);
                }
                "kill" | "xargs" if fed(&["grep", "egrep", "fgrep", "awk", "gawk", "mawk", "ps"]) => {
                    let ends = name == "kill" || argv.iter().any(|word| base_name(word) == "kill");
                    if let Some(agent) = searched
                        && ends
                    {
                        let message = format!("it searches for processes of `{agent}` and ends them");
                        return vec![
                            Finding::of(&self.rule(), message, case.behaviour_evidence(behaviour))
                                .reach(Case::phase_reach(behaviour.phase))
                                .build(),
                        ];
                    }
                }
                _ => {}
            }
        }
        Vec::new()
    }
}

/// The agent that a pattern asks for, in whatever case and with the brackets that keep a search from
/// finding itself.
fn agent(pattern: &str) -> Option<&'static str> {
    let plain: String = pattern.chars().filter(|c| !matches!(c, '[' | ']')).collect::<String>().to_lowercase();
    AGENTS.iter().copied().find(|name| plain.contains(name))
}
