//! What the image's maker put there, told from what packages brought.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use lazaret_model::{
    Class, Confidence, ContentId, EntryPath, Fact, FileKind, Finding, Location, Reach, Severity,
};

use crate::case::Case;
use crate::hash::{Map, Set};
use crate::ownership::{Ownership, State};
use crate::reads::{self, Base, Bases};
use crate::view::LaidBase;

/// Where packages keep what their scripts copy into `/etc` and into homes.
const TEMPLATES: [&str; 2] = ["usr/share/base-files", "etc/skel"];

/// Whose a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Maker,
    /// It says itself that it is a package's, which counts as long as nothing starts it.
    MakerIfItActs,
    Package,
}

pub(super) struct Own<'a> {
    case: &'a Case<'a>,
    /// Files that a finding speaks against, whoever says that they are theirs.
    accused: BTreeSet<(usize, EntryPath)>,
    /// Contents that a package's script copies to their places.
    templates: Set<ContentId>,
    base: Option<Rc<Base<OfBase>>>,
    known: RefCell<Map<(usize, EntryPath), Whose>>,
}

/// Whose the files of a base are of which anything is stated.
struct OfBase {
    /// The base, and what the package databases of the image say: what the rest depends on, beside what
    /// is looked up in the view.
    base: Arc<LaidBase>,
    ownership: Rc<Ownership>,
    /// By layer.
    files: Vec<Map<EntryPath, Whose>>,
    /// Those that are not plainly a package's.
    perhaps: BTreeSet<(usize, EntryPath)>,
}

thread_local! {
    static KNOWN: RefCell<Bases<OfBase>> = const { RefCell::new(Bases::new()) };
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
        let base = Self::of_base(case);
        Self { accused: accused.collect(), base, ..Self::told_by_packages(case) }
    }

    /// What can be told without findings.
    fn told_by_packages(case: &'a Case<'a>) -> Self {
        let mut templates = Set::default();
        for dir in TEMPLATES {
            for found in case.view.below(&EntryPath::from(dir)) {
                let packaged = case
                    .owner(&found.entry.path)
                    .is_some_and(|owner| owner.manager.is_of_system() && owner.state != State::Changed);
                templates.extend(found.data.content.filter(|_| packaged));
            }
        }
        Self { case, accused: BTreeSet::new(), templates, base: None, known: RefCell::default() }
    }

    /// Whose the files of the base are, or were for another image that changes nothing of it. None where
    /// this one does: then a file is looked at when it is asked for.
    fn of_base(case: &'a Case<'a>) -> Option<Rc<Base<OfBase>>> {
        let base = case.view.base()?;
        if case.view.lost_of_base().iter().any(|lost| lost.entry.kind != FileKind::Directory) {
            return None;
        }
        let ownership = case.shared_ownership();
        let same = |known: &OfBase| Arc::ptr_eq(&known.base, base) && Rc::ptr_eq(&known.ownership, ownership);
        if let Some(known) = KNOWN.with_borrow_mut(|known| known.find(case.view, case.contents, same)) {
            return Some(known);
        }
        let (answer, reads) = reads::noted(|| {
            let own = Self::told_by_packages(case);
            let mut files: Vec<Map<EntryPath, Whose>> = vec![Map::default(); base.layers()];
            let mut perhaps = BTreeSet::new();
            for (layer, path, _) in case.files_with_facts(0..base.layers()) {
                let whose = own.whose(layer, path);
                files[layer].insert(path.clone(), whose);
                if whose != Whose::Package {
                    perhaps.insert((layer, path.clone()));
                }
            }
            OfBase { base: Arc::clone(base), ownership: Rc::clone(ownership), files, perhaps }
        });
        KNOWN.with_borrow_mut(|known| known.keep(case.view, reads, answer))
    }

    /// Files of which something is stated, by layer and path, those left out that are surely a package's.
    pub(super) fn files(&self) -> impl Iterator<Item = (usize, &EntryPath, &[&'a Fact])> {
        let (below, perhaps) = match &self.base {
            Some(known) => (known.answer.base.layers(), Some(&known.answer.perhaps)),
            None => (0, None),
        };
        let accused = self.accused.iter().filter(move |(layer, _)| *layer < below);
        let lower: BTreeSet<_> = perhaps.into_iter().flatten().chain(accused).collect();
        let lower = lower.into_iter().map(|(layer, path)| (*layer, path, self.case.facts_of(*layer, path)));
        let above = self.case.files_with_facts(below..self.case.view.layers().len());
        lower.chain(above.map(|(layer, path, facts): (usize, &EntryPath, _)| (layer, path, facts)))
    }

    /// Whether the file at this path of this layer is no package's, or was changed after its package
    /// was installed.
    pub(super) fn is_own(&self, layer: usize, path: &EntryPath) -> bool {
        let whose = || {
            let files = self.base.as_ref().and_then(|known| known.answer.files.get(layer));
            if let Some(whose) = files.and_then(|files| files.get(path)) {
                return *whose;
            }
            let key = (layer, path.clone());
            if let Some(known) = self.known.borrow().get(&key) {
                return *known;
            }
            let whose = self.whose(layer, path);
            self.known.borrow_mut().insert(key, whose);
            whose
        };
        if !self.accused.is_empty() && self.accused.contains(&(layer, path.clone())) {
            return true;
        }
        match whose() {
            Whose::Maker => true,
            Whose::MakerIfItActs => self.case.reach(layer, path) >= Reach::Reachable,
            Whose::Package => false,
        }
    }

    fn whose(&self, layer: usize, path: &EntryPath) -> Whose {
        if self.is_of_package_manager(path) || is_cached_package(path) || self.is_copied(path) {
            return Whose::Package;
        }
        let Some(owner) = self.case.owner(path) else { return Whose::Maker };
        if owner.manager.is_of_system() {
            // What an update of the package replaced was the package's as well.
            let seen = self
                .case
                .view
                .lookup(path)
                .is_some_and(|found| found.layer == layer || found.data_layer == layer);
            return if seen && owner.state == State::Changed { Whose::Maker } else { Whose::Package };
        }
        match owner.state {
            State::Changed => Whose::Maker,
            State::Unchanged => Whose::Package,
            // By its place or by its own word only.
            State::Unverified if owner.manager.is_of_program() => Whose::Maker,
            State::Unverified => Whose::MakerIfItActs,
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
