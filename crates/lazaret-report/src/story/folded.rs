//! Helpers and housekeeping, several in one line.

use super::deed::Deed;
use super::minute::Told;
use super::sentence::say;
use super::{Folded, Mark, Step};

/// Paths named in one folded line.
const NAMED: usize = 6;

/// Folds helpers and housekeeping among steps of one block.
pub fn fold(told: Vec<Told>) -> Vec<Step> {
    let mut out: Vec<Step> = Vec::new();
    let mut looks: Vec<String> = Vec::new();
    let mut look_places: Vec<String> = Vec::new();
    let mut look_at = None;
    let mut paths: Vec<String> = Vec::new();
    let mut path_places: Vec<String> = Vec::new();
    let mut path_at = None;
    let mut sure = false;
    for one in told {
        for deed in one.deeds {
            match deed {
                Deed::Step(step, _) => out.push(*step),
                Deed::Look(name) => {
                    look_at.get_or_insert(out.len());
                    add(&mut looks, name);
                    one.places.iter().for_each(|place| add(&mut look_places, place.clone()));
                }
                Deed::Prepare(of) => {
                    path_at.get_or_insert(out.len());
                    sure |= !one.may;
                    of.into_iter()
                        .filter(|path| path.len() > 1 && !path.contains('{'))
                        .for_each(|path| add(&mut paths, path));
                    one.places.iter().for_each(|place| add(&mut path_places, place.clone()));
                }
                Deed::Again(user) => {
                    let mut sentence = say("starts itself once more");
                    if let Some(user) = user {
                        sentence = sentence.say(" as the user ").code(user);
                    }
                    let mut step = Step::new(Mark::Aside, sentence);
                    step.places.clone_from(&one.places);
                    out.push(step);
                }
            }
        }
    }
    let mut inserted = 0;
    if let Some(at) = path_at {
        let mut step = helpers(Folded::Prepares, paths, &path_places);
        step.may = !sure;
        out.insert(at, step);
        inserted = usize::from(look_at.is_some_and(|look| look >= at));
    }
    if let Some(at) = look_at {
        out.insert(at + inserted, helpers(Folded::Looks, looks, &look_places));
    }
    out
}

/// Helpers of one kind in one line.
fn helpers(kind: Folded, list: Vec<String>, places: &[String]) -> Step {
    let words = match kind {
        Folded::Looks => "looks around with ",
        Folded::Prepares if list.is_empty() => "prepares its files and folders",
        Folded::Prepares => "prepares its files and folders: ",
    };
    let mut sentence = say(words).list(list.iter().take(NAMED).cloned());
    if list.len() > NAMED {
        sentence = sentence.say(format!(" and {} more", list.len() - NAMED));
    }
    let mut step = Step::new(Mark::Aside, sentence);
    step.places = spans(places);
    step.folded = Some((kind, list));
    step
}

pub fn add(list: &mut Vec<String>, item: String) {
    if !list.contains(&item) {
        list.push(item);
    }
}

/// Lines of one file as one place: `/a.sh:3, 5-9`.
fn spans(places: &[String]) -> Vec<String> {
    let mut out: Vec<(String, Vec<u32>)> = Vec::new();
    for place in places {
        // A line, or lines that were joined before.
        let numbers = |lines: &str| lines.split('-').map(str::parse).collect::<Result<Vec<u32>, _>>().ok();
        let (file, of) = match place.rsplit_once(':').and_then(|(file, lines)| Some((file, numbers(lines)?)))
        {
            Some((file, lines)) => (file.to_owned(), lines),
            None => (place.clone(), Vec::new()),
        };
        match out.iter_mut().find(|(known, _)| *known == file) {
            Some((_, lines)) => lines.extend(of),
            None => out.push((file, of)),
        }
    }
    out.into_iter()
        .map(|(file, mut lines)| {
            lines.sort_unstable();
            match (lines.first(), lines.last()) {
                (Some(first), Some(last)) if first != last => format!("{file}:{first}-{last}"),
                (Some(first), _) => format!("{file}:{first}"),
                _ => file,
            }
        })
        .collect()
}

/// Helpers of one kind among the steps of one block, told once: where in between they look does
/// not matter.
pub fn hoist(steps: &mut Vec<Step>) {
    for kind in [Folded::Looks, Folded::Prepares] {
        let is = |step: &Step| step.folded.as_ref().is_some_and(|(other, _)| *other == kind);
        if steps.iter().filter(|step| is(step)).count() < 2 {
            continue;
        }
        let mut list = Vec::new();
        let mut places = Vec::new();
        let mut may = true;
        for step in steps.iter().filter(|step| is(step)) {
            step.folded.iter().flat_map(|(_, list)| list).for_each(|name| add(&mut list, name.clone()));
            places.extend(step.places.iter().cloned());
            may &= step.may;
        }
        let mut joined = helpers(kind, list, &places);
        joined.may = may;
        let mut joined = Some(joined);
        steps.retain_mut(|step| {
            if !is(step) {
                return true;
            }
            match joined.take() {
                Some(joined) => {
                    *step = joined;
                    true
                }
                None => false,
            }
        });
    }
    for step in steps {
        hoist(&mut step.steps);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_one_file_are_told_as_a_span() {
        let of = |places: &[&str]| spans(&places.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&["/a:3", "/a:9", "/b:1", "/a:5-12", "CMD"]), ["/a:3-12", "/b:1", "CMD"]);
    }
}
