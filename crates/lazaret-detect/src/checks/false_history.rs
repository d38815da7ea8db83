use lazaret_model::{
    Class, Confidence, EntryPath, Evidence, FileKind, Finding, HistoryStep, LayerFacts, Location, Reach, Rule,
    Severity, one_line,
};

use super::Check;
use crate::Case;

/// A history that tells of other steps than those that made the layers.
///
/// The history is written by whoever builds the image, and builders differ: some write none (nix,
/// ko, bazel), some one step for all layers or layers without steps (squashing, `crane append`),
/// some set every date to one moment. None of that is a sign. A step in the words of the two
/// builders that tell exactly what they do (the classic builder and BuildKit) is, where its layer
/// holds what the step cannot have made. Even that is a lead: people write histories by hand.
pub(super) struct FalseHistory;

impl Check for FalseHistory {
    fn rule(&self) -> Rule {
        Rule {
            id: "stealth/false-history".into(),
            title: "tell of other build steps than those that made it".into(),
            explanation: "The history of the image says how each layer was made, and the layer holds something \
                else: files that the step does not name, files of a step that makes none, or no trace of the \
                packages that the step says it installed. Whoever reads the history to learn what is in the image \
                is deceived. Look at what the layer holds, not at what the step says."
                .into(),
            class: Class::Malware,
            severity: Severity::Medium,
            confidence: Confidence::Low,
            attack: vec!["T1036".into()],
            references: vec!["https://attack.mitre.org/techniques/T1036/".into()],
        }
    }

    fn fires(&self) -> &'static [&'static str] {
        &[
            // A step that copies a page, and a program beside it that the image starts.
            "LAYER COPY index.html /srv/www/ # buildkit\nFILE /srv/www/index.html\n    hello\n\
             ELF /usr/sbin/syncd 0755\n    x\nENTRYPOINT [\"/usr/sbin/syncd\"]",
            // A step that only states an environment variable has made a program.
            "LAYER /bin/sh -c #(nop)  ENV LANG=C.UTF-8\nELF /usr/bin/app 0755\n    x\nENTRYPOINT [\"/usr/bin/app\"]",
            "LAYER RUN /bin/sh -c apt-get update && apt-get install -y nginx # buildkit\nELF /usr/sbin/nginx 0755\n    x\n\
             ENTRYPOINT [\"/usr/sbin/nginx\"]",
            // Steps that say that they made layers, and none is there.
            "CLAIM /bin/sh -c apk add --no-cache ca-certificates\nCLAIM RUN x\nLAYER -\nELF /usr/bin/app 0755\n    x\n\
             ENTRYPOINT [\"/usr/bin/app\"]",
        ]
    }

    fn quiet(&self) -> &'static [&'static str] {
        &[
            "LAYER COPY app /usr/local/bin/ # buildkit\nELF /usr/local/bin/app 0755\n    x\nENTRYPOINT [\"app\"]",
            "LAYER COPY app /bin/app # buildkit\nSYMLINK /bin -> usr/bin\nELF /usr/bin/app 0755\n    x\nENTRYPOINT [\"/bin/app\"]",
            "WORKDIR /srv\nLAYER COPY . . # buildkit\nELF /srv/app 0755\n    x\nENTRYPOINT [\"/srv/app\"]",
            "LAYER RUN /bin/sh -c apt-get update && apt-get install -y nginx # buildkit\nFILE /var/lib/dpkg/status\n    \
             Package: nginx\nELF /usr/sbin/nginx 0755\n    x\nENTRYPOINT [\"/usr/sbin/nginx\"]",
            // Builders that write no steps, fewer steps than layers, or none for some layers.
            "BUILDER none\nLAYER -\nELF /bin/app 0755\n    x\nENTRYPOINT [\"/bin/app\"]",
            "LAYER bazel build ...\nELF /bin/app 0755\n    x\nLAYER -\nELF /bin/more 0755\n    x\nENTRYPOINT [\"/bin/app\"]",
            // kaniko writes the Dockerfile's line, and a snapshot of all that changed.
            "LAYER COPY app /app\nELF /app 0755\n    x\nFILE /etc/passwd\n    root:x:0:0::/:/bin/sh\nENTRYPOINT [\"/app\"]",
        ]
    }

    fn look(&self, case: &Case<'_>, earlier: &[Finding]) -> Vec<Finding> {
        let rule = self.rule();
        let mut findings = Vec::new();
        for (number, facts) in case.view.layers().iter().enumerate() {
            if let Some(contradiction) = contradiction(case, number, facts) {
                findings.push(contradiction.finding(&rule, case, number, earlier));
            }
        }
        findings.extend(missing_layers(&rule, case));
        findings
    }
}

/// What a layer holds that its step cannot have made, or lacks that it must have.
struct Contradiction {
    step: usize,
    /// In words, as the rest of a sentence that begins with the step.
    what: String,
    /// A file that shows it.
    file: Option<EntryPath>,
    /// What such a mistake would cost: nothing where a step may have its reasons.
    weak: bool,
}

impl Contradiction {
    fn finding(self, rule: &Rule, case: &Case<'_>, layer: usize, earlier: &[Finding]) -> Finding {
        let told = case.image.config.history.get(self.step).map_or("", |step| step.created_by.as_str());
        let reach = self.file.as_ref().map_or(Reach::Dormant, |file| case.reach(layer, file));
        let evidence = Evidence::at(Location::History(self.step), "a step of its history").quoting(told);
        let message = format!("its history says `{}`, {}", one_line(told, 80), self.what);
        let mut finding = Finding::of(rule, message, evidence).reach(reach);
        let is_accused = earlier.iter().any(|other| {
            let likely = other.class == Class::Malware && other.confidence >= Confidence::Medium;
            let of_file = |evidence: &Evidence| matches!(&evidence.location, Location::File { layer: at, path, .. } if *at == layer && Some(path) == self.file.as_ref());
            likely && other.evidence().iter().any(of_file)
        });
        if let Some(file) = self.file {
            finding = finding.and(Evidence::at(Location::file(layer, file), "is in the layer of that step"));
        }
        if self.weak {
            finding = finding.severity(Severity::Low).class(Class::DualUse);
        } else if is_accused {
            // What speaks for itself is also hidden from those who read the history.
            finding = finding.confidence(Confidence::Medium);
        }
        finding.refuted_by("the layer is shown to be made by another builder, which writes its steps so").build()
    }
}

fn contradiction(case: &Case<'_>, layer: usize, facts: &LayerFacts) -> Option<Contradiction> {
    let step = case.image.layers.get(layer)?.history?;
    let told = case.image.config.history.get(step)?;
    let exact = instruction(told)?;
    let files = || facts.entries.iter().filter(|entry| entry.kind == FileKind::File && entry.whiteout.is_none());
    let (word, rest) = exact.split_once(char::is_whitespace).unwrap_or((exact, ""));
    match word {
        "COPY" | "ADD" => {
            let target = target(case, step, rest)?;
            let real = case.view.real_path(target.as_bytes(), &EntryPath::default()).unwrap_or_default();
            let within = |path: &EntryPath| path.is_within(&target) || (!real.is_root() && path.is_within(&real));
            // Only programs: a builder may touch what it needs on the way.
            let stray = files().filter(|entry| entry.is_executable() && !within(&entry.path));
            let stray = stray.max_by_key(|entry| case.reach(layer, &entry.path))?;
            let what = format!("and that layer also holds {}", stray.path);
            Some(Contradiction { step, what, file: Some(stray.path.clone()), weak: false })
        }
        "ENV" | "CMD" | "ENTRYPOINT" | "LABEL" | "EXPOSE" | "USER" | "STOPSIGNAL" | "HEALTHCHECK" | "MAINTAINER"
        | "SHELL" | "VOLUME" | "ARG" => {
            let made = files().filter(|entry| entry.is_executable());
            let made = made.max_by_key(|entry| case.reach(layer, &entry.path))?;
            let what = format!("which makes no file, and its layer holds {}", made.path);
            Some(Contradiction { step, what, file: Some(made.path.clone()), weak: false })
        }
        "RUN" => {
            let installs = installer(rest)?;
            let noted = facts.entries.iter().any(|entry| {
                let path = entry.path.to_str();
                installs.databases.iter().any(|database| path.starts_with(database))
            });
            (!noted && facts.complete).then(|| Contradiction {
                step,
                what: format!("and its layer changes no package database of {}", installs.name),
                file: None,
                weak: true,
            })
        }
        _ => None,
    }
}

/// The instruction of a step in the words of the classic builder or of BuildKit; None for other
/// builders, whose words promise nothing.
fn instruction(step: &HistoryStep) -> Option<&str> {
    let text = step.created_by.trim();
    if let Some(rest) = text.strip_prefix("/bin/sh -c #(nop)") {
        return Some(rest.trim_start());
    }
    // BuildKit marks the steps that make layers in the text, and all of its own in the comment.
    if let Some(rest) = text.strip_suffix("# buildkit") {
        return Some(rest.trim_end());
    }
    let makes = ["RUN", "COPY", "ADD"].iter().any(|word| text.starts_with(word));
    (step.comment == "buildkit.dockerfile.v0" && !makes).then_some(text)
}

/// Where a `COPY` or `ADD` puts its files; None where it cannot be told.
fn target(case: &Case<'_>, step: usize, rest: &str) -> Option<EntryPath> {
    let rest = rest.trim();
    let last = if rest.ends_with(']') {
        serde_json::from_str::<Vec<String>>(rest.get(rest.find('[')?..)?).ok()?.pop()?
    } else {
        rest.rsplit(char::is_whitespace).next()?.to_owned()
    };
    if last.is_empty() || last.contains('$') {
        return None;
    }
    if last.starts_with('/') {
        return Some(EntryPath::from(last.as_str()));
    }
    // Relative to the directory that an earlier step set.
    let before = case.image.config.history.get(..step)?.iter().rev();
    let mut parts = vec![last];
    for text in before.filter_map(instruction) {
        let Some(directory) = text.strip_prefix("WORKDIR").map(str::trim) else { continue };
        if directory.contains('$') {
            return None;
        }
        parts.push(directory.to_owned());
        if directory.starts_with('/') {
            break;
        }
    }
    parts.reverse();
    // No step says where the base image stands.
    parts.first()?.starts_with('/').then(|| EntryPath::from(parts.join("/").as_str()))
}

/// A package manager and the files that it changes with each installation.
struct Installer {
    name: &'static str,
    databases: &'static [&'static str],
}

fn installer(command: &str) -> Option<Installer> {
    // Another root, a download alone, and a step that undoes what it did have their own reasons.
    let elsewhere =
        ["root", "download", "--print-uris", "-d ", "--simulate", "chroot", "/var/lib/dpkg", "|| ", "if "];
    if elsewhere.iter().any(|word| command.contains(word)) {
        return None;
    }
    let has = |words: &[&str]| words.iter().any(|word| command.contains(word));
    if has(&["apt-get install ", "apt install ", "apt-get -y install "]) {
        Some(Installer { name: "dpkg", databases: &["var/lib/dpkg"] })
    } else if has(&["apk add "]) {
        Some(Installer { name: "apk", databases: &["lib/apk/db", "usr/lib/apk/db", "etc/apk/world"] })
    } else if has(&["yum install ", "dnf install ", "microdnf install ", "yum -y install ", "dnf -y install "]) {
        Some(Installer { name: "rpm", databases: &["var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm"] })
    } else {
        None
    }
}

/// Steps that say that they made layers which are not there. Builders leave steps out; none of
/// those that we know writes more of them than it made layers.
fn missing_layers(rule: &Rule, case: &Case<'_>) -> Option<Finding> {
    // Of an image that is not built yet, there are steps and no layers.
    if case.view.layers().iter().any(|facts| !facts.complete) {
        return None;
    }
    let history = &case.image.config.history;
    let layers = case.image.layers.len();
    let claimed = history.iter().filter(|step| !step.empty_layer).count();
    if claimed <= layers {
        return None;
    }
    let named: Vec<usize> = case.image.layers.iter().filter_map(|layer| layer.history).collect();
    let alone = history.iter().enumerate().find(|(at, step)| !step.empty_layer && !named.contains(at));
    let (at, step) = alone.or_else(|| history.iter().enumerate().find(|(_, step)| !step.empty_layer))?;
    let evidence =
        Evidence::at(Location::History(at), "says that it made a layer").quoting(step.created_by.clone());
    let message = format!("its history tells of {claimed} layers, and it has {layers}");
    Some(
        Finding::of(rule, message, evidence)
            .class(Class::DualUse)
            .severity(Severity::Low)
            .refuted_by("its builder is shown to join layers and to keep their steps")
            .build(),
    )
}
