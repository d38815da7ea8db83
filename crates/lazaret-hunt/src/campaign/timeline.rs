//! What happened when, as far as it is known: times that sites and images state.

use std::collections::HashSet;

use lazaret_model::{Campaign, Moment};
use lazaret_store::{Store, StoreError};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::history::Span;
use super::listed::name_of;

/// Moments that are told at the most: the first and the last ones.
const MOMENTS: usize = 1000;

const BUILT: &str = " is built, by its own word";
const PUSHED: &str = " is pushed";

/// What happened when, oldest first, as far as it can be true.
pub(super) async fn timeline(
    store: &Store,
    campaign: &Campaign,
    span: Span,
) -> Result<Vec<Moment>, StoreError> {
    let mut all = Vec::new();
    let mut note = |time: Option<&str>, what: String, member: Option<usize>| {
        if let Some(time) = time.and_then(|time| span.utc(time)) {
            all.push(Moment { time, what, member });
        }
    };
    let mut before = "";
    for (at, member) in campaign.members.iter().enumerate() {
        let first = before != member.repository;
        before = &member.repository;
        let listed = store.listing(&member.repository).await?.map(|row| row.listing);
        let (repository, tag) = name_of(&member.repository, listed.as_ref());
        let name = match member.tag.as_ref().or(tag.as_ref()) {
            Some(tag) => format!("{repository}:{tag}"),
            None => repository.clone(),
        };
        if let (true, Some(listing)) = (first, &listed) {
            note(listing.created.as_deref(), format!("{repository} is created"), Some(at));
            let tags: Vec<_> = listing.tags.iter().filter(|tag| tag.updated.is_some()).collect();
            for tag in &tags {
                let what = format!("{repository}:{}{PUSHED}", tag.name);
                note(tag.updated.as_deref(), what, Some(at));
            }
            let pushed = tags.iter().any(|tag| tag.updated == listing.updated);
            if !pushed && listing.updated != listing.created {
                note(listing.updated.as_deref(), format!("{repository} is changed"), Some(at));
            }
        }
        for built in &member.built {
            note(Some(built), format!("{name}{BUILT}"), Some(at));
        }
        if first {
            let mut last: Option<(String, String)> = None;
            for row in store.tag_history(&member.repository).await? {
                let moved = last
                    .as_ref()
                    .is_some_and(|(tag, digest)| *tag == row.tag && *digest != row.digest.to_string());
                if moved {
                    let seen = OffsetDateTime::from_unix_timestamp(row.first_seen / 1000).ok();
                    let seen = seen.and_then(|time| time.format(&Rfc3339).ok());
                    let what = format!("{repository}:{} is seen to stand for another image", row.tag);
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

/// In order, each once, also where several members are of the repository that it happened to; an image
/// that is built and pushed at one time is told once.
fn folded(mut all: Vec<Moment>) -> Vec<Moment> {
    all.sort();
    all.dedup_by(|next, kept| next.time == kept.time && next.what == kept.what);
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
    use super::{Moment, folded};

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
    fn what_happened_to_a_repository_is_told_once_for_all_its_members() {
        let moment = |member: usize| Moment {
            time: "2024-02-01T00:00:00Z".to_owned(),
            what: "a/b is created".to_owned(),
            member: Some(member),
        };
        assert_eq!(folded(vec![moment(2), moment(0), moment(1)]), [moment(0)]);
    }
}
