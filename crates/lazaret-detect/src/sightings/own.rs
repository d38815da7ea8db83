//! What the image's maker put there, told from what packages brought.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use lazaret_model::{Class, Confidence, EntryPath, Finding, Location, Reach, Severity};

use crate::case::Case;
use crate::ownership::State;

pub(super) struct Own<'a> {
    case: &'a Case<'a>,
    /// Files that a finding speaks against, whoever says that they are theirs.
    accused: HashSet<(usize, EntryPath)>,
    known: RefCell<HashMap<(usize, EntryPath), bool>>,
}

impl<'a> Own<'a> {
    pub(super) fn new(case: &'a Case<'a>, findings: &[Finding]) -> Self {
        let speaks = |finding: &&Finding| {
            matches!(finding.class, Class::Malware | Class::DualUse)
                && finding.severity >= Severity::Medium
                && finding.confidence >= Confidence::Medium
        };
        let accused = findings.iter().filter(speaks).filter_map(|finding| match finding.location() {
            Location::File { layer, path, .. } => Some((*layer, path.clone())),
            _ => None,
        });
        Self { case, accused: accused.collect(), known: RefCell::default() }
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
        if self.is_of_package_manager(path) {
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
