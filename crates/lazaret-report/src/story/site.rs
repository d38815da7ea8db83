//! Behaviours gathered by the line that they rest on.

use std::collections::HashMap;

use lazaret_model::{Behaviour, BehaviourKind, Certainty, Location, Phase};

/// All that happens at one line, whichever way leads there.
#[derive(Debug)]
pub struct Site<'a> {
    /// The places that lead there, the outermost first, the line itself last.
    pub chain: Vec<&'a Location>,
    /// What happens, in order, equal things once.
    pub behaviours: Vec<&'a Behaviour>,
    /// Whether all of it may happen only.
    pub may: bool,
    /// Sites one level down, in order.
    pub below: Vec<usize>,
}

impl<'a> Site<'a> {
    /// The line itself.
    pub fn place(&self) -> &'a Location {
        self.chain.last().copied().unwrap_or(&Location::Image)
    }
}

/// The sites of one phase, and which of them nothing leads to.
#[derive(Debug, Default)]
pub struct Sites<'a> {
    /// All of them, in the order in which they are first reached.
    pub all: Vec<Site<'a>>,
    /// Those at the top.
    pub top: Vec<usize>,
}

impl<'a> Sites<'a> {
    /// Gathers what happens in a phase.
    pub fn of(behaviours: &'a [Behaviour], phase: Phase) -> Self {
        let mut sites = Self::default();
        let mut known: HashMap<Vec<&'a Location>, usize> = HashMap::new();
        for behaviour in behaviours.iter().filter(|behaviour| behaviour.phase == phase) {
            let at = sites.reach(&mut known, chain(behaviour));
            let site = &mut sites.all[at];
            site.may &= behaviour.certainty == Certainty::May;
            match site.behaviours.iter_mut().find(|other| same(&other.kind, &behaviour.kind)) {
                Some(other) if other.certainty < behaviour.certainty => *other = behaviour,
                Some(_) => {}
                None => site.behaviours.push(behaviour),
            }
        }
        sites
    }

    fn reach(&mut self, known: &mut HashMap<Vec<&'a Location>, usize>, chain: Vec<&'a Location>) -> usize {
        let mut at = None;
        for length in 1..=chain.len() {
            let part = chain[..length].to_vec();
            let next = match known.get(&part) {
                Some(next) => *next,
                None => {
                    let next = self.all.len();
                    self.all.push(Site {
                        chain: part.clone(),
                        behaviours: Vec::new(),
                        may: true,
                        below: Vec::new(),
                    });
                    match at {
                        None => self.top.push(next),
                        Some(above) => {
                            let above: &mut Site<'a> = &mut self.all[above];
                            above.below.push(next);
                        }
                    }
                    known.insert(part, next);
                    next
                }
            };
            at = Some(next);
        }
        at.unwrap_or_default()
    }
}

/// The places from the outermost to the line. A script that starts itself again (as another user)
/// is told once: what happens in the second run stands at the same lines.
fn chain(behaviour: &Behaviour) -> Vec<&Location> {
    let mut out: Vec<&Location> = Vec::new();
    for place in behaviour.because.iter().rev() {
        let again = place.path().and_then(|path| out.iter().position(|known| known.path() == Some(path)));
        match again {
            // Lines without a number are whole files: the line in them says more.
            Some(at) => {
                out.truncate(at);
                out.push(place);
            }
            None => out.push(place),
        }
    }
    if out.is_empty() {
        out.push(&Location::Image);
    }
    out
}

/// The same command twice at one line, also where a value is known only one of the times.
fn same(a: &BehaviourKind, b: &BehaviourKind) -> bool {
    match (a, b) {
        (
            BehaviourKind::Process { argv: a, parent: p, .. },
            BehaviourKind::Process { argv: b, parent: q, .. },
        ) => {
            p == q
                && a.len() == b.len()
                && a.iter().zip(b).all(|(a, b)| a == b || a.contains('$') || b.contains('$'))
        }
        (a, b) => a == b,
    }
}
