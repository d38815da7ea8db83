//! Where a container becomes what it is.

use lazaret_model::{BehaviourKind, Location};

use super::minute::DEEPEST;
use super::site::{Site, Sites};
use super::{Teller, roles};

/// The site at which the container becomes what it is: the last `exec` that surely happens, or
/// the last command that is waited for, followed down into the scripts that it runs.
pub fn main_site(teller: &Teller<'_>, sites: &Sites<'_>) -> Option<usize> {
    let mut at = *sites.top.first()?;
    for _ in 0..DEEPEST {
        let below: Vec<usize> = sites.all[at]
            .below
            .iter()
            .copied()
            .filter(|&child| {
                let site = &sites.all[child];
                let background = teller.line(site.place()).is_some_and(|line| line.background);
                !background && (!site.below.is_empty() || acts(site))
            })
            .collect();
        let below = if below.is_empty() { stays_up(sites, at) } else { below };
        let replaces =
            |child: &usize| teller.line(sites.all[*child].place()).is_some_and(|line| line.replaces);
        let sure = |child: &usize| !sites.all[*child].may;
        let next = below
            .iter()
            .rev()
            .find(|child| replaces(child) && sure(child) && !is_again(&sites.all[**child]))
            .or_else(|| below.iter().rev().find(|child| replaces(child) && !is_again(&sites.all[**child])))
            .or_else(|| below.iter().rev().find(|child| sure(child)))
            .or_else(|| below.last());
        match next {
            Some(next) => at = *next,
            None => break,
        }
    }
    Some(at)
}

/// What is waited for below a site that does nothing else.
fn stays_up(sites: &Sites<'_>, at: usize) -> Vec<usize> {
    let waits = |child: &&usize| {
        sites.all[**child].behaviours.iter().any(|behaviour| match &behaviour.kind {
            BehaviourKind::Process { argv, .. } => {
                argv.first().is_some_and(|first| roles::base(first) == "sleep")
            }
            _ => false,
        })
    };
    sites.all[at].below.iter().rev().find(waits).into_iter().copied().collect()
}

/// Whether a site starts something that is more than a helper.
fn acts(site: &Site<'_>) -> bool {
    site.behaviours.iter().any(|behaviour| match &behaviour.kind {
        BehaviourKind::Process { argv, .. } => {
            let name = roles::base(argv.first().map_or("", String::as_str));
            let args = argv.get(1..).unwrap_or_default();
            !name.is_empty() && !roles::looks(name, args) && !roles::prepares(name) && name != "rm"
        }
        _ => false,
    })
}

/// Whether a site starts the script in which it stands once more.
fn is_again(site: &Site<'_>) -> bool {
    let Location::File { path, line: Some(_), .. } = site.place() else { return false };
    let own = path.to_string();
    site.behaviours.iter().any(|behaviour| match &behaviour.kind {
        BehaviourKind::Process { argv, image, .. } => {
            image.as_deref() == Some(own.as_str())
                || argv
                    .first()
                    .is_some_and(|first| matches!(first.as_str(), "$BASH_SOURCE" | "$0") || *first == own)
        }
        _ => false,
    })
}
