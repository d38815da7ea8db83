//! The story for a person at a terminal.

use anstyle::{AnsiColor, Style};
use lazaret_model::{Campaign, Outcome, one_line};

use super::members::{self, Names};
use crate::sheet::{BOLD, DIM, PLAIN, Sheet};
use crate::{Options, words, wrap};

/// Columns of the labels.
const LABEL: usize = 12;
/// Narrowest last column of the table of images; below it, what an image does stands under it.
const LEAST_LAST: usize = 16;
/// Widest column of names; a longer name takes a line of its own.
const MOST_NAME_COLUMN: usize = 28;
/// Moments of the timeline that are shown at its start and its end unless asked for all.
const FIRST_MOMENTS: usize = 30;
const LAST_MOMENTS: usize = 12;
/// Shared indicators, leads and lures shown unless asked for all.
const MOST_SHARED: usize = 25;
const MOST_LEADS: usize = 15;
const MOST_LURES: usize = 15;
/// Characters of one value.
const MOST_VALUE: usize = 1_000;

const ALARM: Style = AnsiColor::Red.on_default().bold();

/// The whole story.
pub fn render(campaign: &Campaign, options: &Options) -> String {
    let mut page = Page { sheet: Sheet::new(options), options, names: Names::of(campaign) };
    page.head(campaign);
    page.images(campaign);
    page.lures(campaign);
    page.timeline(campaign);
    page.shared(campaign);
    page.conduct(campaign);
    page.claims(campaign);
    page.techniques(campaign);
    page.cleanup(campaign);
    page.revenue(campaign);
    page.leads(campaign);
    page.method(campaign);
    page.sheet.out
}

struct Page<'a> {
    sheet: Sheet,
    options: &'a Options,
    names: Names,
}

/// Text of the actor, neutral and bounded.
fn value(text: &str) -> String {
    one_line(text, MOST_VALUE)
}

impl Page<'_> {
    /// A label, then text that hangs beside it; below it where the label leaves no room.
    fn labelled(&mut self, indent: usize, label: &str, column: usize, text: &str) {
        let label = if wrap::width(label) < column {
            label
        } else {
            self.sheet.paragraph(indent, DIM, label);
            ""
        };
        let room = self.sheet.width.saturating_sub(indent + column);
        for (at, line) in wrap::lines(text, room).into_iter().enumerate() {
            let left = if at == 0 { wrap::pad(label, column) } else { " ".repeat(column) };
            let left = if at == 0 { self.sheet.paint(DIM, &left) } else { left };
            self.sheet.raw(&format!("{:indent$}{left}{line}", ""));
        }
    }

    fn heading(&mut self, text: &str) {
        self.sheet.raw("");
        self.sheet.paragraph(0, BOLD, text);
    }

    fn all(&self) -> bool {
        self.options.verbose > 0
    }

    fn more(&mut self, indent: usize, shown: usize, of: usize) {
        if of > shown {
            let text = format!("and {} more (-v shows all)", words::grouped((of - shown) as u64));
            self.sheet.paragraph(indent, DIM, &text);
        }
    }

    fn head(&mut self, campaign: &Campaign) {
        let id = self.sheet.paint(ALARM, &one_line(&campaign.id, 40));
        self.sheet.raw(&format!("Campaign {id}"));
        self.sheet.paragraph(0, BOLD, &value(&campaign.title));
        self.sheet.raw("");
        for (at, account) in campaign.accounts.iter().enumerate() {
            let label = if at == 0 { "accounts" } else { "" };
            let mut text = format!(
                "{}: {} of {} seen",
                one_line(&account.name, members::MOST_NAME),
                words::grouped(account.members),
                words::count(account.seen, "image"),
            );
            if let Some(pulls) = account.pulls {
                text.push_str(&format!(", {}", words::count(pulls, "pull")));
            }
            self.labelled(0, label, LABEL, &text);
        }
        if let Some((first, last)) = members::span(campaign) {
            let days = (last.date() - first.date()).whole_days().unsigned_abs();
            let text =
                format!("{} to {}, {}", members::date(first), members::date(last), words::count(days, "day"));
            self.labelled(0, "active", LABEL, &text);
        }
        if let Some(pulls) = members::pulls(campaign) {
            self.labelled(0, "pulls", LABEL, &words::grouped(pulls));
        }
        let tally: Vec<String> =
            members::tally(campaign).iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        if !tally.is_empty() {
            self.labelled(0, "do", LABEL, &tally.join(", "));
        }
    }

    fn images(&mut self, campaign: &Campaign) {
        let members = &campaign.members;
        let first = members.first().map(members::platforms);
        let same = first.filter(|first| members.iter().all(|m| members::platforms(m) == *first));
        let mut title = words::count(members.len() as u64, "image");
        title = match &self.names.account {
            Some(account) => format!("{title} of {account}"),
            None => title,
        };
        if let Some(same) = &same {
            title.push_str(&format!(" ({same})"));
        }
        self.heading(&title);
        if members.is_empty() {
            self.sheet.paragraph(2, PLAIN, "none");
            return;
        }
        let table = Table::new(self, campaign, same.is_none());
        for line in table.lines {
            self.sheet.raw(&line);
        }
    }

    fn lures(&mut self, campaign: &Campaign) {
        if campaign.lures.is_empty() {
            return;
        }
        self.heading("Repositories without an image, whose page is the lure");
        let shown = if self.all() { campaign.lures.len() } else { MOST_LURES };
        for lure in campaign.lures.iter().take(shown) {
            self.sheet.paragraph(2, PLAIN, &one_line(&lure.repository, members::MOST_NAME));
            let mut facts = value(&lure.why);
            if let Some(created) = &lure.created {
                facts.push_str(&format!("; made {}", members::day(created)));
            }
            if let Some(pulls) = lure.pulls {
                facts.push_str(&format!("; {}", words::count(pulls, "pull")));
            }
            self.sheet.paragraph(6, PLAIN, &facts);
            self.sheet.paragraph(6, DIM, &format!("page: {}", one_line(&lure.description, 200)));
        }
        self.more(2, shown, campaign.lures.len());
    }

    fn timeline(&mut self, campaign: &Campaign) {
        if campaign.timeline.is_empty() {
            return;
        }
        self.heading("Timeline");
        let count = campaign.timeline.len();
        let whole = self.all() || count <= FIRST_MOMENTS + LAST_MOMENTS;
        let mut day_before = String::new();
        for (at, moment) in campaign.timeline.iter().enumerate() {
            if !whole && at >= FIRST_MOMENTS && at < count - LAST_MOMENTS {
                if at == FIRST_MOMENTS {
                    let left = count - FIRST_MOMENTS - LAST_MOMENTS;
                    let text = format!("… {} more (-v shows all)", words::grouped(left as u64));
                    self.sheet.paragraph(14, DIM, &text);
                    day_before.clear();
                }
                continue;
            }
            let day = members::day(&moment.time);
            let label = if day == day_before { String::new() } else { day.clone() };
            // Names are as short as in the table.
            let what = value(&moment.what);
            let above = self.names.above.as_deref();
            let local = above.and_then(|above| what.strip_prefix(above)?.strip_prefix('/'));
            self.labelled(2, &label, LABEL, local.unwrap_or(&what));
            day_before = day;
        }
    }

    fn shared(&mut self, campaign: &Campaign) {
        if campaign.shared.is_empty() && campaign.lone.is_empty() {
            return;
        }
        self.heading(match campaign.lone.is_empty() {
            true => "What ties them",
            false => "What ties them, and wallets of one image alone",
        });
        let members = campaign.members.len();
        let shown = if self.all() { campaign.shared.len() } else { MOST_SHARED };
        for shared in campaign.shared.iter().take(shown) {
            let weight = format!("{} bits", members::bits(shared.bits));
            let what = format!("{} {}", shared.indicator.kind.name(), value(&shared.indicator.value));
            self.labelled(2, &weight, LABEL, &what);
            let mut why = format!("{} of {}", shared.members.len(), words::count(members as u64, "image"));
            if shared.members.len() < members {
                why.push_str(&format!(" ({})", self.names.list(&shared.members, 6)));
            }
            why.push_str(&match shared.elsewhere {
                0 => ", nowhere else".to_owned(),
                n => format!(", and {} outside", words::count(n, "image")),
            });
            why.push_str(&format!(": {}", value(&shared.why)));
            self.sheet.paragraph(2 + LABEL, DIM, &why);
            if self.all() && !shared.place.is_empty() {
                self.sheet.paragraph(2 + LABEL, DIM, &format!("at {}", value(&shared.place)));
            }
        }
        self.more(2, shown, campaign.shared.len());
        for shared in &campaign.lone {
            let what = format!("{} {}", shared.indicator.kind.name(), value(&shared.indicator.value));
            self.labelled(2, "alone", LABEL, &what);
            let why = format!("{} alone: {}", self.names.list(&shared.members, 6), value(&shared.why));
            self.sheet.paragraph(2 + LABEL, DIM, &why);
        }
        if self.all() {
            for tie in &campaign.ties {
                let reasons: Vec<String> = tie
                    .reasons
                    .iter()
                    .map(|reason| format!("{} ({})", one_line(&reason.what, 200), members::bits(reason.bits)))
                    .collect();
                let pair = format!("{} and {}", self.names.short(tie.a), self.names.short(tie.b));
                let text = format!("{pair}: {}", reasons.join(", "));
                self.labelled(2, &format!("{} bits", members::bits(tie.bits)), LABEL, &text);
            }
        }
    }

    fn conduct(&mut self, campaign: &Campaign) {
        if campaign.conduct.is_empty() {
            return;
        }
        self.heading("How they got in, acted and stayed");
        for conduct in &campaign.conduct {
            let who = self.names.list(&conduct.members, 8);
            let text = format!("{} [{who}]", value(&conduct.text));
            self.labelled(2, conduct.kind.name(), 18, &text);
        }
    }

    fn claims(&mut self, campaign: &Campaign) {
        if campaign.claims.is_empty() {
            return;
        }
        self.heading("What they claim to be");
        for claim in &campaign.claims {
            let text = format!(
                "{}: {}",
                words::count(claim.members.len() as u64, "image"),
                self.names.list(&claim.members, 12)
            );
            let product = one_line(&claim.product, 60);
            if wrap::width(&product) < 18 {
                self.labelled(2, &product, 18, &text);
            } else {
                self.sheet.paragraph(2, PLAIN, &product);
                self.sheet.paragraph(20, PLAIN, &text);
            }
        }
    }

    fn techniques(&mut self, campaign: &Campaign) {
        if campaign.techniques.is_empty() {
            return;
        }
        self.heading("ATT&CK");
        for technique in &campaign.techniques {
            let count = words::count(technique.members.len() as u64, "image");
            let mut text = String::new();
            if let Some(name) = super::techniques::name(&technique.id) {
                text.push_str(&format!("{name}, "));
            }
            text.push_str(&format!("{count}: {}", one_line(&technique.rules.join(", "), 300)));
            self.labelled(2, &one_line(&technique.id, 20), LABEL, &text);
        }
    }

    fn cleanup(&mut self, campaign: &Campaign) {
        if campaign.cleanup.is_empty() {
            return;
        }
        self.heading("What to clean up on a host that ran one");
        for (at, step) in campaign.cleanup.iter().enumerate() {
            self.labelled(2, &format!("{}.", at + 1), 4, &value(&step.what));
            let who = self.names.list(&step.members, 6);
            self.sheet.paragraph(6, DIM, &format!("{} [{who}]", value(&step.because)));
        }
    }

    fn revenue(&mut self, campaign: &Campaign) {
        if campaign.revenue.is_empty() {
            return;
        }
        self.heading("Revenue, as others say");
        for revenue in &campaign.revenue {
            let mut text =
                format!("{} {}", members::amount(&revenue.amount), one_line(&revenue.currency, 20));
            if let Some(usd) = &revenue.usd {
                text.push_str(&format!(" ({} US dollars)", members::amount(usd)));
            }
            if let Some(as_of) = &revenue.as_of {
                text.push_str(&format!(", as of {}", members::day(as_of)));
            }
            text.push_str(&format!(", from {}", one_line(&revenue.source, 200)));
            self.sheet.paragraph(2, PLAIN, &text);
            self.sheet.paragraph(6, DIM, &value(&revenue.wallet));
        }
    }

    fn leads(&mut self, campaign: &Campaign) {
        if campaign.leads.is_empty() {
            return;
        }
        self.heading("Leads: to be looked at, accused of nothing");
        let shown = if self.all() { campaign.leads.len() } else { MOST_LEADS };
        for lead in campaign.leads.iter().take(shown) {
            let name = members::reference(&lead.repository, lead.tag.as_deref(), &lead.digest);
            let name = one_line(&name, members::MOST_NAME);
            self.sheet.paragraph(2, PLAIN, &format!("{name} ({})", outcome(lead.outcome)));
            self.sheet.paragraph(6, DIM, &value(&lead.reason));
        }
        self.more(2, shown, campaign.leads.len());
    }

    fn method(&mut self, campaign: &Campaign) {
        let method = &campaign.method;
        self.heading("Method");
        let text = format!(
            "{}; tied from {} bits on; {} seen, {} of them convicted, {}.",
            value(&method.name),
            members::bits(method.threshold),
            words::count(method.images_seen, "image"),
            words::grouped(method.convicted),
            words::count(method.publishers_seen, "publisher"),
        );
        self.sheet.paragraph(2, DIM, text.trim_start_matches("; "));
        for refuted in &method.refuted {
            self.sheet.paragraph(2, DIM, &format!("refuted: {}", value(refuted)));
        }
    }
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Inconclusive => "not read whole",
        other => other.word(),
    }
}

/// The table of images, each line ready.
struct Table {
    lines: Vec<String>,
}

impl Table {
    fn new(page: &Page<'_>, campaign: &Campaign, with_platforms: bool) -> Self {
        let rows: Vec<[String; 6]> = campaign
            .members
            .iter()
            .enumerate()
            .map(|(at, m)| {
                [
                    page.names.short(at),
                    m.created.as_deref().map_or_else(|| "-".to_owned(), members::day),
                    m.updated.as_deref().map_or_else(|| "-".to_owned(), members::day),
                    m.pulls.map_or_else(|| "-".to_owned(), words::grouped),
                    if with_platforms { one_line(&members::platforms(m), 13) } else { String::new() },
                    members::does(m),
                ]
            })
            .collect();
        let heads = ["NAME", "CREATED", "UPDATED", "PULLS", if with_platforms { "FOR" } else { "" }, "DOES"];
        let column = |at: usize, most: usize| {
            let widest = rows.iter().map(|row| wrap::width(&row[at])).filter(|w| *w <= most).max();
            widest.unwrap_or(0).max(heads[at].len())
        };
        let name = column(0, MOST_NAME_COLUMN);
        let columns = [name, column(1, 20), column(2, 20), column(3, 26), column(4, 13)];
        let mut before = 2;
        for (at, width) in columns.iter().enumerate() {
            if at != 4 || with_platforms {
                before += width + 2;
            }
        }
        let own_line = page.sheet.width < before + LEAST_LAST;
        let line = |cells: &[&str], last: &str| {
            let mut out = String::from("  ");
            for (at, cell) in cells.iter().enumerate() {
                if at == 4 && !with_platforms {
                    continue;
                }
                let cell = match at {
                    // Numbers end at the same column.
                    3 => format!("{}{cell}", " ".repeat(columns[3].saturating_sub(wrap::width(cell)))),
                    _ => wrap::pad(cell, columns[at]),
                };
                out.push_str(&cell);
                out.push_str("  ");
            }
            out.push_str(last);
            out
        };
        let mut lines = Vec::new();
        let head = line(&heads[..5], if own_line { "" } else { heads[5] });
        lines.extend(fit(&head, page.sheet.width).into_iter().map(|l| page.sheet.paint(DIM, &l)));
        for row in &rows {
            let mut cells: Vec<&str> = row[..5].iter().map(String::as_str).collect();
            if wrap::width(cells[0]) > name {
                let wide = wrap::lines(cells[0], page.sheet.width.saturating_sub(2));
                lines.extend(wide.iter().map(|l| format!("  {l}")));
                cells[0] = "";
            }
            let room = if own_line { page.sheet.width.saturating_sub(6) } else { page.sheet.width - before };
            let mut last = wrap::lines(&row[5], room).into_iter();
            let first = if own_line { String::new() } else { last.next().unwrap_or_default() };
            lines.extend(fit(&line(&cells, &first), page.sheet.width));
            let indent = if own_line { 6 } else { before };
            lines.extend(last.map(|l| format!("{:indent$}{l}", "")));
        }
        Self { lines }
    }
}

/// A line as it is where it fits, else broken: only on terminals narrower than the dates.
fn fit(line: &str, width: usize) -> Vec<String> {
    if wrap::width(line.trim_end()) <= width {
        return vec![line.to_owned()];
    }
    wrap::lines(line, width.saturating_sub(2)).into_iter().map(|l| format!("  {l}")).collect()
}
