use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::hunt::fitting;
use anyhow::{Result, bail};
use lazaret_hunt::campaign::{self, Answer, Found, Memory, Together};
use lazaret_model::{Campaign, Indicator, IndicatorKind, one_line, visible};
use lazaret_report::{campaign_pulls, campaign_span};
use lazaret_scan::Feeds;
use lazaret_scan::feeds::Allowed;
use lazaret_store::{Refuted, Store};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::args::{CampaignsArgs, CampaignsCommand, CampaignsCommon, FeedArgs, RefuteArgs};
use crate::exit::Exit;

/// Columns of a terminal.
const WIDTH: usize = 80;

/// `lazaret campaigns …`.
pub fn run(args: &CampaignsArgs) -> Result<Exit> {
    let text = match &args.command {
        None => {
            let mut all = with_store(&args.common, async |store| {
                let allowed = allowed(store, &args.feeds).await?;
                Ok(campaign::refresh(store, &allowed).await?)
            })?;
            all.retain(|campaign| campaign.members.len() >= args.min_members);
            if args.common.json { pretty(&json!({ "campaigns": list_json(&all) }))? } else { list(&all) }
        }
        Some(CampaignsCommand::Why { a, b, feeds, common }) => {
            let answer = with_store(common, async |store| {
                let memory = Memory::read(store, &allowed(store, feeds).await?).await?;
                let (a, b) = (found(store, &memory, a).await?, found(store, &memory, b).await?);
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

/// What feeds allow, which ties nobody.
async fn allowed(store: &Store, args: &FeedArgs) -> Result<Vec<Allowed>> {
    let now = OffsetDateTime::now_utc();
    let feeds = Feeds::load(super::feed::settings(args).as_ref(), Some(store), now).await?;
    super::feed::tell_left_out(&feeds, true, |said| eprintln!("lazaret: {}", visible(said)))?;
    Ok(feeds.allowed(now))
}

fn pretty(value: &Value) -> Result<String> {
    Ok(lazaret_report::json_document(value))
}

/// The one image that a person means; of several tags and digests the first that is convicted.
async fn found(store: &Store, memory: &Memory, name: &str) -> Result<u32> {
    let found = one(campaign::find(store, memory, name).await?, name)?;
    match found.and_then(|found| found.images.first().copied()) {
        Some(first) => Ok(first),
        None => {
            bail!("no image was judged under the name `{}`: `lazaret images` lists all", one_line(name, 120))
        }
    }
}

/// The one repository or digest that a person means, if there is any.
fn one(found: Vec<Found>, typed: &str) -> Result<Option<Found>> {
    if let [one, other, ..] = found.as_slice() {
        bail!(
            "`{}` may be {} or {}: write more of it",
            one_line(typed, 120),
            one_line(&one.name, 120),
            one_line(&other.name, 120)
        );
    }
    Ok(found.into_iter().next())
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
        let pulls = campaign_pulls(campaign).map_or_else(|| "-".to_owned(), grouped);
        let id = one_line(&campaign.id, 12);
        let (images, accounts) = (campaign.members.len(), campaign.accounts.len());
        let _ = writeln!(text, "{id:<12} {images:>6} {accounts:>8} {pulls:>14}  {seen}");
        let names: Vec<&str> = campaign.accounts.iter().map(|account| account.name.as_str()).collect();
        if !names.is_empty() {
            let _ = writeln!(text, "  by {}", one_line(&names.join(", "), WIDTH - 5));
        }
        let _ = writeln!(text, "  tied by {}", one_line(&campaign::bonds(&campaign.ties), WIDTH - 10));
        if !campaign.leads.is_empty() {
            // Of more than are kept nobody knows how many there are.
            let least = if campaign.leads.len() >= campaign::LEADS { "at least " } else { "" };
            let count = campaign.leads.len();
            let _ = writeln!(text, "  leads to {least}{count} more, which are accused of nothing");
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
            "pulls": campaign_pulls(campaign),
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

/// The days of the first and the last time that the campaign knows of.
fn seen(campaign: &Campaign) -> (Option<String>, Option<String>) {
    let span = campaign_span(campaign);
    (span.map(|(first, _)| first.date().to_string()), span.map(|(_, last)| last.date().to_string()))
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
            let (a, b) = (fitting(&link.a, 34), fitting(&link.b, 34));
            let _ = writeln!(text, "\n{a} - {b}: {:.1}", link.bits);
        }
        for reason in &link.reasons {
            let _ = writeln!(text, "  {:>5.1}  {}", reason.bits, one_line(&reason.what, WIDTH - 9));
        }
    }
    if !answer.held.is_empty() {
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
        [account, name] if account == "account" => Ok(Refuted::Account(name.clone())),
        [kind, value] if kind != "pair" => {
            let kind: IndicatorKind = kind.parse()?;
            Ok(Refuted::Indicator(Indicator::new(kind, value.as_str())))
        }
        _ => bail!("expected `KIND VALUE`, `account NAME`, or `pair REPOSITORY REPOSITORY`"),
    }
}

fn refute(args: &RefuteArgs) -> Result<String> {
    let what = meant(&args.what)?;
    let (reason, author) = (args.reason.as_deref().unwrap_or_default(), args.author.as_str());
    if !args.take_back && reason.trim().is_empty() {
        bail!("--reason is empty: say why, for whoever reads it later");
    }
    let (told, campaigns) = with_store(&args.common, async |store| {
        let allowed = allowed(store, &args.feeds).await?;
        let (told, all) = as_remembered(store, what, args.take_back, &allowed).await?;
        let mut known = false;
        for what in &all {
            match args.take_back {
                true => known |= store.take_back(what).await?,
                false => store.refute(what, reason, author).await?,
            }
        }
        if args.take_back && !known {
            bail!("nobody refuted {told}: `lazaret campaigns refuted` lists what was");
        }
        // Else all that is told of campaigns would go on as if nobody had said anything.
        Ok((told, campaign::refresh(store, &allowed).await?.len()))
    })?;
    let now = match campaigns {
        0 => "no campaign is left".to_owned(),
        1 => "1 campaign, computed anew".to_owned(),
        many => format!("{many} campaigns, computed anew"),
    };
    Ok(match args.take_back {
        true => format!("{told}: ties again what it tied\n{now}\n"),
        false => format!("{told}: ties nobody from now on ({})\n{now}\n", visible(reason)),
    })
}

/// What is meant, as it is told and in the words of the store: a refutation of what nobody holds would be
/// remembered and do nothing. To take one back, what was refuted need not be there any more.
async fn as_remembered(
    store: &Store,
    what: Refuted,
    gone: bool,
    allowed: &[Allowed],
) -> Result<(String, Vec<Refuted>)> {
    let (a, b) = match what {
        Refuted::Indicator(indicator) => {
            if !gone && store.indicator_id(&indicator).await?.is_none() {
                bail!(
                    "no image holds {}: `lazaret campaigns why A B --json` shows values as they are kept",
                    one_line(&indicator.to_string(), 120)
                );
            }
            let what = Refuted::Indicator(indicator);
            return Ok((name(&what), vec![what]));
        }
        Refuted::Account(account) => {
            if !gone && !campaign::is_publisher(store, &account).await? {
                bail!(
                    "no image is of the account `{}`: `lazaret campaigns` names accounts, with their registry",
                    one_line(&account, 120)
                );
            }
            let what = Refuted::Account(account);
            return Ok((name(&what), vec![what]));
        }
        Refuted::Pair(a, b) => (a, b),
    };
    let memory = Memory::read(store, allowed).await?;
    let (a, of_a) = repositories(store, &memory, a, gone).await?;
    let (b, of_b) = repositories(store, &memory, b, gone).await?;
    if a == b || !of_a.is_disjoint(&of_b) {
        bail!("`{}` is one repository: name two", one_line(&a, 120));
    }
    // A repository that lies on the disk has a place for each of its tags.
    let pairs = of_a.iter().flat_map(|a| of_b.iter().map(move |b| Refuted::pair(a, b)));
    Ok((name(&Refuted::pair(&a, &b)), pairs.collect()))
}

/// The repository that a person means, as it is told and as the store calls it.
async fn repositories(
    store: &Store,
    memory: &Memory,
    typed: String,
    gone: bool,
) -> Result<(String, BTreeSet<String>)> {
    match one(campaign::find(store, memory, &typed).await?, &typed)? {
        Some(found) => {
            let own = found.images.iter().map(|image| memory.image(*image).repository.clone());
            let own: BTreeSet<String> = own.collect();
            Ok((if own.contains(&typed) { typed } else { found.name }, own))
        }
        None if gone => Ok((typed.clone(), BTreeSet::from([typed]))),
        None => bail!(
            "no image of the repository `{}` was judged: `lazaret images` lists all",
            one_line(&typed, 120)
        ),
    }
}

fn name(what: &Refuted) -> String {
    match what {
        Refuted::Indicator(indicator) => one_line(&indicator.to_string(), 120),
        Refuted::Account(account) => format!("account {}", one_line(account, 120)),
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
                    Refuted::Account(account) => json!({ "account": account }),
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
