//! Variables with a way back: what a branch changed can be taken back, kept, or made possible, at
//! the cost of the changes and not of all there is.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::value::{Know, Value};

/// What a variable holds: one value, or several with or without names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    One,
    List,
    /// The keys, in the order of the values.
    Map(Vec<String>),
}

/// What becomes of each value that a variable is set to (`declare -u`, `-l`, `-i`, `-n`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Turn {
    #[default]
    None,
    Upper,
    Lower,
    Integer,
    /// The value is the name of the variable that is meant.
    Reference,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Variable {
    /// One value, or the elements of an array.
    pub values: Vec<Value>,
    pub shape: Shape,
    pub exported: bool,
    pub turn: Turn,
    /// What other arms of an undecided condition set it to.
    pub others: Vec<Rc<Variable>>,
}

impl Variable {
    pub fn one(value: Value) -> Self {
        Self { values: vec![value], ..Self::list(Vec::new()) }.shaped(Shape::One)
    }

    pub fn list(values: Vec<Value>) -> Self {
        Self { values, shape: Shape::List, exported: false, turn: Turn::None, others: Vec::new() }
    }

    pub fn shaped(self, shape: Shape) -> Self {
        Self { shape, ..self }
    }

    pub fn is_array(&self) -> bool {
        self.shape != Shape::One
    }

    fn guessed(&self) -> Self {
        let mut guess = self.clone();
        for value in &mut guess.values {
            value.know = value.know.min(Know::Guess);
        }
        guess
    }
}

/// Other values of one variable that are remembered.
const MOST_OTHERS: usize = 3;

/// A place in the history of changes.
#[derive(Debug)]
#[must_use = "a mark that is not given back keeps the history growing"]
pub(super) struct Mark(usize);

/// What was changed behind a mark: each name with its last value.
#[derive(Debug, Default)]
pub(super) struct Changes(Vec<(Rc<str>, Option<Rc<Variable>>)>);

#[derive(Default)]
pub(super) struct Variables {
    map: HashMap<Rc<str>, Rc<Variable>>,
    /// What stood there before each change, oldest first, while a mark is held.
    journal: Vec<(Rc<str>, Option<Rc<Variable>>)>,
    /// For each mark that is held, the names in the journal behind it. Each stands there once: a
    /// loop that builds a long text would otherwise keep every step of it.
    levels: Vec<HashSet<Rc<str>>>,
    /// Names that hold one of several possible values.
    forked: HashSet<Rc<str>>,
    /// The exported ones, until one of them changes.
    environment: Option<Rc<Vec<(String, Value)>>>,
}

impl Variables {
    pub fn get(&self, name: &str) -> Option<&Rc<Variable>> {
        self.map.get(name)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.map.keys().map(|name| &**name)
    }

    pub fn put(&mut self, name: &str, variable: Variable) {
        // A name that is there already is kept: its text is allocated once.
        let name = self.map.get_key_value(name).map_or_else(|| Rc::from(name), |(key, _)| key.clone());
        self.swap(name, Some(Rc::new(variable)), true);
    }

    /// Puts back what a function's `local` had hidden.
    pub fn set_back(&mut self, name: Rc<str>, old: Option<Rc<Variable>>) {
        self.swap(name, old, true);
    }

    fn swap(&mut self, name: Rc<str>, new: Option<Rc<Variable>>, noted: bool) {
        let exported = new.as_ref().is_some_and(|v| v.exported);
        if new.as_ref().is_some_and(|v| !v.others.is_empty()) {
            self.forked.insert(name.clone());
        } else {
            self.forked.remove(&name);
        }
        let old = match new {
            Some(variable) => self.map.insert(name.clone(), variable),
            None => self.map.remove(&name),
        };
        if exported || old.as_ref().is_some_and(|v| v.exported) {
            self.environment = None;
        }
        if noted
            && let Some(level) = self.levels.last_mut()
            && level.insert(name.clone())
        {
            self.journal.push((name, old));
        }
    }

    pub fn mark(&mut self) -> Mark {
        self.levels.push(HashSet::new());
        Mark(self.journal.len())
    }

    /// Takes all changes back to the mark.
    pub fn back(&mut self, mark: Mark) {
        while self.journal.len() > mark.0 {
            let Some((name, old)) = self.journal.pop() else { break };
            self.swap(name, old, false);
        }
        self.levels.pop();
    }

    /// Takes all changes back to the mark, and says what they were.
    pub fn take_back(&mut self, mark: Mark) -> Changes {
        let mut seen = HashSet::new();
        let mut changes = Vec::new();
        for (name, _) in self.journal[mark.0.min(self.journal.len())..].iter().rev() {
            if seen.insert(name.clone()) {
                changes.push((name.clone(), self.map.get(name).cloned()));
            }
        }
        self.back(mark);
        Changes(changes)
    }

    /// Whether all variables are what they were at the mark.
    pub fn unchanged_since(&self, mark: &Mark) -> bool {
        let mut seen = HashSet::new();
        let behind = self.journal.get(mark.0..).unwrap_or_default();
        behind.iter().all(|(name, old)| !seen.insert(&**name) || self.map.get(name) == old.as_ref())
    }

    /// Gives a mark back and keeps the changes behind it.
    pub fn keep(&mut self, mark: Mark) {
        self.levels.pop();
        let Some(level) = self.levels.last_mut() else {
            self.journal.clear();
            return;
        };
        let behind = self.journal.split_off(mark.0.min(self.journal.len()));
        self.journal.extend(behind.into_iter().filter(|(name, _)| level.insert(name.clone())));
    }

    /// Adds, as further possibilities, what ways set that left from here.
    pub fn add_possible(&mut self, changes: Changes) {
        for (name, variable) in changes.0 {
            let Some(variable) = variable else { continue };
            let added = Variable { others: Vec::new(), ..variable.guessed() };
            let Some(now) = self.map.get(&name) else {
                self.swap(name, Some(Rc::new(added)), true);
                continue;
            };
            let known = |other: &Variable| other.values == added.values;
            let texts = |v: &Variable| v.values.iter().map(|value| value.text.clone()).collect::<Vec<_>>();
            if texts(now) == texts(&added) || now.others.iter().any(|other| known(other)) {
                continue;
            }
            let now = now.guessed();
            let mut others = now.others.clone();
            let empty = now.values.iter().all(|value| value.text.is_empty());
            let rest = Variable { others: Vec::new(), ..now };
            // What holds something says more than what is still empty.
            let (first, other) = if empty { (added, rest) } else { (rest, added) };
            if others.len() < MOST_OTHERS {
                others.push(Rc::new(other));
            }
            self.swap(name, Some(Rc::new(Variable { others, ..first })), true);
        }
    }

    /// Makes changes again that were taken back.
    pub fn apply(&mut self, changes: Changes) {
        for (name, variable) in changes.0 {
            self.swap(name, variable, true);
        }
    }

    /// Makes changes of arms that may each have run possible. Where `every` way leads through one
    /// of them, what all of them set alike is no guess.
    pub fn apply_as_possible(&mut self, arms: Vec<Changes>, every: bool) {
        let count = arms.len();
        let mut ways: Vec<(Rc<str>, Vec<Rc<Variable>>)> = Vec::new();
        let mut places: HashMap<Rc<str>, usize> = HashMap::new();
        for arm in arms {
            for (name, variable) in arm.0 {
                let Some(variable) = variable else { continue };
                if self.map.get(&name) == Some(&variable) {
                    continue;
                }
                let place = *places.entry(name.clone()).or_insert_with(|| {
                    ways.push((name, Vec::new()));
                    ways.len() - 1
                });
                ways[place].1.push(variable);
            }
        }
        for (name, all) in ways {
            if every && all.len() == count && all.windows(2).all(|pair| pair[0] == pair[1]) {
                self.swap(name, all.into_iter().next(), true);
                continue;
            }
            let mut first = all[0].guessed();
            let mut others = std::mem::take(&mut first.others);
            for other in all.into_iter().skip(1) {
                let other = other.guessed();
                if other.values != first.values && others.len() < MOST_OTHERS {
                    others.push(Rc::new(Variable { others: Vec::new(), ..other }));
                }
            }
            first.others = others;
            self.swap(name, Some(Rc::new(first)), true);
        }
    }

    /// Names in a text that hold one of several possible values.
    pub fn forks_in<'t>(&self, texts: impl Iterator<Item = &'t str>) -> Option<Rc<str>> {
        if self.forked.is_empty() {
            return None;
        }
        let mut found: Option<Rc<str>> = None;
        for text in texts {
            for (at, _) in text.match_indices('$') {
                let rest = text[at + 1..].trim_start_matches(['{', '!', '#']);
                let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
                if let Some(name) = self.forked.get(&rest[..end]) {
                    found = Some(name.clone());
                    break;
                }
            }
        }
        found
    }

    /// The environment of programs, sorted by name so that the same script reads the same.
    pub fn environment(&mut self) -> Rc<Vec<(String, Value)>> {
        if let Some(known) = &self.environment {
            return known.clone();
        }
        let mut env: Vec<_> = self
            .map
            .iter()
            .filter(|(_, v)| v.exported && !v.is_array())
            .filter_map(|(name, v)| v.values.first().map(|value| (name.to_string(), value.clone())))
            .collect();
        env.sort_by(|a, b| a.0.cmp(&b.0));
        let env = Rc::new(env);
        self.environment = Some(env.clone());
        env
    }
}
