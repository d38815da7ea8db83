//! Markdown for a comment on a pull request: a table of answers, everything else folded away.
//!
//! All text is escaped for GitHub's and GitLab's dialects. No address from an image becomes a
//! link, and no `@name` or `#1` reaches anybody.

use lazaret_model::{Outcome, Report, one_line, visible};

use crate::fold::{self, Folded};
use crate::{Options, chain, words};

/// GitHub refuses a longer comment. It counts characters; bytes are never fewer.
const MOST_BYTES: usize = 65_536;
/// Kept free for the sentence that says what was left out.
const RESERVE: usize = 400;
/// Findings whose chain is written.
const MOST_FINDINGS: usize = 50;
const MOST_GAPS: usize = 20;
const MOST_EVIDENCE: usize = 3;

/// One comment for all reports.
pub fn render(reports: &[Report], options: &Options) -> String {
    let mut page = Page { out: String::new(), left_out: 0 };
    page.head(reports);
    for report in reports {
        page.report(report, options);
    }
    if page.left_out > 0 {
        page.out.push_str(&format!(
            "\n_{} left out to stay inside the size of a comment. The JSON and HTML forms have everything._\n",
            words::count(page.left_out as u64, "section")
        ));
    }
    page.out.push_str(&format!("\n<sub>Lazaret {}</sub>\n", escape(&options.tool_version)));
    page.out
}

struct Page {
    out: String,
    left_out: usize,
}

impl Page {
    /// Adds a piece that can stand alone, or counts it as left out.
    fn add(&mut self, piece: &str) {
        if self.out.len() + piece.len() + RESERVE > MOST_BYTES {
            self.left_out += 1;
        } else {
            self.out.push_str(piece);
        }
    }

    fn head(&mut self, reports: &[Report]) {
        let worst = reports.iter().map(|report| report.verdict.outcome).max_by_key(|outcome| outcome.rank());
        let answer = match worst {
            None => "### Nothing was scanned\n".to_owned(),
            Some(worst) => match reports {
                [one] => format!("### {} {}: {}\n", emoji(worst), worst, code(&words::name(one))),
                _ => format!("### {} {}: worst of {} images\n", emoji(worst), worst, reports.len()),
            },
        };
        self.add(&answer);
        if let [one] = reports {
            self.add(&format!("\n{}\n", escape(&one.verdict.why)));
        }
        self.add("\n| Verdict | Image | Platform | Findings | Not read | Looked at |\n|---|---|---|---:|---:|---|\n");
        for report in reports {
            for image in words::worst_first(report) {
                let outcome = image.verdict.outcome;
                self.add(&format!(
                    "| {} {} | {} | {} | {} | {} | {} |\n",
                    emoji(outcome),
                    if outcome == Outcome::Clean { outcome.to_string() } else { format!("**{outcome}**") },
                    code(&words::name(report)),
                    code(&words::platform(image)),
                    words::telling(image),
                    image.coverage.gaps,
                    escape(&words::coverage(&image.coverage)),
                ));
            }
        }
    }

    fn report(&mut self, report: &Report, options: &Options) {
        let (findings, seen) = fold::told_and_seen(report);
        let gaps = fold::gaps(report);
        let ignored = fold::ignored(report);
        if findings.is_empty()
            && gaps.iter().all(|(gap, _)| !gap.matters)
            && report.verdict.outcome == Outcome::Clean
        {
            return;
        }
        self.add(&format!("\n#### {}\n\n", code(&words::name(report))));
        self.add(&format!("{}\n\n", escape(&report.verdict.why)));
        for folded in findings.iter().take(MOST_FINDINGS) {
            self.add(&finding(folded));
        }
        self.left_out += findings.len().saturating_sub(MOST_FINDINGS);
        if !seen.is_empty() {
            let count = words::count(seen.len() as u64, "informational finding");
            let mut text = format!("<details><summary>Also seen: {count}, which accuse nobody</summary>\n\n");
            for (rule, count) in fold::by_rule(&seen) {
                text.push_str(&format!("- {}: {} ({count})\n", code(&rule.id), escape(&rule.title)));
            }
            text.push_str("\n</details>\n\n");
            self.add(&text);
        }
        let serious: Vec<_> = gaps.iter().filter(|(gap, _)| gap.matters).collect();
        if !serious.is_empty() {
            let mut text = format!("**Not read, and it could matter ({})**\n\n", serious.len());
            for (gap, platforms) in serious.iter().take(MOST_GAPS) {
                text.push_str(&format!(
                    "- {} — {} ({}; {})\n",
                    code(&words::place(&gap.location)),
                    escape(&one_line(&gap.detail, 500)),
                    gap.kind.name(),
                    escape(&platforms.join(", "))
                ));
            }
            if serious.len() > MOST_GAPS {
                text.push_str(&format!("- and {} more\n", serious.len() - MOST_GAPS));
            }
            text.push('\n');
            self.add(&text);
        }
        if !ignored.is_empty() {
            if options.show_ignored {
                let mut text = format!(
                    "<details><summary>{} ignored by decision</summary>\n\n",
                    words::count(ignored.len() as u64, "finding")
                );
                for folded in ignored.iter().take(MOST_FINDINGS) {
                    let Some(decision) = folded.ignored else { continue };
                    text.push_str(&format!(
                        "- {} at {}: {} ({}, until {})\n",
                        code(&folded.finding.rule.id),
                        code(&words::place(folded.finding.location())),
                        escape(&decision.reason),
                        escape(&decision.author),
                        escape(&decision.expires)
                    ));
                }
                text.push_str("\n</details>\n\n");
                self.add(&text);
            } else {
                self.add(&format!(
                    "{} ignored by decision.\n\n",
                    words::count(ignored.len() as u64, "finding")
                ));
            }
        }
        if !report.verdict.would_change.is_empty() {
            self.add(&format!("What would change it: {}\n\n", escape(&report.verdict.would_change)));
        }
        let mut bases: Vec<String> = report.images.iter().filter_map(words::built_on).collect();
        bases.dedup();
        for base in bases {
            self.add(&format!("Built on {}\n\n", escape(&base)));
        }
        for link in &report.campaigns {
            self.add(&format!("Campaign {}\n\n", escape(&words::campaign(link))));
        }
        for pack in &report.rule_packs {
            self.add(&format!("Rules of {}\n\n", escape(&words::rule_pack(pack))));
        }
        for feed in &report.feeds {
            self.add(&format!("Feed {}\n\n", escape(&words::feed(feed))));
        }
        self.add(&format!(
            "<sub>{} · {} · rules {}</sub>\n",
            escape(&report.pinned.to_string()),
            escape(&report.source),
            escape(&report.rules_version)
        ));
    }
}

fn finding(folded: &Folded<'_>) -> String {
    let finding = folded.finding;
    let image = folded.image();
    let mut out = format!(
        "<details><summary><b>{} {}</b>: {} <code>{}</code></summary>\n\n",
        finding.severity,
        words::class_word(finding.class),
        escape(&one_line(&finding.message, 300)),
        escape(&finding.rule.id),
    );
    out.push_str("| | |\n|---|---|\n");
    let mut row = |label: &str, value: String| out.push_str(&format!("| {label} | {value} |\n"));
    row("image", code(&image.image.manifest.to_string()));
    row("platform", code(&folded.platforms().join(", ")));
    let mut before: Vec<chain::Link> = Vec::new();
    for piece in finding.evidence().iter().take(MOST_EVIDENCE) {
        let links = chain::links(image, piece, false);
        for link in &links {
            if link.label == "seen" {
                row("seen", escape(&link.value));
            } else if !before.contains(link) {
                row(link.label, code(&link.value));
            }
        }
        if let Some(excerpt) = chain::excerpt(piece) {
            row("excerpt", code(&excerpt));
        }
        before = links;
    }
    if finding.evidence().len() > MOST_EVIDENCE {
        row("", format!("and {} more", finding.evidence().len() - MOST_EVIDENCE));
    }
    for indicator in finding.indicators.iter().take(10) {
        row(indicator.kind.name(), code(&one_line(&indicator.value, 300)));
    }
    if !finding.rule.attack.is_empty() {
        let ids: Vec<String> = finding
            .rule
            .attack
            .iter()
            .map(|id| match words::attack_url(id) {
                Some(url) => format!("[{id}]({url})"),
                None => escape(id),
            })
            .collect();
        row("ATT&amp;CK", ids.join(", "));
    }
    row("confidence", finding.confidence.to_string());
    row("reach", format!("{} ({})", finding.reach, words::reach(finding.reach)));
    if let Some(refuted) = &finding.refuted_by {
        row("refuted by", escape(refuted));
    }
    out.push_str("\n</details>\n\n");
    out
}

fn emoji(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Malicious => "🛑",
        Outcome::Suspicious => "⚠️",
        Outcome::Inconclusive => "❔",
        Outcome::Clean => "✅",
    }
}

/// Text that stays text: nothing in it is markup, a link, a mention or a reference.
///
/// Markup characters become entities, which no parser takes for markup. Mentions, references and
/// addresses are found in the finished text, where an entity is the character again (also inside
/// of `<code>`, for mail addresses), so an empty comment stands behind what would start one and
/// takes the word apart.
pub(crate) fn escape(text: &str) -> String {
    let text = visible(text);
    let mut out = String::with_capacity(text.len() + 16);
    for (at, c) in text.char_indices() {
        let apart = matches!(c, '@' | '#')
            || c == '-' && names_an_issue(text.as_bytes(), at)
            || c == '%' && text[at + 1..].starts_with(|next: char| next.is_alphanumeric() || next == '"')
            || c == ':' && text[at..].starts_with("://")
            || c == '.' && ends_in_www(&text[..at]);
        // At its start, a line could be a list or a rule.
        let starts = at == 0 && matches!(c, '-' | '+' | '=');
        let markup = matches!(
            c,
            '&' | '<' | '>' | '"' | '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' | '!' | '^'
        );
        match c {
            c if apart => out.push_str(&format!("&#{};<!-- -->", c as u32)),
            c if starts || markup => out.push_str(&format!("&#{};", c as u32)),
            c => out.push(c),
        }
    }
    out
}

/// Text in the type of code. An HTML element and entities, because a code span in a table ends at
/// a bar and at a backslash before one.
pub(crate) fn code(text: &str) -> String {
    format!("<code>{}</code>", escape(text))
}

/// Whether the hyphen at `at` is that of `GH-1` or `GL-1`, by which these sites know their issues.
fn names_an_issue(text: &[u8], at: usize) -> bool {
    let before = at.checked_sub(2).map(|from| &text[from..at]).unwrap_or_default();
    let apart = at < 3 || !text[at - 3].is_ascii_alphanumeric();
    let site = before.eq_ignore_ascii_case(b"gh") || before.eq_ignore_ascii_case(b"gl");
    site && apart && text.get(at + 1).is_some_and(u8::is_ascii_digit)
}

fn ends_in_www(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 3 && bytes[bytes.len() - 3..].eq_ignore_ascii_case(b"www")
}
