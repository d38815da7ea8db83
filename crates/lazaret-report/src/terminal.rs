//! Text for a person: the verdict first, then why, then what was not seen.

use anstyle::{AnsiColor, Style};
use lazaret_model::{Class, Digest, Gap, Outcome, Report, Severity, one_line, visible};

use crate::fold::{self, Folded};
use crate::sheet::{BOLD, DIM, PLAIN, Sheet};
use crate::{Options, chain, words, wrap};

/// Findings of one rule that are shown with their whole chain before the rest become a list.
const SHOWN_PER_RULE: usize = 1;
/// Further places of one rule that are listed.
const LISTED_PER_RULE: usize = 5;
/// Rules named of informational findings.
const SEEN_RULES: usize = 8;
/// Links of evidence shown for one finding.
const SHOWN_EVIDENCE: usize = 3;
/// Gaps that matter shown before the rest are counted.
const SHOWN_GAPS: usize = 10;
/// Columns of the labels at the foot.
const FOOT: usize = 16;

/// All reports; with several, a table of the answers comes first.
pub fn render(reports: &[Report], options: &Options) -> String {
    let mut page = Page { sheet: Sheet::new(options), options };
    if reports.is_empty() {
        page.sheet.raw("nothing was scanned");
    }
    if let [_, _, ..] = reports {
        page.answers(reports);
    }
    for (at, report) in reports.iter().enumerate() {
        if at > 0 || reports.len() > 1 {
            page.sheet.raw("");
        }
        page.report(report);
    }
    page.sheet.out
}

struct Page<'a> {
    sheet: Sheet,
    options: &'a Options,
}

impl Page<'_> {
    /// A label, then text that hangs beside it.
    fn labelled(&mut self, indent: usize, label: &str, column: usize, style: Style, text: &str) {
        let hang = indent + column;
        for (at, line) in wrap::lines(text, self.sheet.width.saturating_sub(hang)).into_iter().enumerate() {
            let shown = self.sheet.paint(style, &line);
            let left = if at == 0 { wrap::pad(label, column) } else { " ".repeat(column) };
            let left = if at == 0 && !label.is_empty() { self.sheet.paint(DIM, &left) } else { left };
            self.sheet.raw(&format!("{:indent$}{left}{shown}", ""));
        }
    }

    fn heading(&mut self, text: &str) {
        self.sheet.raw("");
        let text = self.sheet.paint(BOLD, text);
        self.sheet.raw(&text);
    }

    fn answers(&mut self, reports: &[Report]) {
        let mut order: Vec<&Report> = reports.iter().collect();
        order.sort_by_key(|report| std::cmp::Reverse(report.verdict.outcome.rank()));
        for report in order {
            let word = self
                .sheet
                .paint(outcome_style(report.verdict.outcome), &wrap::pad(report.verdict.outcome.word(), 13));
            self.sheet.raw(&format!("{word}{}", words::name(report)));
        }
    }

    fn report(&mut self, report: &Report) {
        self.verdict(report);
        let (mut findings, seen) = fold::told_and_seen(report);
        let ignored = fold::ignored(report);
        if report.images.len() > 1 {
            self.platforms(report);
        }
        if self.options.verbose > 0 {
            findings.extend(seen.iter().map(Folded::again));
        }
        self.findings(&findings);
        if self.options.verbose == 0 {
            self.seen(&seen);
        }
        if self.options.show_ignored {
            self.ignored(&ignored);
        }
        if self.options.verbose > 0 {
            self.behaviours(report);
        }
        self.gaps(report);
        self.foot(report, &findings, &ignored);
    }

    fn verdict(&mut self, report: &Report) {
        let worst = words::worst_first(report);
        let platform = match worst.as_slice() {
            [] => "(no image)".to_owned(),
            [one] => format!("({})", words::platform(one)),
            [first, ..] => format!("({}, worst of {} platforms)", words::platform(first), worst.len()),
        };
        let word = self.sheet.paint(outcome_style(report.verdict.outcome), report.verdict.outcome.word());
        let name = self.sheet.paint(BOLD, &words::name(report));
        self.sheet.raw(&format!("{word}  {name}  {platform}"));
        self.sheet.paragraph(0, PLAIN, &visible(&report.verdict.why));
    }

    fn platforms(&mut self, report: &Report) {
        self.heading("Platforms");
        let images = words::worst_first(report);
        let column = images.iter().map(|image| wrap::width(&words::platform(image))).max().unwrap_or(0);
        for image in images {
            let outcome = image.verdict.outcome;
            let word = self.sheet.paint(outcome_style(outcome), &wrap::pad(outcome.word(), 12));
            let mut counts = Vec::new();
            let findings = words::telling(image);
            if findings > 0 {
                counts.push(words::count(findings, "finding"));
            }
            if image.coverage.gaps > 0 {
                counts.push(words::count(image.coverage.gaps, "gap"));
            }
            let counts = counts.join(", ");
            let line = format!("  {word}  {}", wrap::pad(&words::platform(image), column));
            if 18 + column + wrap::width(&counts) <= self.sheet.width {
                self.sheet.raw(&format!("{line}  {counts}"));
            } else {
                self.sheet.raw(&line);
                self.sheet.paragraph(16, PLAIN, &counts);
            }
        }
    }

    fn findings(&mut self, findings: &[Folded<'_>]) {
        let all = self.options.verbose > 0;
        let mut number = 0;
        for (at, folded) in findings.iter().enumerate() {
            let rule = &folded.finding.rule.id;
            let before = findings[..at].iter().filter(|other| other.finding.rule.id == *rule).count();
            if before >= SHOWN_PER_RULE && !all {
                continue;
            }
            number += 1;
            self.finding(number, folded);
            if all {
                continue;
            }
            let rest: Vec<&Folded<'_>> =
                findings[at + 1..].iter().filter(|other| other.finding.rule.id == *rule).collect();
            for other in rest.iter().take(LISTED_PER_RULE) {
                let place = words::place(other.finding.location());
                let text = if other.finding.message == folded.finding.message {
                    place
                } else {
                    format!("{place}: {}", visible(&other.finding.message))
                };
                self.labelled(4, "also", 12, PLAIN, &text);
            }
            if rest.len() > LISTED_PER_RULE {
                let more = rest.len() - LISTED_PER_RULE;
                self.labelled(
                    4,
                    "",
                    12,
                    DIM,
                    &format!("and {} more of this rule (-v shows them)", words::grouped(more as u64)),
                );
            }
        }
    }

    /// What was seen besides and accuses nobody, in a few lines.
    fn seen(&mut self, seen: &[Folded<'_>]) {
        if seen.is_empty() {
            return;
        }
        let rules = fold::by_rule(seen);
        let mut named: Vec<String> = rules
            .iter()
            .take(SEEN_RULES)
            .map(|(rule, count)| match count {
                1 => visible(&rule.id).into_owned(),
                count => format!("{} ({count})", visible(&rule.id)),
            })
            .collect();
        if rules.len() > SEEN_RULES {
            named.push(format!("{} more", words::count((rules.len() - SEEN_RULES) as u64, "rule")));
        }
        self.sheet.raw("");
        let count = words::count(seen.len() as u64, "informational finding");
        let text = format!("{count} (-v shows them): {}", named.join(", "));
        self.labelled(0, "also seen", FOOT, DIM, &text);
    }

    fn finding(&mut self, number: usize, folded: &Folded<'_>) {
        let finding = folded.finding;
        self.sheet.raw("");
        let tag = format!("{} {}", finding.severity.word(), words::class_word(finding.class));
        let head = format!("{number}. {tag}");
        let head = self.sheet.paint(severity_style(finding.severity, finding.class), &head);
        let rule = self.sheet.paint(DIM, &visible(&finding.rule.id));
        self.sheet.raw(&format!("{head}  {rule}"));
        self.sheet.paragraph(3, BOLD, &visible(&finding.message));
        let image = folded.image();
        let manifest = self.digest(&image.image.manifest);
        self.labelled(4, "image", 12, PLAIN, &format!("{manifest} ({})", words::platform(image)));
        if let [_, others @ ..] = folded.platforms().as_slice()
            && !others.is_empty()
        {
            self.labelled(4, "same on", 12, PLAIN, &others.join(", "));
        }
        let evidence = finding.evidence();
        let most = if self.options.verbose > 0 { evidence.len() } else { SHOWN_EVIDENCE };
        let mut before: Vec<chain::Link> = Vec::new();
        for piece in evidence.iter().take(most) {
            let links = chain::links(image, piece, self.options.verbose > 1);
            // What the piece before already said is not said again.
            for link in &links {
                if link.label == "seen" || !before.contains(link) {
                    self.labelled(4, link.label, 12, PLAIN, &link.value);
                }
            }
            if let Some(excerpt) = chain::excerpt(piece) {
                let style = Style::new().fg_color(Some(AnsiColor::Cyan.into()));
                for line in wrap::lines(&excerpt, self.sheet.width.saturating_sub(18)) {
                    let line = self.sheet.paint(style, &format!("│ {line}"));
                    self.sheet.raw(&format!("{:16}{line}", ""));
                }
            }
            before = links;
        }
        if evidence.len() > most {
            let more = evidence.len() - most;
            self.labelled(
                4,
                "",
                12,
                DIM,
                &format!("and {} (-v shows them)", words::count(more as u64, "more link")),
            );
        }
        for indicator in &finding.indicators {
            self.labelled(4, indicator.kind.name(), 12, PLAIN, &one_line(&indicator.value, 300));
        }
        if !finding.rule.attack.is_empty() {
            self.labelled(4, "ATT&CK", 12, PLAIN, &visible(&finding.rule.attack.join(", ")));
        }
        let kind = format!(
            "{} · {} · confidence {} · {}",
            words::class_word(finding.class),
            finding.severity.word(),
            finding.confidence.word(),
            words::reach(finding.reach)
        );
        self.labelled(4, "class", 12, PLAIN, &kind);
        if let Some(refuted) = &finding.refuted_by {
            self.labelled(4, "refuted by", 12, PLAIN, &visible(refuted));
        }
        if self.options.verbose > 0 {
            self.labelled(
                4,
                "explained",
                12,
                DIM,
                &visible(finding.rule.explanation.trim()).replace("\\n", " "),
            );
        }
    }

    fn ignored(&mut self, ignored: &[Folded<'_>]) {
        if ignored.is_empty() {
            return;
        }
        self.heading("Ignored by decision");
        for folded in ignored {
            let Some(decision) = folded.ignored else { continue };
            let finding = folded.finding;
            let text = format!(
                "{} {} {} — {}",
                finding.severity.word(),
                words::class_word(finding.class),
                visible(&finding.rule.id),
                words::place(finding.location())
            );
            self.sheet.paragraph(2, PLAIN, &text);
            let until = match decision.expires.as_str() {
                "" => String::new(),
                date => format!(", until {}", visible(date)),
            };
            self.sheet.paragraph(
                4,
                DIM,
                &format!("{} ({}{until})", visible(&decision.reason), visible(&decision.author)),
            );
        }
    }

    fn behaviours(&mut self, report: &Report) {
        let Some(image) = words::worst_first(report).into_iter().find(|image| !image.behaviours.is_empty())
        else {
            return;
        };
        self.heading(&format!("What it does, on paper ({})", words::platform(image)));
        for behaviour in &image.behaviours {
            let label = format!("{} {}", behaviour.phase.name(), words::certainty(behaviour.certainty));
            self.labelled(2, &label, 15, PLAIN, &words::behaviour(&behaviour.kind, 240));
        }
    }

    fn gaps(&mut self, report: &Report) {
        let gaps = fold::gaps(report);
        let serious = gaps.iter().filter(|(gap, _)| gap.matters).count();
        let minor = gaps.len() - serious;
        if gaps.is_empty() {
            return;
        }
        if serious > 0 {
            self.heading("Not read, and it could matter");
            let most = if self.options.verbose > 0 { serious } else { SHOWN_GAPS };
            for (gap, platforms) in gaps.iter().filter(|(gap, _)| gap.matters).take(most) {
                self.gap(report, gap, platforms);
            }
            if serious > most {
                self.sheet.paragraph(
                    2,
                    DIM,
                    &format!("and {} (-v shows them)", words::count((serious - most) as u64, "more gap")),
                );
            }
        }
        if minor > 0 && self.options.verbose > 0 {
            self.heading("Not read, and it does not matter to the verdict");
            for (gap, platforms) in gaps.iter().filter(|(gap, _)| !gap.matters) {
                self.gap(report, gap, platforms);
            }
        }
    }

    fn gap(&mut self, report: &Report, gap: &Gap, platforms: &[String]) {
        let on = if report.images.len() > 1 { format!(" ({})", platforms.join(", ")) } else { String::new() };
        let style = if gap.matters { outcome_style(Outcome::Inconclusive) } else { DIM };
        self.labelled(2, gap.kind.name(), 17, style, &format!("{}{on}", words::place(&gap.location)));
        self.labelled(2, "", 17, PLAIN, &visible(&gap.detail));
    }

    fn foot(&mut self, report: &Report, findings: &[Folded<'_>], ignored: &[Folded<'_>]) {
        // A clean image with nothing to say is four lines and no blank ones.
        let quiet =
            report.verdict.outcome == Outcome::Clean && findings.is_empty() && report.images.len() < 2;
        if !quiet {
            self.sheet.raw("");
        }
        let verbose = self.options.verbose > 0;
        for image in words::worst_first(report) {
            let mut text = words::coverage(&image.coverage);
            if report.images.len() > 1 {
                text.push_str(&format!(" ({})", words::platform(image)));
            } else if quiet && !self.options.reproducible {
                text.push_str(&format!(" in {}", words::duration(report.timing.total_ms)));
            }
            self.labelled(0, "looked at", FOOT, PLAIN, &text);
        }
        let mut bases: Vec<String> = report.images.iter().filter_map(words::built_on).collect();
        bases.dedup();
        for base in bases {
            self.labelled(0, "built on", FOOT, PLAIN, &base);
        }
        for link in &report.campaigns {
            self.labelled(0, "campaign", FOOT, PLAIN, &words::campaign(link));
        }
        let minor = fold::gaps(report).iter().filter(|(gap, _)| !gap.matters).count();
        if minor > 0 && !verbose {
            let text = format!(
                "{} that cannot change the verdict (-v lists them)",
                words::count(minor as u64, "gap")
            );
            self.labelled(0, "besides", FOOT, PLAIN, &text);
        }
        for pack in &report.rule_packs {
            self.labelled(0, "rules", FOOT, PLAIN, &words::rule_pack(pack));
        }
        for feed in &report.feeds {
            self.labelled(0, "feed", FOOT, PLAIN, &words::feed(feed));
        }
        if !ignored.is_empty() && !self.options.show_ignored {
            let text = format!(
                "{} by decision (--show-ignored lists them)",
                words::count(ignored.len() as u64, "finding")
            );
            self.labelled(0, "ignored", FOOT, PLAIN, &text);
        }
        if verbose {
            for other in &report.unscanned {
                let platform = other
                    .platform
                    .as_ref()
                    .map_or(String::new(), |p| format!(" ({})", visible(&p.to_string())));
                let text = format!("{}{platform}: {}", self.digest(&other.digest), visible(&other.reason));
                self.labelled(0, "left out", FOOT, PLAIN, &text);
            }
        } else if !report.unscanned.is_empty() && !quiet {
            let text = format!(
                "{} of the index (-v says why)",
                words::count(report.unscanned.len() as u64, "manifest")
            );
            self.labelled(0, "left out", FOOT, PLAIN, &text);
        }
        if !report.verdict.would_change.is_empty() && (!quiet || verbose) {
            self.labelled(0, "would change", FOOT, PLAIN, &visible(&report.verdict.would_change));
        }
        if !quiet || verbose {
            let mut how = format!("{}, rules {}", visible(&report.source), visible(&report.rules_version));
            if !self.options.reproducible {
                how.push_str(&format!(", in {}", words::duration(report.timing.total_ms)));
            }
            self.labelled(0, "scanned", FOOT, PLAIN, &how);
        }
        self.digests(report, quiet);
    }

    /// Whole digests, each on one line so that it can be copied: the hexadecimal part of a
    /// SHA-256 fits beside a label in 80 columns, and its algorithm is said in the label.
    fn digests(&mut self, report: &Report, quiet: bool) {
        let pinned = &report.pinned.digest;
        self.labelled(0, pinned.algorithm().name(), FOOT, DIM, pinned.hex());
        for image in words::worst_first(report) {
            if image.image.manifest != *pinned && !quiet {
                self.labelled(0, &words::platform(image), FOOT, DIM, image.image.manifest.hex());
            }
        }
    }

    /// A digest as engines print it, whole where the reader asked for everything.
    fn digest(&self, digest: &Digest) -> String {
        chain::digest(digest, self.options.verbose > 1)
    }
}

fn outcome_style(outcome: Outcome) -> Style {
    let color = match outcome {
        Outcome::Malicious => AnsiColor::Red,
        Outcome::Suspicious => AnsiColor::Yellow,
        Outcome::Inconclusive => AnsiColor::Magenta,
        Outcome::Clean => AnsiColor::Green,
    };
    BOLD.fg_color(Some(color.into()))
}

fn severity_style(severity: Severity, class: Class) -> Style {
    let color = match (severity, class) {
        (Severity::Critical | Severity::High, Class::Malware) => AnsiColor::Red,
        (Severity::Critical | Severity::High | Severity::Medium, _) => AnsiColor::Yellow,
        _ => AnsiColor::Blue,
    };
    BOLD.fg_color(Some(color.into()))
}
