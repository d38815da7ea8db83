//! One page that needs nothing else: no script, no font, no request. As for reports, a strict
//! Content-Security-Policy stands behind the escaping, and the only links lead into the page and
//! to ATT&CK.

use lazaret_model::{Campaign, Member, Outcome, one_line, visible};
use maud::{Markup, html};

use super::family::Family;
use super::members::{self, Names};
use super::{graph, lifelines, techniques};
use crate::html::{document, top};
use crate::{Options, svg, words};

const CSS: &str = concat!(include_str!("../report.css"), include_str!("campaign.css"));
/// Rows of each table; a browser must still open it.
const MOST_ROWS: usize = 500;
/// Pieces of evidence of one image.
const MOST_DEEDS: usize = 50;
/// Characters of one value.
const MOST: usize = 1_000;
/// Names in a row.
const NAMES: usize = 12;

/// The whole page.
pub fn render(campaign: &Campaign, options: &Options) -> String {
    let names = Names::of(campaign);
    document(
        &format!("Campaign {}", one_line(&campaign.id, 60)),
        CSS,
        html! {
            main.campaign {
                (top("Which images belong together, and to whom?"))
                (banner(campaign))
                (tiles(campaign))
                h2 { "The case at a glance" small { "who published what, and what ties it; point at something shared to follow its lines" } }
                (legend())
                div.card.pad { (graph::draw(campaign, &names)) }
                h2 { "Timeline" small { "from the first to the last change of each image" } }
                div.card.pad { (lifelines::draw(campaign, &names)) }
                (moments(campaign))
                (images(campaign, &names))
                (shared(campaign, &names))
                (conduct(campaign, &names))
                (cleanup(campaign, &names))
                (claims(campaign, &names))
                (attack(campaign, &names))
                (revenue(campaign))
                (lures(campaign))
                (leads(campaign))
                (evidence(campaign, &names))
                (method(campaign))
                div.foot {
                    "Written by Lazaret " (visible(&options.tool_version))
                    ". Names, pages and evidence are quoted from images and registries; control and direction characters are shown as escapes, and no address in them is a link."
                }
            }
        },
    )
}

fn text(value: &str) -> String {
    one_line(value, MOST)
}

/// That a list goes on, where it does.
fn rest(count: usize, shown: usize) -> Markup {
    html! { @if count > shown { p.small { "and " (words::grouped((count - shown) as u64)) " more; the JSON form has all" } } }
}

fn banner(campaign: &Campaign) -> Markup {
    html! {
        div.banner.malicious {
            h1.word { (svg::symbol(Outcome::Malicious)) span { "Campaign " (one_line(&campaign.id, 60)) } }
            p.why { (text(&campaign.title)) }
            p.deeds {
                @for (kind, count) in members::tally(campaign) {
                    span.chip { span class={ "dot " (Family::of_deed(kind).class()) } {} (kind) " " b { (count) } } " "
                }
            }
            @if !campaign.accounts.is_empty() {
                p.change {
                    b { "Published by " }
                    @for (at, account) in campaign.accounts.iter().take(NAMES).enumerate() {
                        @if at > 0 { ", " }
                        code { (one_line(&account.name, members::MOST_NAME)) }
                        " (" (words::grouped(account.members)) " of " (words::count(account.seen, "image")) " seen)"
                    }
                    @if campaign.accounts.len() > NAMES { " and " (campaign.accounts.len() - NAMES) " more" }
                }
            }
        }
    }
}

fn tiles(campaign: &Campaign) -> Markup {
    let span = members::span(campaign);
    let days = span.map(|(first, last)| (last.date() - first.date()).whole_days().unsigned_abs());
    html! {
        div.tiles {
            div.tile { b { (words::grouped(campaign.members.len() as u64)) } span { @if campaign.members.len() == 1 { "image" } @else { "images" } } }
            div.tile { b { (members::pulls(campaign).map_or_else(|| "unknown".to_owned(), words::grouped)) } span { "pulls" } }
            div.tile {
                b { (days.map_or_else(|| "unknown".to_owned(), |days| words::count(days, "day"))) }
                span {
                    @match span {
                        Some((first, last)) => { (members::date(first)) " to " (members::date(last)) }
                        None => "active",
                    }
                }
            }
            @match campaign.revenue.first() {
                Some(revenue) => div.tile {
                    b { (one_line(&revenue.amount, 16)) " " (one_line(&revenue.currency, 8)) }
                    span { "said to be earned" @if let Some(usd) = &revenue.usd { ", " (members::amount(usd)) " US dollars" } }
                },
                None => div.tile { b { (words::grouped(campaign.shared.len() as u64)) } span { "things shared" } },
            }
        }
    }
}

fn legend() -> Markup {
    html! {
        p.legend {
            @for (family, says) in Family::ALL {
                span { span class={ "dot " (family.class()) } {} (says) } " "
            }
        }
    }
}

fn moments(campaign: &Campaign) -> Markup {
    html! {
        @if !campaign.timeline.is_empty() {
            details.more {
                summary { "All that happened, " (words::count(campaign.timeline.len() as u64, "moment")) }
                ol.moments {
                    @for moment in campaign.timeline.iter().take(MOST_ROWS) {
                        li { b { (members::day(&moment.time)) } " " (text(&moment.what)) }
                    }
                    @if campaign.timeline.len() > MOST_ROWS { li { "and " (campaign.timeline.len() - MOST_ROWS) " more" } }
                }
            }
        }
    }
}

fn day(time: &Option<String>) -> String {
    time.as_deref().map_or_else(|| "-".to_owned(), members::day)
}

fn images(campaign: &Campaign, names: &Names) -> Markup {
    html! {
        h2 { "Images" small { (words::count(campaign.members.len() as u64, "convicted image")) @if let Some(account) = &names.account { " of " (account) } } }
        div.card.scroll {
            table.wide {
                thead { tr { th { "Image" } th { "Created" } th { "Updated" } th.r { "Pulls" } th { "Platforms" } th { "What it does" } } }
                tbody {
                    @for (at, member) in campaign.members.iter().enumerate().take(MOST_ROWS) {
                        tr {
                            td { a href={ "#m" (at) } { code { (names.short(at)) } } }
                            td.n { (day(&member.created)) }
                            td.n { (day(&member.updated)) }
                            td.n.r { (member.pulls.map_or_else(|| "-".to_owned(), words::grouped)) }
                            td { (members::platforms(member)) }
                            td {
                                @for kind in members::kinds(member) {
                                    span.chip { span class={ "dot " (Family::of_deed(kind).class()) } {} (kind) } " "
                                }
                            }
                        }
                    }
                }
            }
        }
        (rest(campaign.members.len(), MOST_ROWS))
    }
}

fn shared(campaign: &Campaign, names: &Names) -> Markup {
    html! {
        @if !campaign.shared.is_empty() {
            h2 { "What ties them" small { "the rarer, the heavier" } }
            div.card.scroll {
                table.wide {
                    thead { tr { th.r { "Bits" } th { "What" } th { "In" } th { "Why it counts" } } }
                    tbody {
                        @for shared in campaign.shared.iter().take(MOST_ROWS) {
                            tr {
                                td.n.r { b { (members::bits(shared.bits)) } }
                                td { span.chip { span class={ "dot " (Family::of_indicator(shared.indicator.kind).class()) } {} (shared.indicator.kind.name()) } " " code.copy { (text(&shared.indicator.value)) } }
                                td {
                                    (words::count(shared.members.len() as u64, "image"))
                                    @if shared.members.len() < campaign.members.len() { div.small { (names.list(&shared.members, 6)) } }
                                }
                                td {
                                    (text(&shared.why))
                                    @if shared.elsewhere > 0 { ". " b { (words::count(shared.elsewhere, "image")) " outside" } }
                                    @if !shared.place.is_empty() { div.small { "at " (one_line(&shared.place, 300)) } }
                                }
                            }
                        }
                    }
                }
            }
            (rest(campaign.shared.len(), MOST_ROWS))
        }
        @if !campaign.lone.is_empty() {
            h2 { "Wallets of one image alone" }
            div.card.pad {
                ul.conduct {
                    @for lone in campaign.lone.iter().take(MOST_ROWS) {
                        li class=(Family::of_indicator(lone.indicator.kind).class()) {
                            code.copy { (text(&lone.indicator.value)) }
                            div.small { (names.list(&lone.members, 6)) ": " (text(&lone.why)) }
                        }
                    }
                }
            }
            (rest(campaign.lone.len(), MOST_ROWS))
        }
    }
}

fn conduct(campaign: &Campaign, names: &Names) -> Markup {
    html! {
        @if !campaign.conduct.is_empty() {
            h2 { "How they got in, acted and stayed" }
            div.card.pad {
                ul.conduct {
                    @for conduct in campaign.conduct.iter().take(MOST_ROWS) {
                        li class=(Family::of_deed(conduct.kind).class()) {
                            b { (conduct.kind) }
                            div { (text(&conduct.text)) }
                            div.small { (names.list(&conduct.members, NAMES)) }
                        }
                    }
                }
            }
            (rest(campaign.conduct.len(), MOST_ROWS))
        }
    }
}

fn cleanup(campaign: &Campaign, names: &Names) -> Markup {
    html! {
        @if !campaign.cleanup.is_empty() {
            h2 { "What to clean up" small { "on every host that ran one; deleting the image is not enough" } }
            div.card.pad {
                ol.cleanup {
                    @for step in campaign.cleanup.iter().take(MOST_ROWS) {
                        li { (text(&step.what)) div.small { (text(&step.because)) " (" (names.list(&step.members, NAMES)) ")" } }
                    }
                }
            }
            (rest(campaign.cleanup.len(), MOST_ROWS))
        }
    }
}

fn claims(campaign: &Campaign, names: &Names) -> Markup {
    html! {
        @if !campaign.claims.is_empty() {
            h2 { "What they claim to be" }
            div.card.pad {
                dl.facts.plain {
                    @for claim in campaign.claims.iter().take(MOST_ROWS) {
                        dt { (one_line(&claim.product, 60)) }
                        dd { (words::count(claim.members.len() as u64, "image")) ": " (names.list(&claim.members, NAMES)) }
                    }
                }
            }
            (rest(campaign.claims.len(), MOST_ROWS))
        }
    }
}

fn attack(campaign: &Campaign, names: &Names) -> Markup {
    let all = campaign.members.len().max(1);
    html! {
        @if !campaign.techniques.is_empty() {
            h2 { "ATT&CK" }
            div.card.scroll {
                table.wide {
                    thead { tr { th { "Technique" } th { "Images" } th { "Seen by" } } }
                    tbody {
                        @for technique in campaign.techniques.iter().take(MOST_ROWS) {
                            @let share = technique.members.len().min(all) as f64 / all as f64 * 100.0;
                            tr {
                                td {
                                    @match words::attack_url(&technique.id) {
                                        Some(url) => a href=(url) rel="noreferrer noopener" { (technique.id) },
                                        None => (one_line(&technique.id, 60)),
                                    }
                                    @if let Some(name) = techniques::name(&technique.id) { div.small { (name) } }
                                }
                                td.share {
                                    svg.meter viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" {
                                        rect.all width="100" height="8" rx="2" {}
                                        rect.part width=(format!("{share:.1}")) height="8" rx="2" {}
                                    }
                                    span title=(names.list(&technique.members, NAMES)) { (technique.members.len()) " of " (campaign.members.len()) }
                                }
                                td { @for rule in technique.rules.iter().take(NAMES) { code { (one_line(rule, 120)) } " " } }
                            }
                        }
                    }
                }
            }
            (rest(campaign.techniques.len(), MOST_ROWS))
        }
    }
}

fn revenue(campaign: &Campaign) -> Markup {
    html! {
        @if !campaign.revenue.is_empty() {
            h2 { "Revenue" small { "as others say; no pool was asked" } }
            div.card.pad {
                dl.facts.plain {
                    @for revenue in campaign.revenue.iter().take(MOST_ROWS) {
                        dt { (members::amount(&revenue.amount)) " " (one_line(&revenue.currency, 20)) }
                        dd {
                            @if let Some(usd) = &revenue.usd { (members::amount(usd)) " US dollars, " }
                            @if let Some(as_of) = &revenue.as_of { "as of " (members::day(as_of)) ", " }
                            "from " (text(&revenue.source)) ": " code.copy { (text(&revenue.wallet)) }
                        }
                    }
                }
            }
            (rest(campaign.revenue.len(), MOST_ROWS))
        }
    }
}

fn lures(campaign: &Campaign) -> Markup {
    html! {
        @if !campaign.lures.is_empty() {
            h2 { "Repositories without an image" small { "their page is the lure" } }
            div.card.scroll {
                table.wide {
                    thead { tr { th { "Repository" } th { "Created" } th { "Why" } th { "Its page says" } } }
                    tbody {
                        @for lure in campaign.lures.iter().take(MOST_ROWS) {
                            tr {
                                td { code { (one_line(&lure.repository, members::MOST_NAME)) } }
                                td.n { (day(&lure.created)) }
                                td { (text(&lure.why)) }
                                td { (one_line(&lure.description, 300)) }
                            }
                        }
                    }
                }
            }
            (rest(campaign.lures.len(), MOST_ROWS))
        }
    }
}

fn leads(campaign: &Campaign) -> Markup {
    html! {
        @if !campaign.leads.is_empty() {
            h2 { "Leads" small { "to be looked at, accused of nothing" } }
            div.card.scroll {
                table.wide {
                    tbody {
                        @for lead in campaign.leads.iter().take(MOST_ROWS) {
                            tr {
                                td { code { (one_line(&members::reference(&lead.repository, lead.tag.as_deref(), &lead.digest), members::MOST_NAME)) } }
                                td.n { span class={ "pill " (lead.outcome.word()) } { (lead.outcome.word()) } }
                                td { (text(&lead.reason)) }
                            }
                        }
                    }
                }
            }
            (rest(campaign.leads.len(), MOST_ROWS))
        }
    }
}

fn evidence(campaign: &Campaign, names: &Names) -> Markup {
    html! {
        @if !campaign.members.is_empty() { h2 { "Evidence" small { "image by image" } } }
        @for (at, member) in campaign.members.iter().enumerate().take(MOST_ROWS) {
            (one(at, member, names))
        }
        (rest(campaign.members.len(), MOST_ROWS))
    }
}

fn one(at: usize, member: &Member, names: &Names) -> Markup {
    html! {
        details.finding class=(member.outcome.word()) id={ "m" (at) } {
            summary {
                div.line {
                    span class={ "pill " (member.outcome.word()) } { (member.outcome.word()) }
                    @for kind in members::kinds(member) { span.chip { span class={ "dot " (Family::of_deed(kind).class()) } {} (kind) } }
                }
                div.msg { code { (one_line(&members::member_reference(member), members::MOST_NAME)) } }
            }
            div.body {
                p.expl { (text(&member.why)) }
                ul.chain {
                    @for deed in member.deeds.iter().take(MOST_DEEDS) {
                        li {
                            span.k { (deed.kind) }
                            span.v { pre { (text(&deed.evidence)) } span.small { (one_line(&deed.place, 300)) } }
                        }
                    }
                }
                (rest(member.deeds.len(), MOST_DEEDS))
                dl.facts {
                    @for digest in member.accused().take(50) {
                        dt { @if *digest == member.digest { "digest" } @else { "manifest" } }
                        dd { code.copy { (digest) } }
                    }
                    @if !member.spared.is_empty() {
                        dt { "spared" }
                        dd { (words::count(member.spared.len() as u64, "digest")) " of clean platforms, or in honest hands too" }
                    }
                    @if !member.description.is_empty() { dt { "its page" } dd { (one_line(&member.description, 400)) } }
                    @if let Some(below) = member.built_on { dt { "built on" } dd { code { (names.short(below)) } } }
                    @if !member.rules.is_empty() {
                        dt { "rules" } dd { @for rule in member.rules.iter().take(50) { code { (one_line(rule, 120)) } " " } }
                    }
                }
            }
        }
    }
}

fn method(campaign: &Campaign) -> Markup {
    let method = &campaign.method;
    html! {
        h2 { "Method" }
        div.card.pad {
            dl.facts.plain {
                dt { "method" } dd { (text(&method.name)) }
                dt { "threshold" } dd { (members::bits(method.threshold)) " bits" }
                dt { "seen" } dd { (words::count(method.images_seen, "image")) ", " (words::grouped(method.convicted)) " of them convicted, " (words::count(method.publishers_seen, "publisher")) }
                @for refuted in method.refuted.iter().take(MOST_ROWS) { dt { "refuted" } dd { (text(refuted)) } }
            }
        }
    }
}
