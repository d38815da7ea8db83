//! The graph, drawn: accounts at the left, their images beside them, what images share at the
//! right, a line where an image holds it.
//!
//! Rows in columns, so that no label can hide another; in each column the order is that of the
//! mean of what it is tied to (the barycentre method of layered drawings), which takes crossings
//! out. A fixed number of sweeps and stable sorts: the same campaign gives the same drawing.

use std::collections::BTreeMap;

use lazaret_model::{Campaign, Shared};
use maud::{Markup, html};

use super::drawing::{at, cut, cut_middle};
use super::family::Family;
use super::members::{self, Names};
use crate::words;

/// Images and indicators that are drawn; more would be a wall of lines.
const MOST_IMAGES: usize = 120;
const MOST_SHARED: usize = 40;
const SWEEPS: usize = 12;
/// Lines from which on they are drawn thinner.
const MANY: usize = 150;
/// Rows.
const IMAGE_ROW: f64 = 22.0;
const SHARED_ROW: f64 = 38.0;
const ACCOUNT_GAP: f64 = 14.0;
/// How far apart images may be moved.
const MOST_STRETCH: f64 = 1.7;
const TOP: f64 = 46.0;
/// Columns.
const WIDTH: f64 = 1080.0;
/// Where the names of accounts may end at the left-most.
const LEAST_ACCOUNT_END: f64 = 170.0;
const NAME_END: f64 = 384.0;
const DEEDS: f64 = 394.0;
const PORT: f64 = 450.0;
const SHARED_PORT: f64 = 690.0;
const SHARED_TEXT: f64 = 704.0;
/// Columns of text that fit, at the font sizes of the style.
const ACCOUNT_COLUMNS: usize = 22;
/// Width of one column of text.
const COLUMN: f64 = 7.3;
const NAME_COLUMNS: usize = 27;
const VALUE_COLUMNS: usize = 50;
/// Deeds that are marked beside a name.
const MOST_DEEDS: usize = 4;

/// Where everything stands.
struct Layout {
    /// Members in the order in which they stand, with the middle of their row.
    images: Vec<(usize, f64)>,
    /// Accounts with the first and the last of their rows.
    accounts: Vec<(String, f64, f64)>,
    /// Positions in `shared`, with the middle of their row.
    shared: Vec<(usize, f64)>,
    /// Where the brackets stand that gather the images of an account: beside the longest name.
    bracket: f64,
    /// Where the longest name of an account begins: what is left of it is cut off.
    left: f64,
    height: f64,
}

/// The drawing, and what it leaves out in words.
pub fn draw(campaign: &Campaign, names: &Names) -> Markup {
    let layout = Layout::of(campaign, names);
    let rows: BTreeMap<usize, f64> = layout.images.iter().copied().collect();
    let spoken = format!(
        "{} and {} that they share",
        words::count(campaign.members.len() as u64, "image"),
        words::count(campaign.shared.len() as u64, "thing")
    );
    let lines: usize = campaign.shared.iter().take(MOST_SHARED).map(|shared| shared.members.len()).sum();
    let left_out = left_out(campaign);
    html! {
        div.scroll {
            svg.graph.many[lines > MANY] viewBox={ (at(layout.left)) " 0 " (at(WIDTH - layout.left)) " " (at(layout.height)) } role="img" aria-label=(spoken) {
                text.head x=(at(layout.bracket - 10.0)) y="16" text-anchor="end" { "account" }
                text.head x=(at(NAME_END)) y="16" text-anchor="end" { "image" }
                text.head x=(at(DEEDS)) y="16" { "does" }
                text.head x=(at(SHARED_TEXT)) y="16" { "shares" }
                @for (position, y) in layout.shared.iter().rev() {
                    @if let Some(shared) = campaign.shared.get(*position) {
                        (thing(shared, *y, &rows, campaign.members.len()))
                    }
                }
                @for (name, first, last) in &layout.accounts {
                    (account(campaign, name, layout.bracket, *first, *last))
                }
                @for (position, y) in &layout.images {
                    (image(campaign, names, *position, *y))
                }
            }
        }
        @if let Some(text) = left_out { p.small { (text) } }
    }
}

fn left_out(campaign: &Campaign) -> Option<String> {
    let images = campaign.members.len().saturating_sub(MOST_IMAGES);
    let shared = campaign.shared.len().saturating_sub(MOST_SHARED);
    match (images, shared) {
        (0, 0) => None,
        (0, _) => Some(format!("{shared} more that they share are in the table below.")),
        (_, 0) => Some(format!("{images} more images are in the table below.")),
        (_, _) => {
            Some(format!("{images} more images, and {shared} more that they share, are in the tables below."))
        }
    }
}

fn account(campaign: &Campaign, name: &str, bracket: f64, first: f64, last: f64) -> Markup {
    let known = campaign.accounts.iter().find(|a| a.name == name);
    let middle = (first + last) / 2.0;
    let end = bracket - 10.0;
    let lures = campaign.lures.iter().filter(|lure| lure.account.as_deref() == Some(name)).count();
    let mut below = known.map(|a| words::count(a.members, "image")).unwrap_or_default();
    if lures > 0 {
        below = format!("{below} + {}", words::count(lures as u64, "lure"));
    }
    // The registry stands above the name where there is room for three lines, and is left out
    // where there is none.
    let (registry, local) = match name.rsplit_once('/') {
        Some((registry, local)) if !local.is_empty() => (registry, local),
        _ => ("", name),
    };
    let tall = last - first > 2.0 * IMAGE_ROW - 1.0;
    html! {
        g {
            title { (cut(name, 300)) ": " (below) }
            path.bracket d={ "M" (at(bracket + 6.0)) " " (at(first - 8.0)) "h-6V" (at(last + 8.0)) "h6" } {}
            @if tall && !registry.is_empty() {
                text.note x=(at(end)) y=(at(middle - 12.0)) text-anchor="end" { (cut_middle(registry, ACCOUNT_COLUMNS)) }
            }
            text.account x=(at(end)) y=(at(middle + 4.0)) text-anchor="end" {
                @if name.is_empty() { "nobody says" } @else { (cut_middle(local, ACCOUNT_COLUMNS)) }
            }
            @if tall { text.note x=(at(end)) y=(at(middle + 20.0)) text-anchor="end" { (below) } }
        }
    }
}

/// What an image is called beside its account.
fn label(campaign: &Campaign, names: &Names, position: usize) -> String {
    let name = names.short(position);
    let Some(member) = campaign.members.get(position) else { return name };
    let account = member.account.as_deref().filter(|account| !account.is_empty());
    let local = account.and_then(|account| member.repository.strip_prefix(account)?.strip_prefix('/'));
    let text = match (local, member.tag.as_deref()) {
        (Some(local), Some(tag)) if tag != "latest" => format!("{local}:{tag}"),
        (Some(local), _) => local.to_owned(),
        (None, _) => name,
    };
    cut_middle(&text, NAME_COLUMNS)
}

fn image(campaign: &Campaign, names: &Names, position: usize, y: f64) -> Markup {
    let Some(member) = campaign.members.get(position) else { return html! {} };
    let kinds = members::kinds(member);
    html! {
        g {
            title { (cut(&members::member_reference(member), 300)) ": " (members::does(member)) }
            text.name x=(at(NAME_END)) y=(at(y + 4.0)) text-anchor="end" { (label(campaign, names, position)) }
            @for (number, kind) in kinds.iter().take(MOST_DEEDS).enumerate() {
                rect class=(Family::of_deed(*kind).class()) x=(at(DEEDS + number as f64 * 12.0)) y=(at(y - 5.0)) width="10" height="10" rx="2.5" {}
            }
            circle class={ "port " (Family::of_member(member).class()) } cx=(at(PORT)) cy=(at(y)) r="3" {}
        }
    }
}

fn thing(shared: &Shared, y: f64, rows: &BTreeMap<usize, f64>, members: usize) -> Markup {
    let family = Family::of_indicator(shared.indicator.kind).class();
    let bits = if shared.bits.is_finite() { shared.bits.clamp(0.0, 40.0) } else { 0.0 };
    let weight = match bits {
        bits if bits >= 20.0 => "w3",
        bits if bits >= 12.0 => "w2",
        _ => "w1",
    };
    // What nearly all have tells little of which belongs to which, and draws most lines.
    let common = shared.members.len() * 5 >= members * 4 && members > 4;
    let middle = (PORT + SHARED_PORT) / 2.0;
    let ends: Vec<f64> = shared.members.iter().filter_map(|member| rows.get(member)).copied().collect();
    let elsewhere = match shared.elsewhere {
        0 => String::new(),
        n => format!(" · {} outside", words::grouped(n)),
    };
    html! {
        g class={ "thing " (family) " " (weight) } {
            title { (shared.indicator.kind.name()) " " (cut(&shared.indicator.value, 300)) ": " (cut(&shared.why, 300)) }
            g.lines.common[common] {
                @for end in ends {
                    path d={ "M" (at(PORT)) " " (at(end)) "C" (at(middle)) " " (at(end)) " " (at(middle)) " " (at(y)) " " (at(SHARED_PORT)) " " (at(y)) } {}
                }
            }
            circle cx=(at(SHARED_PORT)) cy=(at(y)) r="5" {}
            text.kind x=(at(SHARED_TEXT)) y=(at(y - 3.0)) {
                (shared.indicator.kind.name()) " · " (words::count(shared.members.len() as u64, "image")) " · " (members::bits(shared.bits)) " bits" (elsewhere)
            }
            text.value x=(at(SHARED_TEXT)) y=(at(y + 12.0)) { (cut_middle(&shared.indicator.value, VALUE_COLUMNS)) }
        }
    }
}

impl Layout {
    fn of(campaign: &Campaign, names: &Names) -> Self {
        let members = campaign.members.len().min(MOST_IMAGES);
        let shared = campaign.shared.len().min(MOST_SHARED);
        let links: Vec<Vec<usize>> = campaign.shared[..shared]
            .iter()
            .map(|s| s.members.iter().copied().filter(|member| *member < members).collect())
            .collect();
        let mut back: Vec<Vec<usize>> = vec![Vec::new(); members];
        for (thing, holders) in links.iter().enumerate() {
            for holder in holders {
                back[*holder].push(thing);
            }
        }
        let account = |member: usize| campaign.members[member].account.as_deref().unwrap_or_default();
        let mut images: Vec<usize> = (0..members).collect();
        images.sort_by_key(|member| account(*member));
        let mut things: Vec<usize> = (0..shared).collect();
        for _ in 0..SWEEPS {
            let rank = ranks(&images, members);
            sort_by_mean(&mut things, |thing| mean(&links[thing], &rank));
            let rank = ranks(&things, shared);
            let means: Vec<Option<f64>> = (0..members).map(|member| mean(&back[member], &rank)).collect();
            // Images stay with their account, and accounts go where their images want to be.
            let mut wanted: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
            for (member, mean) in means.iter().enumerate() {
                if let Some(mean) = mean {
                    let sum = wanted.entry(account(member)).or_default();
                    *sum = (sum.0 + mean, sum.1 + 1.0);
                }
            }
            let place = |member: usize| wanted.get(account(member)).map_or(0.0, |(sum, count)| sum / count);
            images.sort_by(|a, b| {
                place(*a)
                    .total_cmp(&place(*b))
                    .then_with(|| account(*a).cmp(account(*b)))
                    .then_with(|| means[*a].unwrap_or(0.0).total_cmp(&means[*b].unwrap_or(0.0)))
            });
        }
        Self::placed(campaign, names, &images, &things)
    }

    fn placed(campaign: &Campaign, names: &Names, order: &[usize], things: &[usize]) -> Self {
        let mut images = Vec::new();
        let mut accounts: Vec<(String, f64, f64)> = Vec::new();
        let mut y = 0.0;
        for member in order {
            let name = campaign.members[*member].account.clone().unwrap_or_default();
            match accounts.last_mut() {
                Some((last, _, end)) if *last == name => *end = y,
                _ => {
                    if !accounts.is_empty() {
                        y += ACCOUNT_GAP;
                    }
                    accounts.push((name, y, y));
                }
            }
            images.push((*member, y));
            y += IMAGE_ROW;
        }
        let left = (y - IMAGE_ROW).max(0.0);
        let right = SHARED_ROW * (things.len().max(1) - 1) as f64;
        // Beside many things the images are spread out, so that lines are less steep.
        let stretch = if left > 0.0 { (right / left).clamp(1.0, MOST_STRETCH) } else { 1.0 };
        let left = left * stretch;
        for (_, y) in &mut images {
            *y *= stretch;
        }
        for (_, first, last) in &mut accounts {
            *first *= stretch;
            *last *= stretch;
        }
        // The shorter column stands in the middle of the taller one, spread out a little.
        let inner = left.max(right);
        let step = match things.len() {
            0 | 1 => 0.0,
            count => (inner / (count - 1) as f64).min(SHARED_ROW * 1.6),
        };
        let from_left = TOP + (inner - left) / 2.0;
        let from_right = TOP + (inner - step * (things.len().max(1) - 1) as f64) / 2.0;
        for (_, y) in &mut images {
            *y += from_left;
        }
        for (_, first, last) in &mut accounts {
            *first += from_left;
            *last += from_left;
        }
        let shared =
            things.iter().enumerate().map(|(row, thing)| (*thing, from_right + step * row as f64)).collect();
        let longest = order.iter().map(|member| crate::wrap::width(&label(campaign, names, *member))).max();
        let bracket = NAME_END - COLUMN * longest.unwrap_or(0) as f64 - 16.0;
        let bracket = bracket.max(LEAST_ACCOUNT_END + 10.0);
        let parts = accounts
            .iter()
            .flat_map(|(name, _, _)| name.rsplit_once('/').map_or([name.as_str(), ""], |(a, b)| [a, b]));
        let widest = parts.map(crate::wrap::width).max().unwrap_or(0).clamp(8, ACCOUNT_COLUMNS);
        let left = (bracket - 10.0 - COLUMN * widest as f64 - 16.0).max(0.0);
        Self { images, accounts, shared, bracket, left, height: TOP + inner + 26.0 }
    }
}

fn ranks(order: &[usize], count: usize) -> Vec<f64> {
    let mut rank = vec![0.0; count];
    for (place, one) in order.iter().enumerate() {
        // In parts of the whole, because the columns have different lengths.
        rank[*one] = place as f64 / order.len().max(1) as f64;
    }
    rank
}

fn mean(of: &[usize], rank: &[f64]) -> Option<f64> {
    (!of.is_empty()).then(|| of.iter().map(|one| rank[*one]).sum::<f64>() / of.len() as f64)
}

fn sort_by_mean(order: &mut [usize], mean: impl Fn(usize) -> Option<f64>) {
    order.sort_by(|a, b| mean(*a).unwrap_or(0.5).total_cmp(&mean(*b).unwrap_or(0.5)));
}
