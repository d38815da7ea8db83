//! The container on paper: its files as the steps so far left them, and all that was seen.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::BuildHasher;
use std::rc::Rc;

use foldhash::quality::RandomState;
use lazaret_model::{
    Behaviour, BehaviourKind, BudgetKind, Certainty, EntryPath, FactKind, FileKind, FileOp, Gap, GapKind,
    Launch, Location, MountKind, Phase, Reach, TextKind,
};

use super::path::{FileReach, LaunchLimits, Missing, StartPath};
use super::recall::Aside;
use crate::code::Budget;
use crate::shell::{Fetched, Hand, Held, Know, Ran, Start, Trouble, Value, World, pattern_matches};
use crate::{Contents, Found, View};

/// A file as a step of the path left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    /// What it holds, where that is known.
    pub content: Option<Value>,
    pub fetched: Option<Rc<Fetched>>,
    pub removed: bool,
    /// The file of the image that it is a copy of, or a link to.
    pub source: Option<String>,
}

/// A file that a step writes and that runs later by itself.
#[derive(Debug, Clone)]
pub(super) struct Planted {
    pub path: String,
    pub content: String,
    pub because: Vec<Location>,
    pub certainty: Certainty,
}

pub(super) struct Paper<'a> {
    pub view: &'a View<'a>,
    pub contents: &'a dyn Contents,
    pub limits: LaunchLimits,
    pub path: StartPath,
    /// What the steps of the current launch wrote, by absolute path.
    pub written: BTreeMap<String, Written>,
    /// Directories that something fetched was unpacked to.
    pub unpacked: Vec<(String, Rc<Fetched>)>,
    pub planted: Vec<Planted>,
    /// How the image is run, where that is known.
    pub launch: Option<&'a Launch>,
    /// What stands at a path before each launch though no layer holds it: files that the launch
    /// mounts, files that the steps of a build wrote.
    pub base: BTreeMap<String, Written>,
    /// What `chroot` put in front of every path; empty for the container's own root.
    pub root: String,
    pub phase: Phase,
    /// Scripts being run, with their arguments, so that one that starts itself ends.
    pub running: Vec<(String, Vec<String>, String)>,
    /// How often a path came to hold something else.
    pub changes: usize,
    /// Programs that the start path runs, by name.
    pub started: HashSet<String>,
    code: Rc<Budget>,
    steps: u64,
    depth: u32,
    /// Behaviours by their hash, as places in the path's list.
    known: HashMap<u64, Vec<u32>>,
    hasher: RandomState,
    /// Files that were compared with tools, by layer and position, and the tool that each is.
    pub copies: HashMap<(usize, usize), Option<&'static str>>,
    /// Programs that were looked for, by name and `PATH`.
    searched: HashMap<(String, String), Option<Found<'a>>>,
    troubled: HashSet<(Location, Trouble)>,
    natures: Option<HashMap<(usize, &'a EntryPath), Nature>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Nature {
    Binary,
    Script,
    Text,
}

impl<'a> Paper<'a> {
    pub fn new(view: &'a View<'a>, contents: &'a dyn Contents, limits: LaunchLimits) -> Self {
        Self {
            view,
            contents,
            limits,
            path: StartPath::default(),
            written: BTreeMap::new(),
            unpacked: Vec::new(),
            planted: Vec::new(),
            launch: None,
            base: BTreeMap::new(),
            root: String::new(),
            phase: Phase::Start,
            running: Vec::new(),
            changes: 0,
            started: HashSet::new(),
            code: Rc::default(),
            steps: limits.steps,
            depth: 0,
            known: HashMap::new(),
            hasher: RandomState::default(),
            copies: HashMap::new(),
            searched: HashMap::new(),
            troubled: HashSet::new(),
            natures: None,
        }
    }

    /// Begins another launch over the same image: what the last one wrote is gone.
    pub fn begin(&mut self, phase: Phase) {
        self.phase = phase;
        self.written.clone_from(&self.base);
        self.unpacked.clear();
        self.running.clear();
    }

    /// Whether so many more steps and behaviours are within the limits.
    pub fn has_room_for(&self, steps: u64, behaviours: usize) -> bool {
        steps < self.steps && self.path.behaviours.len() + behaviours < self.limits.behaviours
    }

    /// Whether no program in another language than the shell's was followed so far.
    pub fn is_code_unspent(&self) -> bool {
        *self.code == Budget::default()
    }

    /// Begins to follow something as if nothing were known yet of this image.
    pub fn set_aside(&mut self) -> Aside {
        // What was looked up before is looked up again, so that it is noted.
        self.searched.clear();
        self.copies.clear();
        Aside {
            path: std::mem::take(&mut self.path),
            known: std::mem::take(&mut self.known),
            troubled: std::mem::take(&mut self.troubled),
            steps: self.steps,
        }
    }

    /// Ends that, and gives what came of it: what was seen, the troubles, the steps that it took.
    pub fn put_back(&mut self, before: Aside) -> (StartPath, HashSet<(Location, Trouble)>, u64) {
        let took = before.steps - self.steps;
        self.known = before.known;
        self.steps = before.steps;
        let troubled = std::mem::replace(&mut self.troubled, before.troubled);
        (std::mem::replace(&mut self.path, before.path), troubled, took)
    }

    /// Adds what came of something that was followed by itself.
    pub fn take_over(&mut self, path: &StartPath, troubled: &HashSet<(Location, Trouble)>, steps: u64) {
        for behaviour in &path.behaviours {
            self.note(behaviour.clone());
        }
        if !path.behaviours.is_empty() && self.path.behaviours.len() >= self.limits.behaviours {
            self.trouble(vec![Location::Image], Trouble::Slow);
        }
        for ((layer, file), mark) in &path.files {
            self.mark_at((*layer, file.clone()), mark.clone());
        }
        for missing in &path.missing {
            self.miss(missing.clone());
        }
        let told = |location: &Location, detail: &str, gaps: &[Gap]| {
            gaps.iter().any(|gap| whole_file(&gap.location) == whole_file(location) && gap.detail == detail)
        };
        for gap in &path.gaps {
            if !told(&gap.location, &gap.detail, &self.path.gaps) {
                self.path.gaps.push(gap.clone());
            }
        }
        self.troubled.extend(troubled.iter().cloned());
        self.steps -= steps.min(self.steps);
    }

    fn reach(&self, certainty: Certainty) -> Reach {
        match (self.phase, certainty) {
            (Phase::Start, Certainty::Will) => Reach::Starts,
            _ => Reach::Reachable,
        }
    }

    /// Notes that a file acts. The strongest reach stays, and of equal ones the first.
    pub fn mark(&mut self, found: &Found<'_>, certainty: Certainty, because: &[Location]) {
        // What ran while the image was built is not run by the container.
        if self.phase == Phase::Build {
            return;
        }
        let reach = self.reach(certainty);
        self.mark_as(found, reach, self.phase, because);
    }

    pub fn mark_as(&mut self, found: &Found<'_>, reach: Reach, phase: Phase, because: &[Location]) {
        let key = (found.layer, found.entry.path.clone());
        self.mark_at(key, FileReach { reach, phase, because: because.to_vec() });
    }

    fn mark_at(&mut self, key: (usize, EntryPath), mark: FileReach) {
        match self.path.files.get_mut(&key) {
            Some(old) if old.reach >= mark.reach => {}
            Some(old) => *old = mark,
            None => {
                self.path.files.insert(key, mark);
            }
        }
    }

    /// The text of a file in the image. None where it is no text, or not there to be read; the
    /// latter is noted.
    pub fn text(&mut self, found: &Found<'a>, certainty: Certainty) -> Option<String> {
        let content = found.data.content;
        if let Some(bytes) = content.and_then(|id| self.contents.get(&id)) {
            let head = &bytes[..bytes.len().min(4096)];
            // Shells drop NUL bytes, and run a script in front of packed data.
            let script = head.starts_with(b"#!");
            if head.starts_with(b"\x7fELF") || !script && memchr::memchr(0, head).is_some() {
                return None;
            }
            if bytes.len() > self.limits.script_bytes {
                let place = Location::file(found.layer, found.entry.path.clone());
                self.trouble(vec![place], Trouble::Long);
            }
            let most = bytes.len().min(self.limits.script_bytes);
            return Some(Value::from_bytes(&bytes[..most], Know::Plain).text);
        }
        if found.data.size == 0 {
            return Some(String::new());
        }
        let nature = self.nature(found);
        if nature != Some(Nature::Binary) && (nature.is_some() || found.data.size <= 1 << 20) {
            let starts = self.reach(certainty) == Reach::Starts;
            let path = found.data.path.clone();
            let missing = Missing { layer: found.data_layer, path, content, starts };
            self.miss(missing);
        } else if let Some(id) = content {
            crate::reads::content(self.contents, &id);
        }
        None
    }

    fn miss(&mut self, missing: Missing) {
        match self.path.missing.iter_mut().find(|m| m.layer == missing.layer && m.path == missing.path) {
            Some(old) => old.starts |= missing.starts,
            None => self.path.missing.push(missing),
        }
    }

    /// Notes something that happens, once.
    fn note(&mut self, behaviour: Behaviour) {
        if self.path.behaviours.len() >= self.limits.behaviours {
            return;
        }
        let same = self.known.entry(self.hasher.hash_one(&behaviour)).or_default();
        if !same.iter().any(|&at| self.path.behaviours.get(at as usize) == Some(&behaviour)) {
            same.push(self.path.behaviours.len() as u32);
            self.path.behaviours.push(behaviour);
        }
    }

    /// Says so where a file that is started holds bytes that are neither a program nor a text.
    pub fn unread(&mut self, found: &Found<'_>, because: &[Location]) {
        let Some(bytes) = found.data.content.and_then(|id| self.contents.get(&id)) else { return };
        const PROGRAMS: [&[u8]; 4] = [b"\x7fELF", b"\xca\xfe\xba\xbe", b"PK\x03\x04", b"MZ"];
        if !PROGRAMS.iter().any(|magic| bytes.starts_with(magic)) {
            let mut chain = vec![Location::file(found.layer, found.entry.path.clone())];
            chain.extend_from_slice(because);
            self.trouble(chain, Trouble::Encoding);
        }
    }

    fn nature(&mut self, found: &Found<'a>) -> Option<Nature> {
        let view = self.view;
        let natures = self.natures.get_or_insert_with(|| {
            let mut natures = HashMap::new();
            for (number, layer) in view.layers().iter().enumerate() {
                for fact in layer.facts.iter().filter(|f| f.inside.is_empty()) {
                    let nature = match &fact.kind {
                        FactKind::Elf { .. } | FactKind::Archive { .. } => Nature::Binary,
                        FactKind::Text { kind: TextKind::Shell, .. } => Nature::Script,
                        FactKind::Text { .. } => Nature::Text,
                        _ => continue,
                    };
                    natures.entry((number, &fact.path)).or_insert(nature);
                }
            }
            natures
        });
        natures.get(&(found.data_layer, &found.data.path)).copied()
    }

    /// A program as `PATH` finds it. What something from outside stands in front of is not there.
    pub fn search(&mut self, name: &str, search: &str, cwd: &EntryPath) -> Option<Found<'a>> {
        let found = self.searched_for(name, search, cwd);
        found.filter(|found| self.launch.is_none() || !self.is_mounted_over(&found.entry.path.to_string()))
    }

    fn searched_for(&mut self, name: &str, search: &str, cwd: &EntryPath) -> Option<Found<'a>> {
        let relative = name.contains('/') || !search.split(':').all(|dir| dir.starts_with('/'));
        if relative {
            return self.view.find_in_path(name, search, cwd);
        }
        let key = (name.to_owned(), search.to_owned());
        if let Some(known) = self.searched.get(&key) {
            return *known;
        }
        let found = self.view.find_in_path(name, search, cwd);
        if self.searched.len() < 4096 {
            self.searched.insert(key, found);
        }
        found
    }

    pub fn find(&self, path: &str) -> Option<Found<'a>> {
        if self.is_mounted_over(path) {
            return None;
        }
        self.view.resolve(path.as_bytes(), &EntryPath::default())
    }

    /// Whether something from outside stands where the image has its own files. An engine fills a
    /// new volume with what the image has there; nothing else shows it.
    pub fn is_mounted_over(&self, path: &str) -> bool {
        let mount = self.launch.and_then(|launch| launch.mount_of(path));
        mount.is_some_and(|(mount, _)| mount.kind != MountKind::Volume)
    }

    /// A path as the container's own root has it, whatever root the process has.
    fn rooted(&self, path: &str) -> String {
        if self.root.is_empty() || !path.starts_with('/') {
            return path.to_owned();
        }
        format!("{}{path}", self.root)
    }

    /// What a step fetched to this path, if one did.
    pub fn fetched(&self, path: &str) -> Option<Rc<Fetched>> {
        if let Some(written) = self.written.get(path) {
            return written.fetched.clone();
        }
        let within = |dir: &str| {
            path.strip_prefix(dir).is_some_and(|rest| dir.ends_with('/') || rest.starts_with('/'))
        };
        self.unpacked.iter().rev().find(|(dir, _)| within(dir)).map(|(_, fetched)| fetched.clone())
    }

    /// Notes what a path holds now, without stating anything.
    pub fn put(&mut self, path: &str, content: Option<Value>, fetched: Option<Rc<Fetched>>) {
        let now = Written { content, fetched, removed: false, source: None };
        match self.written.get(path) {
            Some(old) if *old == now => {}
            _ => {
                self.changes += 1;
                self.written.insert(path.to_owned(), now);
            }
        }
    }

    /// Notes that a path holds what another one holds, by copy or by link.
    pub fn same_as(&mut self, path: &str, other: &str) {
        let source = match self.written.get(other) {
            Some(written) => written.source.clone(),
            None => self.find(other).filter(Found::is_file).map(|f| f.entry.path.to_string()),
        };
        if let Some(written) = self.written.get_mut(path) {
            written.source = source;
        }
    }

    /// What a path holds, without marking it as read.
    pub fn peek(&mut self, path: &str, certainty: Certainty) -> Held {
        if let Some(written) = self.written.get(path) {
            return match (written.removed, &written.content) {
                (true, _) => Held::Absent,
                (_, Some(content)) => {
                    Held::Text(Value { fetched: written.fetched.clone(), ..content.clone() })
                }
                _ => Held::Opaque(written.fetched.clone()),
            };
        }
        if let Some(fetched) = self.fetched(path) {
            return Held::Opaque(Some(fetched));
        }
        if path == "/dev/null" {
            return Held::Text(Value::empty());
        }
        match self.find(path) {
            None if self.is_directory(path) => Held::Directory,
            None => Held::Absent,
            Some(found) if found.data.kind == FileKind::Directory => Held::Directory,
            Some(found) => match self.text(&found, certainty) {
                Some(text) => Held::Text(Value::plain(text)),
                None => Held::Opaque(None),
            },
        }
    }

    fn is_directory(&self, path: &str) -> bool {
        let real = self.view.real_path(path.as_bytes(), &EntryPath::default());
        real.is_some_and(|real| real.as_bytes().is_empty() || self.view.below(&real).next().is_some())
    }

    /// Names of the image's files in a directory, and of those that the steps so far wrote there.
    fn with_written(&self, dir: &str, names: Vec<Vec<u8>>) -> Vec<String> {
        let mut names: Vec<String> = names.into_iter().filter_map(|n| String::from_utf8(n).ok()).collect();
        let inside = format!("{}/", dir.trim_end_matches('/'));
        let here = self.written.range(inside.clone()..).take_while(|(path, _)| path.starts_with(&inside));
        for (path, written) in here.take(4096) {
            let name = &path[inside.len()..];
            if !written.removed && !name.contains('/') && !names.iter().any(|n| n == name) {
                names.push(name.to_owned());
            }
        }
        names
    }
}

/// A place in a file as the file.
fn whole_file(location: &Location) -> Location {
    match location {
        Location::File { layer, path, .. } => Location::file(*layer, path.clone()),
        other => other.clone(),
    }
}

impl World for Paper<'_> {
    fn spend(&mut self, steps: u64, because: &dyn Fn() -> Vec<Location>) -> bool {
        if self.steps >= steps && self.path.behaviours.len() < self.limits.behaviours {
            self.steps -= steps;
            return true;
        }
        self.trouble(because(), Trouble::Slow);
        false
    }

    fn enter(&mut self, because: &dyn Fn() -> Vec<Location>) -> bool {
        if self.depth >= self.limits.depth {
            self.trouble(because(), Trouble::Deep);
            return false;
        }
        self.depth += 1;
        true
    }

    fn code_budget(&self) -> Rc<Budget> {
        self.code.clone()
    }

    fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    fn trouble(&mut self, because: Vec<Location>, what: Trouble) {
        let location = because.first().cloned().unwrap_or(Location::Image);
        // One for each file and reason: a script that is hostile throughout is one gap.
        if !self.troubled.insert((whole_file(&location), what)) {
            return;
        }
        let (kind, detail) = match what {
            Trouble::Slow => (
                GapKind::Budget(BudgetKind::Time),
                "the start path has more steps than are followed: what comes after this was not looked at",
            ),
            Trouble::Deep => (
                GapKind::Budget(BudgetKind::Depth),
                "commands are nested deeper than is followed: the inner ones were not looked at",
            ),
            Trouble::Unclosed => (
                GapKind::Unsupported,
                "a quote or a substitution is never closed: this line of the script was not understood",
            ),
            Trouble::Long => (
                GapKind::Budget(BudgetKind::Memory),
                "a text is longer than is followed: what it makes a program do is not known",
            ),
            Trouble::Encoding => (
                GapKind::Unsupported,
                "this file is started like a script and is no text in an encoding that a shell reads: what it does is not known",
            ),
            Trouble::Rounds => (
                GapKind::Budget(BudgetKind::Time),
                "a loop has more rounds than are followed: the later ones were not looked at",
            ),
        };
        let matters = self.phase == Phase::Start && what != Trouble::Rounds;
        self.path.gaps.push(Gap { kind, location, detail: detail.to_owned(), matters });
    }

    fn state(&mut self, kind: BehaviourKind, certainty: Certainty, because: Vec<Location>) {
        if self.path.behaviours.len() >= self.limits.behaviours {
            return;
        }
        let kind = match kind {
            BehaviourKind::File { op, path, content, by } => {
                BehaviourKind::File { op, path: self.rooted(&path), content, by }
            }
            other => other,
        };
        self.note(Behaviour { kind, phase: self.phase, certainty, because });
    }

    fn stated(&self) -> usize {
        self.path.behaviours.len()
    }

    fn changes(&self) -> usize {
        self.changes + self.unpacked.len()
    }

    fn start(&mut self, start: Start) -> Ran {
        super::process::start(self, start)
    }

    fn read(&mut self, path: &str, because: &[Location], certainty: Certainty) -> Held {
        if !self.written.contains_key(path)
            && let Some(found) = self.find(path)
            && found.is_file()
        {
            self.mark(&found, certainty, because);
        }
        self.peek(path, certainty)
    }

    fn chain(&self, path: &str, because: &[Location]) -> Vec<Location> {
        let mut chain = Vec::with_capacity(because.len() + 1);
        if !self.written.contains_key(path)
            && let Some(found) = self.find(path)
        {
            chain.push(Location::file(found.layer, found.entry.path.clone()));
        }
        chain.extend_from_slice(because);
        chain
    }

    fn stat(&mut self, path: &str) -> Held {
        if let Some(written) = self.written.get(path) {
            return match (written.removed, &written.content) {
                (true, _) => Held::Absent,
                (_, Some(content)) => Held::Text(content.clone()),
                _ => Held::Opaque(written.fetched.clone()),
            };
        }
        match self.find(path) {
            None if self.is_directory(path) => Held::Directory,
            None => Held::Absent,
            Some(found) if found.data.kind == FileKind::Directory => Held::Directory,
            Some(_) => Held::Opaque(None),
        }
    }

    fn finds(&mut self, name: &str, search: &str, cwd: &str) -> Option<String> {
        let found = self.view.find_in_path(name, search, &EntryPath::clean(cwd.as_bytes()))?;
        Some(found.entry.path.to_string())
    }

    fn is_program(&mut self, path: &str) -> bool {
        self.written.contains_key(path) || self.find(path).is_some_and(|f| f.is_program())
    }

    fn names(&mut self, dir: &str) -> Vec<String> {
        let names = self.view.list(&EntryPath::clean(dir.as_bytes()));
        self.with_written(dir, names)
    }

    fn names_like(&mut self, dir: &str, pattern: &str) -> Vec<String> {
        let names = self.view.list_like(&EntryPath::clean(dir.as_bytes()), pattern);
        let mut names = self.with_written(dir, names);
        names.retain(|name| pattern_matches(pattern, name));
        names
    }

    fn write(&mut self, path: &Value, content: &Value, append: bool, hand: Hand<'_>) {
        let known = content.known().map(str::to_owned);
        let op = if append { FileOp::Append } else { FileOp::Write };
        let shown = known.clone().or_else(|| (!content.text.is_empty()).then(|| content.text.clone()));
        let kind = BehaviourKind::File {
            op,
            path: path.text.clone(),
            content: shown.clone(),
            by: hand.by.to_owned(),
        };
        self.state(kind, hand.certainty, hand.because.to_vec());
        let Some(place) = path.known().map(|p| EntryPath::clean(self.rooted(p).as_bytes()).to_string())
        else {
            return;
        };
        if let Some(text) = &shown
            && self.planted.len() < 256
        {
            self.planted.push(Planted {
                path: place.clone(),
                content: text.clone(),
                because: hand.because.to_vec(),
                certainty: hand.certainty,
            });
        }
        // What is added to a long file again and again is added in place.
        if append
            && known.is_some()
            && content.fetched.is_none()
            && let Some(written) = self.written.get_mut(&place)
            && !written.removed
            && written.fetched.is_none()
            && let Some(before) = &mut written.content
        {
            written.source = None;
            self.changes += 1;
            if before.push(content, self.limits.value_bytes) {
                return;
            }
        }
        let mut whole = known.map(|_| Value { fetched: None, ..content.clone() });
        if append && let Some(added) = &whole {
            whole = match self.peek(&place, hand.certainty) {
                Held::Text(mut before) => before.push(added, self.limits.value_bytes).then_some(before),
                Held::Absent => whole,
                _ => None,
            };
        }
        let fetched = content.fetched.clone();
        let whole = whole.map(|v| v.at_most(Know::Sure));
        self.put(&place, whole, fetched);
    }

    fn hold(&mut self, name: &str, value: Value) {
        let fetched = value.fetched.clone();
        let content = value.is_known().then_some(value);
        self.put(name, content, fetched);
    }

    fn longest(&self) -> usize {
        self.limits.value_bytes
    }

    fn rounds(&self) -> usize {
        self.limits.rounds
    }
}
