//! Moments as packs have them: RFC 3339, UTC, whole seconds.

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

const FORM: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");

/// `2027-01-31T00:00:00Z`.
pub fn instant(at: OffsetDateTime) -> String {
    // Years beyond 9999 cannot come out of `parse_instant`.
    at.to_offset(time::UtcOffset::UTC).format(FORM).unwrap_or_default()
}

/// Reads what [`instant`] writes, and nothing else: a moment has one spelling.
pub fn parse_instant(text: &str) -> Option<OffsetDateTime> {
    let read = time::PrimitiveDateTime::parse(text, FORM).ok()?.assume_utc();
    (instant(read) == text).then_some(read)
}
