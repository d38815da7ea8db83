use std::collections::HashSet;
use std::path::Path;

use anyhow::{Context, Result, bail};
use lazaret_model::{one_line, visible};
use lazaret_trust::{Entry, Feed, SigningKey, parse_instant, seal};
use time::macros::format_description;
use time::{Date, Duration, OffsetDateTime, Time};

use super::campaign;
use super::entries::{self, Given};
use crate::args::FeedExportArgs;
use crate::exit::Exit;

/// `lazaret feed export`.
pub(super) fn run(args: &FeedExportArgs) -> Result<Exit> {
    let now = made_at()?;
    let expires = moment(&args.expires, now).context("--expires")?;
    let key = SigningKey::read(&args.key)?;
    let author = args.author.as_deref().unwrap_or(&args.issuer);
    let given = Given { reason: args.reason.as_deref(), author, now };
    let mut entries = Vec::new();
    for file in &args.from {
        entries.extend(entries::read(file, &given)?);
    }
    if !args.campaigns.is_empty() {
        entries.extend(of_campaigns(args, author)?);
    }
    if entries.is_empty() {
        bail!("a feed without entries says nothing: name files with --from, or a --campaign");
    }
    let feed = Feed::new(&args.name, args.version, now, expires, &args.issuer, entries);
    let feed = feed.map_err(anyhow::Error::msg)?;
    let pack = seal(&feed, &key)?;
    if args.output.as_os_str() == "-" {
        super::super::print(&pack)?;
        return Ok(Exit::Allowed);
    }
    write(&args.output, &pack)?;
    eprintln!(
        "lazaret: {}: {} version {}, {}, until {}, signed by {}",
        visible(&args.output.display().to_string()),
        feed.name(),
        feed.version(),
        super::count(feed.entries().len()),
        lazaret_trust::instant(feed.expires()),
        key.public().id().short()
    );
    Ok(Exit::Allowed)
}

/// What the named campaigns deny. Of two that hold the same thing, the one that is named first is told.
fn of_campaigns(args: &FeedExportArgs, author: &str) -> Result<Vec<Entry>> {
    let found = super::with_store(args.store.as_deref(), async |store| {
        let mut found = Vec::new();
        for id in &args.campaigns {
            found.push(crate::commands::campaign::told(store, id).await?);
        }
        Ok(found)
    })?;
    let mut entries: Vec<Entry> = Vec::new();
    let mut seen = HashSet::new();
    for campaign in &found {
        let given = campaign::entries(campaign, author);
        let id = one_line(&campaign.id, 80);
        if given.too_little > 0 {
            eprintln!(
                "lazaret: {id}: {} shared indicators say too little of their owner, and are left out",
                given.too_little
            );
        }
        if given.too_long > 0 {
            eprintln!(
                "lazaret: {id}: {} shared indicators are longer than what is remembered of them, and are left \
                 out: name them with --from",
                given.too_long
            );
        }
        if given.spared > 0 {
            eprintln!(
                "lazaret: {id}: {} digests are of clean platforms or of images that others have as clean, and \
                 are left out",
                given.spared
            );
        }
        entries.extend(given.entries.into_iter().filter(|entry| seen.insert(entry.subject.clone())));
    }
    Ok(entries)
}

/// Writes a pack that is there whole or not at all: others may fetch it at any moment.
fn write(path: &Path, pack: &str) -> Result<()> {
    let place = || format!("{} cannot be written", path.display());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let beside = tempfile::Builder::new().prefix(".lazaret-feed-").tempfile_in(folder).with_context(place)?;
    std::fs::write(beside.path(), pack).with_context(place)?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    beside.as_file().set_permissions(mode).with_context(place)?;
    beside.as_file().sync_all().with_context(place)?;
    beside.persist(path).with_context(place)?;
    Ok(())
}

/// Now, or the time of which a reproducible build is (reproducible-builds.org, SOURCE_DATE_EPOCH).
fn made_at() -> Result<OffsetDateTime> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Err(_) => Ok(OffsetDateTime::now_utc()),
        Ok(text) => {
            let seconds = text.parse::<i64>().ok();
            let time = seconds.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
            time.with_context(|| {
                format!("SOURCE_DATE_EPOCH is `{}`, and no number of seconds", one_line(&text, 40))
            })
        }
    }
}

/// A moment as people write one: a date up to its end, a time, or a number of days from now on.
pub(super) fn moment(text: &str, now: OffsetDateTime) -> Result<OffsetDateTime> {
    if let Some(at) = parse_instant(text) {
        return Ok(at);
    }
    if let Ok(date) = Date::parse(text, format_description!("[year]-[month]-[day]")) {
        let end = Time::from_hms(23, 59, 59).context("the end of a day")?;
        return Ok(date.with_time(end).assume_utc());
    }
    let days =
        text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok()).filter(|days| *days <= 36_500);
    match days.and_then(|days| now.checked_add(Duration::days(i64::from(days)))) {
        Some(at) => Ok(at),
        None => bail!("`{}` is no time: write 2027-01-31, 2027-01-31T12:00:00Z or 90d", one_line(text, 60)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_moment_is_a_date_a_time_or_a_number_of_days() {
        let now = datetime!(2026-11-22 10:00 UTC);
        assert_eq!(moment("2027-01-31", now).unwrap(), datetime!(2027-01-31 23:59:59 UTC));
        assert_eq!(moment("2027-01-31T12:00:00Z", now).unwrap(), datetime!(2027-01-31 12:00 UTC));
        assert_eq!(moment("90d", now).unwrap(), datetime!(2027-02-20 10:00 UTC));
        for wrong in ["soon", "90", "-1d", "99999999d", "2027-02-30", ""] {
            assert!(moment(wrong, now).is_err(), "{wrong}");
        }
    }
}
