//! What steps stand under: conditions, loops, functions, times, as headings in plain words.

use lazaret_model::{Location, Under};

use super::sentence::{Sentence, say};
use super::{Mark, Step, schedule};

/// What steps stand under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A block of the script.
    Script(Under),
    /// The time of a crontab's line, in words.
    Time(String),
}

/// A crontab's line as the block in which its command stands.
pub fn timed(place: &Location, text: &str) -> Vec<Block> {
    let path = place.path().map(ToString::to_string).unwrap_or_default();
    let jobs = match schedule::jobs(text, schedule::names_user(&path)) {
        jobs if jobs.is_empty() => schedule::jobs(text, false),
        jobs => jobs,
    };
    jobs.first().map_or_else(Vec::new, |job| vec![Block::Time(job.when.clone())])
}

/// The blocks that say something: conditions that paper cannot decide, loops, functions.
pub fn relevant(under: &[Under], may: bool) -> Vec<Block> {
    let says = |block: &Under| match block {
        Under::If(_) | Under::Else(_) => may,
        Under::Case(_, pattern) => may && !pattern.is_empty(),
        Under::Loop(_) => true,
        Under::Function(name) => !matches!(name.as_str(), "main" | "_main" | "start" | "run"),
    };
    under.iter().filter(|block| says(block)).cloned().map(Block::Script).collect()
}

/// A block's heading over its steps. What is only housekeeping needs no heading of its own.
pub fn headed(block: &Block, mut steps: Vec<Step>) -> Vec<Step> {
    if steps.is_empty() {
        return steps;
    }
    if let Block::Script(Under::Function(_)) = block
        && steps.iter().filter(|step| step.mark != Mark::Aside).count() < 2
    {
        return steps;
    }
    let only_asides = steps.iter().all(|step| step.mark == Mark::Aside);
    if only_asides && matches!(block, Block::Script(_)) {
        return steps;
    }
    for step in &mut steps {
        // The heading says it.
        if matches!(block, Block::Script(Under::If(_) | Under::Else(_) | Under::Case(..))) {
            step.may = false;
        }
    }
    let mut step = Step::new(Mark::When, heading(block));
    step.steps = steps;
    vec![step]
}

pub fn heading(block: &Block) -> Sentence {
    let under = match block {
        Block::Script(under) => under,
        Block::Time(when) => return say(when.clone()),
    };
    match under {
        Under::If(condition) => condition_words(condition),
        Under::Else(condition) => match common_test(condition, true) {
            Some(words) => say("otherwise, ").then(words),
            None => say("if it is not so that ").code(condition.clone()),
        },
        Under::Case(word, pattern) if pattern == "*" => say("for any other ").code(word.clone()),
        Under::Case(word, pattern) => say("if ").code(word.clone()).say(" is ").code(pattern.clone()),
        Under::Loop(text) => loop_words(text),
        Under::Function(name) => say("in its function ").code(name.clone()),
    }
}

fn loop_words(text: &str) -> Sentence {
    let endless = ["while true", "while :", "while [ 1 ]", "while 1", "until false", "while [ true ]"];
    if endless.contains(&text.trim_end_matches(';').trim()) {
        return say("again and again, without end");
    }
    if let Some((name, values)) = text.strip_prefix("for ").and_then(|rest| rest.split_once(" in ")) {
        return say("for each ").code(name).say(" of ").code(values);
    }
    say("again and again, ").code(text)
}

/// A condition, in words where it is one of the common tests.
fn condition_words(condition: &str) -> Sentence {
    common_test(condition, false).unwrap_or_else(|| say("if ").code(condition))
}

/// A common test in words; its opposite where `opposite`.
fn common_test(condition: &str, opposite: bool) -> Option<Sentence> {
    let inner = condition.trim().trim_start_matches('[').trim_end_matches(']').trim();
    let inner = inner.strip_prefix("test ").unwrap_or(inner);
    if ["&&", "||", " -a ", " -o ", ";", "|"].iter().any(|joint| inner.contains(joint)) {
        return None;
    }
    let (holds, rest) = match inner.strip_prefix("! ") {
        Some(rest) => (opposite, rest),
        None => (!opposite, inner),
    };
    if inner.contains("$(id -u)") && inner.contains('0') && !inner.contains("!=") {
        return Some(say(if holds { "if it runs as root" } else { "if it does not run as root" }));
    }
    let (test, what) = rest.split_once(' ')?;
    let what = what.trim();
    if what.is_empty() || what.contains(' ') && !what.starts_with('"') {
        return None;
    }
    let what = what.replace('"', "");
    let there = if holds { " is there" } else { " is not there" };
    let set = |is: bool| if is { " is set" } else { " is not set" };
    Some(match test {
        "-f" | "-e" | "-r" | "-L" | "-S" => say("if the file ").code(what).say(there),
        "-s" => {
            say("if the file ").code(what).say(if holds { " is not empty" } else { " is empty or not there" })
        }
        "-d" => say("if the folder ").code(what).say(there),
        "-x" => say("if the program ").code(what).say(there),
        "-z" => say("if ").code(what).say(set(!holds)),
        "-n" => say("if ").code(what).say(set(holds)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_tests_are_said_in_words_and_others_are_quoted() {
        for (test, said, opposite) in [
            ("[ -f /a ]", "if the file /a is there", "if the file /a is not there"),
            ("[ ! -d \"$X\" ]", "if the folder $X is not there", "if the folder $X is there"),
            ("[ -z \"$A\" ]", "if $A is not set", "if $A is set"),
            ("[[ -n $A ]]", "if $A is set", "if $A is not set"),
            ("[ \"$(id -u)\" = '0' ]", "if it runs as root", "if it does not run as root"),
        ] {
            assert_eq!(condition_words(test).text(), said, "{test}");
            assert_eq!(
                common_test(test, true).map(|words| words.text()).as_deref(),
                Some(opposite),
                "{test}"
            );
        }
        for test in ["[ a = b ]", "[ -f a ] && [ -f b ]", "command -v x", "", "[", "! "] {
            assert_eq!(common_test(test, false), None, "{test}");
        }
    }
}
