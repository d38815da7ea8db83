use std::fmt::Write;
use std::path::Path;

use anyhow::{Result, bail};
use lazaret_model::{one_line, visible};
use lazaret_scan::feeds;
use lazaret_store::FeedRow;
use lazaret_trust::{Action, Pack, Pins, instant, open};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::args::FeedPlaceArgs;
use crate::exit::Exit;

/// A feed that was imported, and whether it counts.
struct Known {
    row: FeedRow,
    /// The pack, or why it does not count.
    pack: Result<Pack, String>,
}

impl Known {
    fn of(row: FeedRow, body: Option<Vec<u8>>, pins: &Pins, now: OffsetDateTime) -> Self {
        let pack = match body {
            None => Err("removed; its version is remembered".to_owned()),
            Some(body) => open(&body, pins)
                .and_then(|pack| pack.check_time(now).map(|()| pack))
                .map_err(|error| error.to_string())
                .and_then(|pack| feeds::called(&pack, &row.name).map(|()| pack)),
        };
        Self { row, pack }
    }
}

/// `lazaret feed list`.
pub(super) fn run(as_json: bool, place: &FeedPlaceArgs) -> Result<Exit> {
    let pins = Pins::read(&super::keys(place.feed_keys.as_deref())?)?;
    let now = OffsetDateTime::now_utc();
    let known = super::with_store(place.store.as_deref(), async |store| {
        let mut known = Vec::new();
        for row in store.feeds().await? {
            let body = store.feed_pack(&row.name).await?;
            known.push(Known::of(row, body, &pins, now));
        }
        Ok(known)
    })?;
    let text = match as_json {
        true => {
            let whole = json!({
                "feeds": known.iter().map(feed_json).collect::<Vec<_>>(),
                "pins": pins.all().iter().map(|pin| json!({
                    "feed": pin.feed,
                    "key": pin.key.to_line(),
                    "keyId": pin.key.id().hex(),
                    "mayAllow": pin.allow,
                    "note": pin.note,
                })).collect::<Vec<_>>(),
            });
            lazaret_report::json_document(&whole)
        }
        false => table(&known, &pins),
    };
    super::super::print(&text)?;
    Ok(Exit::Allowed)
}

fn feed_json(known: &Known) -> Value {
    let (entries, issuer, reason) = match &known.pack {
        Ok(pack) => (Some(pack.feed.entries().len()), Some(pack.feed.issuer().to_owned()), None),
        Err(reason) => (None, None, Some(reason)),
    };
    json!({
        "name": known.row.name,
        "version": known.row.version,
        "digest": known.row.digest.to_string(),
        "signer": known.row.signer,
        "expires": when(known.row.expires),
        "imported": when(known.row.installed),
        "inUse": known.pack.is_ok(),
        "entries": entries,
        "issuer": issuer,
        "notUsedBecause": reason,
    })
}

fn table(known: &[Known], pins: &Pins) -> String {
    let mut text = String::new();
    if known.is_empty() {
        text.push_str("no feed is imported: `lazaret feed import FILE` takes a pack\n");
    } else {
        let _ = writeln!(
            text,
            "{:<24} {:>8} {:>8} {:<12} {:<16} STATE",
            "FEED", "VERSION", "ENTRIES", "UNTIL", "KEY"
        );
    }
    for Known { row, pack } in known {
        let entries =
            pack.as_ref().map_or_else(|_| "-".to_owned(), |pack| pack.feed.entries().len().to_string());
        let state =
            pack.as_ref().map_or_else(|_| if row.removed { "removed" } else { "not used" }, |_| "in use");
        let until = when(row.expires);
        let _ = writeln!(
            text,
            "{:<24} {:>8} {entries:>8} {:<12} {:<16} {state}",
            one_line(&row.name, 24),
            row.version,
            until.get(..10).unwrap_or(&until),
            one_line(row.signer.get(..16).unwrap_or(&row.signer), 16),
        );
        match pack {
            Ok(pack) => {
                let _ = writeln!(text, "  {}", one_line(pack.feed.issuer(), 76));
            }
            Err(reason) if !row.removed => {
                let _ = writeln!(text, "  {}", one_line(reason, 300));
            }
            Err(_) => {}
        }
    }
    if !pins.is_empty() {
        text.push_str("\nPINNED KEYS\n");
    }
    for pin in pins.all() {
        let may = if pin.allow { "deny, allow" } else { "deny" };
        let note = pin.note.as_deref().map(|note| format!("  {}", one_line(note, 60))).unwrap_or_default();
        let _ =
            writeln!(text, "{:<24} {:<16} {may:<11}{note}", one_line(&pin.feed, 24), pin.key.id().short());
    }
    text
}

/// `lazaret feed show`.
pub(super) fn show(name: &str, as_json: bool, place: &FeedPlaceArgs) -> Result<Exit> {
    let pins = Pins::read(&super::keys(place.feed_keys.as_deref())?)?;
    let file = Path::new(name);
    let imported = match lazaret_trust::check_name(name) {
        Ok(()) => super::with_store(place.store.as_deref(), async |store| Ok(store.feed_pack(name).await?))?,
        Err(_) => None,
    };
    let body = match imported {
        Some(body) => body,
        None if lazaret_trust::check_name(name).is_err() || file.is_file() => {
            feeds::read(file).map_err(|reason| anyhow::anyhow!("{}: {reason}", visible(name)))?
        }
        None => bail!("no feed `{}` is imported: `lazaret feed list` shows all", one_line(name, 80)),
    };
    // One that has expired is shown all the same; one that nobody vouches for is not.
    let pack = open(&body, &pins)?;
    let text = match as_json {
        true => lazaret_report::json_document(&shown_json(&pack)?),
        false => shown(&pack),
    };
    super::super::print(&text)?;
    Ok(Exit::Allowed)
}

fn shown_json(pack: &Pack) -> Result<Value> {
    // What is signed is JSON already, and verified.
    let feed: Value = serde_json::from_slice(&pack.feed.encode())?;
    Ok(json!({ "signer": pack.signer.hex(), "digest": pack.digest.to_string(), "feed": feed }))
}

fn shown(pack: &Pack) -> String {
    let feed = &pack.feed;
    let mut text = format!(
        "{} version {}\n  issued by  {}\n  made       {}\n  until      {}\n  signed by  {}\n  content    {}\n  entries    {}\n",
        feed.name(),
        feed.version(),
        one_line(feed.issuer(), 200),
        instant(feed.created()),
        instant(feed.expires()),
        pack.signer,
        pack.digest,
        feed.entries().len(),
    );
    for entry in feed.entries() {
        let word = match entry.action {
            Action::Deny => "deny ",
            Action::Allow => "allow",
        };
        let _ = writeln!(text, "\n{word} {}", one_line(&entry.subject.to_string(), 200));
        let campaign = entry.campaign.as_deref().map(|id| format!("campaign {}; ", one_line(id, 100)));
        let until = entry.expires.map(|end| format!("; until {}", instant(end)));
        let _ = writeln!(
            text,
            "      {}{}; by {}{}",
            campaign.unwrap_or_default(),
            one_line(&entry.reason, 300),
            one_line(&entry.author, 100),
            until.unwrap_or_default(),
        );
    }
    text
}

/// Milliseconds since 1970 as RFC 3339.
fn when(milliseconds: i64) -> String {
    super::super::images::when(milliseconds / 1000)
}
