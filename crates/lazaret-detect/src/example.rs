//! Examples and form of rules: what the tests ask of the built-in rules, and
//! `lazaret rules check` of anybody's.

use std::fmt;

use lazaret_recipe::Recipe;

use crate::{Example, Pack, PackRule};

/// Something that is wrong with a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExampleProblem {
    /// Id of the rule.
    pub rule: String,
    /// Its file.
    pub file: String,
    /// Line in it, counted from 1; 0 where it is not known.
    pub line: u32,
    /// What is wrong, in words.
    pub what: String,
}

impl fmt::Display for ExampleProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.what),
            line => write!(f, "{}:{line}: {}", self.file, self.what),
        }
    }
}

/// Looks at the form of every rule and tries every example. `judge` scans one image and gives
/// the ids of the rules that fired, or one sentence why it could not.
///
/// A rule without examples is a problem only where it is built in: other people's packs have
/// none.
pub fn check_examples(
    pack: &Pack,
    judge: impl Fn(&Recipe) -> Result<Vec<String>, String>,
) -> Vec<ExampleProblem> {
    let mut problems = Vec::new();
    for rule in pack.rules() {
        problems.extend(form(rule));
        let of_kind = [(&rule.examples.fires, true), (&rule.examples.quiet, false)];
        for (example, must_fire) in
            of_kind.into_iter().flat_map(|(list, fires)| list.iter().map(move |e| (e, fires)))
        {
            if let Err(what) = try_example(rule, example, must_fire, &judge) {
                problems.push(problem(rule, example.line, what));
            }
        }
    }
    problems
}

fn try_example(
    rule: &PackRule,
    example: &Example,
    must_fire: bool,
    judge: impl Fn(&Recipe) -> Result<Vec<String>, String>,
) -> Result<(), String> {
    let recipe = Recipe::parse(&example.text).map_err(|e| format!("the example is no recipe: {e}"))?;
    let fired = judge(&recipe).map_err(|e| format!("the example cannot be judged: {e}"))?;
    match (fired.contains(&rule.rule.id), must_fire) {
        (false, true) if fired.is_empty() => Err("nothing fires on the example that must fire".to_owned()),
        (false, true) => Err(format!(
            "the rule stays quiet on an example that must fire; what fires: {}",
            fired.join(", ")
        )),
        (true, false) => Err("the rule fires on a near-miss that must stay quiet".to_owned()),
        _ => Ok(()),
    }
}

/// Words that begin a title which names the remedy instead of the bad thing.
const REMEDIES: [&str; 9] =
    ["use ", "avoid ", "remove ", "do not ", "don't ", "missing ", "should ", "never ", "add "];

/// What is wrong with the form of a rule.
fn form(rule: &PackRule) -> Vec<ExampleProblem> {
    let mut wrong = Vec::new();
    let model = &rule.rule;
    let title = model.title.as_str();
    for id in &model.attack {
        if !is_technique(id) {
            wrong.push(format!("`{id}` is no ATT&CK technique id; it looks like T1496 or T1496.001"));
        }
    }
    if title.trim().is_empty() {
        wrong.push("the title is empty".to_owned());
    }
    if rule.built_in {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let parts: Vec<&str> = model.id.split('/').collect();
        if parts.len() != 2 || parts.iter().any(|part| part.is_empty() || !part.chars().all(plain)) {
            wrong
                .push("the file must be tactic/what-is-seen in small letters, digits and hyphens".to_owned());
        }
        if title.ends_with('.') || !title.starts_with(|c: char| c.is_ascii_lowercase()) {
            wrong.push("the title completes `this image may …`: small first letter, no full stop".to_owned());
        }
        if REMEDIES.iter().any(|word| title.to_lowercase().starts_with(word)) {
            wrong.push("the title names the remedy; it must name the bad thing".to_owned());
        }
        if model.explanation.len() < 60 {
            wrong.push("the explanation must say what it is, why it is bad and what to do".to_owned());
        }
        if model.attack.is_empty() {
            wrong.push("no ATT&CK technique id is given".to_owned());
        }
        if rule.examples.fires.is_empty() {
            wrong.push("there is no example that must fire".to_owned());
        }
        if rule.examples.quiet.is_empty() {
            wrong.push("there is no near-miss example".to_owned());
        }
    }
    wrong.into_iter().map(|what| problem(rule, 0, what)).collect()
}

fn problem(rule: &PackRule, line: u32, what: String) -> ExampleProblem {
    ExampleProblem { rule: rule.rule.id.clone(), file: rule.origin.clone(), line, what }
}

/// `T1234` or `T1234.567`.
fn is_technique(id: &str) -> bool {
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    id.strip_prefix('T').is_some_and(|rest| match rest.split_once('.') {
        Some((main, sub)) => digits(main, 4) && digits(sub, 3),
        None => digits(rest, 4),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn pack(files: &[(&str, &str)]) -> Pack {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Pack::only(folder.path()).unwrap()
    }

    const RULE: &str = "rule x { meta: class = \"malware\" attack = \"T12\" condition: false }\n\
        /* example: fires\n   FILE /a\n       b\n*/\n/* example: quiet\n   NOSUCH\n*/\n";

    #[test]
    fn each_broken_promise_of_a_rule_is_told_with_its_line() {
        let pack = pack(&[("a.yar", RULE)]);
        let told: Vec<(u32, String)> =
            check_examples(&pack, |_| Ok(Vec::new())).into_iter().map(|p| (p.line, p.what)).collect();
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[0].1.contains("T12"), "{told:?}");
        assert_eq!(told[1], (2, "nothing fires on the example that must fire".to_owned()));
        assert!(told[2].0 == 6 && told[2].1.contains("no recipe"), "{told:?}");
    }

    #[test]
    fn a_near_miss_on_which_the_rule_fires_is_told() {
        let text = RULE.replace("T12", "T1234.001").replace("NOSUCH", "FILE /a");
        let told = check_examples(&pack(&[("a.yar", &text)]), |_| Ok(vec!["a".to_owned()]));
        assert_eq!(told.len(), 1);
        assert!(told[0].to_string().ends_with("a.yar:6: the rule fires on a near-miss that must stay quiet"));
    }
}
