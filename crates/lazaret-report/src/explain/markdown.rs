//! The story as Markdown.

use lazaret_model::{Report, one_line, visible};

use crate::markdown::{code, escape};
use crate::story::{Mark, Piece, Sentence, Step, Story, tell};
use crate::words;

/// All stories, worst image first.
pub fn render(reports: &[Report]) -> String {
    let mut out = String::new();
    for report in reports {
        for image in words::worst_first(report) {
            story(&mut out, &tell(report, image));
        }
    }
    out
}

fn story(out: &mut String, story: &Story) {
    out.push_str(&format!("# {} ({})\n\n", escape(&story.name), escape(&story.platform)));
    out.push_str(&format!("**{}**: {}\n", story.outcome.word(), escape(&visible(&story.why))));
    if !story.short.is_empty() {
        out.push_str("\n## In short\n\n");
        for step in &story.short {
            self::step(out, step, 0);
        }
    }
    for chapter in &story.chapters {
        out.push_str(&format!("\n## {}\n\n", chapter.title));
        if let Some(lead) = &chapter.lead {
            out.push_str(&format!("{}.\n\n", sentence(lead)));
        }
        for step in &chapter.steps {
            self::step(out, step, 0);
        }
    }
    out.push('\n');
}

/// A step and those below it, as items of a list.
pub(crate) fn step(out: &mut String, step: &Step, level: usize) {
    let indent = "  ".repeat(level.min(12));
    let text = sentence(&step.sentence);
    let may = if step.may && step.mark != Mark::When { "may: " } else { "" };
    let text = match step.mark {
        Mark::Alarm => format!("**! {may}{text}**"),
        Mark::Main => format!("**{may}{text}**"),
        Mark::When => format!("*{text}:*"),
        Mark::Unknown => format!("? {may}{text}"),
        Mark::Plain | Mark::Beside | Mark::Aside => format!("{may}{text}"),
    };
    out.push_str(&format!("{indent}- {text}"));
    if let Some(place) = step.places.first() {
        out.push_str(&format!(" ({})", code(&one_line(place, 200))));
    }
    out.push('\n');
    for detail in &step.details {
        out.push_str(&format!("{indent}  - {}\n", sentence(detail)));
    }
    if let Some(quote) = &step.quote {
        out.push_str(&format!("{indent}  - as written: {}\n", code(&one_line(quote, 400))));
    }
    for charge in &step.charges {
        let message = escape(&visible(&charge.message));
        out.push_str(&format!(
            "{indent}  - *{} {}*: {message} ({})\n",
            charge.severity.word(),
            charge.class,
            code(&charge.rule)
        ));
    }
    for below in &step.steps {
        self::step(out, below, level + 1);
    }
}

fn sentence(sentence: &Sentence) -> String {
    let mut out = String::new();
    for piece in &sentence.0 {
        match piece {
            Piece::Words(text) => out.push_str(&escape(&visible(text))),
            Piece::Code(text) => out.push_str(&code(&visible(text))),
        }
    }
    out
}
