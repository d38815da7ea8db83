use anyhow::{Result, bail};
use lazaret_detect::{CHECKS, Pack, check_examples, try_recipe};
use lazaret_model::{Rule, visible};

use crate::args::RulesCommand;
use crate::exit::Exit;
use crate::paths;

/// `lazaret rules …`.
pub fn run(command: RulesCommand) -> Result<Exit> {
    match command {
        RulesCommand::List { rules } => {
            let pack = Pack::load(&rules, paths::made_cache().as_deref())?;
            let mut all: Vec<Rule> = pack.rules().iter().map(|known| known.rule.clone()).collect();
            all.extend(CHECKS.iter().map(|check| check.rule()));
            all.extend(lazaret_scan::feeds::rules());
            all.sort_by(|a, b| a.id.cmp(&b.id));
            let width = all.iter().map(|rule| rule.id.len()).max().unwrap_or(0);
            let mut text = String::new();
            for rule in &all {
                text.push_str(&format!(
                    "{:<width$}  {:<9} {:<8} {:<6}  {}\n",
                    visible(&rule.id),
                    rule.class.word(),
                    rule.severity.word(),
                    rule.confidence.word(),
                    visible(&rule.title),
                ));
            }
            for pack in pack.packs() {
                text.push_str(&format!(
                    "\n{}: {} of {} rules can be applied to an image\n",
                    visible(&pack.name),
                    pack.applied,
                    pack.rules(),
                ));
                for left_out in &pack.left_out {
                    let word = if left_out.broken { "broken" } else { "not applied" };
                    text.push_str(&format!("  {word}: {}\n", visible(&left_out.to_string())));
                }
            }
            super::print(&text)?;
            Ok(Exit::Allowed)
        }
        RulesCommand::Explain { id, rules } => {
            let pack = Pack::load(&rules, paths::made_cache().as_deref())?;
            let known = pack.rule(&id).map(|known| (known.rule.clone(), known.origin.clone()));
            let mut ours = CHECKS.iter().map(|check| check.rule()).chain(lazaret_scan::feeds::rules());
            let check = || ours.find(|rule| rule.id == id).map(|rule| (rule, "built-in".to_owned()));
            let Some((rule, origin)) = known.or_else(check) else {
                bail!("no rule is called `{id}`: `lazaret rules list` shows all");
            };
            super::print(&explanation(&rule, &origin))?;
            Ok(Exit::Allowed)
        }
        RulesCommand::New { id, sigma, into } => {
            let path = super::rule_frame::write(&id, sigma, &into)?;
            let shown = path.display().to_string();
            super::print(&format!(
                "wrote {}; next: lazaret rules check {}\n",
                visible(&shown),
                visible(&shown)
            ))?;
            Ok(Exit::Allowed)
        }
        RulesCommand::Check { directory } => {
            let pack = Pack::only(&directory)?;
            let problems = check_examples(&pack, |recipe| {
                let report = try_recipe(&pack, recipe);
                Ok(report.findings.iter().map(|finding| finding.rule.id.clone()).collect())
            });
            let mut text = String::new();
            for problem in &problems {
                text.push_str(&format!("{}\n", visible(&problem.to_string())));
            }
            for left_out in pack.left_out() {
                text.push_str(&format!("note: {}\n", visible(&left_out.to_string())));
            }
            let examples: usize =
                pack.rules().iter().map(|r| r.examples.fires.len() + r.examples.quiet.len()).sum();
            text.push_str(&format!(
                "{} rules, {examples} examples, {} problems\n",
                pack.rules().len(),
                problems.len()
            ));
            super::print(&text)?;
            Ok(if problems.is_empty() { Exit::Allowed } else { Exit::Refused(1) })
        }
    }
}

fn explanation(rule: &Rule, origin: &str) -> String {
    let mut text = format!("{}\nThis image may {}.\n\n", visible(&rule.id), visible(&rule.title));
    for paragraph in rule.explanation.split('\n') {
        text.push_str(&format!("{}\n", visible(paragraph.trim_end())));
    }
    text.push_str(&format!(
        "\nclass {}, severity {}, confidence {}\n",
        rule.class, rule.severity, rule.confidence
    ));
    if !rule.attack.is_empty() {
        text.push_str(&format!("ATT&CK {}\n", visible(&rule.attack.join(", "))));
    }
    for reference in &rule.references {
        text.push_str(&format!("see {}\n", visible(reference)));
    }
    text.push_str(&format!("from {}\n", visible(origin)));
    text
}
