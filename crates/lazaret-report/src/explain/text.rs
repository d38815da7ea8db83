//! The story as text, for a terminal or a pipe.

use anstyle::{AnsiColor, Style};
use lazaret_model::{Outcome, Report, Severity, one_line, visible};

use crate::story::{Chapter, Mark, Piece, Sentence, Step, Story, tell};
use crate::{Options, words, wrap};

/// Columns that one level is further in.
const LEVEL: usize = 3;
/// Levels after which steps are not set further in.
const LEVELS: usize = 8;
/// Findings named beside one step.
const CHARGES: usize = 3;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const PLAIN: Style = Style::new();

/// All stories, worst image first.
pub fn render(reports: &[Report], options: &Options) -> String {
    let mut page = Page::new(options);
    let mut first = true;
    for report in reports {
        for image in words::worst_first(report) {
            if !first {
                page.line("");
            }
            first = false;
            page.story(&tell(report, image));
        }
        if report.images.is_empty() {
            page.line(&format!("{}: there is no image in it to tell of", words::name(report)));
        }
    }
    if reports.is_empty() {
        page.line("nothing was read");
    }
    page.finish()
}

/// How an answer is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Warning,
    Bad,
    Unknown,
}

/// Text of a width, with colours where they are wanted.
pub(crate) struct Page<'a> {
    out: String,
    options: &'a Options,
    width: usize,
}

impl<'a> Page<'a> {
    /// An empty page.
    pub(crate) fn new(options: &'a Options) -> Self {
        Self { out: String::new(), options, width: options.width.max(40) }
    }

    /// The text.
    pub(crate) fn finish(self) -> String {
        self.out
    }

    /// The line with the answer.
    pub(crate) fn answer(&mut self, tone: Tone, word: &str, name: &str, rest: &str) {
        let color = match tone {
            Tone::Good => AnsiColor::Green,
            Tone::Warning => AnsiColor::Yellow,
            Tone::Bad => AnsiColor::Red,
            Tone::Unknown => AnsiColor::Magenta,
        };
        let word = self.paint(BOLD.fg_color(Some(color.into())), word);
        let name = self.paint(BOLD, name);
        self.line(&format!("{word}  {name}  {rest}"));
    }

    /// A sentence of its own, neutralised by the caller.
    pub(crate) fn sentence(&mut self, text: &str) {
        self.hang(0, "", PLAIN, PLAIN, text);
    }

    fn line(&mut self, text: &str) {
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    fn paint(&self, style: Style, text: &str) -> String {
        if !self.options.color || text.is_empty() || style == PLAIN {
            return text.to_owned();
        }
        format!("{}{text}{}", style.render(), style.render_reset())
    }

    /// Text that hangs behind `sign`; `indent` columns in.
    fn hang(&mut self, indent: usize, sign: &str, sign_style: Style, style: Style, text: &str) {
        let hang = indent + if sign.is_empty() { 0 } else { wrap::width(sign) + 1 };
        for (at, line) in wrap::lines(text, self.width.saturating_sub(hang)).into_iter().enumerate() {
            let shown = self.paint(style, &line);
            if at == 0 && !sign.is_empty() {
                let sign = self.paint(sign_style, sign);
                self.line(&format!("{:indent$}{sign} {shown}", ""));
            } else {
                self.line(&format!("{:hang$}{shown}", ""));
            }
        }
    }

    fn story(&mut self, story: &Story) {
        self.answer(tone(story.outcome), story.outcome.word(), &story.name, &format!("({})", story.platform));
        self.sentence(&visible(&story.why));
        if !story.short.is_empty() {
            self.heading("In short");
            for step in &story.short {
                self.step(step, 0);
            }
        }
        for chapter in &story.chapters {
            self.chapter(chapter);
        }
    }

    /// A heading, with an empty line before it.
    pub(crate) fn heading(&mut self, text: &str) {
        self.line("");
        let text = self.paint(BOLD, text);
        self.line(&text);
    }

    fn chapter(&mut self, chapter: &Chapter) {
        self.heading(chapter.title);
        if let Some(lead) = &chapter.lead {
            self.hang(2, "", DIM, DIM, &format!("{}.", plain(lead)));
        }
        for step in &chapter.steps {
            self.step(step, 0);
        }
    }

    /// A step and those below it.
    pub(crate) fn step(&mut self, step: &Step, level: usize) {
        let indent = 2 + LEVEL * level.min(LEVELS);
        let (sign, sign_style, style) = match step.mark {
            Mark::Plain => ("-", DIM, PLAIN),
            Mark::Main => (">", BOLD.fg_color(Some(AnsiColor::Green.into())), BOLD),
            Mark::Beside => ("&", BOLD.fg_color(Some(AnsiColor::Yellow.into())), PLAIN),
            Mark::Alarm => ("!", BOLD.fg_color(Some(AnsiColor::Red.into())), BOLD),
            Mark::When => ("", DIM, Style::new().italic()),
            Mark::Aside => ("-", DIM, DIM),
            Mark::Unknown => ("?", BOLD.fg_color(Some(AnsiColor::Magenta.into())), PLAIN),
        };
        let mut text = plain(&step.sentence);
        if step.may && step.mark != Mark::When {
            text = format!("may: {text}");
        }
        if step.mark == Mark::When {
            text.push(':');
        }
        if let Some(place) = step.places.first() {
            let more = step.places.len() - 1;
            let more = if more > 0 { format!(" and {more} more places") } else { String::new() };
            text.push_str(&format!("  [{}{more}]", one_line(place, 120)));
        }
        self.hang(indent, sign, sign_style, style, &text);
        let inner = indent + 2;
        for detail in &step.details {
            self.hang(inner, "", PLAIN, PLAIN, &plain(detail));
        }
        if let Some(quote) = &step.quote {
            let style = Style::new().fg_color(Some(AnsiColor::Cyan.into()));
            for line in wrap::lines(&visible(quote), self.width.saturating_sub(inner + 2)) {
                let line = self.paint(style, &format!("│ {line}"));
                self.line(&format!("{:inner$}{line}", ""));
            }
        }
        let all = self.options.verbose > 0;
        let most = if all { step.charges.len() } else { CHARGES };
        for charge in step.charges.iter().take(most) {
            let style = severity_style(charge.severity, charge.class);
            let text = format!("{} {}: {}", charge.severity.word(), charge.class, title(&charge.message));
            self.hang(inner, "=", style, style, &text);
        }
        if step.charges.len() > most {
            let more = words::count((step.charges.len() - most) as u64, "more finding");
            self.hang(inner, "=", DIM, DIM, &format!("and {more} on this line (-v names them)"));
        }
        let next = if step.mark == Mark::When || !step.steps.is_empty() { level + 1 } else { level };
        for below in &step.steps {
            self.step(below, next);
        }
    }
}

/// A finding's message without the part that repeats where it is.
fn title(message: &str) -> String {
    let text = visible(message);
    match text.rsplit_once(" (") {
        Some((head, tail)) if tail.ends_with(')') && tail.contains(", ") => head.to_owned(),
        _ => text.into_owned(),
    }
}

fn plain(sentence: &Sentence) -> String {
    let mut out = String::new();
    for piece in &sentence.0 {
        match piece {
            Piece::Words(text) | Piece::Code(text) => out.push_str(&visible(text)),
        }
    }
    out
}

fn tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Malicious => Tone::Bad,
        Outcome::Suspicious => Tone::Warning,
        Outcome::Inconclusive => Tone::Unknown,
        Outcome::Clean => Tone::Good,
    }
}

fn severity_style(severity: Severity, class: &str) -> Style {
    let color = match severity {
        Severity::Critical | Severity::High if class == "malware" => AnsiColor::Red,
        Severity::Critical | Severity::High | Severity::Medium => AnsiColor::Yellow,
        _ => AnsiColor::Blue,
    };
    Style::new().fg_color(Some(color.into()))
}
