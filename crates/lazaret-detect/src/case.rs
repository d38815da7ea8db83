use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use lazaret_model::{
    Behaviour, BehaviourKind, Digest, EntryPath, Evidence, Fact, FactKind, Image, Indicator, IndicatorKind,
    Launch, LayerFacts, Location, Phase, Reach, Rule,
};

use crate::claims::Claims;
use crate::hash::Map;
use crate::launch::StartPath;
use crate::memo::{self, Memo};
use crate::ownership::{Agreed, Owner, Ownership, Replaced, Sum};
use crate::reads;
use crate::view::{Found, View};
use crate::{Contents, indicators_in_text};

/// One layer as the judge gets it.
#[derive(Debug, Clone, Copy)]
pub struct LayerInput<'a> {
    /// What the analyzers saw.
    pub facts: &'a LayerFacts,
    /// What the byte rules matched.
    pub matches: &'a [Fact],
}

/// Everything that a check may look at. It holds only facts; a check opens nothing.
pub struct Case<'a> {
    /// The image.
    pub image: &'a Image,
    /// The file system as the container sees it.
    pub view: &'a View<'a>,
    /// What starts, and what it does.
    pub start: &'a StartPath,
    /// What it openly says it is.
    pub claims: Claims,
    /// Small contents.
    pub contents: &'a dyn Contents,
    /// How it is run, where that is known.
    pub launch: Option<&'a Launch>,
    facts: ByFile<'a>,
    /// Files that act, by where their content is (another path for a hard link).
    acting: BTreeMap<(usize, &'a EntryPath), Reach>,
    /// Made when it is first asked for.
    ownership: OnceCell<Rc<Ownership>>,
}

/// The facts of all layers by file.
struct ByFile<'a> {
    /// By layer and path, and those of a file in the order in which they were stated.
    facts: Vec<&'a Fact>,
    /// Where the facts of each layer begin.
    layers: Vec<usize>,
    files: Map<(usize, &'a EntryPath), (usize, usize)>,
}

impl<'a> ByFile<'a> {
    fn of(layers: &[LayerInput<'a>]) -> Self {
        let mut by_file = Self { facts: Vec::new(), layers: Vec::new(), files: Map::default() };
        for (number, layer) in layers.iter().enumerate() {
            let first = by_file.facts.len();
            by_file.layers.push(first);
            by_file.facts.extend(layer.facts.facts.iter().chain(layer.matches));
            by_file.facts[first..].sort_by_key(|fact| &fact.path);
            let mut begin = first;
            for same in by_file.facts[first..].chunk_by(|a, b| a.path == b.path) {
                by_file.files.insert((number, &same[0].path), (begin, begin + same.len()));
                begin += same.len();
            }
        }
        by_file
    }

    fn all(&self) -> impl Iterator<Item = (usize, &'a Fact)> + '_ {
        (0..self.layers.len()).flat_map(|layer| self.of_layer(layer).iter().map(move |fact| (layer, *fact)))
    }

    fn of_file<'s>(&'s self, layer: usize, path: &'s EntryPath) -> &'s [&'a Fact] {
        // The map's keys live as long as the facts; a shorter key finds the same place.
        let files: &'s Map<(usize, &'s EntryPath), (usize, usize)> = &self.files;
        files.get(&(layer, path)).map_or(&[], |&(begin, end)| &self.facts[begin..end])
    }

    /// The file of each fact, in their order.
    fn files(&self) -> impl Iterator<Item = (usize, &'a EntryPath)> + '_ {
        self.all().map(|(layer, fact)| (layer, &fact.path))
    }

    /// The facts of a layer.
    fn of_layer(&self, layer: usize) -> &[&'a Fact] {
        let Some(&begin) = self.layers.get(layer) else { return &[] };
        &self.facts[begin..self.layers.get(layer + 1).copied().unwrap_or(self.facts.len())]
    }
}

/// An indicator, where it stands and whether it can act.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The indicator.
    pub indicator: Indicator,
    /// Where.
    pub location: Location,
    /// Whether what holds it can act.
    pub reach: Reach,
    /// The text around it.
    pub excerpt: String,
}

impl<'a> Case<'a> {
    pub(crate) fn new(
        image: &'a Image,
        view: &'a View<'a>,
        start: &'a StartPath,
        layers: &'a [LayerInput<'a>],
        contents: &'a dyn Contents,
    ) -> Self {
        let facts = ByFile::of(layers);
        let mut acting: BTreeMap<(usize, &EntryPath), Reach> = BTreeMap::new();
        for ((layer, path), file) in &start.files {
            let mut note = |key| {
                let reach = acting.entry(key).or_insert(file.reach);
                *reach = (*reach).max(file.reach);
            };
            note((*layer, path));
            if let Some(found) = view.lookup(path) {
                note((found.data_layer, &found.data.path));
            }
        }
        // A Python program imports the modules beside it.
        let packages: Vec<(EntryPath, Reach)> = start
            .files
            .iter()
            .filter(|((_, path), _)| path.file_name().ends_with(b".py"))
            .map(|((_, path), file)| (path.parent(), file.reach.min(Reach::Reachable)))
            .filter(|(folder, _)| !folder.to_str().contains("/python3"))
            .collect();
        for (layer, path) in facts.files() {
            if !packages.is_empty()
                && path.file_name().ends_with(b".py")
                && let Some((_, reach)) = packages.iter().find(|(folder, _)| path.parent() == *folder)
            {
                acting.entry((layer, path)).or_insert(*reach);
            }
        }
        let ownership = OnceCell::new();
        let claims = Claims::of(image);
        Self { image, view, start, claims, contents, launch: None, facts, acting, ownership }
    }

    /// All facts with the layer they were seen in, in a stable order.
    pub fn facts(&self) -> impl Iterator<Item = (usize, &'a Fact)> + '_ {
        self.facts.all()
    }

    /// The facts about one file and what is inside it.
    pub fn facts_of<'s>(&'s self, layer: usize, path: &'s EntryPath) -> &'s [&'a Fact] {
        self.facts.of_file(layer, path)
    }

    /// The files of some layers of which anything is stated, by layer and path, with what is.
    pub(crate) fn files_with_facts(
        &self,
        layers: Range<usize>,
    ) -> impl Iterator<Item = (usize, &'a EntryPath, &[&'a Fact])> {
        layers.flat_map(|layer| {
            let files = self.facts.of_layer(layer).chunk_by(|a, b| a.path == b.path);
            files.map(move |facts| (layer, &facts[0].path, facts))
        })
    }

    /// Whether a file can act.
    pub fn reach(&self, layer: usize, path: &EntryPath) -> Reach {
        let seen =
            self.view.lookup(path).is_some_and(|found| found.layer == layer || found.data_layer == layer);
        if !seen {
            return Reach::Removed;
        }
        self.acting.get(&(layer, path)).copied().unwrap_or(Reach::Dormant)
    }

    /// Whether something in a phase can act.
    pub fn phase_reach(phase: Phase) -> Reach {
        match phase {
            Phase::Start => Reach::Starts,
            Phase::Health | Phase::Login | Phase::Scheduled | Phase::OnBuild => Reach::Reachable,
            Phase::Build => Reach::Dormant,
        }
    }

    /// Evidence for a fact, with the file's hash where it is known.
    pub fn evidence(&self, layer: usize, fact: &Fact, what: impl Into<String>) -> Evidence {
        let excerpt = match &fact.kind {
            FactKind::ByteMatch { excerpt, .. } => Some(excerpt.clone()),
            FactKind::Indicator(indicator) => Some(indicator.value.clone()),
            _ => None,
        };
        Evidence {
            location: fact.location(layer),
            what: what.into(),
            excerpt,
            sha256: self.sha256(layer, fact),
            content: self.content(layer, &fact.path),
        }
    }

    /// Evidence for a behaviour: what is done, then the chain that leads to it.
    pub fn behaviour_evidence(&self, behaviour: &Behaviour) -> Evidence {
        let location = behaviour.because.first().cloned().unwrap_or(Location::Image);
        let (sha256, content) = match &location {
            Location::File { layer, path, .. } => (self.file_hash(*layer, path), self.content(*layer, path)),
            _ => (None, None),
        };
        let what = self.describe(behaviour);
        Evidence { location, what, excerpt: Some(quote(behaviour)), sha256, content }
    }

    /// A behaviour in words; what a mount makes the host's is told as the host's.
    pub fn describe(&self, behaviour: &Behaviour) -> String {
        let mut text = describe(behaviour);
        if let BehaviourKind::File { path, .. } = &behaviour.kind
            && let Some(host) = self.launch.and_then(|launch| launch.host_path(path))
        {
            text.push_str(&format!(", which is {host} on the host"));
        }
        text
    }

    fn content(&self, layer: usize, path: &EntryPath) -> Option<lazaret_model::ContentId> {
        // The last entry of a path in a layer is the one that counts.
        if let Some(found) = self.view.lookup(path).filter(|found| found.layer == layer) {
            return found.entry.content;
        }
        let entries = &self.view.layers().get(layer)?.entries;
        entries.iter().rev().find(|entry| entry.path == *path)?.content
    }

    fn sha256(&self, layer: usize, fact: &Fact) -> Option<Digest> {
        let hash = |inside: &[String]| {
            self.facts_of(layer, &fact.path).iter().find_map(|other| match &other.kind {
                FactKind::Sha256(digest) if other.inside == inside => Some(digest.clone()),
                _ => None,
            })
        };
        hash(&fact.inside).or_else(|| hash(&[]))
    }

    /// SHA-256 of a file, where it is known.
    pub fn file_hash(&self, layer: usize, path: &EntryPath) -> Option<Digest> {
        self.facts_of(layer, path).iter().find_map(|fact| match &fact.kind {
            FactKind::Sha256(digest) if fact.inside.is_empty() => Some(digest.clone()),
            _ => None,
        })
    }

    /// Processes that start by themselves once the image runs, with their arguments.
    pub fn processes(&self) -> impl Iterator<Item = (&'a Behaviour, &'a [String])> + '_ {
        self.start.behaviours.iter().filter_map(|behaviour| match &behaviour.kind {
            BehaviourKind::Process { argv, .. } if Self::phase_reach(behaviour.phase) >= Reach::Reachable => {
                Some((behaviour, argv.as_slice()))
            }
            _ => None,
        })
    }

    /// The text of a file as the container sees it, links followed, where it was kept.
    pub fn text(&self, path: &str) -> Option<(Location, String)> {
        let found = self.view.resolve(path.as_bytes(), &EntryPath::default())?;
        let bytes = self.contents.get(&found.data.content?)?;
        let location = Location::file(found.data_layer, found.data.path.clone());
        Some((location, String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// What the package databases of the image say.
    pub fn ownership(&self) -> &Ownership {
        self.shared_ownership()
    }

    /// The same, as other images of the same base get it.
    pub(crate) fn shared_ownership(&self) -> &Rc<Ownership> {
        self.ownership.get_or_init(|| Ownership::known(self.view, self.contents))
    }

    /// The package that owns a file as the container sees it, symbolic links followed, and whether the
    /// file is still what the package brought. None where no package owns it.
    ///
    /// The databases are the image's own: believe them where they make a guess weaker, never against
    /// proof.
    pub fn owner(&self, path: &EntryPath) -> Option<Owner<'_>> {
        let ownership = self.ownership();
        ownership.owner(self.view, path, &|found, sum| self.has_sum(found, sum)).or_else(|| {
            let found = self.view.resolve(path.as_bytes(), &EntryPath::default()).filter(Found::is_file)?;
            let facts = self.facts_of(found.data_layer, &found.data.path);
            ownership.owner_by_place(self.view, self.contents, &found.data.path, facts)
        })
    }

    /// Files of the distribution's packages that were changed after installation, by path.
    pub fn replaced(&self) -> Vec<Replaced<'_>> {
        self.ownership().replaced(self.view, self.contents, &|found, sum| self.has_sum(found, sum))
    }

    /// By what it is told whether a file has a checksum.
    fn has_sum(&self, found: &Found<'_>, sum: Sum) -> Agreed {
        let (layer, path) = (found.data_layer, &found.data.path);
        let facts = self.facts_of(layer, path).iter().filter(|fact| fact.inside.is_empty());
        // Facts are told by path: with two entries of one name in a layer it is not known whose they
        // are.
        let mut known = facts.filter_map(|fact| match (&fact.kind, sum) {
            (FactKind::Sha256(digest), Sum::Sha256(sum)) => Some(*digest == Digest::sha256(&sum)),
            (FactKind::PackageDigests { md5, .. }, Sum::Md5(sum)) => md5.map(|md5| md5 == sum),
            (FactKind::PackageDigests { sha1, .. }, Sum::Sha1(sum)) => sha1.map(|sha1| sha1 == sum),
            _ => None,
        });
        match (known.next(), known.next()) {
            (Some(right), None) => Agreed::Stated(Some(right)),
            (Some(_), Some(_)) => Agreed::Stated(None),
            (None, _) => match &found.data.content {
                Some(id) => Agreed::ByContent(reads::content(self.contents, id)),
                None => Agreed::Stated(None),
            },
        }
    }

    /// Every indicator of the image that is of a kind: in files, in what happens at run time, in what
    /// the configuration hands to it.
    pub fn indicators(&self, of: impl Fn(IndicatorKind) -> bool) -> Vec<Seen> {
        let mut seen = Vec::new();
        for (layer, fact) in self.facts() {
            if let FactKind::Indicator(indicator) = &fact.kind
                && of(indicator.kind)
            {
                seen.push(Seen {
                    indicator: indicator.clone(),
                    location: fact.location(layer),
                    reach: self.reach(layer, &fact.path),
                    excerpt: indicator.value.clone(),
                });
            }
        }
        for behaviour in &self.start.behaviours {
            for text in texts(behaviour) {
                for (_, indicator) in indicators_of(text).iter().filter(|(_, one)| of(one.kind)) {
                    seen.push(Seen {
                        indicator: indicator.clone(),
                        location: behaviour.because.first().cloned().unwrap_or(Location::Image),
                        reach: Self::phase_reach(behaviour.phase),
                        excerpt: text.to_owned(),
                    });
                }
            }
        }
        for (at, (name, value)) in self.image.config.env.iter().enumerate() {
            for (_, indicator) in indicators_of(value).iter().filter(|(_, one)| of(one.kind)) {
                seen.push(Seen {
                    indicator: indicator.clone(),
                    location: Location::Config(format!("Env[{at}]")),
                    reach: Reach::Starts,
                    excerpt: format!("{name}={value}"),
                });
            }
        }
        seen.sort_by(|a, b| (&a.indicator, b.reach, &a.location).cmp(&(&b.indicator, a.reach, &b.location)));
        seen.dedup_by(|a, b| a.indicator == b.indicator && a.location == b.location);
        seen
    }
}

/// Indicators of a text with their places in it.
pub(crate) type InText = Rc<[(usize, Indicator)]>;

/// Bytes of texts whose indicators are kept.
const TEXT_BYTES: usize = 4 << 20;

thread_local! {
    static IN_TEXTS: RefCell<Memo<InText>> = RefCell::new(Memo::new(TEXT_BYTES));
}

/// [`indicators_in_text`] of a text that other images, and other questions about this one, have too.
pub(crate) fn indicators_of(text: &str) -> InText {
    let key = memo::key(text.as_bytes(), 0);
    if let Some(known) = IN_TEXTS.with_borrow(|known| known.get(&key)) {
        return known;
    }
    let found: InText = indicators_in_text(text).into();
    IN_TEXTS.with_borrow_mut(|known| known.put(key, text.len(), &found));
    found
}

/// Every text that a behaviour carries.
pub(crate) fn texts(behaviour: &Behaviour) -> Vec<&str> {
    match &behaviour.kind {
        BehaviourKind::Process { argv, stdin, .. } => {
            argv.iter().map(String::as_str).chain(stdin.as_deref()).collect()
        }
        BehaviourKind::File { content, .. } => content.as_deref().into_iter().collect(),
        BehaviourKind::Network { url, .. } => url.as_deref().into_iter().collect(),
    }
}

/// A behaviour in words.
pub fn describe(behaviour: &Behaviour) -> String {
    let when = match behaviour.phase {
        Phase::Build => "while it was built",
        Phase::OnBuild => "when something is built from it",
        Phase::Start => "at start",
        Phase::Health => "at each health check",
        Phase::Login => "at login",
        Phase::Scheduled => "by schedule",
    };
    match &behaviour.kind {
        BehaviourKind::Process { argv, fed_by, .. } => {
            let program = argv.first().map_or("?", String::as_str);
            match fed_by.first() {
                Some(feeder) => format!("{when}, runs {program} on what {feeder} prints"),
                None => format!("{when}, runs {program}"),
            }
        }
        BehaviourKind::File { op, path, .. } => format!("{when}, {} {path}", op_word(*op)),
        BehaviourKind::Network { host, port, .. } => match port {
            Some(port) => format!("{when}, connects to {host}:{port}"),
            None => format!("{when}, connects to {host}"),
        },
    }
}

fn op_word(op: lazaret_model::FileOp) -> &'static str {
    use lazaret_model::FileOp;
    match op {
        FileOp::Write => "writes",
        FileOp::Append => "appends to",
        FileOp::Delete => "deletes",
        FileOp::Chmod => "changes the mode of",
    }
}

/// A behaviour as text to quote.
pub fn quote(behaviour: &Behaviour) -> String {
    match &behaviour.kind {
        BehaviourKind::Process { argv, .. } => argv.join(" "),
        BehaviourKind::File { path, content, .. } => match content {
            Some(content) => format!("{path} <- {content}"),
            None => path.clone(),
        },
        BehaviourKind::Network { host, port, url, .. } => match (url, port) {
            (Some(url), _) => url.clone(),
            (None, Some(port)) => format!("{host}:{port}"),
            (None, None) => host.clone(),
        },
    }
}

/// Whether a rule speaks of mining.
pub(crate) fn is_about_mining(rule: &Rule) -> bool {
    rule.attack.iter().any(|id| id == "T1496.001")
}

/// The name of a program without its folder.
pub(crate) fn base_name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}
