//! When a campaign was seen: what sites and images say of time, as far as it can be true. It is kept with
//! the campaign, so that the list and the story tell the same.

use std::collections::HashMap;

use lazaret_model::{Campaign, Digest, Image, Member, Outcome, Report};
use lazaret_store::{Store, StoreError};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime, UtcOffset};

use super::timeline;

/// Whoever builds and whoever judges may have clocks that differ.
const SKEW: Duration = Duration::days(1);

/// Times that can be true: a registry of images is older than no other thing, and nothing that was judged
/// happened after it was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    latest: Option<OffsetDateTime>,
}

impl Span {
    /// Up to a bit after the last judgement, where it is known.
    pub(super) fn until(judged: Option<OffsetDateTime>) -> Self {
        Self { latest: judged.and_then(|time| time.checked_add(SKEW)) }
    }

    /// A time as RFC 3339 in UTC, where it is one that can be true: none of the times that builders write
    /// for none, and none to come.
    pub(super) fn utc(self, text: &str) -> Option<String> {
        let time = OffsetDateTime::parse(text, &Rfc3339).ok()?.checked_to_offset(UtcOffset::UTC)?;
        let can_be = time.year() >= 2013 && self.latest.is_none_or(|latest| time <= latest);
        can_be.then(|| time.format(&Rfc3339).ok()).flatten()
    }

    /// A time as a site writes it, where it can be true or is no time that could be compared.
    fn stated(self, text: Option<String>) -> Option<String> {
        let text = text.filter(|text| !text.trim().is_empty())?;
        let false_one = OffsetDateTime::parse(&text, &Rfc3339).is_ok() && self.utc(&text).is_none();
        (!false_one).then_some(text)
    }
}

/// What is known of members from the last time that campaigns were computed.
#[derive(Debug, Default)]
pub(super) struct Before {
    built: HashMap<Digest, (Outcome, OffsetDateTime, Vec<String>)>,
}

impl Before {
    /// Takes what campaigns remember.
    pub(super) fn of(campaigns: Vec<Campaign>) -> Self {
        let mut built = HashMap::new();
        for campaign in campaigns {
            let Some(analysed) = campaign.analysed.as_deref().and_then(instant) else { continue };
            for member in campaign.members {
                built.insert(member.digest, (member.outcome, analysed, member.built));
            }
        }
        Self { built }
    }

    /// When a member was built, where it was not judged anew since.
    fn built(&self, member: &Member, judged: Option<OffsetDateTime>) -> Option<&Vec<String>> {
        let (outcome, analysed, built) = self.built.get(&member.digest)?;
        let same = *outcome == member.outcome && judged.is_some_and(|judged| judged <= *analysed);
        same.then_some(built)
    }
}

/// Puts into a campaign when it was judged, when its members were built, and what happened when. `judged`
/// is when each member was judged last, in seconds since 1970.
pub(super) async fn fill(
    store: &Store,
    campaign: &mut Campaign,
    judged: &[Option<i64>],
    before: &Before,
) -> Result<(), StoreError> {
    let time = |seconds: i64| OffsetDateTime::from_unix_timestamp(seconds).ok();
    let last = judged.iter().flatten().max().copied().and_then(time);
    campaign.analysed = last.and_then(|time| time.format(&Rfc3339).ok());
    let span = Span::until(last);
    for (at, member) in campaign.members.iter_mut().enumerate() {
        let judged = judged.get(at).copied().flatten().and_then(time);
        member.built = match before.built(member, judged) {
            Some(built) => built.clone(),
            None => store
                .latest_of_all_platforms(&member.digest)
                .await?
                .map(|report| built(&report))
                .unwrap_or_default(),
        };
        member.built.retain(|time| span.utc(time).is_some());
        member.created = span.stated(member.created.take()).or_else(|| member.built.first().cloned());
        member.updated = span.stated(member.updated.take());
    }
    for lure in &mut campaign.lures {
        lure.created = span.stated(lure.created.take());
    }
    campaign.timeline = timeline::timeline(store, campaign, span).await?;
    Ok(())
}

/// When the convicted platforms of an image were built, by their own word. An actor may put an honest
/// image beside them, which is older than his own.
fn built(report: &Report) -> Vec<String> {
    let convicted = |outcome| matches!(outcome, Outcome::Malicious | Outcome::Suspicious);
    let any = report.images.iter().any(|image| convicted(image.verdict.outcome));
    let platforms = report.images.iter().filter(|image| !any || convicted(image.verdict.outcome));
    let times = platforms.filter_map(|image| own_word(&image.image));
    let mut times: Vec<String> = times.filter_map(|time| Span::until(None).utc(&time)).collect();
    times.sort();
    times.dedup();
    times
}

fn own_word(image: &Image) -> Option<String> {
    let steps = image.config.history.iter().rev().map(|step| &step.created);
    std::iter::once(&image.config.created).chain(steps).find(|time| !time.is_empty()).cloned()
}

fn instant(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::Span;

    #[test]
    fn times_are_told_in_utc_and_those_that_mean_none_or_are_to_come_are_not() {
        let span = Span::until(Some(datetime!(2026-11-22 12:00 UTC)));
        assert_eq!(span.utc("2024-03-01T01:00:00+02:00").as_deref(), Some("2024-02-29T23:00:00Z"));
        assert_eq!(span.utc("2026-11-23T11:00:00Z").as_deref(), Some("2026-11-23T11:00:00Z"));
        for none in [
            "1970-01-01T00:00:00Z",
            "0001-01-01T00:00:00Z",
            "2026-11-24T00:00:00Z",
            "9999-12-31T23:59:59-14:00",
            "yesterday",
        ] {
            assert_eq!(span.utc(none), None, "{none}");
        }
        let stated = |text: &str| span.stated(Some(text.to_owned()));
        assert_eq!(stated("May 1, 2021").as_deref(), Some("May 1, 2021"));
        assert_eq!(stated("2021-05-01T00:00:00Z").as_deref(), Some("2021-05-01T00:00:00Z"));
        assert_eq!((stated(" "), stated("2099-01-01T00:00:00Z")), (None, None));
    }
}
