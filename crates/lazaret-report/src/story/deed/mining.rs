//! Miners.

use lazaret_model::{Finding, IndicatorKind, Location};

use super::command::command;
use super::{At, Process, STARTED, Topic};
use crate::story::roles::{self, base};
use crate::story::sentence::{Sentence, say};
use crate::story::{Mark, Step};

impl At<'_, '_, '_> {
    /// The finding that says that a process mines.
    pub(super) fn mines(&self, process: &Process<'_>, connections: &[(String, bool)]) -> bool {
        connections.iter().any(|(_, mines)| *mines)
            || process.args().iter().any(|arg| arg.contains("stratum+") || arg.contains("stratum2+"))
            || self.mining(process).is_some()
    }

    fn mining(&self, process: &Process<'_>) -> Option<&Finding> {
        let name = process.name();
        let script = process.args().iter().find(|arg| arg.starts_with('/'));
        self.teller.image.findings.iter().find(|finding| {
            let about = finding.rule.attack.iter().any(|id| id.starts_with("T1496"))
                && finding.indicators.iter().any(|indicator| indicator.kind == IndicatorKind::Wallet);
            let here = |location: &Location| match location {
                Location::File { path, inside, line, .. } => {
                    let path = path.to_string();
                    let is = |wanted: Option<&str>| wanted == Some(path.as_str());
                    // A line is one of the script that starts it.
                    inside.is_empty() && line.is_none() && is(process.image)
                        || inside.last().is_some_and(|member| base(member) == name)
                        || // What a program of another language starts is told below it.
                        roles::language(name).is_some()
                            && self.site.below.is_empty()
                            && is(script.map(String::as_str))
                }
                _ => false,
            };
            about && finding.evidence().iter().any(|evidence| here(&evidence.location))
        })
    }

    pub(super) fn miner(&mut self, process: &Process<'_>, connections: &[(String, bool)]) {
        let shown = process.argv.first().map_or("", String::as_str);
        let script = process.args().iter().find(|arg| arg.starts_with('/')).cloned();
        let named = match (roles::language(process.name()), &script) {
            (Some(language), Some(script)) => say(format!("the {language} program ")).code(script.clone()),
            _ => say("").code(process.image.unwrap_or(shown)),
        };
        let mut sentence = named.say(" mines cryptocurrency on this machine");
        let mut step = Step::new(Mark::Alarm, Sentence::default());
        let text = process.argv.join(" ");
        let finding = self.mining(process);
        let indicators =
            || finding.into_iter().chain(&self.teller.image.findings).flat_map(|f| &f.indicators);
        let mut pools: Vec<String> = connections.iter().map(|(target, _)| target.clone()).collect();
        let own_pool = indicators().find(|indicator| {
            indicator.kind == IndicatorKind::Pool && (finding.is_some() || text.contains(&indicator.value))
        });
        pools.extend(own_pool.filter(|_| connections.is_empty()).map(|pool| pool.value.clone()));
        let wallet = indicators().find(|indicator| {
            let tail = indicator.value.split_once(':').map_or(indicator.value.as_str(), |(_, tail)| tail);
            indicator.kind == IndicatorKind::Wallet && (finding.is_some() || text.contains(tail))
        });
        if let Some(pool) = pools.first() {
            sentence = sentence.say(", at the pool ").code(pool.clone());
        }
        if let Some(wallet) = wallet {
            step = step.detail(say("what it earns goes to the wallet ").code(wallet.value.clone()));
        }
        let quoted = command(process.argv);
        if quoted != shown {
            step = step.detail(say(STARTED).code(quoted));
        }
        let packed =
            finding.into_iter().flat_map(Finding::evidence).find_map(|evidence| match &evidence.location {
                Location::File { path, inside, .. }
                    if inside.last().is_some_and(|m| base(m) == process.name()) =>
                {
                    Some(path.to_string())
                }
                _ => None,
            });
        if let Some(packed) = packed {
            step = step.detail(say("it is unpacked from ").code(packed));
        }
        step.sentence = sentence;
        let file = script.filter(|_| roles::language(process.name()).is_some());
        if let Some(file) = file.or_else(|| process.image.map(str::to_owned)) {
            step.charges = self.teller.charges_in(&file);
        }
        self.step(step, Some(Topic::Mines));
    }
}
