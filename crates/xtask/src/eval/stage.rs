//! A case as an image: a script becomes the entry point of a minimal one, a binary is started at
//! an innocent path, and a file that says how images are built or run is what it says.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use lazaret_detect::{Pack, Weight, judge_plan, try_recipe, weight};
use lazaret_launch::TextKind;
use lazaret_model::{Behaviour, BehaviourKind, EntryPath, FileKind, ImageReport, Outcome};
use lazaret_recipe::{Recipe, RecipeFile, RecipeLayer};
use lazaret_scan::Folder;

use super::images::Images;
use super::manifest::{Case, Kind};

/// What a minimal image holds, so that the words of a script are looked up as in a real one. All
/// are inert.
const PROGRAMS: &[(&str, &str)] = &[
    (
        "/bin",
        "bash dash cat chmod chown cp date dd df echo hostname kill ln ls mkdir mknod mktemp more mount mv \
         ps pwd rm rmdir sed sleep stty su sync tar touch umount uname",
    ),
    (
        "/usr/bin",
        "apt-get awk base64 basename chattr chsh crontab curl cut diff dirname dpkg env expr find gpg grep \
         groups gzip head id install less lsattr lua mawk nc node nohup nproc openssl od passwd perl php \
         pip printf python3 readlink rev ruby scp setsid sha256sum sort ssh ssh-keygen stat strings sudo \
         tail tee test timeout top tr uniq unzip wc wget which who whoami xargs xxd",
    ),
    ("/usr/sbin", "useradd usermod groupadd chroot ip iptables sysctl cron sshd"),
];

/// Names under which another program of the image answers.
const LINKS: &[(&str, &str)] = &[
    ("/bin/sh", "dash"),
    ("/bin/grep", "/usr/bin/grep"),
    ("/bin/nc", "/usr/bin/nc"),
    ("/bin/gzip", "/usr/bin/gzip"),
    ("/bin/python3", "/usr/bin/python3"),
    ("/usr/bin/python", "python3"),
    ("/usr/bin/bash", "/bin/bash"),
    ("/usr/bin/sh", "/bin/dash"),
];

/// What was said of a case.
#[derive(Debug, Clone)]
pub(crate) enum Judged {
    /// A verdict, and what it rests on.
    Told {
        outcome: Outcome,
        findings: Vec<Told>,
        gaps: Vec<String>,
        /// What it does, one line each.
        behaviours: Vec<String>,
    },
    /// Nothing judges this kind, or judging failed; the reason.
    Not(String),
}

/// One finding, as far as it is counted.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub rule: String,
    pub attack: Vec<String>,
    pub severity: String,
    /// Whether it moves the verdict.
    pub counts: bool,
}

/// What judges cases.
pub(crate) struct Stage<'a> {
    pub pack: &'a Pack,
    /// The program, whose worker reads cases that are whole images.
    pub program: &'a Path,
    /// Rules beside the built-in ones, as the pack has them.
    pub rules: &'a [PathBuf],
    base: RecipeLayer,
}

impl<'a> Stage<'a> {
    pub fn new(pack: &'a Pack, program: &'a Path, rules: &'a [PathBuf]) -> Result<Self> {
        Ok(Self { pack, program, rules, base: base()? })
    }

    /// Judges one case; the time is that of judging alone.
    ///
    /// `images` is what this thread scans images with, once it has met one.
    pub fn judge(&self, case: &Case, images: &mut Option<Images>) -> Result<(Judged, Duration)> {
        let text = match case.kind {
            Kind::Image => return self.whole(case, images),
            Kind::Dockerfile => Some(TextKind::Dockerfile),
            Kind::Compose => Some(TextKind::Compose),
            Kind::Kubernetes => Some(TextKind::Kubernetes),
            Kind::Script | Kind::Binary => None,
        };
        if let Some(kind) = text {
            return self.text(&case.file, kind);
        }
        let bytes = fs::read(&case.file).with_context(|| format!("cannot read {}", case.file.display()))?;
        let name = case.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let recipe = match case.kind {
            Kind::Binary => self.image("/usr/local/bin/server", bytes, &[]),
            _ => {
                let interpreter = interpreter(&name, &bytes);
                // Its own name would tell rules what it is, as no entry point's does.
                let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
                let dot = if ending.is_empty() { "" } else { "." };
                self.image(&format!("/usr/local/bin/entrypoint{dot}{ending}"), bytes, interpreter)
            }
        };
        let begun = Instant::now();
        let report = try_recipe(self.pack, &recipe);
        let took = begun.elapsed();
        Ok((told(&report), took))
    }

    /// The base and one program above it that is the entry point, run by `interpreter` where the
    /// kernel would not know how.
    fn image(&self, path: &str, bytes: Vec<u8>, interpreter: &[&str]) -> Recipe {
        let mut recipe = Recipe::parse("").expect("an empty text is a recipe");
        let mut entry = self.base.files[0].entry.clone();
        entry.path = EntryPath::from(path);
        entry.kind = FileKind::File;
        entry.mode = 0o755;
        entry.size = bytes.len() as u64;
        recipe.layers =
            vec![self.base.clone(), RecipeLayer { history: None, files: vec![RecipeFile { entry, bytes }] }];
        recipe.config.entrypoint = interpreter.iter().map(|word| (*word).to_owned()).collect();
        recipe.config.entrypoint.push(path.to_owned());
        recipe
    }

    /// A file that says how images are built or run, as `lazaret check --offline` judges it: with
    /// what stands beside it, and without the images that it names, which are other people's.
    fn text(&self, path: &Path, kind: TextKind) -> Result<(Judged, Duration)> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let folder = Folder::of(path.parent().unwrap_or(Path::new(".")));
        let begun = Instant::now();
        let text = String::from_utf8_lossy(&bytes);
        let plan = match lazaret_launch::read_with_builds(&name, &text, Some(kind), &folder) {
            Ok(plan) => plan,
            Err(error) => return Ok((Judged::Not(error.to_string()), begun.elapsed())),
        };
        let reports = judge_plan(self.pack, &plan, &name);
        let took = begun.elapsed();
        Ok((all_told(reports.iter().map(|(_, report)| report)), took))
    }

    /// A whole image, by the whole pipeline.
    fn whole(&self, case: &Case, images: &mut Option<Images>) -> Result<(Judged, Duration)> {
        let images = match images {
            Some(images) => images,
            none => none.insert(Images::new(self.program, self.rules)?),
        };
        let (reports, took) = images.scan(&case.file, case.other("run"))?;
        Ok((all_told(reports.iter()), took))
    }
}

/// The minimal image's only layer.
fn base() -> Result<RecipeLayer> {
    let mut text = String::from(
        "FILE /etc/os-release\n    ID=debian\n    VERSION_ID=\"13\"\nFILE /etc/passwd\n    \
         root:x:0:0:root:/root:/bin/bash\n    www-data:x:33:33::/var/www:/usr/sbin/nologin\n",
    );
    // A package owns them all, as in an image that a distribution made.
    let mut owned = String::new();
    for (folder, names) in PROGRAMS {
        for name in names.split_whitespace() {
            text.push_str(&format!("ELF {folder}/{name} 0755\n    {name}\n"));
            owned.push_str(&format!("    {folder}/{name}\n"));
        }
    }
    text.push_str(&format!(
        "FILE /var/lib/dpkg/status\n    Package: base\n    Status: install ok installed\n    Version: 1\n    \
         Architecture: amd64\nFILE /var/lib/dpkg/info/base.list\n    /.\n{owned}"
    ));
    for (path, target) in LINKS {
        text.push_str(&format!("SYMLINK {path} -> {target}\n"));
    }
    let mut layers = Recipe::parse(&text)?.layers;
    layers.pop().context("the base has a layer")
}

/// How a script is started that has no `#!` line: by its name, then by its words.
fn interpreter(name: &str, bytes: &[u8]) -> &'static [&'static str] {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]);
    if text.starts_with("#!") {
        return &[];
    }
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "py" => return &["/usr/bin/python3"],
        "pl" => return &["/usr/bin/perl"],
        "rb" => return &["/usr/bin/ruby"],
        "php" => return &["/usr/bin/php"],
        "js" | "mjs" | "cjs" => return &["/usr/bin/node"],
        "lua" => return &["/usr/bin/lua"],
        "awk" => return &["/usr/bin/awk", "-f"],
        "ps1" => return &["/usr/bin/pwsh", "-File"],
        "bash" => return &["/bin/bash"],
        _ => {}
    }
    if text.starts_with("<?php") {
        return &["/usr/bin/php"];
    }
    let begins = |words: &[&str]| text.lines().any(|line| words.iter().any(|word| line.starts_with(word)));
    if begins(&["import ", "from ", "def "]) && !begins(&["fi", "done", "if ["]) {
        return &["/usr/bin/python3"];
    }
    &["/bin/bash"]
}

fn told(report: &ImageReport) -> Judged {
    all_told(std::iter::once(report))
}

/// Several reports on one case: the worst verdict, and all that was found.
fn all_told<'r>(reports: impl Iterator<Item = &'r ImageReport>) -> Judged {
    let mut outcome = Outcome::Clean;
    let (mut all_findings, mut gaps, mut behaviours) = (Vec::new(), Vec::new(), Vec::new());
    for report in reports {
        if report.verdict.outcome.rank() > outcome.rank() {
            outcome = report.verdict.outcome;
        }
        all_findings.extend(findings_told(report));
        gaps.extend(report.gaps.iter().filter(|gap| gap.matters).map(ToString::to_string));
        behaviours.extend(report.behaviours.iter().map(line));
    }
    Judged::Told { outcome, findings: all_findings, gaps, behaviours }
}

fn findings_told(report: &ImageReport) -> impl Iterator<Item = Told> + '_ {
    report.findings.iter().map(|finding| Told {
        rule: finding.rule.id.clone(),
        attack: finding.rule.attack.clone(),
        severity: finding.severity.to_string(),
        counts: weight(finding) > Weight::None,
    })
}

/// A behaviour as one line.
fn line(behaviour: &Behaviour) -> String {
    let (phase, certainty) = (behaviour.phase.name(), behaviour.certainty);
    let text = match &behaviour.kind {
        BehaviourKind::Process { argv, image, fed_by, stdin, downloaded, .. } => {
            let mut text = format!("runs {argv:?} as {}", image.as_deref().unwrap_or("?"));
            if !fed_by.is_empty() {
                text.push_str(&format!(" fed by {fed_by:?}"));
            }
            if let Some(stdin) = stdin {
                text.push_str(&format!(" with {stdin:?}"));
            }
            if let Some(address) = downloaded {
                text.push_str(&format!(" from {address}"));
            }
            text
        }
        BehaviourKind::File { op, path, content, by } => format!("{op:?} {path} by {by}: {content:?}"),
        BehaviourKind::Network { host, port, url, by } => format!("{by} connects {host} {port:?} {url:?}"),
    };
    format!("{phase} {certainty:?} {text}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_script_without_an_interpreter_line_gets_the_one_that_its_words_ask_for() {
        for (name, text, wanted) in [
            ("a", "#!/usr/bin/perl\n", ""),
            ("a.pl", "use Socket;\n", "/usr/bin/perl"),
            ("a", "import os\nos.system('id')\n", "/usr/bin/python3"),
            ("a", "<?php system('id');", "/usr/bin/php"),
            ("a", "if [ -f x ]; then\nimport x.png\nfi\n", "/bin/bash"),
        ] {
            let got = interpreter(name, text.as_bytes()).first().copied().unwrap_or_default();
            assert_eq!(got, wanted, "{text}");
        }
    }

    #[test]
    fn the_minimal_image_alone_is_clean() {
        let pack = Pack::load(&[], None).unwrap();
        let stage = Stage::new(&pack, Path::new("/nonexistent"), &[]).unwrap();
        let recipe = stage.image("/usr/local/bin/entry.sh", b"#!/bin/sh\ntrue\n".to_vec(), &[]);
        let report = try_recipe(&pack, &recipe);
        assert_eq!(report.verdict.outcome, Outcome::Clean, "{:?}", report.findings);
        assert!(report.findings.is_empty(), "{:?}", report.findings);
    }
}
