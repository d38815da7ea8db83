//! Byte rules: YARA, run by YARA-X.

mod excerpt;
mod kept;
mod scanner;
mod shards;

use std::collections::HashMap;

use lazaret_model::{LeftOutRule, Rule};

use crate::PackError;
use crate::pack::{Entry, Examples, Language, PackRule, Source, YaraMeta, in_comments};
pub use scanner::ByteScanner;

/// The version in the lock file; a test compares the two.
const YARA_X: &str = "1.22.1";

/// Raised when this module would state other facts for the same match.
const FACTS: u32 = 1;

/// Names that rules may ask for beside the content. Other people's packs expect the first five;
/// none of them is a part of YARA itself.
const GLOBALS: [&str; 6] = ["filename", "filepath", "extension", "filetype", "owner", "path"];

/// True for a member of an archive.
const INSIDE_ARCHIVE: &str = "inside_archive";

/// YARA modules for formats that no container runs. A rule that imports one is left out.
const FOREIGN_MODULES: [&str; 14] = [
    "pe",
    "dotnet",
    "dex",
    "macho",
    "lnk",
    "crx",
    "cuckoo",
    "magic",
    "vt",
    "zip",
    "olecf",
    "vba",
    "msi",
    "androguard",
];

/// What reads the byte rules: a part of their version.
pub(crate) fn engine_version() -> String {
    format!("yara-x {YARA_X} facts {FACTS}")
}

/// Byte rules, compiled.
pub(crate) struct ByteRules {
    /// One set for each group of [`shards`].
    shards: Vec<yara_x::Rules>,
    /// Namespace, then identifier, to the rule's id. A private rule has none.
    ids: HashMap<String, HashMap<String, String>>,
    uses_globals: bool,
    left_out: Vec<LeftOutRule>,
}

impl std::fmt::Debug for ByteRules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ByteRules").field("ids", &self.ids).finish_non_exhaustive()
    }
}

impl ByteRules {
    /// Compiles the sources, or takes what was compiled from the same sources before.
    pub(crate) fn load(
        sources: &[&Source],
        cache: Option<Entry>,
        strict: bool,
    ) -> Result<(Self, Vec<PackRule>), PackError> {
        let (shards, mut left_out) = match cache.as_ref().and_then(|entry| kept::from_bytes(&entry.read()?)) {
            Some(known) => known,
            None => {
                let mut shards = Vec::new();
                let mut left_out = Vec::new();
                for group in shards::of(sources) {
                    shards.push(compile(&group, strict, &mut left_out)?);
                }
                // What is broken today may be mended tomorrow; to say so costs a compilation.
                if let Some(entry) = &cache
                    && !left_out.iter().any(|rule: &LeftOutRule| rule.broken)
                    && let Some(bytes) = kept::to_bytes(&shards, &left_out)
                {
                    entry.write(&bytes);
                }
                (shards, left_out)
            }
        };
        let (ids, described) = describe(&shards, sources, strict, &mut left_out)?;
        let uses_globals = sources.iter().any(|source| {
            !source.built_in && GLOBALS.iter().chain([&INSIDE_ARCHIVE]).any(|name| source.text.contains(name))
        });
        Ok((Self { shards, ids, uses_globals, left_out }, described))
    }

    pub(crate) fn left_out(&self) -> &[LeftOutRule] {
        &self.left_out
    }

    pub(crate) fn scanner(&self) -> ByteScanner<'_> {
        ByteScanner::new(self)
    }
}

fn compile(
    sources: &[&Source],
    strict: bool,
    left_out: &mut Vec<LeftOutRule>,
) -> Result<yara_x::Rules, PackError> {
    let mut compiler = yara_x::Compiler::new();
    let refused = |e: &dyn std::error::Error| PackError::Engine(e.to_string());
    compiler.enable_includes(false);
    for name in GLOBALS {
        compiler.define_global(name, "").map_err(|e| refused(&e))?;
    }
    compiler.define_global(INSIDE_ARCHIVE, false).map_err(|e| refused(&e))?;
    for module in FOREIGN_MODULES {
        compiler.ignore_module(module);
    }
    // Our own rules must be fast and strict; other people's are taken as YARA takes them. The
    // syntax of expressions is one for all, and the lenient one reads ours alike.
    compiler.relaxed_re_syntax(sources.iter().any(|source| !source.built_in));
    let mut known = 0;
    for source in sources {
        compiler.error_on_slow_pattern(source.built_in);
        compiler.new_namespace(&source.id);
        let code = yara_x::SourceCode::from(source.text.as_str()).with_origin(&source.origin);
        if let Err(error) = compiler.add_source(code) {
            let error = compile_error(source, &error.to_string());
            if strict || source.built_in {
                return Err(error);
            }
            left_out.push(error.left_out(source));
            // The engine counts the rules of a file that it refuses among those that it ignores.
            known = compiler.ignored_rules().count();
        }
        for (rule, _) in compiler.ignored_rules().skip(known) {
            known += 1;
            left_out.push(LeftOutRule {
                file: source.origin.clone(),
                rule: rule.to_owned(),
                reason: "needs a YARA module for files that no container runs".to_owned(),
                broken: false,
            });
        }
    }
    Ok(compiler.build())
}

/// The first line of the engine's message, at the line that it names.
fn compile_error(source: &Source, message: &str) -> PackError {
    let line = message.lines().find_map(|line| line.trim_start().strip_prefix("--> ")).and_then(|place| {
        place.strip_prefix(source.origin.as_str())?.strip_prefix(':')?.split(':').next()?.parse().ok()
    });
    let mut reason = message.lines().next().unwrap_or("it does not compile").to_owned();
    // The label under the marked code says what is wrong with it.
    if let Some(label) =
        message.lines().find_map(|l| l.split_once('^').map(|(_, label)| label.trim_start_matches('^').trim()))
        && !label.is_empty()
    {
        reason = format!("{reason}: {label}");
    }
    source.error(line.unwrap_or(1), reason)
}

type Ids = HashMap<String, HashMap<String, String>>;

fn describe(
    shards: &[yara_x::Rules],
    sources: &[&Source],
    strict: bool,
    left_out: &mut Vec<LeftOutRule>,
) -> Result<(Ids, Vec<PackRule>), PackError> {
    let rules = || shards.iter().flat_map(yara_x::Rules::iter).filter(|rule| !rule.is_private());
    let by_id: HashMap<&str, &Source> = sources.iter().map(|s| (s.id.as_str(), *s)).collect();
    let mut public: HashMap<&str, usize> = HashMap::new();
    for rule in rules() {
        *public.entry(rule.namespace()).or_default() += 1;
    }
    let mut ids = Ids::new();
    let mut described = Vec::new();
    for rule in rules() {
        let Some(&source) = by_id.get(rule.namespace()) else {
            return Err(PackError::Engine(format!("a rule of no file: {}", rule.identifier())));
        };
        // One rule in a file is the file's detection; several are told apart by their names.
        let alone = public.get(rule.namespace()) == Some(&1);
        let id = if alone { source.id.clone() } else { format!("{}/{}", source.id, rule.identifier()) };
        let meta = YaraMeta::new(source, &rule);
        let model: Rule = match meta.rule(id.clone()) {
            Ok(model) => model,
            Err(error) if strict || source.built_in => return Err(error),
            // Without an id its matches are told to nobody.
            Err(error) => {
                left_out.push(error.left_out(source));
                continue;
            }
        };
        let examples = match in_comments(source) {
            Ok(examples) if alone => examples,
            Err(error) if alone && (strict || source.built_in) => return Err(error),
            // Other people's comments are no examples of ours.
            _ => Examples::default(),
        };
        ids.entry(rule.namespace().to_owned()).or_default().insert(rule.identifier().to_owned(), id);
        described.push(PackRule {
            rule: model,
            language: Language::Yara,
            origin: source.origin.clone(),
            pack: source.pack.clone(),
            built_in: source.built_in,
            examples,
            false_positives: meta.false_positives(),
        });
    }
    // The order of the files, whatever the groups are.
    described.sort_by(|a, b| (!a.built_in, &a.origin).cmp(&(!b.built_in, &b.origin)));
    Ok((ids, described))
}

#[cfg(test)]
mod tests;
