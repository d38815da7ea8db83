//! What happened when, as far as it is known: times that sites and images state.

use std::collections::HashSet;

use lazaret_model::{Campaign, Moment};
use lazaret_store::{Store, StoreError};
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// Moments that are told at the most: the first and the last ones.
const MOMENTS: usize = 1000;

const BUILT: &str = " is built, by its own word";
const PUSHED: &str = " is pushed";

/// A time as RFC 3339 in UTC, where it is one and none of the times that builders write for none.
pub(super) fn utc(text: &str) -> Option<String> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?.to_offset(UtcOffset::UTC);
    (time.year() >= 2013).then(|| time.format(&Rfc3339).ok()).flatten()
}

/// What happened when, oldest first. `made` are the times at which images were made by their own word.
pub(super) async fn timeline(
    store: &Store,
    campaign: &Campaign,
    made: &[Option<String>],
) -> Result<Vec<Moment>, StoreError> {
    let mut all = Vec::new();
    let mut note = |time: Option<&str>, what: String, member: Option<usize>| {
        if let Some(time) = time.and_then(utc) {
            all.push(Moment { time, what, member });
        }
    };
    let mut before = "";
    for (at, member) in campaign.members.iter().enumerate() {
        let name = match &member.tag {
            Some(tag) => format!("{}:{tag}", member.repository),
            None => member.repository.clone(),
        };
        let first = before != member.repository;
        before = &member.repository;
        let listed = store.listing(&member.repository).await?.map(|row| row.listing);
        if let (true, Some(listing)) = (first, &listed) {
            note(listing.created.as_deref(), format!("{} is created", member.repository), Some(at));
            let tags: Vec<_> = listing.tags.iter().filter(|tag| tag.updated.is_some()).collect();
            for tag in &tags {
                let what = format!("{}:{}{PUSHED}", member.repository, tag.name);
                note(tag.updated.as_deref(), what, Some(at));
            }
            let pushed = tags.iter().any(|tag| tag.updated == listing.updated);
            if !pushed && listing.updated != listing.created {
                note(listing.updated.as_deref(), format!("{} is changed", member.repository), Some(at));
            }
        }
        let made = made.get(at).and_then(Option::as_deref);
        note(made, format!("{name}{BUILT}"), Some(at));
        if first {
            let mut last: Option<(String, String)> = None;
            for row in store.tag_history(&member.repository).await? {
                let moved = last
                    .as_ref()
                    .is_some_and(|(tag, digest)| *tag == row.tag && *digest != row.digest.to_string());
                if moved {
                    let seen = OffsetDateTime::from_unix_timestamp(row.first_seen / 1000).ok();
                    let seen = seen.and_then(|time| time.format(&Rfc3339).ok());
                    let what =
                        format!("{}:{} is seen to stand for another image", member.repository, row.tag);
                    note(seen.as_deref(), what, Some(at));
                }
                last = Some((row.tag.clone(), row.digest.to_string()));
            }
        }
    }
    for lure in &campaign.lures {
        note(lure.created.as_deref(), format!("{} is created, without an image", lure.repository), None);
    }
    let mut all = folded(all);
    if all.len() > MOMENTS {
        let late = all.split_off(all.len() - MOMENTS / 2);
        all.truncate(MOMENTS / 2);
        all.extend(late);
    }
    Ok(all)
}

/// In order, each once; an image that is built and pushed at one time is told once.
fn folded(mut all: Vec<Moment>) -> Vec<Moment> {
    all.sort();
    all.dedup();
    let of = |moment: &Moment, deed: &str| {
        moment.what.strip_suffix(deed).map(|name| (moment.time.clone(), name.to_owned()))
    };
    let built: HashSet<_> = all.iter().filter_map(|moment| of(moment, BUILT)).collect();
    let pushed: HashSet<_> = all.iter().filter_map(|moment| of(moment, PUSHED)).collect();
    all.retain(|moment| of(moment, PUSHED).is_none_or(|push| !built.contains(&push)));
    for moment in &mut all {
        if of(moment, BUILT).is_some_and(|build| pushed.contains(&build)) {
            moment.what.push_str(", and pushed");
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{Moment, folded, utc};

    #[test]
    fn an_image_that_is_built_and_pushed_at_one_time_is_told_once() {
        let moment =
            |time: &str, what: &str| Moment { time: time.to_owned(), what: what.to_owned(), member: Some(0) };
        let all = vec![
            moment("2024-02-01T00:00:00Z", "a/b:1 is pushed"),
            moment("2024-02-01T00:00:00Z", "a/b:1 is built, by its own word"),
            moment("2024-03-01T00:00:00Z", "a/b:2 is pushed"),
            moment("2024-02-01T00:00:00Z", "a/b:2 is built, by its own word"),
            moment("2024-02-01T00:00:00Z", "a/b:2 is built, by its own word"),
        ];
        assert_eq!(
            folded(all),
            [
                moment("2024-02-01T00:00:00Z", "a/b:1 is built, by its own word, and pushed"),
                moment("2024-02-01T00:00:00Z", "a/b:2 is built, by its own word"),
                moment("2024-03-01T00:00:00Z", "a/b:2 is pushed"),
            ]
        );
    }

    #[test]
    fn times_are_told_in_utc_and_those_that_mean_none_are_not() {
        assert_eq!(utc("2024-03-01T01:00:00+02:00").as_deref(), Some("2024-02-29T23:00:00Z"));
        assert_eq!(utc("1970-01-01T00:00:00Z"), None);
        assert_eq!(utc("0001-01-01T00:00:00Z"), None);
        assert_eq!(utc("yesterday"), None);
    }
}
