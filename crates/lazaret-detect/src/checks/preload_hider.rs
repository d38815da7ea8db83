use lazaret_model::{Class, Confidence, EntryPath, Evidence, FactKind, Finding, Location, Reach, Rule, Severity};

use super::Check;
use crate::Case;

/// A library that is loaded into every process and takes the place of the functions that list
/// files and processes.
pub(super) struct PreloadHider;

impl Check for PreloadHider {
    fn rule(&self) -> Rule {
        Rule {
            id: "stealth/preload-hider".into(),
            title: "hide files or processes from everything that runs in it".into(),
            explanation: "A library is loaded into every program (`/etc/ld.so.preload` or `LD_PRELOAD`) and exports \
                the functions with which programs list directories. That is how user-mode rootkits hide a miner \
                from `ps` and `top`. Do not run it."
                .into(),
            class: Class::Malware,
            severity: Severity::Critical,
            confidence: Confidence::High,
            attack: vec!["T1574.006".into(), "T1014".into()],
            references: vec!["https://attack.mitre.org/techniques/T1574/006/".into()],
        }
    }

    fn fires(&self) -> &'static [&'static str] {
        &["FILE /etc/ld.so.preload 0644\n    /usr/local/lib/libsys.so\n\
           ELF /usr/local/lib/libsys.so 0755 shared symbols=readdir,readdir64\n    /proc/self/fd/%d\n\
           ELF /usr/bin/app 0755\n    app\n\
           ENTRYPOINT [\"/usr/bin/app\"]"]
    }

    fn quiet(&self) -> &'static [&'static str] {
        &["FILE /etc/ld.so.preload 0644\n    /usr/lib/libjemalloc.so.2\n\
           ELF /usr/lib/libjemalloc.so.2 0755 shared symbols=malloc,free,calloc\n    jemalloc\n\
           ELF /usr/bin/app 0755\n    app\n\
           ENTRYPOINT [\"/usr/bin/app\"]"]
    }

    fn look(&self, case: &Case<'_>, _earlier: &[Finding]) -> Vec<Finding> {
        let rule = self.rule();
        let mut findings = Vec::new();
        for (from, name) in preloaded(case) {
            let Some(found) = case.view.resolve(name.as_bytes(), &EntryPath::default()) else { continue };
            let (layer, path) = (found.data_layer, &found.data.path);
            for fact in case.facts_of(layer, path) {
                let FactKind::Elf { hooks, .. } = &fact.kind else { continue };
                if hooks.is_empty() || !fact.inside.is_empty() {
                    continue;
                }
                let what = format!("a library that takes the place of {}", hooks.join(", "));
                findings.push(
                    Finding::of(
                        &rule,
                        format!("it loads {path} into every process, and that hides what {} would list", hooks[0]),
                        case.evidence(layer, fact, what),
                    )
                    .and(from.clone())
                    .reach(Reach::Starts)
                    .refuted_by("the library does not filter what these functions return")
                    .build(),
                );
            }
        }
        findings
    }
}

/// Names of libraries that every process loads, and where that is written.
fn preloaded(case: &Case<'_>) -> Vec<(Evidence, String)> {
    let mut names = Vec::new();
    if let Some(found) = case.view.resolve(b"/etc/ld.so.preload", &EntryPath::default())
        && let Some(id) = found.data.content
        && let Some(bytes) = case.contents.get(&id)
    {
        let location = Location::file(found.data_layer, found.data.path.clone());
        // ld.so(8): a list separated by white space or colons.
        for name in String::from_utf8_lossy(&bytes).split([' ', '\t', '\n', ':']).filter(|n| !n.is_empty()) {
            let told = Evidence::at(location.clone(), "names the library").quoting(name);
            names.push((told, name.to_owned()));
        }
    }
    for (at, (name, value)) in case.image.config.env.iter().enumerate() {
        if name == "LD_PRELOAD" {
            let location = Location::Config(format!("Env[{at}]"));
            for library in value.split([' ', ':']).filter(|n| !n.is_empty()) {
                let told = Evidence::at(location.clone(), "names the library").quoting(value.clone());
                names.push((told, library.to_owned()));
            }
        }
    }
    names
}
