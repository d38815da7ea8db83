//! The report for the abuse desk of a registry: plain text for a mail, with the evidence, every
//! address taken apart, and exactly what to remove.

use lazaret_model::{Campaign, DeedKind, Member};

use super::defang::defang;
use super::members::{self, Names};
use crate::{Options, words, wrap};

/// Columns; mail programs quote with two more characters.
const WIDTH: usize = 76;
/// Pieces of evidence for one image.
const MOST_EVIDENCE: usize = 5;
/// Characters of one piece.
const MOST: usize = 400;
/// Shared indicators and lures that are named.
const MOST_SHARED: usize = 40;
const MOST_LURES: usize = 200;

/// One mail.
pub fn render(campaign: &Campaign, options: &Options) -> String {
    let mut mail = Mail { out: String::new() };
    mail.opening(campaign);
    mail.images(campaign);
    mail.lures(campaign);
    mail.tied(campaign);
    mail.lone(campaign);
    mail.victims(campaign);
    mail.method(campaign, options);
    mail.out
}

struct Mail {
    out: String,
}

impl Mail {
    fn line(&mut self, line: &str) {
        self.out.push_str(line.trim_end());
        self.out.push('\n');
    }

    /// A paragraph that hangs by `indent` after its `mark`. A word that is wider than the mail, a
    /// digest or a wallet, stays whole: it is to be copied.
    fn item(&mut self, mark: &str, text: &str) {
        let indent = wrap::width(mark);
        let room = WIDTH.saturating_sub(indent);
        let mut line = String::new();
        let mut first = true;
        let mut put = |mail: &mut Self, line: &mut String| {
            let left = if first { mark.to_owned() } else { " ".repeat(indent) };
            first = false;
            mail.line(&format!("{left}{line}"));
            line.clear();
        };
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            if !line.is_empty() && wrap::width(&line) + 1 + wrap::width(word) > room {
                put(self, &mut line);
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        put(self, &mut line);
    }

    fn heading(&mut self, text: &str) {
        self.line("");
        self.line(text);
        self.line(&"-".repeat(wrap::width(text)));
    }

    fn opening(&mut self, campaign: &Campaign) {
        let count = words::count(campaign.members.len() as u64, "malicious image");
        let who: Vec<String> = campaign.accounts.iter().map(|a| defang(&a.name, 120)).collect();
        let by = match who.as_slice() {
            [] => String::new(),
            [one] => format!(" of the account {one}"),
            many => format!(" of {} accounts", many.len()),
        };
        self.item("Subject: ", &format!("{count}{by}, campaign {}", defang(&campaign.id, 40)));
        self.line("");
        self.item(
            "",
            &format!(
                "We report {count}{by}. What they have in common shows one actor: {}.",
                defang(&campaign.title, 300)
            ),
        );
        if let Some((first, last)) = members::span(campaign) {
            let pulls = members::pulls(campaign)
                .map(|pulls| format!(", with {} together", words::count(pulls, "pull")))
                .unwrap_or_default();
            let text = format!(
                "They were published and changed from {} to {}{pulls}.",
                members::date(first),
                members::date(last)
            );
            self.item("", &text);
        }
        self.item("", "All of it was read from the images' layers and configurations; no image was run and no address in them was contacted. Addresses below are taken apart so that none of them is a link.");
        self.heading("What we ask for");
        self.item(
            "1. ",
            "Remove the images listed below, by digest and under every tag that stands for one.",
        );
        if !who.is_empty() {
            self.item("2. ", &format!("Close the accounts that published them: {}.", who.join(", ")));
        }
        self.item("3. ", "Keep what you know of the accounts (times, addresses, payment, linked accounts) for the authorities.");
        self.item("4. ", "Tell those who pulled the images: removing an image does not clean a host that ran it (see below).");
    }

    fn images(&mut self, campaign: &Campaign) {
        self.heading(&format!("Images to remove ({})", campaign.members.len()));
        for (at, member) in campaign.members.iter().enumerate() {
            self.line("");
            self.image(at + 1, member);
        }
    }

    fn image(&mut self, number: usize, member: &Member) {
        let name = match &member.tag {
            Some(tag) => format!("{}:{tag}", member.repository),
            None => member.repository.clone(),
        };
        self.item(&format!("{number}. "), &defang(&name, members::MOST_NAME));
        for digest in member.accused() {
            let mark = if *digest == member.digest { "   digest     " } else { "   manifest   " };
            self.item(mark, &digest.to_string());
        }
        if !member.spared.is_empty() {
            let text = "the tag also leads to what is clean or in honest hands: remove the tag, and by digest \
                        nothing but what is listed here";
            self.item("   careful    ", text);
        }
        let mut facts = vec![defang(&members::platforms(member), 120)];
        facts.extend(member.created.as_deref().map(|t| format!("made {}", defang(&members::day(t), 30))));
        facts.extend(member.updated.as_deref().map(|t| format!("changed {}", defang(&members::day(t), 30))));
        facts.extend(member.pulls.map(|pulls| words::count(pulls, "pull")));
        self.item("   facts      ", &facts.join(", "));
        self.item("   does       ", &members::does(member));
        self.item("   verdict    ", &format!("{}: {}", member.outcome.word(), defang(&member.why, MOST)));
        for deed in member.deeds.iter().take(MOST_EVIDENCE) {
            let text =
                format!("{}: {} (at {})", deed.kind, defang(&deed.evidence, MOST), defang(&deed.place, 200));
            self.item("   evidence   ", &text);
        }
        if member.deeds.len() > MOST_EVIDENCE {
            self.item("              ", &format!("and {} more", member.deeds.len() - MOST_EVIDENCE));
        }
        if !member.rules.is_empty() {
            self.item("   rules      ", &defang(&member.rules.join(", "), MOST));
        }
    }

    fn lures(&mut self, campaign: &Campaign) {
        if campaign.lures.is_empty() {
            return;
        }
        self.heading(&format!("Repositories without an image, to remove ({})", campaign.lures.len()));
        for lure in campaign.lures.iter().take(MOST_LURES) {
            self.item("- ", &defang(&lure.repository, members::MOST_NAME));
            self.item("  why        ", &defang(&lure.why, MOST));
            self.item("  page       ", &defang(&lure.description, MOST));
        }
        if campaign.lures.len() > MOST_LURES {
            self.item("- ", &format!("and {} more", campaign.lures.len() - MOST_LURES));
        }
    }

    fn tied(&mut self, campaign: &Campaign) {
        if campaign.shared.is_empty() {
            return;
        }
        self.heading("What ties them to one actor");
        let names = Names::of(campaign);
        for shared in campaign.shared.iter().take(MOST_SHARED) {
            let value = defang(&shared.indicator.value, 1_000);
            self.item("- ", &format!("{}: {value}", shared.indicator.kind.name()));
            let elsewhere = match shared.elsewhere {
                0 => "nowhere else".to_owned(),
                n => format!("and {} outside", words::count(n, "image")),
            };
            let who = defang(&names.list(&shared.members, 20), 2_000);
            let text = format!(
                "{} of {} ({who}), {elsewhere}. {}",
                shared.members.len(),
                words::count(campaign.members.len() as u64, "image"),
                defang(&shared.why, MOST)
            );
            self.item("  ", &text);
        }
        if campaign.shared.len() > MOST_SHARED {
            self.item("- ", &format!("and {} more", campaign.shared.len() - MOST_SHARED));
        }
    }

    fn lone(&mut self, campaign: &Campaign) {
        if campaign.lone.is_empty() {
            return;
        }
        self.heading("Wallets that one of them alone names");
        let names = Names::of(campaign);
        for lone in campaign.lone.iter().take(MOST_SHARED) {
            self.item("- ", &defang(&lone.indicator.value, 1_000));
            self.item("  ", &defang(&names.list(&lone.members, 1), 300));
        }
        if campaign.lone.len() > MOST_SHARED {
            self.item("- ", &format!("and {} more", campaign.lone.len() - MOST_SHARED));
        }
    }

    fn victims(&mut self, campaign: &Campaign) {
        if campaign.cleanup.is_empty() {
            return;
        }
        self.heading("What those who ran them must clean up");
        for (at, step) in campaign.cleanup.iter().enumerate() {
            let text = format!("{} ({})", defang(&step.what, MOST), defang(&step.because, MOST));
            self.item(&format!("{}. ", at + 1), &text);
        }
    }

    fn method(&mut self, campaign: &Campaign, options: &Options) {
        let method = &campaign.method;
        self.heading("How this was found");
        let lone =
            campaign.members.iter().filter(|m| m.deeds.iter().all(|d| d.kind == DeedKind::Other)).count();
        let text = format!(
            "Each image was convicted by what it does, not by its company; {} seen, {} of them convicted, {}. Those listed are tied by what they share ({}; {} bits or more). {}Lazaret {}.",
            words::count(method.images_seen, "image"),
            words::grouped(method.convicted),
            words::count(method.publishers_seen, "publisher"),
            defang(&method.name, 300),
            members::bits(method.threshold),
            if lone > 0 { format!("For {lone} the rules named are the evidence. ") } else { String::new() },
            defang(&options.tool_version, 40),
        );
        self.item("", &text);
        let text = "To see for yourself: `lazaret scan NAME@DIGEST` reads any of them without running it and names the layer, the file and the line of each finding.";
        self.item("", text);
    }
}
