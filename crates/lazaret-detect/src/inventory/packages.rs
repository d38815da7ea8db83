//! Packages that the system's package manager says are installed, and the files that it says are
//! theirs (dpkg: `status` and `info/*.list`; apk: `installed`). It is the image's own word: good
//! for telling an update from an intrusion, not for trusting a file.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use foldhash::quality::RandomState;
use lazaret_model::{EntryPath, Package};

use crate::case::Case;
use crate::hash::Map;
use crate::reads::{self, Bases};

const DPKG: &str = "var/lib/dpkg/status";
const STATUS_DIR: &str = "var/lib/dpkg/status.d";
const APK: [&str; 2] = ["lib/apk/db/installed", "usr/lib/apk/db/installed"];
/// Packages of one image that are listed.
const MOST: usize = 10_000;

thread_local! {
    static KNOWN: RefCell<Bases<Rc<Packages>>> = const { RefCell::new(Bases::new()) };
}

pub(super) struct Packages {
    /// Sorted by name.
    pub installed: Vec<Package>,
    owners: Map<Vec<u8>, u32>,
    by_layer: BTreeMap<usize, BTreeSet<String>>,
}

impl Packages {
    /// What the databases say, or said for another image that has the same.
    pub fn known(case: &Case<'_>) -> Rc<Self> {
        reads::known(&KNOWN, case.view, case.contents, || Self::of(case), |_| true)
    }

    fn of(case: &Case<'_>) -> Self {
        // What is read of all layers below rests on what stands at these paths.
        for path in [DPKG, APK[0], APK[1]] {
            case.view.lookup(&EntryPath::from(path));
        }
        case.view.below(&EntryPath::from(STATUS_DIR)).for_each(drop);
        let mut installed: BTreeMap<String, String> = BTreeMap::new();
        let mut owned: Vec<(String, Vec<u8>)> = Vec::new();
        let mut by_layer: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
        let mut before: BTreeSet<String> = BTreeSet::new();
        for (number, layer) in case.view.layers().iter().enumerate() {
            for entry in &layer.entries {
                let raw = entry.path.as_bytes();
                let dpkg = raw == DPKG.as_bytes()
                    || raw.strip_prefix(STATUS_DIR.as_bytes()).is_some_and(|rest| rest.starts_with(b"/"));
                let apk = APK.iter().any(|path| raw == path.as_bytes());
                if !dpkg && !apk {
                    continue;
                }
                let Some(bytes) = entry.content.and_then(|id| reads::content(case.contents, &id)) else {
                    continue;
                };
                let text = String::from_utf8_lossy(&bytes);
                let found = if apk { apk_packages(&text).0 } else { dpkg_packages(&text) };
                let seen = case.view.lookup(&entry.path).is_some_and(|found| found.layer == number);
                let names: BTreeSet<String> = found.iter().map(|package| package.name.clone()).collect();
                by_layer.entry(number).or_default().extend(names.difference(&before).cloned());
                before.extend(names);
                if seen {
                    installed
                        .extend(found.into_iter().take(MOST).map(|package| (package.name, package.version)));
                    if apk {
                        owned.extend(apk_packages(&text).1);
                    }
                }
            }
        }
        let lists = EntryPath::from("var/lib/dpkg/info");
        for found in case.view.below(&lists) {
            let name = found.entry.path.file_name();
            let Some(name) = name.strip_suffix(b".list") else { continue };
            let name = String::from_utf8_lossy(name);
            let package = name.split(':').next().unwrap_or_default().to_owned();
            let Some(bytes) = found.data.content.and_then(|id| reads::content(case.contents, &id)) else {
                continue;
            };
            for line in bytes.split(|&b| b == b'\n').filter(|line| line.len() > 2) {
                owned.push((package.clone(), line[1..].to_vec()));
            }
        }
        let installed: Vec<Package> =
            installed.into_iter().map(|(name, version)| Package { name, version }).collect();
        let numbers: HashMap<&str, u32> =
            installed.iter().enumerate().map(|(at, package)| (package.name.as_str(), at as u32)).collect();
        let mut owners = Map::with_capacity_and_hasher(owned.len(), RandomState::default());
        for (package, path) in &owned {
            if let Some(number) = numbers.get(package.as_str()) {
                owners.entry(real(path).to_vec()).or_insert(*number);
            }
        }
        Self { owners, by_layer, installed }
    }

    /// The package that says that it brought this file.
    pub fn owner(&self, path: &EntryPath) -> Option<u32> {
        self.owners.get(real(path.as_bytes())).copied()
    }

    /// Whether a file is a script of an installed package's own (`deb-preinst(5)` and its relatives).
    pub fn is_maintainer_script(&self, path: &EntryPath) -> bool {
        const ENDS: [&[u8]; 5] = [b".preinst", b".postinst", b".prerm", b".postrm", b".config"];
        let Some(name) = path.as_bytes().strip_prefix(b"var/lib/dpkg/info/") else { return false };
        let Some(stem) = ENDS.iter().find_map(|end| name.strip_suffix(*end)) else { return false };
        let package = stem.split(|&b| b == b':').next().unwrap_or_default();
        self.installed.binary_search_by(|one| one.name.as_bytes().cmp(package)).is_ok()
    }

    /// Packages that the layer's database has and those below have not.
    pub fn installed_by(&self, layer: usize) -> Vec<String> {
        self.by_layer.get(&layer).map_or_else(Vec::new, |names| names.iter().cloned().collect())
    }
}

/// A path without `usr/`, where systems with a merged /usr link one to the other.
fn real(path: &[u8]) -> &[u8] {
    let path = path.strip_prefix(b"/").unwrap_or(path);
    match path.strip_prefix(b"usr/") {
        Some(rest) if [&b"bin/"[..], b"sbin/", b"lib"].iter().any(|dir| rest.starts_with(dir)) => rest,
        _ => path,
    }
}

fn dpkg_packages(text: &str) -> Vec<Package> {
    let mut out = Vec::new();
    for paragraph in text.split("\n\n").take(2 * MOST) {
        let field = |name: &str| {
            paragraph.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
        };
        let installed = field("Status").is_none_or(|status| status.ends_with(" installed"));
        if let (true, Some(name), Some(version)) = (installed, field("Package"), field("Version")) {
            out.push(Package { name: name.to_owned(), version: version.to_owned() });
        }
    }
    out
}

/// Packages, and the files of each (`F:` names the folder of the `R:` that follow).
fn apk_packages(text: &str) -> (Vec<Package>, Vec<(String, Vec<u8>)>) {
    let (mut packages, mut owned) = (Vec::new(), Vec::new());
    for paragraph in text.split("\n\n").take(2 * MOST) {
        let (mut name, mut version, mut folder) = ("", "", "");
        for line in paragraph.lines() {
            match line.split_once(':') {
                Some(("P", value)) => name = value,
                Some(("V", value)) => version = value,
                Some(("F", value)) => folder = value,
                Some(("R", value)) => owned.push((name.to_owned(), format!("{folder}/{value}").into_bytes())),
                _ => {}
            }
        }
        if !name.is_empty() {
            packages.push(Package { name: name.to_owned(), version: version.to_owned() });
        }
    }
    (packages, owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_name_packages_and_files() {
        let dpkg = "Package: a\nStatus: install ok installed\nVersion: 1\n\nPackage: b\nStatus: deinstall ok config-files\nVersion: 2\n";
        assert_eq!(dpkg_packages(dpkg), [Package { name: "a".into(), version: "1".into() }]);
        let (packages, owned) = apk_packages("P:musl\nV:1.2\nF:lib\nR:ld.so\n\nP:x\nV:2\n");
        assert_eq!(packages.len(), 2);
        assert_eq!(owned, [("musl".to_owned(), b"lib/ld.so".to_vec())]);
    }

    #[test]
    fn a_merged_usr_has_one_name_for_a_file() {
        assert_eq!(real(b"/bin/ls"), real(b"usr/bin/ls"));
        assert_eq!(real(b"usr/lib64/a"), real(b"lib64/a"));
        assert_ne!(real(b"usr/local/bin/ls"), real(b"bin/ls"));
    }
}
