use std::fmt::Write as _;

use anyhow::{Result, bail};
use lazaret_hunt::campaign::{self, Answer, Memory, Together};
use lazaret_model::{Campaign, Indicator, IndicatorKind, one_line, visible};
use lazaret_store::{Refuted, Store};
use serde_json::{Value, json};

use crate::args::{CampaignsArgs, CampaignsCommand, CampaignsCommon, RefuteArgs};
use crate::exit::Exit;

/// Columns of a terminal.
const WIDTH: usize = 80;

/// `lazaret campaigns …`.
pub fn run(args: &CampaignsArgs) -> Result<Exit> {
    let text = match &args.command {
        None => {
            let mut all = with_store(&args.common, async |store| Ok(campaign::refresh(store).await?))?;
            all.retain(|campaign| campaign.members.len() >= args.min_members);
            if args.common.json { pretty(&json!({ "campaigns": list_json(&all) }))? } else { list(&all) }
        }
        Some(CampaignsCommand::Why { a, b, common }) => {
            let answer = with_store(common, async |store| {
                let memory = Memory::read(store).await?;
                let (a, b) = (found(&memory, a)?, found(&memory, b)?);
                Ok(Answer::about(store, &memory, a, b).await?)
            })?;
            if common.json { pretty(&answer_json(&answer))? } else { told(&answer) }
        }
        Some(CampaignsCommand::Refute(args)) => refute(args)?,
        Some(CampaignsCommand::Refuted { common }) => refuted(common)?,
    };
    super::print(&text)?;
    Ok(Exit::Allowed)
}

fn with_store<T>(common: &CampaignsCommon, ask: impl AsyncFnOnce(&Store) -> Result<T>) -> Result<T> {
    let url = super::scan::store(common.store.as_deref(), false)?;
    super::runtime()?.block_on(async {
        let store = Store::open(url.as_deref().unwrap_or_default()).await?;
        let answer = ask(&store).await?;
        store.close().await?;
        Ok(answer)
    })
}

fn pretty(value: &Value) -> Result<String> {
    Ok(format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// The one image that a person means; of several tags and digests the first that is convicted.
fn found(memory: &Memory, name: &str) -> Result<u32> {
    let Some(first) = memory.find(name).first().copied() else {
        bail!("no image was judged under the name `{name}`: `lazaret images` lists all");
    };
    Ok(first)
}

fn list(all: &[Campaign]) -> String {
    if all.is_empty() {
        return "no two convicted images are tied to each other yet: hunt or scan more\n".to_owned();
    }
    let mut text =
        format!("{:<12} {:>6} {:>8} {:>14}  {:<24}\n", "CAMPAIGN", "IMAGES", "ACCOUNTS", "PULLS", "SEEN");
    for campaign in all {
        let (first, last) = seen(campaign);
        let seen = match (first, last) {
            (Some(first), Some(last)) => format!("{first}..{last}"),
            _ => "-".to_owned(),
        };
        let pulls = pulls(campaign).map_or_else(|| "-".to_owned(), grouped);
        let id = one_line(&campaign.id, 12);
        let (images, accounts) = (campaign.members.len(), campaign.accounts.len());
        let _ = writeln!(text, "{id:<12} {images:>6} {accounts:>8} {pulls:>14}  {seen}");
        let names: Vec<&str> = campaign.accounts.iter().map(|account| account.name.as_str()).collect();
        if !names.is_empty() {
            let _ = writeln!(text, "  by {}", one_line(&names.join(", "), WIDTH - 5));
        }
        let _ = writeln!(text, "  tied by {}", one_line(&campaign::bonds(&campaign.ties), WIDTH - 10));
        if !campaign.leads.is_empty() {
            let _ = writeln!(text, "  leads to {} more, which are accused of nothing", campaign.leads.len());
        }
    }
    text
}

fn list_json(all: &[Campaign]) -> Vec<Value> {
    let one = |campaign: &Campaign| {
        let (first, last) = seen(campaign);
        json!({
            "id": campaign.id,
            "title": campaign.title,
            "images": campaign.members.len(),
            "accounts": campaign.accounts.iter().map(|account| &account.name).collect::<Vec<_>>(),
            "members": campaign.members.iter().map(|member| json!({
                "name": member.repository,
                "tag": member.tag,
                "digest": member.digest.to_string(),
                "account": member.account,
                "verdict": member.outcome.word(),
            })).collect::<Vec<_>>(),
            "firstSeen": first,
            "lastSeen": last,
            "pulls": pulls(campaign),
            "tiedBy": campaign::bonds(&campaign.ties),
            "leads": campaign.leads.iter().map(|lead| json!({
                "name": lead.repository,
                "tag": lead.tag,
                "digest": lead.digest.to_string(),
                "verdict": lead.outcome.word(),
                "reason": lead.reason,
            })).collect::<Vec<_>>(),
            "refuted": campaign.method.refuted,
        })
    };
    all.iter().map(one).collect()
}

/// The days of the first creation and the last change, where sites name them.
fn seen(campaign: &Campaign) -> (Option<String>, Option<String>) {
    let day = |time: &String| {
        let parsed = time::OffsetDateTime::parse(time, &time::format_description::well_known::Rfc3339);
        parsed.ok().map(|time| time.to_offset(time::UtcOffset::UTC).date().to_string())
    };
    let members = || campaign.members.iter();
    let first = members().filter_map(|member| member.created.as_ref().and_then(day)).min();
    let last = members()
        .filter_map(|member| member.updated.as_ref().or(member.created.as_ref()).and_then(day))
        .max();
    (first, last)
}

/// Pulls of the repositories of the members, each once.
fn pulls(campaign: &Campaign) -> Option<u64> {
    let repositories: std::collections::BTreeMap<&str, u64> = campaign
        .members
        .iter()
        .filter_map(|member| Some((member.repository.as_str(), member.pulls?)))
        .collect();
    (!repositories.is_empty())
        .then(|| repositories.values().fold(0, |sum: u64, pulls| sum.saturating_add(*pulls)))
}

/// `4,822,912`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn told(answer: &Answer) -> String {
    let threshold = answer.threshold;
    let sum = answer.links.first().map_or(0.0, |link| link.bits);
    let mut text = format!("{}\n{}\n", one_line(&answer.a, WIDTH), one_line(&answer.b, WIDTH));
    let _ = match answer.together {
        Together::Tied => writeln!(text, "are tied: {sum:.1} bits, {threshold} are enough"),
        Together::OverOthers => writeln!(text, "are tied over others of their campaign, each to the next:"),
        Together::NotEnough => writeln!(text, "are not tied: {sum:.1} bits of {threshold}"),
        Together::Refuted => {
            writeln!(text, "are not tied, since a person refuted it: {sum:.1} bits of {threshold}")
        }
        Together::Unconvicted => {
            writeln!(text, "are not tied, since only convicted images are: {sum:.1} bits of {threshold}")
        }
    };
    for link in &answer.links {
        if answer.together == Together::OverOthers {
            let (a, b) = (one_line(&link.a, 34), one_line(&link.b, 34));
            let _ = writeln!(text, "\n{a} - {b}: {:.1}", link.bits);
        }
        for reason in &link.reasons {
            let _ = writeln!(text, "  {:>5.1}  {}", reason.bits, one_line(&reason.what, WIDTH - 9));
        }
    }
    if answer.together != Together::OverOthers && !answer.held.is_empty() {
        text.push_str("\nboth hold:\n");
        for held in &answer.held {
            let what = format!("{} {}", held.indicator.kind.name(), held.indicator.value);
            let _ = writeln!(text, "  {:>5.1}  {}", held.bits, one_line(&what, WIDTH - 9));
            let _ = writeln!(text, "         {}", one_line(&held.why, WIDTH - 9));
        }
    }
    text
}

fn answer_json(answer: &Answer) -> Value {
    let together = match answer.together {
        Together::Tied => "tied",
        Together::OverOthers => "over-others",
        Together::NotEnough => "not-enough",
        Together::Refuted => "refuted",
        Together::Unconvicted => "unconvicted",
    };
    json!({
        "a": answer.a,
        "b": answer.b,
        "together": together,
        "threshold": answer.threshold,
        "links": answer.links.iter().map(|link| json!({
            "a": link.a,
            "b": link.b,
            "bits": link.bits,
            "reasons": link.reasons.iter().map(|reason| json!({
                "what": reason.what,
                "bits": reason.bits,
            })).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "held": answer.held.iter().map(|held| json!({
            "kind": held.indicator.kind.name(),
            "value": held.indicator.value,
            "bits": held.bits,
            "why": held.why,
        })).collect::<Vec<_>>(),
    })
}

/// What the words of a refutation mean.
fn meant(words: &[String]) -> Result<Refuted> {
    match words {
        [pair, a, b] if pair == "pair" => Ok(Refuted::pair(a, b)),
        [kind, value] if kind != "pair" => {
            let kind: IndicatorKind = kind.parse()?;
            Ok(Refuted::Indicator(Indicator::new(kind, value.as_str())))
        }
        _ => bail!("expected `KIND VALUE`, or `pair REPOSITORY REPOSITORY`"),
    }
}

fn refute(args: &RefuteArgs) -> Result<String> {
    let what = meant(&args.what)?;
    let told = name(&what);
    let (reason, author) = (args.reason.as_deref().unwrap_or_default(), args.author.as_str());
    if !args.take_back && reason.trim().is_empty() {
        bail!("--reason is empty: say why, for whoever reads it later");
    }
    with_store(&args.common, async |store| {
        if args.take_back {
            if !store.take_back(&what).await? {
                bail!("nobody refuted {told}: `lazaret campaigns refuted` lists what was");
            }
        } else {
            if let Refuted::Indicator(indicator) = &what
                && store.indicator_id(indicator).await?.is_none()
            {
                bail!(
                    "no image holds {told}: `lazaret campaigns why A B --json` shows values as they are kept"
                );
            }
            store.refute(&what, reason, author).await?;
        }
        Ok(())
    })?;
    Ok(match args.take_back {
        true => format!("{told}: ties again what it tied\n"),
        false => format!("{told}: ties nobody from now on ({})\n", visible(reason)),
    })
}

fn name(what: &Refuted) -> String {
    match what {
        Refuted::Indicator(indicator) => one_line(&indicator.to_string(), 120),
        Refuted::Pair(a, b) => format!("{} and {}", one_line(a, 120), one_line(b, 120)),
    }
}

fn refuted(common: &CampaignsCommon) -> Result<String> {
    let all = with_store(common, async |store| Ok(store.refutations().await?))?;
    let when = |milliseconds: i64| super::images::when(milliseconds / 1000);
    if common.json {
        let rows: Vec<Value> = all
            .iter()
            .map(|one| {
                let what = match &one.what {
                    Refuted::Indicator(i) => json!({ "kind": i.kind.name(), "value": i.value }),
                    Refuted::Pair(a, b) => json!({ "pair": [a, b] }),
                };
                json!({ "what": what, "reason": one.reason, "author": one.author, "made": when(one.made) })
            })
            .collect();
        return pretty(&json!({ "refuted": rows }));
    }
    if all.is_empty() {
        return Ok("nobody refuted anything\n".to_owned());
    }
    let mut text = String::new();
    for one in &all {
        let by = format!("{} ({}, {})", visible(&one.reason), visible(&one.author), when(one.made));
        let _ = writeln!(text, "{}\n  {}", one_line(&name(&one.what), WIDTH), one_line(&by, WIDTH - 2));
    }
    Ok(text)
}
