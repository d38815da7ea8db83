//! What the image's maker put there, told from what packages brought.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use lazaret_model::{Class, Confidence, ContentId, EntryPath, Finding, Location, Reach, Severity};

use crate::case::Case;
use crate::ownership::State;

/// Where packages keep what their scripts copy into `/etc` and into homes.
const TEMPLATES: [&str; 2] = ["usr/share/base-files", "etc/skel"];

pub(super) struct Own<'a> {
    case: &'a Case<'a>,
    /// Files that a finding speaks against, whoever says that they are theirs.
    accused: HashSet<(usize, EntryPath)>,
    /// Contents that a package's script copies to their places.
    templates: HashSet<ContentId>,
    known: RefCell<HashMap<(usize, EntryPath), bool>>,
}

impl<'a> Own<'a> {
    pub(super) fn new(case: &'a Case<'a>, findings: &[Finding]) -> Self {
        let speaks = |finding: &&Finding| {
            finding.class == Class::Malware
                && finding.severity >= Severity::Medium
                && finding.confidence >= Confidence::Medium
        };
        let accused = findings.iter().filter(speaks).filter_map(|finding| match finding.location() {
            Location::File { layer, path, .. } => Some((*layer, path.clone())),
            _ => None,
        });
        let mut templates = HashSet::new();
        for dir in TEMPLATES {
            for found in case.view.below(&EntryPath::from(dir)) {
                let packaged = case
                    .owner(&found.entry.path)
                    .is_some_and(|owner| owner.manager.is_of_system() && owner.state != State::Changed);
                templates.extend(found.data.content.filter(|_| packaged));
            }
        }
        Self { case, accused: accused.collect(), templates, known: RefCell::default() }
    }

    /// Whether the file at this path of this layer is no package's, or was changed after its package
    /// was installed.
    pub(super) fn is_own(&self, layer: usize, path: &EntryPath) -> bool {
        let key = (layer, path.clone());
        if let Some(&known) = self.known.borrow().get(&key) {
            return known;
        }
        let own = self.accused.contains(&key) || self.is_unowned(layer, path);
        self.known.borrow_mut().insert(key, own);
        own
    }

    fn is_unowned(&self, layer: usize, path: &EntryPath) -> bool {
        if self.is_of_package_manager(path) || is_cached_package(path) || self.is_copied(path) {
            return false;
        }
        let Some(owner) = self.case.owner(path) else { return true };
        if owner.manager.is_of_system() {
            // What an update of the package replaced was the package's as well.
            let seen = self
                .case
                .view
                .lookup(path)
                .is_some_and(|found| found.layer == layer || found.data_layer == layer);
            return seen && owner.state == State::Changed;
        }
        match owner.state {
            State::Changed => true,
            State::Unchanged => false,
            // By its place or by its own word only.
            State::Unverified => {
                owner.manager.is_of_program() || self.case.reach(layer, path) >= Reach::Reachable
            }
        }
    }

    /// Whether what the container sees at this path was copied from a package's template.
    fn is_copied(&self, path: &EntryPath) -> bool {
        !self.templates.is_empty()
            && self
                .case
                .view
                .lookup(path)
                .and_then(|found| found.data.content)
                .is_some_and(|content| self.templates.contains(&content))
    }

    /// Whether a file is what a package manager keeps of its packages: their scripts are theirs.
    fn is_of_package_manager(&self, path: &EntryPath) -> bool {
        let raw = path.as_bytes();
        if [&b"lib/apk/"[..], b"usr/lib/apk/", b"var/lib/rpm/", b"usr/lib/sysimage/rpm/"]
            .iter()
            .any(|dir| raw.starts_with(dir))
        {
            return true;
        }
        let Some(name) = raw.strip_prefix(b"var/lib/dpkg/info/") else { return false };
        let end = name.iter().rposition(|&b| b == b'.').unwrap_or(name.len());
        let package = name[..end].split(|&b| b == b':').next().unwrap_or_default();
        self.case.ownership().has_package(package)
    }
}

/// Whether a file is a package as it was fetched: what it holds is the package's.
fn is_cached_package(path: &EntryPath) -> bool {
    const CACHES: [&[u8]; 12] = [
        b"var/cache/apt/",
        b"var/cache/apk/",
        b"etc/apk/cache/",
        b"var/cache/dnf/",
        b"var/cache/libdnf5/",
        b"var/cache/yum/",
        b"var/cache/zypp/",
        b"var/cache/pacman/",
        b"var/lib/apt/lists/",
        b"root/.npm/_cacache/",
        b"root/.cache/pip/",
        b"root/.cache/yarn/",
    ];
    CACHES.iter().any(|dir| path.as_bytes().starts_with(dir))
}
