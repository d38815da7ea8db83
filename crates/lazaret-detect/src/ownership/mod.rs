//! Which package owns which file, and whether the file is still what the package brought.
//!
//! The databases are in the image, and whoever made the image may have written them. So what they
//! say lowers the weight of a heuristic and never that of proof, and where they contradict the
//! layers, that is told ([`Ownership::rewritten`], [`Ownership::replaced`]).

mod apk;
mod dpkg;
mod history;
mod language;
mod rpm;
mod trace;

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use lazaret_model::{ContentId, EntryPath, Fact, FileKind, Gap, GapKind, Location};
use md5::{Digest as _, Md5};
use sha1::Sha1;
use sha2::Sha256;

use crate::Contents;
use crate::hash::Map;
use crate::reads::{self, Bases};
use crate::view::{Found, View};
pub use trace::Rewrite;
use trace::Trace;

/// Most files that all databases of one image may claim together.
const MOST_CLAIMS: usize = 2_000_000;

/// Who put a file there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Manager {
    /// Debian's dpkg.
    Dpkg,
    /// Alpine's apk.
    Apk,
    /// rpm.
    Rpm,
    /// Python's pip and its relatives.
    Pip,
    /// Node's npm.
    Npm,
    /// Ruby's gem.
    Gem,
    /// A Java archive that names its Maven coordinates.
    Jar,
    /// A Go program, by its build information.
    Go,
    /// A Rust program that lists its crates.
    Cargo,
}

impl Manager {
    /// The name that people use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dpkg => "dpkg",
            Self::Apk => "apk",
            Self::Rpm => "rpm",
            Self::Pip => "pip",
            Self::Npm => "npm",
            Self::Gem => "gem",
            Self::Jar => "jar",
            Self::Go => "go",
            Self::Cargo => "cargo",
        }
    }

    /// Whether it is a program's own word of what it was built from: every program in these languages
    /// says so, and nobody installed it.
    pub fn is_of_program(self) -> bool {
        matches!(self, Self::Go | Self::Cargo)
    }

    /// Whether it is the package manager of a distribution.
    pub fn is_of_system(self) -> bool {
        matches!(self, Self::Dpkg | Self::Apk | Self::Rpm)
    }
}

/// Whether an owned file is what its package brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Its content has the checksum of the database, and no layer contradicts that.
    Unchanged,
    /// It was changed after the package was installed: by its checksum or by the layers.
    Changed,
    /// The database holds no checksum, or the content's is not known.
    Unverified,
}

/// The package that owns a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner<'a> {
    /// Name of the package.
    pub package: Cow<'a, str>,
    /// Its version, as the manager writes it.
    pub version: Cow<'a, str>,
    /// Who installed it.
    pub manager: Manager,
    /// What became of the file.
    pub state: State,
    /// Whether it is a configuration that its owner may well have changed.
    pub config: bool,
}

/// A checksum as databases write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Sum {
    Md5([u8; 16]),
    Sha1([u8; 20]),
    Sha256([u8; 32]),
}

/// A file in a package's list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Listed {
    /// As the database writes it.
    pub(crate) path: EntryPath,
    pub(crate) sum: Option<Sum>,
    pub(crate) config: bool,
}

/// A package as its database describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) manager: Manager,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) files: Vec<Listed>,
    /// The layer whose build step installed it in this version.
    pub(crate) layer: usize,
    /// What in the database changed without the package being installed anew.
    pub(crate) rewrite: Option<Rewrite>,
}

thread_local! {
    static KNOWN: RefCell<Bases<Rc<Ownership>>> = const { RefCell::new(Bases::new()) };
}

/// What all package databases of an image say.
#[derive(Debug, Default)]
pub struct Ownership {
    packages: Vec<Package>,
    /// Package and position in its list, by the path as the container sees it.
    claims: Map<EntryPath, (u32, u32)>,
    /// What owned files were in lower layers, lowest first.
    hidden: Map<EntryPath, Vec<(usize, Option<ContentId>)>>,
    aliases: Aliases,
    /// Packages' files that are not what the packages brought, and those whose contents decide; made where
    /// they are asked for.
    doubtful: OnceCell<Vec<Doubt>>,
    /// What became of files that were asked about, by package and position in its list. What a content
    /// decides is left out: other images that get this may not have it, or have it where one did not.
    seen: RefCell<Map<(u32, u32), Option<Seen>>>,
    /// Whether contents have the listed checksums, by the same.
    right: RefCell<Map<(u32, u32), bool>>,
    /// Databases that could not be read.
    gaps: Vec<Gap>,
}

impl Sum {
    /// Whether this is the checksum of `bytes`.
    pub(crate) fn is_of(self, bytes: &[u8]) -> bool {
        match self {
            Self::Md5(sum) => <[u8; 16]>::from(Md5::digest(bytes)) == sum,
            Self::Sha1(sum) => <[u8; 20]>::from(Sha1::digest(bytes)) == sum,
            Self::Sha256(sum) => <[u8; 32]>::from(Sha256::digest(bytes)) == sum,
        }
    }
}

/// By what it is told whether a file has a checksum.
pub(crate) enum Agreed {
    /// By what is stated of its layer, so every image that has the layer says the same; None where that
    /// tells nothing.
    Stated(Option<bool>),
    /// By its content, where the image has it.
    ByContent(Option<Arc<[u8]>>),
}

/// Tells whether a file has a checksum.
pub(crate) type Agrees<'a> = dyn Fn(&Found<'_>, Sum) -> Agreed + 'a;

/// A file of a package whose content is not what the package brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced<'a> {
    /// Its owner.
    pub owner: Owner<'a>,
    /// The file as the container sees it.
    pub path: EntryPath,
    /// The layer that its content comes from.
    pub layer: usize,
    /// The layer that installed the package.
    pub installed: usize,
    /// Whether the checksum in the database is that of the new content: then the database was
    /// changed with it.
    pub covered: bool,
}

/// What ownership reads of an image.
pub(crate) struct Source<'a> {
    pub(crate) view: &'a View<'a>,
    pub(crate) contents: &'a dyn Contents,
}

impl Source<'_> {
    /// A content that this goes without where it was not kept.
    fn content(&self, id: &ContentId) -> Option<Database> {
        reads::content(self.contents, id)
    }

    /// A content of a database file, or a gap.
    #[expect(clippy::result_large_err, reason = "a gap is made once for each damaged database")]
    fn database(&self, layer: usize, path: &EntryPath, id: Option<ContentId>) -> Result<Database, Gap> {
        let bytes = id.and_then(|id| self.content(&id));
        bytes.ok_or_else(|| {
            gap(layer, path, "this package database was not kept, so what it owns is not known")
        })
    }
}

type Database = Arc<[u8]>;

fn gap(layer: usize, path: &EntryPath, detail: impl Into<String>) -> Gap {
    Gap::minor(GapKind::Unsupported, Location::file(layer, path.clone()), detail)
}

impl Ownership {
    /// The same, or what is known of another image whose databases, and files that they name, are these.
    pub(crate) fn known(view: &View<'_>, contents: &dyn Contents) -> Rc<Self> {
        reads::known(&KNOWN, view, contents, || Self::of(view, contents), |known| known.gaps.is_empty())
    }

    /// Reads every package database of the image.
    pub fn of(view: &View<'_>, contents: &dyn Contents) -> Self {
        let source = Source { view, contents };
        let mut out = Self { aliases: Aliases::of(view), ..Self::default() };
        let mut trace = Trace::new(view);
        dpkg::read(&source, &mut trace, &mut out);
        apk::read(&source, &mut trace, &mut out);
        rpm::read(&source, &mut trace, &mut out);
        language::read_pip(&source, &mut out);
        // What became of a claimed file is an answer that rests on its path.
        for path in out.claims.keys() {
            view.lookup(path);
        }
        let claims = &out.claims;
        for removed in view.removed_of(|path| claims.contains_key(path)) {
            if removed.entry.kind == FileKind::File {
                let states = out.hidden.entry(removed.entry.path.clone()).or_default();
                states.push((removed.layer, removed.entry.content));
            }
        }
        out.hidden.values_mut().for_each(|states| states.sort());
        out
    }

    /// Adds a package. Of two claims on one path the later stands.
    fn add(&mut self, package: Package) {
        self.add_moved(package, |_| None);
    }

    /// Adds a package of a language: what the distribution's packages own stays theirs.
    fn add_unless_owned(&mut self, package: Package) {
        let number = self.packages.len() as u32;
        for (at, listed) in package.files.iter().enumerate() {
            if self.claims.len() >= MOST_CLAIMS {
                break;
            }
            self.claims.entry(self.aliases.real(&listed.path)).or_insert((number, at as u32));
        }
        self.packages.push(package);
    }

    /// Adds a package some of whose files are elsewhere than its list says.
    fn add_moved(&mut self, package: Package, moved: impl Fn(&EntryPath) -> Option<EntryPath>) {
        let number = self.packages.len() as u32;
        for (at, listed) in package.files.iter().enumerate() {
            if self.claims.len() >= MOST_CLAIMS {
                break;
            }
            let path = moved(&listed.path).unwrap_or_else(|| listed.path.clone());
            self.claims.insert(self.aliases.real(&path), (number, at as u32));
        }
        self.packages.push(package);
    }

    /// The databases that could not be read.
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// Whether any package manager of a distribution keeps this image.
    pub fn has_system(&self) -> bool {
        self.packages.iter().any(|package| package.manager.is_of_system())
    }

    /// How many packages there are.
    pub fn packages(&self) -> usize {
        self.packages.len()
    }

    /// Whether a package of this name is there.
    pub(crate) fn has_package(&self, name: &[u8]) -> bool {
        self.packages.iter().any(|package| package.name.as_bytes() == name)
    }

    /// Name, version and manager of every package.
    pub fn list(&self) -> impl Iterator<Item = (&str, &str, Manager)> + '_ {
        self.packages.iter().map(|p| (p.name.as_str(), p.version.as_str(), p.manager))
    }

    fn claim(&self, view: &View<'_>, path: &EntryPath) -> Option<((u32, u32), EntryPath)> {
        let direct = self.aliases.real(path);
        let find = |path: EntryPath| Some((*self.claims.get(&path)?, path));
        find(direct)
            .or_else(|| find(self.aliases.real(&view.real_path(path.as_bytes(), &EntryPath::default())?)))
    }

    /// The owner of a file as the container sees it, links followed.
    pub(crate) fn owner(&self, view: &View<'_>, path: &EntryPath, agrees: &Agrees<'_>) -> Option<Owner<'_>> {
        let (claim, path) = self.claim(view, path)?;
        let (package, listed) = self.claimed(claim);
        let (state, _) = self.state(view, claim, &path, agrees);
        Some(owner(package, listed, state.map_or(State::Unverified, |seen| seen.state)))
    }

    /// The owner by where a file lies or what it says of itself.
    pub(crate) fn owner_by_place(
        &self,
        view: &View<'_>,
        contents: &dyn Contents,
        path: &EntryPath,
        facts: &[&Fact],
    ) -> Option<Owner<'_>> {
        language::owner(view, contents, path, facts)
    }

    fn claimed(&self, (package, at): (u32, u32)) -> (&Package, &Listed) {
        let package = &self.packages[package as usize];
        (package, &package.files[at as usize])
    }

    /// What became of a listed file, None where it is no regular file; and whether it is so for every
    /// image that has these layers.
    fn state(
        &self,
        view: &View<'_>,
        claim: (u32, u32),
        path: &EntryPath,
        agrees: &Agrees<'_>,
    ) -> (Option<Seen>, bool) {
        if let Some(seen) = self.seen.borrow().get(&claim) {
            return (*seen, true);
        }
        let (seen, settled) = self.look(view, claim, path, agrees);
        if settled {
            self.seen.borrow_mut().insert(claim, seen);
        }
        (seen, settled)
    }

    fn look(
        &self,
        view: &View<'_>,
        claim: (u32, u32),
        path: &EntryPath,
        agrees: &Agrees<'_>,
    ) -> (Option<Seen>, bool) {
        let Some(found) = view.lookup(path).filter(|found| found.data.kind == FileKind::File) else {
            return (None, true);
        };
        let (package, listed) = self.claimed(claim);
        let agreed = listed.sum.map(|sum| (sum, agrees(&found, sum)));
        let settled = !matches!(agreed, Some((_, Agreed::ByContent(_))));
        let right = match agreed {
            Some((sum, Agreed::ByContent(Some(bytes)))) => {
                Some(*self.right.borrow_mut().entry(claim).or_insert_with(|| sum.is_of(&bytes)))
            }
            Some((_, Agreed::Stated(right))) => right,
            Some((_, Agreed::ByContent(None))) | None => None,
        };
        let newer = self.is_newer(&found, claim, path);
        let state = match right {
            Some(false) => State::Changed,
            _ if newer => State::Changed,
            Some(true) if package.rewrite.is_none() => State::Unchanged,
            _ => State::Unverified,
        };
        (Some(Seen { state, layer: found.data_layer, right }), settled)
    }

    /// Whether a layer above that of the package brought another content.
    fn is_newer(&self, found: &Found<'_>, claim: (u32, u32), path: &EntryPath) -> bool {
        let (package, _) = self.claimed(claim);
        package.manager.is_of_system()
            && found.data_layer > package.layer
            && self.differs_below(path, package.layer, found.data.content)
    }

    /// Whether the file had another content when `layer` was done: changing mode or owner copies a
    /// file into a new layer without changing it.
    fn differs_below(&self, path: &EntryPath, layer: usize, content: Option<ContentId>) -> bool {
        // Too large to be held whole: nothing can be said. Left out when the package was installed and
        // put there later: only its checksum tells.
        let below = self.hidden.get(path).and_then(|states| states.iter().rev().find(|s| s.0 <= layer));
        matches!((below, content), (Some((_, Some(before))), Some(now)) if *before != now)
    }

    /// Every file of a distribution's package that was changed after it was installed,
    /// configurations left out.
    pub(crate) fn replaced(
        &self,
        view: &View<'_>,
        contents: &dyn Contents,
        agrees: &Agrees<'_>,
    ) -> Vec<Replaced<'_>> {
        let doubtful = self.doubtful.get_or_init(|| {
            let claims = self.claims.iter().filter(|(_, claim)| self.may_be_replaced(**claim));
            let mut all: Vec<Doubt> =
                claims.filter_map(|(path, claim)| self.doubt(view, *claim, path, agrees)).collect();
            all.sort_by(|a, b| a.path.cmp(&b.path));
            all
        });
        // What was right once is right wherever it is found.
        let is_right = |doubt: &Doubt| self.right.borrow().get(&doubt.claim) == Some(&true);
        let may_differ = |id| reads::content(contents, &id).is_some();
        let replaced = doubtful.iter().filter(|doubt| {
            doubt.is_newer || doubt.decides.is_none_or(|id| !is_right(doubt) && may_differ(id))
        });
        replaced.filter_map(|doubt| self.replaced_at(view, &doubt.path, agrees)).collect()
    }

    /// Why a file may not be what its package brought; None where it is for sure.
    fn doubt(
        &self,
        view: &View<'_>,
        claim: (u32, u32),
        path: &EntryPath,
        agrees: &Agrees<'_>,
    ) -> Option<Doubt> {
        let (seen, settled) = self.state(view, claim, path, agrees);
        if settled && seen?.state != State::Changed {
            return None;
        }
        let found = view.lookup(path)?;
        let decides = found.data.content.filter(|_| !settled);
        Some(Doubt { path: path.clone(), claim, decides, is_newer: self.is_newer(&found, claim, path) })
    }

    fn may_be_replaced(&self, claim: (u32, u32)) -> bool {
        let (package, listed) = self.claimed(claim);
        !listed.config && package.manager.is_of_system()
    }

    fn replaced_at(&self, view: &View<'_>, path: &EntryPath, agrees: &Agrees<'_>) -> Option<Replaced<'_>> {
        let claim = *self.claims.get(path)?;
        if !self.may_be_replaced(claim) {
            return None;
        }
        let (package, listed) = self.claimed(claim);
        let seen = self.state(view, claim, path, agrees).0?;
        (seen.state == State::Changed).then(|| Replaced {
            owner: owner(package, listed, seen.state),
            path: path.clone(),
            layer: seen.layer,
            installed: package.layer,
            covered: seen.right == Some(true),
        })
    }

    /// Packages whose entries in the database were changed without being installed anew.
    pub fn rewritten(&self) -> impl Iterator<Item = (&str, &Rewrite)> + '_ {
        self.packages.iter().filter_map(|package| Some((package.name.as_str(), package.rewrite.as_ref()?)))
    }
}

fn owner<'a>(package: &'a Package, listed: &Listed, state: State) -> Owner<'a> {
    Owner {
        package: Cow::Borrowed(&package.name),
        version: Cow::Borrowed(&package.version),
        manager: package.manager,
        state,
        config: listed.config,
    }
}

/// What is known of an owned file.
#[derive(Debug, Clone, Copy)]
struct Seen {
    state: State,
    /// Of its content.
    layer: usize,
    /// Whether its checksum is right, where that is known.
    right: Option<bool>,
}

/// A package's file of which it is not settled that it is what the package brought.
#[derive(Debug)]
struct Doubt {
    path: EntryPath,
    claim: (u32, u32),
    /// The content by which it is told, where that is not known of all images with these layers.
    decides: Option<ContentId>,
    /// Whether the layers say that it was changed, whatever its content is.
    is_newer: bool,
}

/// The directories of the root that are links into `/usr` (the merge of `/usr`).
#[derive(Debug, Default)]
struct Aliases(Vec<(&'static [u8], &'static [u8])>);

impl Aliases {
    fn of(view: &View<'_>) -> Self {
        const DIRS: [(&[u8], &[u8]); 6] = [
            (b"bin/", b"usr/bin/"),
            (b"sbin/", b"usr/sbin/"),
            (b"lib/", b"usr/lib/"),
            (b"lib64/", b"usr/lib64/"),
            (b"lib32/", b"usr/lib32/"),
            (b"libx32/", b"usr/libx32/"),
        ];
        let root = EntryPath::default();
        let linked = DIRS.into_iter().filter(|(from, to)| {
            let real = view.real_path(&from[..from.len() - 1], &root);
            real.is_some_and(|real| real.as_bytes() == &to[..to.len() - 1])
        });
        let mut out: Vec<_> = linked.collect();
        // Fedora and Arch put `/usr/sbin` into `/usr/bin` besides.
        let sbin = view.real_path(b"usr/sbin", &root);
        if sbin.is_some_and(|real| real.as_bytes() == b"usr/bin") {
            out.push((b"sbin/", b"usr/bin/"));
            out.push((b"usr/sbin/", b"usr/bin/"));
        }
        Self(out)
    }

    /// The path below `/usr` that an old name stands for.
    fn real(&self, path: &EntryPath) -> EntryPath {
        let raw = path.as_bytes();
        let alias = self.0.iter().find_map(|(from, to)| Some((raw.strip_prefix(*from)?, *to)));
        match alias {
            Some((rest, to)) => EntryPath::clean(&[to, rest].concat()),
            None => path.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
