//! Rule packs: the rules that the program carries and those of its user.
//!
//! One file holds one detection: what it says of itself, the match, and the examples that prove
//! it. A pack that others wrote for YARA or Sigma has none of our additions and works unchanged;
//! `docs/RULES.md` says what its rules count for. What is wrong with one of its files, and which of
//! its rules ask for what an image has not, is told; the others judge all the same.

mod cache;
mod error;
mod examples;
mod meta;
mod source;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use lazaret_model::{LeftOutRule, Rule, RulePack};
use serde::{Deserialize, Serialize};

pub use error::PackError;
pub use source::Language;
pub(crate) use source::Source;

use crate::bytes::{ByteRules, ByteScanner};
use crate::sigma::SigmaRules;

/// Versions of the engines that read the rules: another engine may read the same text otherwise.
const ENGINES: &str = concat!("rsigma 0.15.0, lazaret-detect ", env!("CARGO_PKG_VERSION"));

/// An image written as text, in a rule file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// Line in the rule file where it starts, counted from 1; 0 where it is not known.
    pub line: u32,
    /// The recipe.
    pub text: String,
}

/// What a rule's author shows of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Examples {
    /// Images on which it must fire.
    pub fires: Vec<Example>,
    /// Near-misses, on which it must not.
    pub quiet: Vec<Example>,
}

/// A rule that was loaded, and where from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PackRule {
    /// What it says of itself.
    pub rule: Rule,
    /// Its language.
    pub language: Language,
    /// Its file, as people are told: a path, or `built-in …`.
    pub origin: String,
    /// The folder or file that its user named; empty for a rule that the program carries.
    pub pack: String,
    /// Whether the program carries it.
    pub built_in: bool,
    /// Its examples.
    pub examples: Examples,
    /// Innocent things that it may fire on, in the author's words.
    pub false_positives: Vec<String>,
}

/// Rules, loaded and compiled.
#[derive(Debug)]
pub struct Pack {
    rules: Vec<PackRule>,
    by_id: HashMap<String, usize>,
    pub(crate) bytes: ByteRules,
    behaviours: SigmaRules,
    left_out: Vec<LeftOutRule>,
    packs: Vec<RulePack>,
    version: String,
    byte_rules_version: String,
}

impl Pack {
    /// The built-in rules, and those in `folders` beside them. Each folder is walked, sorted; a
    /// single file may be named instead.
    ///
    /// What is made of the rules is kept in `cache`, where that is a folder of ours that nobody else
    /// can write to; with anything else, it is made anew.
    ///
    /// # Errors
    /// A folder that cannot be read or holds no rule, a rule that does not compile, an id that
    /// occurs twice.
    pub fn load(folders: &[PathBuf], cache: Option<&Path>) -> Result<Self, PackError> {
        load_rules(folders, false, cache)
    }

    /// Only the rules in one folder or file, without the built-in ones: to check them.
    ///
    /// # Errors
    /// As [`Pack::load`].
    pub fn only(folder: &Path) -> Result<Self, PackError> {
        Self::compile(&source::below(folder)?, None, true)
    }

    fn compile(sources: &[Source], cache: Option<&Path>, strict: bool) -> Result<Self, PackError> {
        let of = |language| sources.iter().filter(move |s| s.language == language).collect::<Vec<_>>();
        let (yara, sigma) = (of(Language::Yara), of(Language::Sigma));

        // The engine would take two files of one name for one.
        let mut files: HashMap<&str, &Source> = HashMap::with_capacity(sources.len());
        for source in sources {
            if let Some(first) = files.insert(&source.id, source) {
                return Err(PackError::Duplicate {
                    id: source.id.clone(),
                    first: first.origin.clone(),
                    second: source.origin.clone(),
                });
            }
        }

        let (version, byte_rules_version) = versions(sources);
        let kept = |kind: &str, made_by: &str, sources: &[&Source]| {
            let name = format!("{kind}-rules-{}", hash(&[made_by, &places(sources)], sources));
            cache.and_then(|folder| Entry::in_folder(folder, &name))
        };
        let byte_rules = kept("byte", &crate::bytes::engine_version(), &yara);
        let (bytes, mut rules) = ByteRules::load(&yara, byte_rules, strict)?;
        // What is kept of these is read by our code, which may read them otherwise after a change.
        let behaviour_rules = kept("behaviour", &format!("{ENGINES} {}", crate::CODE_VERSION), &sigma);
        let (behaviours, more) = SigmaRules::load(&sigma, behaviour_rules, strict)?;
        rules.extend(more);
        let left_out: Vec<LeftOutRule> =
            bytes.left_out().iter().chain(behaviours.left_out()).cloned().collect();
        let packs = packs(sources, &rules, &left_out);
        for pack in &packs {
            // A pack of which nothing is left is a mistake that its user wants to hear of.
            if pack.applied == 0
                && let Some(first) = pack.left_out.iter().find(|rule| rule.broken)
            {
                return Err(PackError::AllBroken { first: first.to_string() });
            }
        }
        if rules.is_empty() && left_out.is_empty() {
            return Err(PackError::Empty { place: "the pack".to_owned() });
        }

        let mut by_id = HashMap::with_capacity(rules.len());
        for (index, rule) in rules.iter().enumerate() {
            if let Some(first) = by_id.insert(rule.rule.id.clone(), index) {
                return Err(PackError::Duplicate {
                    id: rule.rule.id.clone(),
                    first: rules[first].origin.clone(),
                    second: rule.origin.clone(),
                });
            }
        }
        Ok(Self { rules, by_id, bytes, behaviours, left_out, packs, version, byte_rules_version })
    }

    /// All rules: bytes first, then behaviours, each in the order of their files.
    pub fn rules(&self) -> &[PackRule] {
        &self.rules
    }

    /// A rule by its id.
    pub fn rule(&self, id: &str) -> Option<&PackRule> {
        self.by_id.get(id).map(|&index| &self.rules[index])
    }

    /// A scanner for byte rules. Make one for each worker and use it again and again; make it
    /// before the worker is confined, for it maps executable memory.
    pub fn scanner(&self) -> ByteScanner<'_> {
        self.bytes.scanner()
    }

    /// The rules over behaviours and configuration.
    pub fn behaviours(&self) -> &SigmaRules {
        &self.behaviours
    }

    /// Rules of other people's packs that judge no image: they ask for what only a running system
    /// has, or something is wrong with them.
    pub fn left_out(&self) -> &[LeftOutRule] {
        &self.left_out
    }

    /// What became of each folder or file that the user named, in that order.
    pub fn packs(&self) -> &[RulePack] {
        &self.packs
    }

    /// Changes with every rule and every engine; what was judged under another version may be
    /// judged otherwise now.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Changes with every byte rule and its engine, and with nothing else: byte matches that
    /// were stored under it stay right when a rule over behaviour changes.
    pub fn byte_rules_version(&self) -> &str {
        &self.byte_rules_version
    }
}

/// What became of each pack of a user's.
fn packs(sources: &[Source], rules: &[PackRule], left_out: &[LeftOutRule]) -> Vec<RulePack> {
    let mut packs: Vec<RulePack> = Vec::new();
    let mut pack_of: HashMap<&str, &str> = HashMap::new();
    for source in sources.iter().filter(|source| !source.built_in) {
        if packs.last().is_none_or(|last| last.name != source.pack) {
            packs.push(RulePack { name: source.pack.clone(), ..RulePack::default() });
        }
        pack_of.insert(&source.origin, &source.pack);
    }
    for pack in &mut packs {
        let ours = rules.iter().filter(|rule| !rule.built_in && rule.pack == pack.name);
        pack.applied = ours.count() as u64;
        // A broken file is told with its line.
        let file = |rule: &LeftOutRule| match rule.file.rsplit_once(':') {
            Some((file, line)) if rule.broken && line.bytes().all(|b| b.is_ascii_digit()) => file.to_owned(),
            _ => rule.file.clone(),
        };
        let of_pack = |rule: &&LeftOutRule| pack_of.get(file(rule).as_str()) == Some(&pack.name.as_str());
        pack.left_out = left_out.iter().filter(of_pack).cloned().collect();
    }
    packs
}

/// Where the rules come from: what is said about them names it.
fn places(sources: &[&Source]) -> String {
    sources
        .iter()
        .map(|source| format!("{}\0{}\0{}\n", source.built_in, source.pack, source.origin))
        .collect()
}

fn hash(engines: &[&str], sources: &[&Source]) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut add = |text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    engines.iter().copied().for_each(&mut add);
    for source in sources {
        add(&source.id);
        add(&source.text);
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

pub(crate) use cache::Entry;
pub(crate) use examples::in_comments;
pub(crate) use meta::{SigmaMeta, YaraMeta};

/// What rules are in force, without compiling them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesVersion {
    /// As [`Pack::version`].
    pub all: String,
    /// As [`Pack::byte_rules_version`].
    pub bytes: String,
}

/// The rules that a user asks for: those in `folders`, beside the built-in ones or `only` they.
///
/// # Errors
/// As [`Pack::load`].
pub fn load_rules(folders: &[PathBuf], only: bool, cache: Option<&Path>) -> Result<Pack, PackError> {
    Pack::compile(&chosen(folders, only)?, cache, false)
}

/// The versions that [`load_rules`] would give its pack, for a look into the store before anything
/// is compiled. Rules that do not compile have a version too.
///
/// # Errors
/// A folder that cannot be read or holds no rule.
pub fn rules_version(folders: &[PathBuf], only: bool) -> Result<RulesVersion, PackError> {
    let sources = chosen(folders, only)?;
    let (all, bytes) = versions(&sources);
    Ok(RulesVersion { all, bytes })
}

fn chosen(folders: &[PathBuf], only: bool) -> Result<Vec<Source>, PackError> {
    let mut sources = if only { Vec::new() } else { source::built_in()? };
    for folder in folders {
        sources.extend(source::below(folder)?);
    }
    Ok(sources)
}

fn versions(sources: &[Source]) -> (String, String) {
    let of = |language| sources.iter().filter(move |s| s.language == language).collect::<Vec<_>>();
    let bytes = hash(&[&crate::bytes::engine_version()], &of(Language::Yara));
    (hash(&[ENGINES, &bytes], &of(Language::Sigma)), bytes)
}
