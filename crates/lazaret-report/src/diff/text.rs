//! A comparison as text.

use crate::Options;
use crate::diff::{ChangeOutcome, Comparison, Difference};
use crate::explain::{Page, Tone};

/// The whole.
pub fn render(difference: &Difference, options: &Options) -> String {
    let mut page = Page::new(options);
    let outcome = difference.outcome();
    page.answer(tone(outcome), outcome.word(), &format!("{} → {}", difference.from.0, difference.to.0), "");
    for one in &difference.comparisons {
        comparison(&mut page, one, difference.comparisons.len() > 1);
    }
    if difference.comparisons.is_empty() {
        page.sentence("There is no platform that both have: nothing could be compared.");
    }
    for (platforms, words) in
        [(&difference.added, "Only in the second"), (&difference.gone, "Only in the first")]
    {
        if !platforms.is_empty() {
            page.heading(words);
            page.sentence(&platforms.join(", "));
        }
    }
    page.heading("Compared");
    page.sentence(&difference.from.1);
    page.sentence(&difference.to.1);
    page.finish()
}

fn comparison(page: &mut Page<'_>, one: &Comparison, name_platform: bool) {
    if name_platform {
        page.heading(&format!("{}: {}", one.platform, one.outcome));
    }
    page.sentence(&lazaret_model::visible(&one.why));
    if one.verdicts.0 != one.verdicts.1 {
        page.sentence(&format!("The verdict was {} and is {}.", one.verdicts.0, one.verdicts.1));
    }
    if one.has_gaps {
        page.sentence(
            "Something that could matter was not read in one of them: what is new there is not in this list.",
        );
    }
    let mut area = None;
    for change in &one.changes {
        if area != Some(change.area) {
            page.heading(change.area.title());
            area = Some(change.area);
        }
        page.step(&change.step, 0);
    }
}

fn tone(outcome: ChangeOutcome) -> Tone {
    match outcome {
        ChangeOutcome::Same | ChangeOutcome::Updates => Tone::Good,
        ChangeOutcome::More => Tone::Warning,
        ChangeOutcome::Alarming => Tone::Bad,
    }
}
