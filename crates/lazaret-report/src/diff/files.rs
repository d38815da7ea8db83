//! Files that act, and packages.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use lazaret_model::{EntryPath, ImageReport, Inventory, NotedFile, NotedKind, Package};

use super::volatile::stable;
use super::{Area, Change, ChangeOutcome};
use crate::story::{Sentence, say};
use crate::words;

/// Files or packages of one kind that are named.
const MOST: usize = 12;

/// Files that act and that are new or changed.
pub fn changes(from: &ImageReport, to: &ImageReport) -> Vec<Change> {
    let (a, b) = (&from.inventory, &to.inventory);
    let before: HashMap<&EntryPath, &NotedFile> = a.files.iter().map(|file| (&file.path, file)).collect();
    let now: BTreeSet<&EntryPath> = b.files.iter().map(|file| &file.path).collect();
    // A path that only differs in a version has moved, and is compared with where it was.
    let mut moved: HashMap<String, &NotedFile> = HashMap::new();
    for file in a.files.iter().filter(|file| !now.contains(&file.path)) {
        moved.entry(stable(&file.path.to_string())).or_insert(file);
    }
    let mut found: BTreeMap<(Area, ChangeOutcome, &'static str, NotedKind), Vec<&NotedFile>> =
        BTreeMap::new();
    let mut suspect = Vec::new();
    for file in &b.files {
        let twin = before.get(&file.path).copied();
        let old = twin.or_else(|| moved.get(&stable(&file.path.to_string())).copied());
        let area = area(file.kind);
        match old {
            None if file.package.is_some() => {}
            None => {
                let outcome = weigh(file.kind);
                found.entry((area, outcome, "new", file.kind)).or_default().push(file);
            }
            Some(old) => {
                if file.mode & 0o6000 & !old.mode != 0 {
                    let key = (Area::Privileges, ChangeOutcome::More, "now setuid or setgid", file.kind);
                    found.entry(key).or_default().push(file);
                }
                if old.content == file.content || old.content.is_empty() || file.content.is_empty() {
                    continue;
                }
                match (owner(a, old), owner(b, file)) {
                    (Some(a), Some(b)) if a == b => suspect.push((file, a)),
                    (Some(_), Some(_)) => {}
                    _ if twin.is_none() => {
                        let key = (Area::Updates, ChangeOutcome::Updates, "another version of", file.kind);
                        found.entry(key).or_default().push(file);
                    }
                    _ => {
                        found.entry((area, changed(file.kind), "changed", file.kind)).or_default().push(file);
                    }
                }
            }
        }
    }
    let mut out = Vec::new();
    for ((area, outcome, word, kind), files) in found {
        let count = files.len() as u64;
        let noun = match kind.noun() {
            noun if count == 1 || noun.ends_with('s') => noun.to_owned(),
            noun => match noun.strip_suffix('y') {
                Some(stem) => format!("{stem}ies"),
                None => format!("{noun}s"),
            },
        };
        let mut sentence =
            say(format!("{word} {noun}: ")).list(files.iter().take(MOST).map(|f| f.path.to_string()));
        if files.len() > MOST {
            sentence = sentence.say(format!(" and {} more", files.len() - MOST));
        }
        out.push(Change::new(area, outcome, sentence));
    }
    for (file, package) in suspect.iter().take(MOST) {
        let sentence = say("")
            .code(file.path.to_string())
            .say(" differs, though the package ")
            .code(format!("{} {}", package.name, package.version))
            .say(" that brought it has the same version");
        out.push(Change::new(Area::Programs, ChangeOutcome::More, sentence));
    }
    if a.left_out + b.left_out > 0 {
        let sentence = say(format!(
            "{} of such files are not listed, and not compared",
            words::grouped(a.left_out.max(b.left_out))
        ));
        out.push(Change::new(Area::Programs, ChangeOutcome::Updates, sentence));
    }
    out
}

fn owner<'a>(inventory: &'a Inventory, file: &NotedFile) -> Option<&'a Package> {
    inventory.packages.get(file.package? as usize)
}

fn area(kind: NotedKind) -> Area {
    match kind {
        NotedKind::LoginKeys
        | NotedKind::Schedule
        | NotedKind::Service
        | NotedKind::Preload
        | NotedKind::LoginScript => Area::Persistence,
        NotedKind::Privileged => Area::Privileges,
        NotedKind::HiddenProgram | NotedKind::Script | NotedKind::Program | NotedKind::Library => {
            Area::Programs
        }
        NotedKind::Configuration => Area::Configuration,
    }
}

/// What a new file of a kind means.
fn weigh(kind: NotedKind) -> ChangeOutcome {
    match kind {
        NotedKind::Library | NotedKind::Configuration => ChangeOutcome::Updates,
        _ => ChangeOutcome::More,
    }
}

/// What a change of a file that no package owns means. A program that was there before and is
/// another build of itself can do nothing that is seen here; what its scripts do is compared as
/// steps.
fn changed(kind: NotedKind) -> ChangeOutcome {
    match kind {
        NotedKind::LoginKeys | NotedKind::Schedule | NotedKind::Preload | NotedKind::Privileged => {
            ChangeOutcome::More
        }
        _ => ChangeOutcome::Updates,
    }
}

/// Packages and the system, summed up.
pub fn packages(from: &ImageReport, to: &ImageReport) -> Vec<Change> {
    let (a, b) = (&from.inventory, &to.inventory);
    let mut out = Vec::new();
    let name = |inventory: &Inventory| inventory.system.as_ref().map(|system| system.name.clone());
    let update = |sentence: Sentence| Change::new(Area::Updates, ChangeOutcome::Updates, sentence);
    if let (Some(before), Some(now)) = (name(a), name(b))
        && before != now
    {
        out.push(update(say("built on ").code(now).say(", before on ").code(before)));
    }
    let versions = |list: &[Package]| -> BTreeMap<String, String> {
        list.iter().map(|package| (package.name.clone(), package.version.clone())).collect()
    };
    let (before, now) = (versions(&a.packages), versions(&b.packages));
    let updated: Vec<String> = now
        .iter()
        .filter_map(|(name, version)| {
            let old = before.get(name)?;
            (old != version).then(|| format!("{name} {old} → {version}"))
        })
        .collect();
    let added: Vec<String> = now.keys().filter(|name| !before.contains_key(*name)).cloned().collect();
    let removed: Vec<String> = before.keys().filter(|name| !now.contains_key(*name)).cloned().collect();
    for (list, words) in [(updated, "updated"), (added, "added"), (removed, "removed")] {
        if list.is_empty() {
            continue;
        }
        let count = crate::words::count(list.len() as u64, "package");
        let mut sentence = say(format!("{count} {words}: ")).list(list.iter().take(MOST).cloned());
        if list.len() > MOST {
            sentence = sentence.say(" and more");
        }
        out.push(update(sentence));
    }
    out
}
