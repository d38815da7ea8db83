//! The division of the byte rules into groups that are searched for one after the other.
//!
//! YARA-X finds up to 64 atoms with vector instructions at several GB/s, and more than that with
//! an automaton at a tenth of it. It looks for nothing at all when the condition of every rule
//! fails before it asks for a string. So the built-in rules are divided by what they look at (the
//! tag of the rule: `elf`, `script`, `text`), and each kind into groups of at most 64 atoms: a
//! program costs a few fast passes, and most other files cost nothing.

use super::Source;

/// Strings of one group. It stays below 64, because a regular expression can need several atoms.
const STRINGS: usize = 56;

/// Groups of sources, each to be compiled for itself. Built-in rules are divided by kind and
/// size; other people's rules stay together, in the last group.
pub(super) fn of<'s>(sources: &[&'s Source]) -> Vec<Vec<&'s Source>> {
    let mut groups: Vec<Vec<&Source>> = Vec::new();
    let built_in: Vec<&Source> = sources.iter().copied().filter(|s| s.built_in).collect();
    let mut kinds: Vec<&str> = built_in.iter().map(|s| kind(s)).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for wanted in kinds {
        let mut left: Vec<&Source> = built_in.iter().copied().filter(|s| kind(s) == wanted).collect();
        // Largest first, each where it fits: few groups, the same ones every time.
        left.sort_by_key(|s| (std::cmp::Reverse(strings(s)), s.id.as_str()));
        let mut bins: Vec<(usize, Vec<&Source>)> = Vec::new();
        for source in left {
            let size = strings(source);
            match bins.iter_mut().find(|(used, _)| used + size <= STRINGS) {
                Some((used, bin)) => {
                    *used += size;
                    bin.push(source);
                }
                None => bins.push((size, vec![source])),
            }
        }
        groups.extend(bins.into_iter().map(|(_, bin)| bin));
    }
    let others: Vec<&Source> = sources.iter().copied().filter(|s| !s.built_in).collect();
    if !others.is_empty() {
        groups.push(others);
    }
    groups
}

/// The first tag of the file's first rule.
fn kind(source: &Source) -> &str {
    let head = source.text.lines().find_map(|line| line.strip_prefix("rule "));
    head.and_then(|head| head.split_once(':')).map_or("", |(_, tags)| tags.trim())
}

/// How many strings the file defines.
fn strings(source: &Source) -> usize {
    source.text.lines().filter(|line| line.trim_start().starts_with('$') && line.contains(" = ")).count()
}
