//! `COPY` and `ADD`: which files stand where afterwards.

use std::collections::BTreeMap;

use lazaret_model::EntryPath;
use parse_dockerfile::{Flag, Source, UnescapedString};

use super::flag_text;
use super::lines::Lines;
use super::stage::Stage;
use crate::{Beside, MadeFile, Plan, Statement};

/// Files of a made image whose content is kept.
const FILES: usize = 2_000;
/// Bytes of one such file, and of all of them.
const FILE_BYTES: usize = 4 << 20;
const ALL_BYTES: usize = 32 << 20;
/// Paths of unknown content that are told.
const UNKNOWN: usize = 500;

/// One instruction.
pub(super) struct Request {
    kind: &'static str,
    offset: usize,
    flags: Vec<String>,
    from: Option<String>,
    chmod: Option<u32>,
    parents: bool,
    sources: Vec<String>,
    documents: Vec<(String, String)>,
    target: String,
}

impl Request {
    pub fn of(
        kind: &'static str,
        offset: usize,
        options: &[Flag<'_>],
        sources: &[Source<'_>],
        target: &UnescapedString<'_>,
    ) -> Self {
        let option = |name: &str| {
            let flag = options.iter().find(|flag| flag.name.value == name)?;
            flag.value.as_ref().map(|value| value.value.to_string())
        };
        let mut request = Self {
            kind,
            offset,
            flags: options.iter().map(flag_text).collect(),
            from: option("from"),
            chmod: option("chmod")
                .and_then(|mode| u32::from_str_radix(mode.trim_start_matches("0o"), 8).ok()),
            parents: options.iter().any(|flag| flag.name.value == "parents"),
            sources: Vec::new(),
            documents: Vec::new(),
            target: target.value.to_string(),
        };
        for source in sources {
            match source {
                Source::Path(path) => request.sources.push(path.value.to_string()),
                Source::HereDoc(document) => {
                    let name = format!("here-document-{}", request.documents.len());
                    request.documents.push((name, document.value.to_string()));
                }
                _ => {}
            }
        }
        request
    }
}

impl Stage {
    #[expect(clippy::too_many_arguments, reason = "each is another part of the build")]
    pub(super) fn copy(
        &mut self,
        request: Request,
        file: &Lines<'_>,
        plan: &mut Plan,
        earlier: &[Self],
        beside: &dyn Beside,
        given: &BTreeMap<String, String>,
        global: &BTreeMap<String, String>,
    ) {
        let place = file.place(request.offset, request.kind);
        let sources: Vec<String> = request.sources.iter().map(|s| self.filled(s)).collect();
        let target = self.filled(&request.target);
        let text = format!("{} {} {target}", request.kind, sources.join(" "));
        let step = self.step(format!("{text} # buildkit"), false);
        let mut statement = Statement::new(request.kind, place.clone())
            .with("Arguments", format!("{} {target}", sources.join(" ")))
            .with("Destination", target.as_str());
        for source in &sources {
            statement = statement.with("Source", source.as_str());
        }
        for flag in &request.flags {
            statement = statement.with("Flag", flag.as_str());
        }
        let from = request.from.as_ref().map(|from| {
            let known = self.filled(from);
            crate::variables::substitute(&known, false, &|name| {
                global.get(name).or_else(|| given.get(name)).cloned()
            })
        });
        if let Some(from) = &from {
            statement = statement.with("From", from.as_str());
        }
        self.statements.push(statement);

        let directory = target.ends_with('/')
            || sources.len() + request.documents.len() > 1
            || target == "."
            || target.ends_with("/.");
        let base = clean(&self.absolute(&target));
        for (name, content) in &request.documents {
            let path = if directory { format!("{base}/{name}") } else { base.clone() };
            self.keep(path, request.chmod.unwrap_or(0o644), content.as_bytes().to_vec(), step);
        }
        let other = from.as_ref().map(|from| earlier.iter().rfind(|stage| stage.is_called(from)));
        match (other, &from) {
            (Some(Some(stage)), _) => {
                for source in &sources {
                    self.take_from_stage(stage, source, &base, directory, request.chmod, step);
                }
            }
            (_, Some(from)) => {
                plan.name_image(from, "COPY --from", None, &place);
                for source in &sources {
                    self.unknown(&into(&base, source, directory));
                }
            }
            (_, None) => {
                for source in &sources {
                    if source.contains("://") || source.starts_with("git@") {
                        self.unknown(&into(&base, source, directory));
                    } else {
                        self.take_from_context(beside, source, &base, directory, &request, step);
                    }
                }
            }
        }
    }

    fn take_from_context(
        &mut self,
        beside: &dyn Beside,
        source: &str,
        base: &str,
        directory: bool,
        request: &Request,
        step: usize,
    ) {
        let source = clean(source);
        let source = source.trim_start_matches('/');
        if source.contains(['*', '?', '[']) {
            let matching: Vec<(String, u32)> =
                beside.below("").into_iter().filter(|(name, _)| glob(source, name)).take(FILES).collect();
            for (name, mode) in &matching {
                let path = if request.parents {
                    format!("{base}/{name}")
                } else {
                    into(base, name, directory || matching.len() > 1)
                };
                self.take(beside, name, path, request.chmod.unwrap_or(*mode), step);
            }
            // A pattern also matches folders, whose files come along.
            for (name, mode) in beside.below("").into_iter().take(FILES) {
                let Some((folder, _)) = name.split_once('/') else { continue };
                if glob(source, folder)
                    && let Some(rest) = name.strip_prefix(folder)
                {
                    self.take(beside, &name, format!("{base}{rest}"), request.chmod.unwrap_or(mode), step);
                }
            }
            return;
        }
        let folder = beside.below(source);
        if folder.is_empty() {
            let path = into(base, source, directory);
            let mode = mode_in(beside, source);
            self.take(beside, source, path, request.chmod.unwrap_or(mode), step);
            return;
        }
        for (name, mode) in folder.into_iter().take(FILES) {
            let whole = if source.is_empty() { name.clone() } else { format!("{source}/{name}") };
            self.take(beside, &whole, format!("{base}/{name}"), request.chmod.unwrap_or(mode), step);
        }
    }

    fn take(&mut self, beside: &dyn Beside, name: &str, path: String, mode: u32, step: usize) {
        match beside.read(name) {
            Some(content) => self.keep(path, mode, content, step),
            None => self.unknown(&path),
        }
    }

    fn take_from_stage(
        &mut self,
        stage: &Self,
        source: &str,
        base: &str,
        directory: bool,
        chmod: Option<u32>,
        step: usize,
    ) {
        let source = clean(&if source.starts_with('/') { source.to_owned() } else { format!("/{source}") });
        if let Some(file) = stage.file(&source) {
            self.keep(into(base, &source, directory), chmod.unwrap_or(file.mode), file.content.clone(), step);
            return;
        }
        let prefix = format!("{}/", source.trim_end_matches('/'));
        let below: Vec<MadeFile> =
            stage.made.files.iter().filter(|f| f.path.starts_with(&prefix)).cloned().collect();
        if below.is_empty() {
            self.unknown(&into(base, &source, directory));
        }
        for file in below {
            let rest = &file.path[prefix.len()..];
            self.keep(format!("{base}/{rest}"), chmod.unwrap_or(file.mode), file.content.clone(), step);
        }
    }

    fn keep(&mut self, path: String, mode: u32, content: Vec<u8>, step: usize) {
        let path = clean(&path);
        self.made.files.retain(|file| file.path != path);
        let held: usize = self.made.files.iter().map(|file| file.content.len()).sum();
        if self.made.files.len() >= FILES || content.len() > FILE_BYTES || held + content.len() > ALL_BYTES {
            self.unknown(&path);
            return;
        }
        self.made.unknown.retain(|other| *other != path);
        self.made.files.push(MadeFile { path, mode, content, step });
    }

    fn unknown(&mut self, path: &str) {
        let path = clean(path);
        if self.made.unknown.len() < UNKNOWN && !self.made.unknown.contains(&path) {
            self.made.files.retain(|file| file.path != path);
            self.made.unknown.push(path);
        }
    }
}

/// Where a source ends up.
fn into(base: &str, source: &str, directory: bool) -> String {
    let name = source.trim_end_matches('/').rsplit('/').next().unwrap_or(source);
    if directory { format!("{}/{name}", base.trim_end_matches('/')) } else { base.to_owned() }
}

fn mode_in(beside: &dyn Beside, name: &str) -> u32 {
    let (folder, file) = name.rsplit_once('/').unwrap_or(("", name));
    beside.below(folder).into_iter().find(|(other, _)| other == file).map_or(0o755, |(_, mode)| mode)
}

fn clean(path: &str) -> String {
    EntryPath::clean(path.as_bytes()).to_string()
}

/// `*` and `?` inside one part of a path, `**` over several.
fn glob(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), name.split('/').collect());
    pattern.len() == name.len() && pattern.iter().zip(&name).all(|(p, n)| part(p.as_bytes(), n.as_bytes()))
}

/// One part of a pattern, without recursion: back to the last star where it does not fit.
fn part(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(b'?') => {
                p += 1;
                n += 1;
            }
            Some(&c) if c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}
