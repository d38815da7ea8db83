//! What a report keeps of an image's files: enough for its story, and for a comparison with
//! another image, without the layers.

mod outline;
mod packages;
mod stock;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use lazaret_model::{
    Behaviour, ContentId, EntryPath, FactKind, FileKind, Inventory, LayerContents, Location, NotableFile,
    NotedFile, NotedKind, ScriptLine, System, TextKind,
};

use crate::Found;
use crate::case::Case;
use crate::hash::{Map, Set};
use crate::memo::{self, Memo};
use packages::Packages;
use stock::Stock;

/// Files listed for one image.
const FILES: usize = 4_000;
/// Lines of scripts quoted for one image.
const LINES: usize = 1_500;
/// Notable files named for one layer.
const NOTABLE: usize = 8;
/// Names of packages listed for one layer.
const PACKAGES: usize = 400;

/// Takes stock of an image. `behaviours` are those that the report will hold.
pub(crate) fn take(case: &Case<'_>, behaviours: &[Behaviour]) -> Inventory {
    let packages = Packages::known(case);
    let stock = Stock::known(case, &packages);
    let own = stock.as_ref().map_or(0, |stock| stock.layers.len());
    let copied = match &stock {
        Some(_) => Copied::default(),
        None => copies(case.view.files(), &packages),
    };
    let copied = stock.as_ref().map_or(&copied, |stock| &stock.copied);
    let read = read_as_scripts(behaviours);
    let mut files = Vec::new();
    for found in case.view.files().filter(Found::is_file) {
        let script = || read.contains(&found.entry.path).then_some(NotedKind::Script);
        let noted = match &stock {
            Some(stock) if found.layer < own => match stock.noted(&found) {
                Some(noted) => Some(noted.clone()),
                None => script().map(|kind| noted(&found, kind, &packages, copied)),
            },
            _ => kind(case, &found).or_else(script).map(|kind| noted(&found, kind, &packages, copied)),
        };
        files.extend(noted);
    }
    let left_out = files.len().saturating_sub(FILES) as u64;
    if left_out > 0 {
        files.sort_by(|a, b| {
            (a.package.is_some(), a.kind, &a.path).cmp(&(b.package.is_some(), b.kind, &b.path))
        });
        files.truncate(FILES);
        files.sort_by(|a, b| a.path.cmp(&b.path));
    }
    let mut layers = stock.as_ref().map_or_else(Vec::new, |stock| stock.layers.clone());
    layers.extend((own..case.view.layers().len()).map(|number| brought(case, number, &packages)));
    Inventory {
        system: system(case),
        layers,
        packages: packages.installed.clone(),
        files,
        left_out,
        lines: lines(case, behaviours),
    }
}

/// A file for the list.
fn noted(found: &Found<'_>, kind: NotedKind, packages: &Packages, copied: &Copied) -> NotedFile {
    let content = found.data.content.map(|id| data_encoding::HEXLOWER.encode(&id.0[..16]));
    NotedFile {
        path: found.entry.path.clone(),
        kind,
        layer: found.layer,
        size: found.data.size,
        mode: found.data.mode,
        content: content.unwrap_or_default(),
        package: packages
            .owner(&found.entry.path)
            .or_else(|| found.data.content.and_then(|id| copied.get(&id).copied())),
    }
}

/// Files in lines of which behaviours rest: what another script reads is a script too, whatever
/// its rights.
fn read_as_scripts(behaviours: &[Behaviour]) -> Set<&EntryPath> {
    let places = behaviours.iter().flat_map(|behaviour| &behaviour.because);
    places
        .filter_map(|place| match place {
            Location::File { path, inside, line: Some(_), .. } if inside.is_empty() => Some(path),
            _ => None,
        })
        .collect()
}

/// The package that brought a content.
type Copied = Map<ContentId, u32>;

/// Contents that packages brought: what a package's script copies to its place (`/etc/profile` from
/// `/usr/share/base-files/profile`) is the package's as well.
fn copies<'a>(files: impl Iterator<Item = Found<'a>>, packages: &Packages) -> Copied {
    let files = files.filter(may_be_copied);
    files.filter_map(|found| Some((found.data.content?, packages.owner(&found.entry.path)?))).collect()
}

fn may_be_copied(found: &Found<'_>) -> bool {
    found.is_file() && found.data.size > 0
}

fn system(case: &Case<'_>) -> Option<System> {
    let (location, text) = case.text("/etc/os-release").or_else(|| case.text("/usr/lib/os-release"))?;
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='))?;
        let value = line.trim_matches(['"', '\'']).trim();
        (!value.is_empty()).then(|| value.to_owned())
    };
    let name = value("PRETTY_NAME").or_else(|| {
        let name = value("NAME").or_else(|| value("ID"))?;
        Some(value("VERSION_ID").map_or(name.clone(), |version| format!("{name} {version}")))
    })?;
    Some(System { name, location: Some(location) })
}

/// What kind of thing a file is, by where it lies and by what the analyzers saw.
fn kind(case: &Case<'_>, found: &Found<'_>) -> Option<NotedKind> {
    let key = (found.data_layer, &found.data.path);
    by_place(&found.entry.path).or_else(|| by_content(case, found.data, key, &found.entry.path))
}

fn by_place(path: &EntryPath) -> Option<NotedKind> {
    let raw = path.as_bytes();
    let within = |dirs: &[&[u8]]| dirs.iter().any(|dir| raw.starts_with(dir) && raw.len() > dir.len());
    let is = |names: &[&[u8]]| names.contains(&raw);
    if path.file_name().starts_with(b"authorized_keys") && path.parent().file_name() == b".ssh" {
        return Some(NotedKind::LoginKeys);
    }
    if path.file_name() == b".placeholder" || path.file_name().ends_with(b".wants") {
        return None;
    }
    if is(&[b"etc/crontab", b"etc/anacrontab"])
        || within(&[
            b"etc/cron.d/",
            b"etc/cron.hourly/",
            b"etc/cron.daily/",
            b"etc/cron.weekly/",
            b"etc/cron.monthly/",
            b"var/spool/cron/",
            b"etc/crontabs/",
            b"etc/periodic/",
        ])
    {
        return Some(NotedKind::Schedule);
    }
    if is(&[b"etc/ld.so.preload"]) {
        return Some(NotedKind::Preload);
    }
    if within(&[
        b"etc/systemd/system/",
        b"lib/systemd/system/",
        b"usr/lib/systemd/system/",
        b"etc/init.d/",
        b"etc/services.d/",
        b"etc/cont-init.d/",
        b"etc/s6-overlay/",
        b"etc/supervisor/conf.d/",
        b"etc/supervisord.d/",
        b"etc/sv/",
        b"etc/service/",
    ]) || is(&[
        b"etc/inittab",
        b"etc/rc.local",
        b"etc/supervisord.conf",
        b"etc/supervisor/supervisord.conf",
    ]) {
        return Some(NotedKind::Service);
    }
    let name = path.file_name();
    if within(&[b"etc/profile.d/"])
        || is(&[b"etc/profile", b"etc/bash.bashrc", b"etc/environment"])
        || matches!(
            name,
            b".bashrc" | b".profile" | b".bash_profile" | b".bash_login" | b".zshrc" | b".zshenv"
        )
    {
        return Some(NotedKind::LoginScript);
    }
    None
}

fn by_content(
    case: &Case<'_>,
    entry: &lazaret_model::FileEntry,
    (layer, at): (usize, &EntryPath),
    path: &EntryPath,
) -> Option<NotedKind> {
    let runs = entry.is_executable();
    if runs
        && (entry.mode & 0o6000 != 0 || entry.xattrs.iter().any(|(name, _)| name == "security.capability"))
    {
        return Some(NotedKind::Privileged);
    }
    let (mut elf, mut script, mut table) = (None, false, false);
    for fact in case.facts_of(layer, at).iter().filter(|fact| fact.inside.is_empty()) {
        match &fact.kind {
            FactKind::Elf { executable, .. } => elf = Some(*executable),
            FactKind::Text { kind: TextKind::Crontab, .. } => table = true,
            FactKind::Text { kind, shebang } => script |= shebang.is_some() && *kind != TextKind::Plain,
            _ => {}
        }
    }
    if runs && elf.is_some_and(|program| program || !is_library(path)) {
        return Some(if is_hidden(path) { NotedKind::HiddenProgram } else { NotedKind::Program });
    }
    if elf.is_some() {
        return Some(NotedKind::Library);
    }
    if runs && script {
        return Some(if is_hidden(path) { NotedKind::HiddenProgram } else { NotedKind::Script });
    }
    if table {
        return Some(NotedKind::Schedule);
    }
    let raw = path.as_bytes();
    (raw.starts_with(b"etc/") && !raw.starts_with(b"etc/ssl/certs/") && !is_volatile(raw))
        .then_some(NotedKind::Configuration)
}

/// Files below /etc that every build writes anew and that say nothing.
fn is_volatile(raw: &[u8]) -> bool {
    matches!(
        raw,
        b"etc/ld.so.cache"
            | b"etc/machine-id"
            | b"etc/hostname"
            | b"etc/hosts"
            | b"etc/resolv.conf"
            | b"etc/mtab"
    ) || raw.ends_with(b"-")
}

fn is_library(path: &EntryPath) -> bool {
    let name = path.file_name();
    name.ends_with(b".so") || memchr::memmem::find(name, b".so.").is_some()
}

fn is_hidden(path: &EntryPath) -> bool {
    path.as_bytes().split(|&b| b == b'/').any(|part| part.len() > 1 && part[0] == b'.')
}

/// What one layer brought.
fn brought(case: &Case<'_>, number: usize, packages: &Packages) -> LayerContents {
    let mut contents = LayerContents::default();
    let mut notable = Vec::new();
    for entry in &case.view.layers()[number].entries {
        if entry.whiteout.is_some() {
            contents.removed += 1;
            continue;
        }
        if entry.kind != FileKind::File {
            continue;
        }
        contents.files += 1;
        contents.programs += u64::from(entry.is_executable());
        if packages.owner(&entry.path).is_some() || packages.is_maintainer_script(&entry.path) {
            continue;
        }
        let kind =
            by_place(&entry.path).or_else(|| by_content(case, entry, (number, &entry.path), &entry.path));
        if let Some(kind) = kind.filter(|kind| is_notable(*kind)) {
            notable.push(NotableFile { path: entry.path.clone(), kind });
        }
    }
    notable.sort_by(|a, b| (a.kind, &a.path).cmp(&(b.kind, &b.path)));
    notable.dedup();
    contents.notable_left_out = notable.len().saturating_sub(NOTABLE) as u64;
    notable.truncate(NOTABLE);
    contents.notable = notable;
    contents.packages = packages.installed_by(number);
    contents.packages.truncate(PACKAGES);
    contents
}

fn is_notable(kind: NotedKind) -> bool {
    !matches!(kind, NotedKind::Configuration | NotedKind::Library | NotedKind::LoginScript)
}

/// The lines that behaviours rest on.
fn lines(case: &Case<'_>, behaviours: &[Behaviour]) -> Vec<ScriptLine> {
    let mut wanted: BTreeMap<(usize, &EntryPath), BTreeSet<u32>> = BTreeMap::new();
    let mut count = 0;
    for location in behaviours.iter().flat_map(|behaviour| &behaviour.because) {
        if let Location::File { layer, path, inside, line: Some(line), .. } = location
            && inside.is_empty()
            && count < LINES
            && wanted.entry((*layer, path)).or_default().insert(*line)
        {
            count += 1;
        }
    }
    let mut out = Vec::with_capacity(count);
    for ((layer, path), numbers) in wanted {
        let Some(quoted) = quoted(case, layer, path, &numbers) else { continue };
        out.extend(quoted.iter().map(|Quoted { number, text, known }| ScriptLine {
            location: Location::file(layer, path.clone()).at_line(*number),
            text: text.clone(),
            under: known.under.clone(),
            background: known.background,
            replaces: known.replaces,
        }));
    }
    out.sort_by(|a, b| a.location.cmp(&b.location));
    out
}

/// A line of a script, and what it stands under.
struct Quoted {
    number: u32,
    text: String,
    known: outline::Line,
}

/// Bytes of lines that are kept.
const QUOTED_BYTES: usize = 16 << 20;

thread_local! {
    static QUOTED: RefCell<Memo<Rc<[Quoted]>>> = RefCell::new(Memo::new(QUOTED_BYTES));
}

/// These lines of a script, or what they were in another image that has it. None where its content is not
/// there, whoever else had it.
fn quoted(case: &Case<'_>, layer: usize, path: &EntryPath, numbers: &BTreeSet<u32>) -> Option<Rc<[Quoted]>> {
    let found = case.view.lookup(path).filter(|found| found.layer == layer);
    let own = || case.view.layers().get(layer)?.entries.iter().rev().find(|entry| entry.path == *path);
    let content = found.map(|found| found.data).or_else(own)?.content?;
    let bytes = case.contents.get(&content)?;
    let mut asked = content.0.to_vec();
    asked.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    let key = memo::key(&asked, 0);
    if let Some(known) = QUOTED.with_borrow(|known| known.get(&key)) {
        return Some(known);
    }
    let text = String::from_utf8_lossy(&bytes);
    let outline = outline::outline(&text, numbers);
    let lines: Vec<&str> = text.lines().collect();
    let one = |number: &u32| {
        let text = outline::command_text(&lines, *number)?;
        Some(Quoted { number: *number, text, known: outline.get(number).cloned().unwrap_or_default() })
    };
    let made: Rc<[Quoted]> = numbers.iter().filter_map(one).collect();
    let bytes = made.iter().map(|one| size_of::<Quoted>() + one.text.len() + one.known.bytes()).sum();
    QUOTED.with_borrow_mut(|known| known.put(key, bytes, &made));
    Some(made)
}
