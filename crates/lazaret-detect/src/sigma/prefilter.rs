//! Which rules can be met by an event at all.
//!
//! Most rules ask for words: a program's name, a path, an option. All such words are looked up in
//! one pass over each field, and a rule whose words are not there is not asked. What is left out
//! could never be met; what remains is judged by the engine.

use std::collections::HashMap;
use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, MatchKind};
use regex_syntax::hir::{Hir, HirKind};
use rsigma_parser::{
    ConditionExpr, Detection, DetectionItem, Modifier, Quantifier, SigmaRule, SigmaValue, StringPart,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The most words that one pattern is taken apart into.
const MOST: usize = 256;
/// Shorter words stand nearly everywhere.
const SHORTEST: usize = 2;

/// What an event must hold for something to be met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Need {
    /// Cannot be told from words.
    Nothing,
    /// One of the words of this item.
    Item(usize),
    All(Vec<Need>),
    Any(Vec<Need>),
}

/// The words that rules look for in one field.
#[derive(Serialize, Deserialize)]
struct Field {
    name: String,
    words: Vec<String>,
    /// For each word, the items that ask for it.
    items: Vec<Vec<usize>>,
    /// Made when the field is met. None where there can be no such search; the field's rules are
    /// then all asked.
    #[serde(skip)]
    search: OnceLock<Option<AhoCorasick>>,
}

/// The words of all rules, and what each rule needs.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Prefilter {
    fields: Vec<Field>,
    /// For each item, its field.
    items: Vec<usize>,
    needs: Vec<Need>,
    /// For each rule, the category of events that it is about, where it names one.
    categories: Vec<Option<String>>,
}

impl Prefilter {
    pub fn new(rules: &[SigmaRule]) -> Self {
        let mut builder = Builder::default();
        for rule in rules {
            let conditions = rule.detection.conditions.iter();
            let conditions = conditions.map(|condition| builder.condition(condition, rule)).collect();
            builder.filter.needs.push(any(conditions));
            builder.filter.categories.push(rule.logsource.category.as_ref().map(|c| c.to_lowercase()));
        }
        builder.filter
    }

    /// Whether all numbers in it are those of something, and it is about so many rules.
    pub fn is_whole(&self, rules: usize) -> bool {
        let fields = self.fields.iter().all(|field| {
            field.words.len() == field.items.len()
                && field.items.iter().flatten().all(|item| *item < self.items.len())
        });
        fields
            && (self.needs.len(), self.categories.len()) == (rules, rules)
            && self.needs.iter().all(|need| need.is_below(self.items.len()))
    }

    /// The rules, by their numbers, that an event of a category may meet.
    pub fn candidates(&self, category: Option<&str>, event: &Value) -> Vec<usize> {
        let mut held = vec![false; self.items.len()];
        for (number, field) in self.fields.iter().enumerate() {
            if let Some(value) = event.get(&field.name)
                && !field.look(value, &mut held)
            {
                for (item, _) in self.items.iter().enumerate().filter(|(_, owner)| **owner == number) {
                    held[item] = true;
                }
            }
        }
        let asked = |rule: &usize| {
            let about = self.categories[*rule].as_deref();
            let fits = about.is_none() || category.is_none() || about == category;
            fits && self.needs[*rule].is_held(&held)
        };
        (0..self.needs.len()).filter(asked).collect()
    }
}

/// Takes rules apart.
#[derive(Default)]
struct Builder {
    filter: Prefilter,
    /// For each field, its words and their numbers.
    known: Vec<HashMap<String, usize>>,
}

impl Builder {
    fn condition(&mut self, condition: &ConditionExpr, rule: &SigmaRule) -> Need {
        let named = &rule.detection.named;
        match condition {
            ConditionExpr::And(parts) => all(parts.iter().map(|part| self.condition(part, rule)).collect()),
            ConditionExpr::Or(parts) => any(parts.iter().map(|part| self.condition(part, rule)).collect()),
            ConditionExpr::Not(_) => Need::Nothing,
            ConditionExpr::Identifier(name) => match named.get(name) {
                Some(detection) => self.detection(detection),
                None => Need::Nothing,
            },
            ConditionExpr::Selector { quantifier, pattern } => {
                let mut names: Vec<&String> =
                    named.keys().filter(|name| pattern.matches_detection_name(name)).collect();
                names.sort();
                let needs: Vec<Need> = names.iter().map(|name| self.detection(&named[*name])).collect();
                match quantifier {
                    Quantifier::All => all(needs),
                    Quantifier::Any if !needs.is_empty() => any(needs),
                    _ => Need::Nothing,
                }
            }
        }
    }

    fn detection(&mut self, detection: &Detection) -> Need {
        match detection {
            Detection::AllOf(items) => all(items.iter().map(|item| self.item(item)).collect()),
            Detection::AnyOf(parts) => any(parts.iter().map(|part| self.detection(part)).collect()),
            _ => Need::Nothing,
        }
    }

    fn item(&mut self, item: &DetectionItem) -> Need {
        let Some(name) = item.field.name.as_ref().filter(|name| !name.contains(['.', '['])) else {
            return Need::Nothing;
        };
        let modifiers = &item.field.modifiers;
        let known = |modifier: &Modifier| {
            matches!(
                modifier,
                Modifier::Contains
                    | Modifier::StartsWith
                    | Modifier::EndsWith
                    | Modifier::Re
                    | Modifier::All
                    | Modifier::Cased
            )
        };
        if !modifiers.iter().all(known) || item.values.is_empty() {
            return Need::Nothing;
        }
        let pattern = modifiers.contains(&Modifier::Re);
        let words: Vec<Option<Vec<String>>> =
            item.values.iter().map(|value| words_of(value, pattern)).collect();
        if modifiers.contains(&Modifier::All) {
            return all(words.into_iter().map(|words| self.words(name, words)).collect());
        }
        let joined: Option<Vec<Vec<String>>> = words.into_iter().collect();
        self.words(name, joined.map(|words| words.concat()))
    }

    /// A new item that asks for one of the words in a field.
    fn words(&mut self, name: &str, words: Option<Vec<String>>) -> Need {
        let Some(words) = words else { return Need::Nothing };
        let fields = &mut self.filter.fields;
        let number = fields.iter().position(|field| field.name == name).unwrap_or_else(|| {
            fields.push(Field {
                name: name.to_owned(),
                words: Vec::new(),
                items: Vec::new(),
                search: OnceLock::new(),
            });
            self.known.push(HashMap::new());
            fields.len() - 1
        });
        let (field, known) = (&mut fields[number], &mut self.known[number]);
        let item = self.filter.items.len();
        self.filter.items.push(number);
        for word in words {
            match known.get(&word) {
                Some(at) => field.items[*at].push(item),
                None => {
                    known.insert(word.clone(), field.words.len());
                    field.words.push(word);
                    field.items.push(vec![item]);
                }
            }
        }
        Need::Item(item)
    }
}

impl Field {
    /// Notes which items hold; false where that cannot be told for this value.
    fn look(&self, value: &Value, held: &mut [bool]) -> bool {
        match value {
            Value::String(text) => self.look_in(text, held),
            Value::Array(list) => list.iter().all(|value| self.look(value, held)),
            _ => false,
        }
    }

    fn look_in(&self, text: &str, held: &mut [bool]) -> bool {
        // Beyond ASCII, letters that differ may count as the same one.
        let search = self.search.get_or_init(|| {
            let mut builder = AhoCorasickBuilder::new();
            builder.ascii_case_insensitive(true).match_kind(MatchKind::Standard);
            builder.build(&self.words).ok()
        });
        let Some(search) = search.as_ref().filter(|_| text.is_ascii()) else { return false };
        for found in search.find_overlapping_iter(text) {
            for item in &self.items[found.pattern().as_usize()] {
                held[*item] = true;
            }
        }
        true
    }
}

impl Need {
    fn is_held(&self, held: &[bool]) -> bool {
        match self {
            Self::Nothing => true,
            Self::Item(item) => held[*item],
            Self::All(needs) => needs.iter().all(|need| need.is_held(held)),
            Self::Any(needs) => needs.iter().any(|need| need.is_held(held)),
        }
    }

    fn is_below(&self, items: usize) -> bool {
        match self {
            Self::Nothing => true,
            Self::Item(item) => *item < items,
            Self::All(needs) | Self::Any(needs) => needs.iter().all(|need| need.is_below(items)),
        }
    }
}

fn all(mut needs: Vec<Need>) -> Need {
    needs.retain(|need| *need != Need::Nothing);
    if needs.is_empty() { Need::Nothing } else { Need::All(needs) }
}

fn any(needs: Vec<Need>) -> Need {
    if needs.is_empty() || needs.contains(&Need::Nothing) { Need::Nothing } else { Need::Any(needs) }
}

/// Words of which one must stand in what the value matches.
fn words_of(value: &SigmaValue, pattern: bool) -> Option<Vec<String>> {
    let SigmaValue::String(text) = value else { return None };
    if pattern {
        return required(&regex_syntax::parse(&text.original).ok()?);
    }
    let plain = text.parts.iter().filter_map(|part| match part {
        StringPart::Plain(plain) => Some(plain),
        _ => None,
    });
    let longest = plain.max_by_key(|plain| plain.len())?;
    usable(vec![longest.to_lowercase()])
}

fn usable(words: Vec<String>) -> Option<Vec<String>> {
    let good = !words.is_empty() && words.iter().all(|word| word.len() >= SHORTEST && word.is_ascii());
    good.then_some(words)
}

/// The length of the shortest word: the longer, the rarer.
fn rarity(words: &[String]) -> usize {
    words.iter().map(|word| word.len().min(8)).min().unwrap_or_default()
}

/// Words of which one stands in every match of a pattern.
fn required(pattern: &Hir) -> Option<Vec<String>> {
    if let Some(words) = exact(pattern).and_then(usable) {
        return Some(words);
    }
    match pattern.kind() {
        HirKind::Capture(capture) => required(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => required(&repetition.sub),
        HirKind::Alternation(parts) => {
            let words: Option<Vec<Vec<String>>> = parts.iter().map(required).collect();
            words.map(|words| words.concat()).filter(|words| words.len() <= MOST)
        }
        HirKind::Concat(parts) => {
            let mut best: Option<Vec<String>> = None;
            let mut offer = |words: Option<Vec<String>>| {
                if let Some(words) = words.and_then(usable)
                    && best.as_ref().is_none_or(|best| rarity(&words) > rarity(best))
                {
                    best = Some(words);
                }
            };
            // Neighbours whose texts are all known are one longer word.
            let mut run: Option<Vec<String>> = None;
            for part in parts {
                match (exact(part), run.take()) {
                    (Some(words), None) => run = Some(words),
                    (Some(words), Some(before)) => match joined(&before, &words) {
                        Some(longer) => run = Some(longer),
                        None => {
                            offer(Some(before));
                            run = Some(words);
                        }
                    },
                    (None, before) => {
                        offer(before);
                        offer(required(part));
                    }
                }
            }
            offer(run);
            best
        }
        _ => None,
    }
}

/// All texts that a pattern matches, in small letters, where they are few. What only asks for a
/// place (an end, a border) matches the empty text.
fn exact(pattern: &Hir) -> Option<Vec<String>> {
    match pattern.kind() {
        HirKind::Empty | HirKind::Look(_) => Some(vec![String::new()]),
        HirKind::Literal(literal) => Some(vec![std::str::from_utf8(&literal.0).ok()?.to_ascii_lowercase()]),
        HirKind::Class(regex_syntax::hir::Class::Unicode(class)) => {
            let letters: usize =
                class.ranges().iter().map(|range| range.end() as usize - range.start() as usize + 1).sum();
            if letters > 8 {
                return None;
            }
            let mut letters: Vec<String> = class
                .ranges()
                .iter()
                .flat_map(|range| range.start()..=range.end())
                // What is not ASCII is looked at without words; here it only widens the class.
                .filter(char::is_ascii)
                .map(|letter| letter.to_ascii_lowercase().to_string())
                .collect();
            letters.sort();
            letters.dedup();
            Some(letters)
        }
        HirKind::Class(_) => None,
        HirKind::Capture(capture) => exact(&capture.sub),
        HirKind::Repetition(repetition) => match (repetition.min, repetition.max) {
            (0, Some(1)) => {
                let mut texts = exact(&repetition.sub)?;
                texts.push(String::new());
                Some(texts)
            }
            _ => None,
        },
        HirKind::Concat(parts) => {
            let mut texts = vec![String::new()];
            for part in parts {
                texts = joined(&texts, &exact(part)?)?;
            }
            Some(texts)
        }
        HirKind::Alternation(parts) => {
            let texts: Option<Vec<Vec<String>>> = parts.iter().map(exact).collect();
            texts.map(|texts| texts.concat()).filter(|texts| texts.len() <= MOST)
        }
    }
}

/// Each text of the first list before each of the second.
fn joined(first: &[String], second: &[String]) -> Option<Vec<String>> {
    (first.len() * second.len() <= MOST)
        .then(|| first.iter().flat_map(|a| second.iter().map(move |b| format!("{a}{b}"))).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn filter(detection: &str) -> Prefilter {
        let text = format!(
            "title: t\nlogsource:\n  category: process_creation\n  product: linux\ndetection:\n{detection}"
        );
        Prefilter::new(&rsigma_parser::parse_sigma_yaml(&text).unwrap().rules)
    }

    fn words(pattern: &str) -> Option<Vec<String>> {
        required(&regex_syntax::parse(pattern).unwrap())
    }

    #[test]
    fn a_pattern_gives_the_words_of_which_one_must_be_there() {
        assert_eq!(words("/(ps|top)$").unwrap(), ["/ps", "/top"]);
        assert_eq!(words(r"^\S*(cat|less)\s.*(/etc/passwd|shadow)").unwrap(), ["/etc/passwd", "shadow"]);
        assert_eq!(words("(?i)Falcon").unwrap(), ["falcon"]);
        assert_eq!(words(r"\s-\w*z"), None);
        assert_eq!(words("(abc)?.*"), None);
        assert_eq!(words("(abc){2}x").unwrap(), ["abc"]);
    }

    #[test]
    fn a_rule_is_asked_where_its_words_stand_and_nowhere_else() {
        let filter = filter(
            "  runs:\n    Phase: start\n  tool:\n    Image|re: '/(ps|top)$'\n  words:\n    CommandLine|contains|all: [alpha, beta]\n  condition: runs and (tool or words)\n",
        );
        let asked = |image: &str, line: &str| {
            let event = json!({ "Phase": "start", "Image": image, "CommandLine": line });
            !filter.candidates(Some("process_creation"), &event).is_empty()
        };
        assert!(asked("/bin/ps", "ps aux"));
        assert!(asked("/bin/x", "x BETA alpha"));
        assert!(!asked("/bin/x", "x alpha"));
        assert!(asked("/bin/x", "x alphä"), "beyond ASCII nothing is told from words");
        let event = json!({ "Phase": "start", "Image": "/bin/ps" });
        assert!(filter.candidates(Some("file_event"), &event).is_empty());
    }

    #[test]
    fn what_a_condition_denies_is_never_needed() {
        let filter = filter("  a:\n    Image|endswith: '/ps'\n  condition: not a\n");
        assert_eq!(filter.candidates(None, &json!({ "Image": "/bin/x" })), [0]);
    }
}
