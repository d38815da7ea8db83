//! dpkg: `/var/lib/dpkg/status`, `info/NAME.list`, `info/NAME.md5sums`, `diversions`
//! (`dpkg-query(1)`, `deb-md5sums(5)`), and `status.d`, which images without dpkg have instead.

use std::collections::{BTreeMap, HashMap, HashSet};

use data_encoding::HEXLOWER_PERMISSIVE;
use lazaret_model::{ContentId, EntryPath, FileKind};

use super::trace::{Trace, Version};
use super::{Listed, Manager, Ownership, Package, Source, Sum};

const STATUS: &str = "var/lib/dpkg/status";
const STATUS_DIR: &str = "var/lib/dpkg/status.d";
const INFO: &str = "var/lib/dpkg/info";
const DIVERSIONS: &str = "var/lib/dpkg/diversions";
/// Most packages of one database.
const MOST_PACKAGES: usize = 50_000;

/// One paragraph of a status file.
struct Paragraph {
    name: String,
    version: String,
    architecture: String,
    installed: bool,
    conffiles: Vec<(EntryPath, Option<Sum>)>,
}

pub(super) fn read(source: &Source<'_>, trace: &mut Trace<'_>, out: &mut Ownership) {
    read_status(source, trace, out);
    read_status_dir(source, trace, out);
}

fn read_status(source: &Source<'_>, trace: &mut Trace<'_>, out: &mut Ownership) {
    let path = EntryPath::from(STATUS);
    let Some(found) = source.view.resolve(path.as_bytes(), &EntryPath::default()) else { return };
    let bytes = match source.database(found.data_layer, &path, found.data.content) {
        Ok(bytes) => bytes,
        Err(gap) => return out.gaps.push(gap),
    };
    if found.data.size == 0 {
        return;
    }
    let text = String::from_utf8_lossy(&bytes);
    let moved = diversions(source);
    let lists = Lists::of(source);
    let versions = Versions::of(source);
    let mut missing = 0usize;
    for paragraph in paragraphs(&text).take(MOST_PACKAGES).filter(|paragraph| paragraph.installed) {
        let names = [paragraph.name.clone(), format!("{}:{}", paragraph.name, paragraph.architecture)];
        let Some((stem, states)) =
            names.iter().find_map(|name| Some((name, lists.by_name.get(name.as_bytes())?)))
        else {
            missing += 1;
            continue;
        };
        let mut history: Vec<Version> = Vec::new();
        for state in states {
            let Some(files) = files(source, state, &paragraph.conffiles) else { continue };
            if history.last().is_none_or(|before| before.files != files) {
                let version = versions.at(state.layer, &paragraph.name);
                let version = version.unwrap_or_else(|| paragraph.version.clone());
                history.push(Version { layer: state.layer, version, files });
            }
        }
        let Some(last) = history.last() else {
            let list = EntryPath::from(format!("{INFO}/{stem}.list").as_str());
            out.gaps.push(super::gap(found.data_layer, &list, "this list of files was not kept"));
            continue;
        };
        let mut package = Package {
            manager: Manager::Dpkg,
            name: paragraph.name.clone(),
            version: paragraph.version.clone(),
            files: last.files.clone(),
            layer: last.layer,
            rewrite: None,
        };
        trace.settle(&mut package, &EntryPath::from(format!("{INFO}/{stem}.list").as_str()), &history);
        let name = package.name.clone();
        out.add_moved(package, |path| moved.get(path).filter(|to| to.by != name).map(|to| to.path.clone()));
    }
    if missing > 0 {
        let detail = format!("{missing} installed packages have no list of their files");
        out.gaps.push(super::gap(found.data_layer, &path, detail));
    }
}

/// The versions of all packages, as the status of each layer has them; lowest layer first.
struct Versions(Vec<(usize, HashMap<String, String>)>);

impl Versions {
    fn of(source: &Source<'_>) -> Self {
        let path = EntryPath::from(STATUS);
        let states = source.view.layers().iter().enumerate().filter_map(|(layer, facts)| {
            let entry = facts.entries.iter().rev().find(|entry| entry.path == path)?;
            let bytes = source.content(&entry.content?)?;
            let text = String::from_utf8_lossy(&bytes);
            let all = paragraphs(&text).take(MOST_PACKAGES).map(|p| (p.name, p.version)).collect();
            Some((layer, all))
        });
        Self(states.collect())
    }

    /// The version of a package once `layer` was built.
    fn at(&self, layer: usize, name: &str) -> Option<String> {
        self.0.iter().rev().find(|(number, _)| *number <= layer)?.1.get(name).cloned()
    }
}

/// The files of one package in `info`, in one layer.
struct ListState {
    layer: usize,
    list: Option<ContentId>,
    sums: Option<ContentId>,
}

/// The lists of all packages, each with its states, lowest layer first.
struct Lists {
    by_name: HashMap<Vec<u8>, Vec<ListState>>,
}

impl Lists {
    fn of(source: &Source<'_>) -> Self {
        let mut by_name: HashMap<Vec<u8>, Vec<ListState>> = HashMap::new();
        let info = format!("{INFO}/").into_bytes();
        let visible: HashSet<&[u8]> =
            source.view.below(&EntryPath::from(INFO)).map(|found| found.entry.path.as_bytes()).collect();
        for (layer, facts) in source.view.layers().iter().enumerate() {
            for entry in facts.entries.iter().filter(|entry| entry.kind == FileKind::File) {
                let raw = entry.path.as_bytes();
                let Some(name) = raw.strip_prefix(info.as_slice()).filter(|_| visible.contains(raw)) else {
                    continue;
                };
                let (stem, sums) = match (name.strip_suffix(b".list"), name.strip_suffix(b".md5sums")) {
                    (Some(stem), _) => (stem, false),
                    (_, Some(stem)) => (stem, true),
                    _ => continue,
                };
                let states = by_name.entry(stem.to_vec()).or_default();
                if states.last().is_none_or(|state| state.layer != layer) {
                    // What a layer does not write is still that of the layer below.
                    let (list, old) = states.last().map_or((None, None), |state| (state.list, state.sums));
                    states.push(ListState { layer, list, sums: old });
                }
                if let Some(state) = states.last_mut() {
                    *(if sums { &mut state.sums } else { &mut state.list }) = entry.content;
                }
            }
        }
        Self { by_name }
    }
}

fn files(
    source: &Source<'_>,
    state: &ListState,
    conffiles: &[(EntryPath, Option<Sum>)],
) -> Option<Vec<Listed>> {
    let list = source.content(&state.list?)?;
    let sums = state.sums.and_then(|id| source.content(&id)).map(|bytes| md5sums(&bytes)).unwrap_or_default();
    let config: BTreeMap<&EntryPath, Option<Sum>> =
        conffiles.iter().map(|(path, sum)| (path, *sum)).collect();
    let lines = list.split(|&b| b == b'\n').filter(|line| line.len() > 1 && *line != b"/.");
    Some(
        lines
            .map(|line| {
                let path = EntryPath::clean(line);
                match config.get(&path) {
                    Some(&sum) => Listed { path, sum, config: true },
                    None => Listed {
                        sum: sums.get(&path).copied(),
                        config: path.as_bytes().starts_with(b"etc/"),
                        path,
                    },
                }
            })
            .collect(),
    )
}

/// `deb-md5sums(5)`: a digest, two blanks (the second may be a star), a path relative to the root.
fn md5sums(bytes: &[u8]) -> HashMap<EntryPath, Sum> {
    let line = |line: &[u8]| {
        let (digest, rest) = line.split_at_checked(32)?;
        let path = rest.strip_prefix(b" ")?;
        let path = path.strip_prefix(b" ").or_else(|| path.strip_prefix(b"*")).unwrap_or(path);
        Some((EntryPath::clean(path), md5(digest)?))
    };
    bytes.split(|&b| b == b'\n').filter_map(line).collect()
}

fn md5(hex: &[u8]) -> Option<Sum> {
    HEXLOWER_PERMISSIVE.decode(hex).ok()?.try_into().ok().map(Sum::Md5)
}

/// Files that one package makes another put elsewhere (`dpkg-divert(1)`).
struct Diverted {
    path: EntryPath,
    /// The package that diverts; `:` for the administrator.
    by: String,
}

fn diversions(source: &Source<'_>) -> HashMap<EntryPath, Diverted> {
    let found = source.view.resolve(DIVERSIONS.as_bytes(), &EntryPath::default());
    let Some(bytes) = found.and_then(|found| source.content(&found.data.content?)) else {
        return HashMap::new();
    };
    let lines: Vec<&[u8]> = bytes.split(|&b| b == b'\n').collect();
    let triple = |three: &[&[u8]]| {
        let by = String::from_utf8_lossy(three[2]).into_owned();
        (EntryPath::clean(three[0]), Diverted { path: EntryPath::clean(three[1]), by })
    };
    lines.chunks_exact(3).map(triple).collect()
}

/// `status.d/NAME` of images that were built without dpkg: one paragraph each, and in newer ones
/// `NAME.md5sums` beside it.
fn read_status_dir(source: &Source<'_>, trace: &mut Trace<'_>, out: &mut Ownership) {
    let dir = EntryPath::from(STATUS_DIR);
    let sums = sums_by_path(source);
    let mut packages: Vec<Package> = Vec::new();
    for found in source.view.below(&dir).take(MOST_PACKAGES * 2) {
        let name = found.entry.path.file_name();
        if found.data.kind != FileKind::File || name.ends_with(b".md5sums") || name.starts_with(b".") {
            continue;
        }
        let path = found.entry.path.clone();
        let bytes = match source.database(found.data_layer, &path, found.data.content) {
            Ok(bytes) => bytes,
            Err(gap) => {
                out.gaps.push(gap);
                continue;
            }
        };
        let text = String::from_utf8_lossy(&bytes);
        let Some(paragraph) = paragraphs(&text).next() else { continue };
        let sums_path = EntryPath::clean(&[path.as_bytes(), b".md5sums"].concat());
        let mut history: Vec<Version> = Vec::new();
        for &(layer, content) in sums.get(&sums_path).map_or(&[][..], Vec::as_slice) {
            let Some(bytes) = content.and_then(|id| source.content(&id)) else { continue };
            let mut files: Vec<Listed> = md5sums(&bytes)
                .into_iter()
                .map(|(path, sum)| Listed {
                    config: path.as_bytes().starts_with(b"etc/"),
                    sum: Some(sum),
                    path,
                })
                .collect();
            files.sort_by(|a, b| a.path.cmp(&b.path));
            if history.last().is_none_or(|before| before.files != files) {
                history.push(Version { layer, version: paragraph.version.clone(), files });
            }
        }
        let mut package = Package {
            manager: Manager::Dpkg,
            name: paragraph.name,
            version: paragraph.version,
            files: history.last().map(|last| last.files.clone()).unwrap_or_default(),
            layer: found.data_layer,
            rewrite: None,
        };
        trace.settle(&mut package, &sums_path, &history);
        packages.push(package);
    }
    packages.into_iter().for_each(|package| out.add(package));
}

/// The states of every `status.d/NAME.md5sums`, lowest layer first.
fn sums_by_path<'a>(source: &Source<'a>) -> HashMap<&'a EntryPath, Vec<(usize, Option<ContentId>)>> {
    let mut out: HashMap<&EntryPath, Vec<(usize, Option<ContentId>)>> = HashMap::new();
    for (layer, facts) in source.view.layers().iter().enumerate() {
        let in_dir = |raw: &[u8]| raw.starts_with(STATUS_DIR.as_bytes()) && raw.ends_with(b".md5sums");
        for entry in facts.entries.iter().filter(|entry| in_dir(entry.path.as_bytes())) {
            out.entry(&entry.path).or_default().push((layer, entry.content));
        }
    }
    out
}

/// The paragraphs of a status file (`deb-control(5)`), those without a name left out.
fn paragraphs(text: &str) -> impl Iterator<Item = Paragraph> + '_ {
    text.split("\n\n").filter_map(|block| {
        let mut paragraph = Paragraph {
            name: String::new(),
            version: String::new(),
            architecture: String::new(),
            installed: true,
            conffiles: Vec::new(),
        };
        let mut conffiles = false;
        for line in block.lines() {
            if line.starts_with([' ', '\t']) {
                let mut words = line.split_whitespace();
                if let (true, Some(path)) = (conffiles, words.next()) {
                    let sum = words.next().and_then(|hex| md5(hex.as_bytes()));
                    paragraph.conffiles.push((EntryPath::clean(path.as_bytes()), sum));
                }
                continue;
            }
            let Some((field, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            conffiles = field == "Conffiles";
            match field {
                "Package" => value.clone_into(&mut paragraph.name),
                "Version" => value.clone_into(&mut paragraph.version),
                "Architecture" => value.clone_into(&mut paragraph.architecture),
                // `want flag status`: unpacked and triggers-pending packages have their files too.
                "Status" => {
                    paragraph.installed = !matches!(
                        value.rsplit(' ').next(),
                        Some("not-installed" | "config-files" | "half-installed")
                    );
                }
                _ => {}
            }
        }
        (!paragraph.name.is_empty()).then_some(paragraph)
    })
}
