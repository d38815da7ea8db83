//! What members are called, and when things were: shared by all forms.

use lazaret_model::{Campaign, DeedKind, Member, one_line};
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// Characters of a name before it is cut. Registries stop at 255.
pub const MOST_NAME: usize = 300;

/// Names of the members of a campaign, neutralised and bounded.
#[derive(Debug)]
pub struct Names {
    /// The account where all members have the same, else none.
    pub account: Option<String>,
    /// What is left out of all names: the account where it is the same for all, or the registry.
    pub above: Option<String>,
    short: Vec<String>,
}

impl Names {
    /// The names of `campaign`: short where the account, or at least the registry, is the same for
    /// all, and without the tag `latest`, which says nothing.
    pub fn of(campaign: &Campaign) -> Self {
        let members = &campaign.members;
        let first = members.first().and_then(|m| m.account.as_deref());
        let account = first.filter(|account| {
            members
                .iter()
                .all(|m| m.account.as_deref() == Some(account) && within(&m.repository, account).is_some())
        });
        let registry = members.first().and_then(|m| m.repository.split_once('/')).map(|(host, _)| host);
        let registry = registry.filter(|host| members.iter().all(|m| within(&m.repository, host).is_some()));
        let short = members
            .iter()
            .map(|member| {
                let name = account.or(registry).and_then(|above| within(&member.repository, above));
                let name = name.unwrap_or(&member.repository);
                let tag = member.tag.as_deref().filter(|tag| *tag != "latest");
                match tag {
                    Some(tag) => one_line(&format!("{name}:{tag}"), MOST_NAME),
                    None => one_line(name, MOST_NAME),
                }
            })
            .collect();
        let shown = |text: Option<&str>| text.map(|text| one_line(text, MOST_NAME));
        Self { account: shown(account), above: shown(account.or(registry)), short }
    }

    /// What the member at `position` is called; a number where there is no such member.
    pub fn short(&self, position: usize) -> String {
        self.short.get(position).cloned().unwrap_or_else(|| format!("image {position}"))
    }

    /// Several names in a row, after `most` a count: `mysql, tomcat and 3 more`.
    pub fn list(&self, positions: &[usize], most: usize) -> String {
        let mut names: Vec<String> = positions.iter().take(most).map(|&at| self.short(at)).collect();
        if positions.len() > most {
            let last = format!("{} more", positions.len() - most);
            return format!("{} and {last}", names.join(", "));
        }
        match names.pop() {
            Some(last) if !names.is_empty() => format!("{} and {last}", names.join(", ")),
            Some(only) => only,
            None => "none".to_owned(),
        }
    }
}

fn within<'a>(repository: &'a str, above: &str) -> Option<&'a str> {
    repository.strip_prefix(above)?.strip_prefix('/').filter(|rest| !rest.is_empty())
}

/// Repository and tag, or digest where there is no tag, raw.
pub fn reference(repository: &str, tag: Option<&str>, digest: &lazaret_model::Digest) -> String {
    match tag {
        Some(tag) => format!("{repository}:{tag}"),
        None => format!("{repository}@{digest}"),
    }
}

/// [`reference`] of a member.
pub fn member_reference(member: &Member) -> String {
    reference(&member.repository, member.tag.as_deref(), &member.digest)
}

/// A point in time, if `text` is RFC 3339.
pub fn instant(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339)
        .ok()
        .and_then(|time| time.checked_to_offset(UtcOffset::UTC))
        // Four digits of year, as all formats want them.
        .filter(|time| (1..=9999).contains(&time.year()))
}

/// The day of an RFC 3339 time; other text as it is, cut.
pub fn day(text: &str) -> String {
    match instant(text) {
        Some(time) => date(time),
        None => one_line(text, 20),
    }
}

/// `2024-07-20`.
pub fn date(time: OffsetDateTime) -> String {
    format!("{:04}-{:02}-{:02}", time.year(), u8::from(time.month()), time.day())
}

/// `2024-07-20T04:00:00.000Z`, as STIX asks for.
pub fn stamp(time: OffsetDateTime) -> String {
    format!(
        "{}T{:02}:{:02}:{:02}.{:03}Z",
        date(time),
        time.hour(),
        time.minute(),
        time.second(),
        time.millisecond()
    )
}

/// The first and the last time that the campaign knows of.
pub fn span(campaign: &Campaign) -> Option<(OffsetDateTime, OffsetDateTime)> {
    let members = campaign.members.iter().flat_map(|m| [m.created.as_deref(), m.updated.as_deref()]);
    let lures = campaign.lures.iter().map(|l| l.created.as_deref());
    let moments = campaign.timeline.iter().map(|moment| Some(moment.time.as_str()));
    let times: Vec<OffsetDateTime> =
        members.chain(lures).chain(moments).flatten().filter_map(instant).collect();
    Some((*times.iter().min()?, *times.iter().max()?))
}

/// The last time that the campaign knows of; where nobody says one, that of the last judgement.
pub fn latest(campaign: &Campaign) -> Option<OffsetDateTime> {
    let analysed = || campaign.analysed.as_deref().and_then(instant);
    span(campaign).map(|(_, last)| last).or_else(analysed)
}

/// The kinds of deeds of a member, each once, in the order of [`DeedKind::ALL`].
pub fn kinds(member: &Member) -> Vec<DeedKind> {
    DeedKind::ALL.into_iter().filter(|kind| member.deeds.iter().any(|deed| deed.kind == *kind)).collect()
}

/// What a member does, in words.
pub fn does(member: &Member) -> String {
    let names: Vec<&str> = kinds(member).into_iter().map(DeedKind::name).collect();
    match names.is_empty() {
        true => "-".to_owned(),
        false => names.join(", "),
    }
}

/// How many members do what, in the order of [`DeedKind::ALL`].
pub fn tally(campaign: &Campaign) -> Vec<(DeedKind, usize)> {
    let all = DeedKind::ALL.into_iter();
    let counted = all.map(|kind| {
        (kind, campaign.members.iter().filter(|m| m.deeds.iter().any(|deed| deed.kind == kind)).count())
    });
    counted.filter(|(_, count)| *count > 0).collect()
}

/// Pulls of all repositories of members, each counted once; none where nobody says.
pub fn pulls(campaign: &Campaign) -> Option<u64> {
    let mut repositories: Vec<(&str, u64)> =
        campaign.members.iter().filter_map(|m| Some((m.repository.as_str(), m.pulls?))).collect();
    repositories.sort_unstable_by(|a, b| a.0.cmp(b.0).then(b.1.cmp(&a.1)));
    repositories.dedup_by_key(|(name, _)| *name);
    match repositories.is_empty() {
        true => None,
        false => Some(repositories.iter().fold(0, |sum, (_, pulls)| sum.saturating_add(*pulls))),
    }
}

/// `linux/amd64` as `amd64`: nearly everything is Linux, and tables are narrow.
pub fn platforms(member: &Member) -> String {
    let short: Vec<&str> = member.platforms.iter().map(|p| p.strip_prefix("linux/").unwrap_or(p)).collect();
    match short.is_empty() {
        true => "-".to_owned(),
        false => one_line(&short.join(", "), 120),
    }
}

/// An amount of money as it was given; whole numbers in groups, as all others are.
pub fn amount(text: &str) -> String {
    text.parse::<u64>().map_or_else(|_| one_line(text, 60), crate::words::grouped)
}

/// A weight with one decimal; a dash for what is no number.
pub fn bits(value: f64) -> String {
    if value.is_finite() { format!("{value:.1}") } else { "-".to_owned() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn times_are_brought_to_utc_and_what_is_no_time_stays_text() {
        assert_eq!(stamp(instant("2024-07-20T02:30:00.5+08:00").unwrap()), "2024-07-19T18:30:00.500Z");
        assert_eq!(day("2024-07-20T02:30:00+08:00"), "2024-07-19");
        assert_eq!(day("0000-01-01T00:00:00+08:00"), "0000-01-01T00:00:00…");
        assert_eq!(day("last\nweek"), "last\\nweek");
        assert_eq!(instant("9999-12-31T23:59:59-01:00"), None);
    }
}
