//! The timeline, drawn: one row for each image, from its first to its last known time.

use lazaret_model::Campaign;
use maud::{Markup, html};
use time::{Date, Duration, Month, OffsetDateTime};

use super::drawing::{at, cut, cut_middle};
use super::family::Family;
use super::members::{self, Names};
use crate::words;

/// Rows that are drawn.
const MOST: usize = 120;
const ROW: f64 = 20.0;
const TOP: f64 = 32.0;
const WIDTH: f64 = 1080.0;
const NAME_END: f64 = 204.0;
const NAME_COLUMNS: usize = 27;
/// Width of one column of text.
const COLUMN: f64 = 7.3;
const FROM: f64 = 218.0;
const TO: f64 = 968.0;
const PULLS_END: f64 = 1072.0;
/// Marks of the axis, at most.
const MOST_MARKS: i64 = 12;

/// The drawing; a sentence where no image has a time.
pub fn draw(campaign: &Campaign, names: &Names) -> Markup {
    let mut rows: Vec<(usize, OffsetDateTime, OffsetDateTime)> = campaign
        .members
        .iter()
        .enumerate()
        .filter_map(|(position, member)| {
            let created = member.created.as_deref().and_then(members::instant);
            let updated = member.updated.as_deref().and_then(members::instant);
            let (a, b) = (created.or(updated)?, updated.or(created)?);
            Some((position, a.min(b), a.max(b)))
        })
        .collect();
    rows.sort_by_key(|(position, first, last)| (*first, *last, *position));
    let (Some(first), Some(last)) = (rows.iter().map(|r| r.1).min(), rows.iter().map(|r| r.2).max()) else {
        return html! { p.small { "No site and no image says when they were made." } };
    };
    let unknown = campaign.members.len() - rows.len();
    let more = rows.len().saturating_sub(MOST);
    rows.truncate(MOST);
    // A day at each side, so that the ends can be seen.
    let (from, to) = (widen(first, -1), widen(last, 1));
    let span = (to - from).as_seconds_f64().max(1.0);
    let x = |time: OffsetDateTime| FROM + (TO - FROM) * (time - from).as_seconds_f64() / span;
    let longest = rows.iter().map(|row| crate::wrap::width(&names.short(row.0))).max().unwrap_or(0);
    // What is left of the longest name is cut off.
    let left = (NAME_END - COLUMN * longest.min(NAME_COLUMNS) as f64 - 8.0).max(0.0);
    let height = TOP + ROW * rows.len() as f64 + 12.0;
    let label = format!("{} to {}", members::date(first), members::date(last));
    html! {
        div.scroll {
            svg.lifelines viewBox={ (at(left)) " 0 " (at(WIDTH - left)) " " (at(height)) } role="img" aria-label=(label) {
                @for (mark, text) in marks(from, to) {
                    line.grid x1=(at(x(mark))) x2=(at(x(mark))) y1="22" y2=(at(height)) {}
                    text.head x=(at(x(mark))) y="15" text-anchor="middle" { (text) }
                }
                text.head x=(at(PULLS_END)) y="15" text-anchor="end" { "pulls" }
                @for (row, (position, start, end)) in rows.iter().enumerate() {
                    @let y = TOP + ROW * (row as f64 + 0.5);
                    @let member = &campaign.members[*position];
                    g class={ "life " (Family::of_member(member).class()) } {
                        title { (cut(&names.short(*position), 300)) ": " (members::date(*start)) " to " (members::date(*end)) ", " (members::does(member)) }
                        text.name x=(at(NAME_END)) y=(at(y + 4.0)) text-anchor="end" { (cut_middle(&names.short(*position), NAME_COLUMNS)) }
                        line.row x1=(at(FROM)) x2=(at(TO)) y1=(at(y)) y2=(at(y)) {}
                        line.span x1=(at(x(*start))) x2=(at(x(*end).max(x(*start) + 0.1))) y1=(at(y)) y2=(at(y)) {}
                        circle.start cx=(at(x(*start))) cy=(at(y)) r="4" {}
                        circle.end cx=(at(x(*end))) cy=(at(y)) r="4" {}
                        @if let Some(pulls) = member.pulls {
                            text.pulls x=(at(PULLS_END)) y=(at(y + 4.0)) text-anchor="end" { (words::grouped(pulls)) }
                        }
                    }
                }
            }
        }
        @if unknown > 0 { p.small { (words::count(unknown as u64, "image")) " without a known time." } }
        @if more > 0 { p.small { (words::count(more as u64, "more image")) " in the table below." } }
    }
}

fn widen(time: OffsetDateTime, days: i64) -> OffsetDateTime {
    time.checked_add(Duration::days(days)).unwrap_or(time)
}

/// Times for the axis with what stands there: days, months, quarters or years, as many as fit.
fn marks(from: OffsetDateTime, to: OffsetDateTime) -> Vec<(OffsetDateTime, String)> {
    let days = (to - from).whole_days();
    let mut out = Vec::new();
    if days <= 62 {
        let step = (days / MOST_MARKS + 1).max(1);
        let mut day = from.date();
        while out.len() <= 2 * MOST_MARKS as usize {
            let Some(next) = day.checked_add(Duration::days(step)) else { break };
            day = next;
            let time = day.midnight().assume_utc();
            if time > to {
                break;
            }
            out.push((time, members::date(time)[5..].to_owned()));
        }
        return out;
    }
    let months = days / 30 + 1;
    let step =
        [1, 3, 6, 12, 24, 60, 120, 600, 1200, 12000].into_iter().find(|step| months / step <= MOST_MARKS);
    let step = step.unwrap_or(12000);
    let first = i64::from(from.year()) * 12 + i64::from(u8::from(from.month())) - 1;
    let mut month = first - first.rem_euclid(step) + step;
    while out.len() <= 2 * MOST_MARKS as usize {
        let Some(time) = month_start(month) else { break };
        if time > to {
            break;
        }
        let text = members::date(time);
        out.push((time, if step >= 12 { text[..4].to_owned() } else { text[..7].to_owned() }));
        month += step;
    }
    out
}

fn month_start(months: i64) -> Option<OffsetDateTime> {
    let year = i32::try_from(months.div_euclid(12)).ok()?;
    let month = Month::try_from(u8::try_from(months.rem_euclid(12)).ok()? + 1).ok()?;
    Some(Date::from_calendar_date(year, month, 1).ok()?.midnight().assume_utc())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_axis_has_some_marks_and_never_too_many() {
        for (from, to) in [
            ("2024-07-20T04:00:00Z", "2024-07-20T04:00:00Z"),
            ("2024-07-20T04:00:00Z", "2024-08-30T04:00:00Z"),
            ("2024-07-20T04:00:00Z", "2025-03-09T04:00:00Z"),
            ("2013-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
            ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
        ] {
            let (from, to) = (members::instant(from).unwrap(), members::instant(to).unwrap());
            let marks = marks(widen(from, -1), widen(to, 1));
            assert!((1..=14).contains(&marks.len()), "{from} {to}: {marks:?}");
            assert!(marks.windows(2).all(|pair| pair[0].0 < pair[1].0));
        }
    }
}
