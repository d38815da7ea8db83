//! One page that needs nothing else: no script, no font, no request.
//!
//! maud escapes all text; on top of that everything from an image goes through `visible`. The
//! only links are into the page itself and to ATT&CK, for ids that have the form of one. A strict
//! Content-Security-Policy (style by hash, nothing else) stands behind that.

use std::collections::BTreeMap;

use lazaret_model::{
    Behaviour, BehaviourKind, Certainty, Evidence, ImageReport, Indicator, Location, Outcome, Phase, Report,
    one_line, visible,
};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use crate::fold::{self, Folded};
use crate::svg::{self, Marks};
use crate::{Options, chain, html_story, words};

const CSS: &str = include_str!("report.css");
/// Findings, gaps and behaviours written into the page; a browser must still open it.
const MOST_FINDINGS: usize = 1_000;
const MOST_GAPS: usize = 500;
const MOST_BEHAVIOURS: usize = 400;
const MOST_EVIDENCE: usize = 50;
/// Findings that stand open.
const OPEN: usize = 1;

/// The whole page.
pub fn render(reports: &[Report], options: &Options) -> String {
    let worst = reports.iter().max_by_key(|report| report.verdict.outcome.rank());
    let title = match (reports, worst) {
        ([one], _) => format!("{}: {}", words::name(one), one.verdict.outcome),
        (many, Some(worst)) => format!("{} images: {} at worst", many.len(), worst.verdict.outcome),
        (_, None) => "nothing was scanned".to_owned(),
    };
    document(
        &title,
        CSS,
        html! {
            main {
                (top("What will this image do, and may it come in?"))
                @if reports.len() > 1 { (summary(reports)) }
                @if reports.is_empty() { p { "Nothing was scanned." } }
                @for (at, report) in reports.iter().enumerate() {
                    (section(at, report, options))
                }
                div.foot {
                    "Written by Lazaret " (visible(&options.tool_version))
                    ". Paths, instructions and excerpts are quoted from the image; control and direction characters are shown as escapes, and no address in them is a link."
                }
            }
        },
    )
}

/// A page around `body` that needs nothing else: its policy allows `css` by its hash, and nothing besides.
pub(crate) fn document(title: &str, css: &'static str, body: Markup) -> String {
    let hash = data_encoding::BASE64.encode(&Sha256::digest(css.as_bytes()));
    let policy =
        format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'");
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                meta name="color-scheme" content="light dark";
                title { (title) " · Lazaret" }
                style { (PreEscaped(css)) }
            }
            body { (body) }
        }
    };
    let mut text = page.into_string();
    text.push('\n');
    text
}

/// The line above a page: whose it is, and what it answers.
pub(crate) fn top(question: &str) -> Markup {
    html! {
        div.top {
            div { span.flag {} b { "Lazaret" } }
            div { (question) }
        }
    }
}

fn summary(reports: &[Report]) -> Markup {
    let mut order: Vec<(usize, &Report)> = reports.iter().enumerate().collect();
    order.sort_by_key(|(_, report)| std::cmp::Reverse(report.verdict.outcome.rank()));
    html! {
        h1 { (words::count(reports.len() as u64, "image")) }
        div.card.scroll {
            table {
                tbody {
                    @for (at, report) in order {
                        tr {
                            td.n { (pill(report.verdict.outcome)) }
                            td { a href={ "#r" (at) } { code { (words::name(report)) } } }
                            td { (visible(&report.verdict.why)) }
                        }
                    }
                }
            }
        }
        div.report {}
    }
}

fn pill(outcome: Outcome) -> Markup {
    html! { span class={ "pill " (outcome.word()) } { (outcome.word()) } }
}

fn section(at: usize, report: &Report, options: &Options) -> Markup {
    let (findings, seen) = fold::told_and_seen(report);
    let ignored = fold::ignored(report);
    let worst = words::worst_first(report);
    html! {
        div.report id={ "r" (at) } {
            (banner(report, &worst))
            (tiles(report, &worst))
            @if worst.len() > 1 { (platforms(&worst)) }
            @if let [first, others @ ..] = worst.as_slice() {
                (layer_section(at, report, first, &findings))
                @for image in others {
                    details.more {
                        summary { "Layers of " (words::platform(image)) }
                        (layer_section(at, report, image, &findings))
                    }
                }
            }
            @if !findings.is_empty() {
                h2 { "Findings" small { (words::count(findings.len() as u64, "finding")) ", worst first" } }
                @for (number, folded) in findings.iter().take(MOST_FINDINGS).enumerate() {
                    (finding(&finding_id(at, number), folded, number < OPEN))
                }
                @if findings.len() > MOST_FINDINGS {
                    p.small { "and " (findings.len() - MOST_FINDINGS) " more; the JSON form has all of them." }
                }
            }
            (also_seen(&seen))
            (indicators(&findings))
            @for image in &worst {
                (html_story::section(report, image, worst.len() > 1))
                @if !image.behaviours.is_empty() {
                    details.more {
                        summary { "Each process, file and connection by itself" }
                        (behaviours(image, worst.len() > 1))
                    }
                }
            }
            (gaps(report))
            @if options.show_ignored && !ignored.is_empty() { (decisions(&ignored)) }
            @if !options.show_ignored && !ignored.is_empty() {
                p.small { (words::count(ignored.len() as u64, "finding")) " ignored by decision; --show-ignored adds them to this page." }
            }
            (origin(report, options))
        }
    }
}

fn finding_id(report: usize, number: usize) -> String {
    format!("r{report}f{number}")
}

fn banner(report: &Report, worst: &[&ImageReport]) -> Markup {
    let outcome = report.verdict.outcome;
    html! {
        div class={ "banner " (outcome.word()) } {
            h1.word { (svg::symbol(outcome)) span { (outcome.word()) } }
            div.name {
                code { (words::name(report)) } " "
                @for image in worst { span.chip { (words::platform(image)) } " " }
            }
            p.why { (visible(&report.verdict.why)) }
            @if !report.verdict.would_change.is_empty() {
                p.change { b { "What would change this: " } (visible(&report.verdict.would_change)) }
            }
        }
    }
}

fn tiles(report: &Report, worst: &[&ImageReport]) -> Markup {
    let sum = |of: fn(&ImageReport) -> u64| worst.iter().map(|image| of(image)).sum::<u64>();
    let (layers, read) = (sum(|i| i.coverage.layers), sum(|i| i.coverage.layers_read));
    let gaps = fold::gaps(report);
    let serious = gaps.iter().filter(|(gap, _)| gap.matters).count();
    html! {
        div.tiles {
            div.tile.bad[read < layers] {
                b { (words::grouped(read)) " / " (words::grouped(layers)) }
                span { "layers read" @if sum(|i| i.coverage.layers_remembered) > 0 { ", " (sum(|i| i.coverage.layers_remembered)) " remembered" } }
            }
            div.tile { b { (words::grouped(sum(|i| i.coverage.files))) } span { "files seen" } }
            div.tile { b { (words::bytes(sum(|i| i.coverage.bytes))) } span { "looked at, unpacked" } }
            div.tile.bad[serious > 0] {
                b { (words::grouped(serious as u64)) }
                span { @if serious == 1 { "gap that could matter" } @else { "gaps that could matter" } }
            }
        }
    }
}

fn platforms(worst: &[&ImageReport]) -> Markup {
    html! {
        h2 { "Platforms" small { "each has its own verdict, the worst is the answer" } }
        div.card.scroll {
            table {
                tbody {
                    @for image in worst {
                        tr {
                            td.n { (pill(image.verdict.outcome)) }
                            td.n { (words::platform(image)) }
                            td { (visible(&image.verdict.why)) div.small { code.copy { (image.image.manifest) } } }
                        }
                    }
                }
            }
        }
    }
}

/// What stands on each layer of `image`, and on its configuration.
fn marks(at: usize, image: &ImageReport, findings: &[Folded<'_>]) -> (Vec<Marks>, Marks) {
    let mut layers = vec![Marks::default(); image.image.layers.len()];
    let mut config = Marks::default();
    for (number, folded) in findings.iter().take(MOST_FINDINGS).enumerate() {
        if !folded.images.iter().any(|other| std::ptr::eq(*other, image)) {
            continue;
        }
        let mark = (finding_id(at, number), folded.finding.severity);
        match folded.finding.location().layer() {
            Some(layer) => {
                if let Some(marks) = layers.get_mut(layer) {
                    marks.findings.push(mark);
                }
            }
            None => config.findings.push(mark),
        }
    }
    for gap in image.gaps.iter().filter(|gap| gap.matters) {
        if let Some(marks) = gap.location.layer().and_then(|layer| layers.get_mut(layer)) {
            marks.unread = true;
        }
    }
    (layers, config)
}

fn layer_section(at: usize, report: &Report, image: &ImageReport, findings: &[Folded<'_>]) -> Markup {
    let (marks, config) = marks(at, image, findings);
    let total: u64 = (0..image.image.layers.len()).map(|layer| svg::size(image, layer)).sum();
    let links = |marks: &Marks| {
        html! {
            @for (id, severity) in marks.findings.iter().take(8) {
                a href={ "#" (id) } { span class={ "pill " (severity.word()) } { (severity.word()) } }
            }
            @if marks.findings.len() > 8 { span.small { "+" (marks.findings.len() - 8) } }
        }
    };
    html! {
        h2 {
            "Layers, drawn to size"
            small {
                @if report.images.len() > 1 { (words::platform(image)) ", " }
                (words::count(image.image.layers.len() as u64, "layer")) ", " (words::bytes(total))
            }
        }
        div.card.pad {
            @if image.image.layers.is_empty() { p.small { "This image has no layers." } }
            @else {
                (svg::layers(image, &marks))
                div.ends { span { "lowest" } span { "uppermost" } }
            }
            ol.layers {
                @if !config.findings.is_empty() {
                    li class={ "hit " (config.worst().map_or("", lazaret_model::Severity::word)) } {
                        span { span.no { "C" } }
                        span.size {}
                        div.by { "The image's configuration" small { code { (image.image.config_digest) } } }
                        div.marks { (links(&config)) }
                    }
                }
                @for (number, layer) in image.image.layers.iter().enumerate() {
                    li class=[marks[number].worst().map(|worst| format!("hit {}", worst.word()))] {
                        span { span.no { (number) } }
                        span.size { (words::bytes(svg::size(image, number))) }
                        div.by {
                            @match image.image.instruction(number) {
                                Some(by) => code title=(one_line(by, 2000)) { (one_line(by, 400)) },
                                None => span.small { "no history step claims this layer" },
                            }
                            small {
                                code { (layer.digest.algorithm().name()) ":" (layer.digest.short()) }
                                @if marks[number].unread { " · " b { "not read completely" } }
                            }
                        }
                        div.marks { (links(&marks[number])) }
                    }
                }
            }
        }
    }
}

/// Informational findings, by rule and folded away.
fn also_seen(seen: &[Folded<'_>]) -> Markup {
    html! {
        @if !seen.is_empty() {
            details.more {
                summary { "Also seen: " (words::count(seen.len() as u64, "informational finding")) ", which accuse nobody" }
                div.card.scroll {
                    table {
                        tbody {
                            @for (rule, count) in fold::by_rule(seen).into_iter().take(MOST_FINDINGS) {
                                tr {
                                    td.n { code { (visible(&rule.id)) } }
                                    td { (visible(&rule.title)) }
                                    td.n { (count) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn finding(id: &str, folded: &Folded<'_>, open: bool) -> Markup {
    let finding = folded.finding;
    let evidence = finding.evidence();
    html! {
        details class={ "finding " (finding.severity.word()) } id=(id) open[open] {
            summary {
                div.line {
                    span class={ "pill " (finding.severity.word()) } { (finding.severity.word()) }
                    span.chip { (words::class_word(finding.class)) }
                    @for platform in folded.platforms() { span.chip { (platform) } }
                    code { (visible(&finding.rule.id)) }
                }
                div.msg { (visible(&finding.message)) }
            }
            div.body {
                @if !finding.rule.explanation.trim().is_empty() {
                    p.expl { (prose(&finding.rule.explanation)) }
                }
                (chain_list(folded.image(), &evidence[0]))
                @if evidence.len() > 1 {
                    details.more {
                        summary { (words::count((evidence.len() - 1) as u64, "more link")) " in the chain of evidence" }
                        @for piece in evidence[1..].iter().take(MOST_EVIDENCE) { (chain_list(folded.image(), piece)) }
                        @if evidence.len() > MOST_EVIDENCE + 1 { p.small { "and " (evidence.len() - 1 - MOST_EVIDENCE) " more" } }
                    }
                }
                dl.facts {
                    dt { "Confidence" } dd { (finding.confidence.word()) }
                    dt { "Reach" } dd { (words::reach(finding.reach)) }
                    @if !finding.rule.attack.is_empty() {
                        dt { "ATT&CK" }
                        dd {
                            @for (number, technique) in finding.rule.attack.iter().enumerate() {
                                @if number > 0 { ", " }
                                @match words::attack_url(technique) {
                                    Some(url) => a href=(url) rel="noreferrer noopener" { (technique) },
                                    None => (visible(technique)),
                                }
                            }
                        }
                    }
                    @for indicator in finding.indicators.iter().take(20) {
                        dt { (indicator.kind.name()) } dd { code.copy { (one_line(&indicator.value, 500)) } }
                    }
                    @if let Some(refuted) = &finding.refuted_by {
                        dt { "Refuted by" } dd { (visible(refuted)) }
                    }
                }
            }
        }
    }
}

fn chain_list(image: &ImageReport, piece: &Evidence) -> Markup {
    html! {
        ol.chain {
            li { span.k { "image" } span.v { code.copy { (image.image.manifest) } " " span.chip { (words::platform(image)) } } }
            @for link in chain::links(image, piece, true) {
                li {
                    span.k { (link.label) }
                    @if link.label == "seen" { span.v { (link.value) } } @else { span.v { code { (link.value) } } }
                }
            }
            @if let Some(excerpt) = chain::excerpt(piece) {
                li { span.k { "excerpt" } div.v { pre { (excerpt) } } }
            }
        }
    }
}

/// Every indicator once, with the number of findings that name it.
fn indicators(findings: &[Folded<'_>]) -> Markup {
    let mut all: BTreeMap<&Indicator, usize> = BTreeMap::new();
    for folded in findings {
        for indicator in &folded.finding.indicators {
            *all.entry(indicator).or_default() += 1;
        }
    }
    html! {
        @if !all.is_empty() {
            h2 { "Indicators" small { "what would tie this image to others" } }
            div.card.scroll {
                table {
                    tbody {
                        @for (indicator, times) in all.iter().take(MOST_GAPS) {
                            tr {
                                td.n { (indicator.kind.name()) }
                                td { code.copy { (one_line(&indicator.value, 500)) } }
                                td.n.small { "in " (words::count(*times as u64, "finding")) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Phases in the order of an image's life, with what they are for a person.
const PHASES: [(Phase, &str, &str); 6] = [
    (Phase::Build, "Build", "while it was built"),
    (Phase::OnBuild, "On build", "when another image is built from it"),
    (Phase::Start, "Start", "when the container starts"),
    (Phase::Health, "Health", "at each health check"),
    (Phase::Login, "Login", "when somebody opens a shell"),
    (Phase::Scheduled, "Scheduled", "by a scheduler inside"),
];

fn behaviours(image: &ImageReport, name_platform: bool) -> Markup {
    html! {
        h2 {
            "What it does, on paper"
            small { @if name_platform { (words::platform(image)) ", " } "filled: it will; hollow: it may" }
        }
        div.card {
            ol.time {
                @for (phase, name, when) in PHASES {
                    @let of: Vec<&Behaviour> = image.behaviours.iter().filter(|b| b.phase == phase).collect();
                    @if !of.is_empty() {
                        li {
                            h3 { (name) small { (when) } }
                            ol {
                                @for behaviour in of.iter().take(MOST_BEHAVIOURS) {
                                    li.will[behaviour.certainty == Certainty::Will] {
                                        span.tag { (words::behaviour_kind(&behaviour.kind)) }
                                        code { (words::behaviour(&behaviour.kind, 600)) }
                                        @if let BehaviourKind::File { content: Some(content), .. } = &behaviour.kind {
                                            " " small { "← " code { (one_line(content, 200)) } }
                                        }
                                        @if let Some(because) = behaviour.because.first() {
                                            " " small { (because_words(because)) }
                                        }
                                    }
                                }
                                @if of.len() > MOST_BEHAVIOURS { li { small { "and " (of.len() - MOST_BEHAVIOURS) " more" } } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn because_words(location: &Location) -> String {
    format!("({})", words::place(location))
}

fn gaps(report: &Report) -> Markup {
    let gaps = fold::gaps(report);
    let minor = gaps.iter().filter(|(gap, _)| !gap.matters).count();
    let serious = gaps.len() - minor;
    let table = |matters: bool| {
        html! {
            div.card.scroll {
                table {
                    tbody {
                        @for (gap, platforms) in gaps.iter().filter(|(gap, _)| gap.matters == matters).take(MOST_GAPS) {
                            tr {
                                td.n { span class={ "pill " (if matters { "inconclusive" } else { "info" }) } { (gap.kind.name()) } }
                                td {
                                    code { (words::place(&gap.location)) }
                                    div { (visible(&gap.detail)) }
                                    @if report.images.len() > 1 { div.small { (platforms.join(", ")) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    };
    html! {
        @if serious > 0 {
            h2 { "Not read, and it could matter" small { (words::count(serious as u64, "gap")) } }
            (table(true))
        }
        @if minor > 0 {
            details.more {
                summary { (words::count(minor as u64, "gap")) " that cannot change the verdict" }
                (table(false))
            }
        }
    }
}

fn decisions(ignored: &[Folded<'_>]) -> Markup {
    html! {
        h2 { "Ignored by decision" small { "shown, and not part of the verdict" } }
        div.card.scroll {
            table {
                tbody {
                    @for folded in ignored.iter().take(MOST_FINDINGS) {
                        @if let Some(decision) = folded.ignored {
                            tr {
                                td.n { span class={ "pill " (folded.finding.severity.word()) } { (folded.finding.severity.word()) } }
                                td {
                                    (visible(&folded.finding.message))
                                    div.small { code { (visible(&folded.finding.rule.id)) } " · " code { (words::place(folded.finding.location())) } }
                                }
                                td {
                                    (visible(&decision.reason))
                                    div.small {
                                        (visible(&decision.author))
                                        @if !decision.expires.is_empty() { ", until " (visible(&decision.expires)) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn origin(report: &Report, options: &Options) -> Markup {
    html! {
        h2 { "What was scanned" }
        div.card.pad {
            dl.facts.plain {
                dt { "Asked for" } dd { code { (visible(&report.requested)) } }
                dt { "Resolved to" } dd { code.copy { (visible(&report.pinned.to_string())) } }
                dt { "Read from" } dd { (visible(&report.source)) }
                @for image in &report.images {
                    dt { (words::platform(image)) }
                    dd { (words::coverage(&image.coverage)) div.small { "manifest " code.copy { (image.image.manifest) } } div.small { "configuration " code.copy { (image.image.config_digest) } } }
                }
                @for other in report.unscanned.iter().take(MOST_GAPS) {
                    dt { "Left out" }
                    dd {
                        (visible(&other.reason))
                        @if let Some(platform) = &other.platform { " (" (visible(&platform.to_string())) ")" }
                        div.small { code.copy { (other.digest) } }
                    }
                }
                @for image in &report.images {
                    @if let Some(base) = words::built_on(image) { dt { "Built on" } dd { (base) } }
                }
                @for link in &report.campaigns { dt { "Campaign" } dd { (words::campaign(link)) } }
                dt { "Rules" }
                dd {
                    (visible(&report.rules_version))
                    @for pack in &report.rule_packs { div.small { (words::rule_pack(pack)) } }
                }
                @for feed in &report.feeds { dt { "Feed" } dd { (words::feed(feed)) } }
                @if !options.reproducible { dt { "Took" } dd { (words::duration(report.timing.total_ms)) } }
            }
        }
    }
}

/// A rule's text for people: its lines stay lines.
fn prose(text: &str) -> String {
    text.trim().lines().map(visible).collect::<Vec<_>>().join("\n")
}
