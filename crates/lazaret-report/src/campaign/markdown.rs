//! The story as Markdown, safe in GitHub's and GitLab's dialects: nothing from an image becomes
//! markup, a link, a mention or a reference (see [`crate::markdown`]).

use lazaret_model::{Campaign, one_line};

use super::members::{self, Names};
use crate::markdown::{code, escape};
use crate::{Options, words};

/// GitHub refuses a longer text. It counts characters; bytes are never fewer.
const MOST_BYTES: usize = 65_536;
/// Kept free for the foot.
const RESERVE: usize = 400;
/// Characters of one value.
const MOST: usize = 500;
/// Names in a row.
const NAMES: usize = 12;

/// One document.
pub fn render(campaign: &Campaign, options: &Options) -> String {
    let mut page = Page { out: String::new(), left_out: 0, names: Names::of(campaign) };
    page.head(campaign);
    page.images(campaign);
    page.shared(campaign);
    page.lone(campaign);
    page.conduct(campaign);
    page.cleanup(campaign);
    page.timeline(campaign);
    page.claims(campaign);
    page.techniques(campaign);
    page.revenue(campaign);
    page.lures(campaign);
    page.leads(campaign);
    page.method(campaign);
    if page.left_out > 0 {
        page.out.push_str(&format!(
            "\n_{} left out to stay inside the size of a comment. The JSON and HTML forms have everything._\n",
            words::count(page.left_out, "line")
        ));
    }
    page.out.push_str(&format!("\n<sub>Lazaret {}</sub>\n", escape(&options.tool_version)));
    page.out
}

struct Page {
    out: String,
    left_out: u64,
    names: Names,
}

fn text(value: &str) -> String {
    escape(&one_line(value, MOST))
}

fn quoted(value: &str) -> String {
    code(&one_line(value, MOST))
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

    fn row(&mut self, cells: &[String]) {
        self.add(&format!("| {} |\n", cells.join(" | ")));
    }

    fn who(&self, positions: &[usize]) -> String {
        escape(&self.names.list(positions, NAMES))
    }

    fn head(&mut self, campaign: &Campaign) {
        self.add(&format!(
            "### 🛑 Campaign {}: {}\n\n",
            code(&one_line(&campaign.id, 60)),
            text(&campaign.title)
        ));
        for account in &campaign.accounts {
            let pulls = account.pulls.map(|p| format!(", {}", words::count(p, "pull"))).unwrap_or_default();
            self.add(&format!(
                "- {}: {} of {} seen{pulls}\n",
                quoted(&account.name),
                words::grouped(account.members),
                words::count(account.seen, "image")
            ));
        }
        if let Some((first, last)) = members::span(campaign) {
            self.add(&format!("- active from {} to {}\n", members::date(first), members::date(last)));
        }
        let tally: Vec<String> =
            members::tally(campaign).iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        if !tally.is_empty() {
            self.add(&format!("- {}\n", escape(&tally.join(", "))));
        }
    }

    fn images(&mut self, campaign: &Campaign) {
        self.add("\n#### Images\n\n| Image | Created | Updated | Pulls | Platforms | Does |\n|---|---|---|---:|---|---|\n");
        for (at, m) in campaign.members.iter().enumerate() {
            let day = |time: &Option<String>| {
                time.as_deref().map_or_else(|| "-".to_owned(), |t| escape(&members::day(t)))
            };
            let cells = [
                code(&self.names.short(at)),
                day(&m.created),
                day(&m.updated),
                m.pulls.map_or_else(|| "-".to_owned(), words::grouped),
                escape(&members::platforms(m)),
                escape(&members::does(m)),
            ];
            self.row(&cells);
        }
    }

    fn shared(&mut self, campaign: &Campaign) {
        if campaign.shared.is_empty() {
            return;
        }
        self.add(
            "\n#### What ties them\n\n| Bits | What | Images | Elsewhere | Why |\n|---:|---|---|---:|---|\n",
        );
        for shared in &campaign.shared {
            let cells = [
                members::bits(shared.bits),
                format!("{} {}", shared.indicator.kind.name(), quoted(&shared.indicator.value)),
                format!("{}: {}", shared.members.len(), self.who(&shared.members)),
                words::grouped(shared.elsewhere),
                text(&shared.why),
            ];
            self.row(&cells);
        }
    }

    fn lone(&mut self, campaign: &Campaign) {
        if campaign.lone.is_empty() {
            return;
        }
        self.add("\n#### Wallets of one image alone\n\n");
        for shared in &campaign.lone {
            let value = quoted(&shared.indicator.value);
            self.add(&format!("- {value} ({}): {}\n", self.who(&shared.members), text(&shared.why)));
        }
    }

    fn conduct(&mut self, campaign: &Campaign) {
        if campaign.conduct.is_empty() {
            return;
        }
        self.add("\n#### How they got in, acted and stayed\n\n");
        for conduct in &campaign.conduct {
            let line =
                format!("- **{}**: {} ({})\n", conduct.kind, text(&conduct.text), self.who(&conduct.members));
            self.add(&line);
        }
    }

    fn cleanup(&mut self, campaign: &Campaign) {
        if campaign.cleanup.is_empty() {
            return;
        }
        self.add("\n#### What to clean up on a host that ran one\n\n");
        for (at, step) in campaign.cleanup.iter().enumerate() {
            self.add(&format!("{}. {} ({})\n", at + 1, text(&step.what), text(&step.because)));
        }
    }

    fn timeline(&mut self, campaign: &Campaign) {
        if campaign.timeline.is_empty() {
            return;
        }
        self.add("\n#### Timeline\n\n| When | What |\n|---|---|\n");
        for moment in &campaign.timeline {
            self.row(&[escape(&members::day(&moment.time)), text(&moment.what)]);
        }
    }

    fn claims(&mut self, campaign: &Campaign) {
        if campaign.claims.is_empty() {
            return;
        }
        self.add("\n#### What they claim to be\n\n");
        for claim in &campaign.claims {
            let line = format!("- {}: {}\n", text(&claim.product), self.who(&claim.members));
            self.add(&line);
        }
    }

    fn techniques(&mut self, campaign: &Campaign) {
        if campaign.techniques.is_empty() {
            return;
        }
        self.add("\n#### ATT&amp;CK\n\n| Technique | Name | Images | Rules |\n|---|---|---:|---|\n");
        for technique in &campaign.techniques {
            let id = match words::attack_url(&technique.id) {
                Some(url) => format!("[{}]({url})", technique.id),
                None => text(&technique.id),
            };
            let cells = [
                id,
                super::techniques::name(&technique.id).unwrap_or("-").to_owned(),
                technique.members.len().to_string(),
                text(&technique.rules.join(", ")),
            ];
            self.row(&cells);
        }
    }

    fn revenue(&mut self, campaign: &Campaign) {
        if campaign.revenue.is_empty() {
            return;
        }
        self.add("\n#### Revenue, as others say\n\n");
        for revenue in &campaign.revenue {
            let mut line = format!(
                "- {}: {} {}",
                quoted(&revenue.wallet),
                text(&revenue.amount),
                text(&revenue.currency)
            );
            if let Some(usd) = &revenue.usd {
                line.push_str(&format!(" ({} US dollars)", escape(&members::amount(usd))));
            }
            if let Some(as_of) = &revenue.as_of {
                line.push_str(&format!(", as of {}", escape(&members::day(as_of))));
            }
            self.add(&format!("{line}, from {}\n", text(&revenue.source)));
        }
    }

    fn lures(&mut self, campaign: &Campaign) {
        if campaign.lures.is_empty() {
            return;
        }
        self.add("\n#### Repositories without an image, whose page is the lure\n\n");
        for lure in &campaign.lures {
            self.add(&format!(
                "- {}: {}; its page: {}\n",
                quoted(&lure.repository),
                text(&lure.why),
                quoted(&one_line(&lure.description, 200))
            ));
        }
    }

    fn leads(&mut self, campaign: &Campaign) {
        if campaign.leads.is_empty() {
            return;
        }
        self.add("\n#### Leads: to be looked at, accused of nothing\n\n");
        for lead in &campaign.leads {
            let name = members::reference(&lead.repository, lead.tag.as_deref(), &lead.digest);
            self.add(&format!("- {} ({}): {}\n", quoted(&name), lead.outcome.word(), text(&lead.reason)));
        }
    }

    fn method(&mut self, campaign: &Campaign) {
        let method = &campaign.method;
        self.add(&format!(
            "\n#### Method\n\n{}; tied from {} bits on; {} seen, {} of them convicted, {}.\n",
            text(&method.name),
            members::bits(method.threshold),
            words::count(method.images_seen, "image"),
            words::grouped(method.convicted),
            words::count(method.publishers_seen, "publisher")
        ));
        for refuted in &method.refuted {
            self.add(&format!("\nRefuted: {}\n", text(refuted)));
        }
    }
}
