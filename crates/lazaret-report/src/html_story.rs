//! The story in the page, as a tree that folds without any script.

use lazaret_model::{ImageReport, Report, one_line, visible};
use maud::{Markup, html};

use crate::story::{Chapter, Mark, Piece, Sentence, Step, tell};
use crate::words;

/// Steps written into one list; a browser must still open the page.
const MOST: usize = 400;
/// Levels that stand open.
const OPEN: usize = 3;

/// The story of one image.
pub fn section(report: &Report, image: &ImageReport, name_platform: bool) -> Markup {
    let story = tell(report, image);
    html! {
        h2 {
            "The story"
            small { @if name_platform { (words::platform(image)) ", " } "on paper: nothing was run" }
        }
        div.card.pad.story {
            @if !story.short.is_empty() {
                ul.short { @for step in &story.short { (item(step, 0)) } }
            }
            @for chapter in &story.chapters { (part(chapter)) }
        }
    }
}

fn part(chapter: &Chapter) -> Markup {
    let open = chapter.title.starts_with("When it starts");
    html! {
        details.part open[open] {
            summary { (chapter.title) }
            @if let Some(lead) = &chapter.lead { p.small { (sentence(lead)) "." } }
            ul.tree {
                @for step in chapter.steps.iter().take(MOST) { (item(step, 0)) }
                @if chapter.steps.len() > MOST { li.aside { "and " (chapter.steps.len() - MOST) " more" } }
            }
        }
    }
}

fn item(step: &Step, level: usize) -> Markup {
    let class = match step.mark {
        Mark::Plain => "plain",
        Mark::Main => "main",
        Mark::Beside => "beside",
        Mark::Alarm => "alarm",
        Mark::When => "when",
        Mark::Aside => "aside",
        Mark::Unknown => "unknown",
    };
    html! {
        li class=(class) {
            @if step.steps.is_empty() {
                (line(step))
                (more(step))
            } @else {
                details open[level < OPEN || holds_alarm(step)] {
                    summary { (line(step)) }
                    (more(step))
                    ul {
                        @for below in step.steps.iter().take(MOST) { (item(below, level + 1)) }
                        @if step.steps.len() > MOST { li.aside { "and " (step.steps.len() - MOST) " more" } }
                    }
                }
            }
        }
    }
}

fn holds_alarm(step: &Step) -> bool {
    step.steps.iter().any(|below| below.mark == Mark::Alarm || holds_alarm(below))
}

fn line(step: &Step) -> Markup {
    html! {
        @if step.may && step.mark != Mark::When { span.chip { "may" } " " }
        (sentence(&step.sentence))
        @if let Some(place) = step.places.first() { " " small { (one_line(place, 200)) } }
    }
}

fn more(step: &Step) -> Markup {
    html! {
        @for detail in &step.details { div.detail { (sentence(detail)) } }
        @if let Some(quote) = &step.quote { pre { (one_line(quote, 500)) } }
        @for charge in &step.charges {
            div.charge {
                span class={ "pill " (charge.severity.word()) } { (charge.severity.word()) " " (charge.class) }
                " " (visible(&charge.message)) " " code { (visible(&charge.rule)) }
            }
        }
    }
}

fn sentence(sentence: &Sentence) -> Markup {
    html! {
        @for piece in &sentence.0 {
            @match piece {
                Piece::Words(text) => (visible(text)),
                Piece::Code(text) => code { (one_line(text, 1_000)) },
            }
        }
    }
}
