use std::fmt::Write;
use std::io::IsTerminal;

use ::time::format_description::well_known::Rfc3339;
use ::time::{Date, Duration, OffsetDateTime};
use anyhow::{Result, bail};
use lazaret_model::one_line;
use serde_json::Value;

use super::ask::ask;
use super::status::time;
use crate::args::GateListArgs;
use crate::exit::Exit;

/// `lazaret gate list`.
pub fn run(args: &GateListArgs) -> Result<Exit> {
    let mut answers = Vec::new();
    for (wanted, words) in [
        (args.came_in, "served,audited"),
        (args.refused, "refused"),
        (args.pending, "pending"),
        (args.failed, "failed"),
    ] {
        if wanted {
            answers.push(words);
        }
    }
    let mut parameters = vec![("limit", args.limit.to_string())];
    if !answers.is_empty() {
        parameters.push(("answer", answers.join(",")));
    }
    if let Some(image) = &args.image {
        parameters.push(("image", image.clone()));
    }
    if let Some(since) = &args.since {
        parameters.push(("since", moment(since, OffsetDateTime::now_utc())?));
    }
    if args.changed {
        parameters.push(("changed", "true".to_owned()));
    }
    let listed = ask(&args.admin, "/api/v1/decisions", &parameters)?;
    let text = match args.json {
        true => lazaret_report::json_document(&listed),
        false => {
            let terminal = std::io::stdout().is_terminal();
            table(&listed["decisions"], crate::commands::scan::width(terminal))
        }
    };
    crate::commands::print(&text)?;
    Ok(Exit::Allowed)
}

/// A time as RFC 3339: given so, as a day, or as a span before now (`90m`, `24h`, `7d`).
fn moment(text: &str, now: OffsetDateTime) -> Result<String> {
    let day = ::time::macros::format_description!("[year]-[month]-[day]");
    let span = || {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let number: i64 = number.parse().ok()?;
        let seconds = match unit {
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return None,
        };
        now.checked_sub(Duration::seconds(number.checked_mul(seconds)?))
    };
    let found = OffsetDateTime::parse(text, &Rfc3339)
        .ok()
        .or_else(|| Some(Date::parse(text, day).ok()?.midnight().assume_utc()))
        .or_else(span);
    match found.and_then(|time| time.format(&Rfc3339).ok()) {
        Some(text) => Ok(text),
        None => {
            bail!("`{}` is no time: write 24h, 7d, 2027-01-31 or 2027-01-31T12:00:00Z", one_line(text, 60))
        }
    }
}

fn table(decisions: &Value, width: usize) -> String {
    let rows = decisions.as_array().map_or(&[][..], Vec::as_slice);
    if rows.is_empty() {
        return "nothing is listed\n".to_owned();
    }
    let mut out = format!("{:<16}  {:<8}  {:<12}  IMAGE\n", "WHEN (UTC)", "ANSWER", "VERDICT");
    for row in rows {
        let word = |name: &str| row[name].as_str().unwrap_or_default();
        let verdict = if word("verdict").is_empty() { "-" } else { word("verdict") };
        let name = word("image").split('@').next().unwrap_or_default();
        let _ = writeln!(
            out,
            "{:<16}  {:<8}  {:<12}  {}",
            time(&row["time"]),
            one_line(word("answer"), 8),
            one_line(verdict, 12),
            one_line(name, width.saturating_sub(42).max(20)),
        );
        let short: String = word("digest").chars().take(19).collect();
        let user = one_line(word("user"), 30);
        let who = if user.is_empty() { String::new() } else { format!("  for {user}") };
        let _ = writeln!(out, "  {}{who}", one_line(&short, 30));
        if !word("why").is_empty() && word("answer") != "served" {
            let _ = writeln!(out, "  {}", one_line(word("why"), width.saturating_sub(2)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn times_are_understood_as_people_write_them() {
        let now = ::time::macros::datetime!(2026-06-02 12:00 UTC);
        for (text, meant) in [
            ("24h", "2026-06-01T12:00:00Z"),
            ("90m", "2026-06-02T10:30:00Z"),
            ("2d", "2026-05-31T12:00:00Z"),
            ("2026-01-31", "2026-01-31T00:00:00Z"),
            ("2026-01-31T01:02:03Z", "2026-01-31T01:02:03Z"),
        ] {
            assert_eq!(moment(text, now).unwrap(), meant);
        }
        for wrong in ["", "h", "yesterday", "9999999999999999999d", "5w", "ü"] {
            assert!(moment(wrong, now).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_list_fits_its_width_and_shows_no_control_character() {
        let rows = serde_json::json!([{
            "time": "2026-01-02T03:04:05Z", "answer": "refused", "verdict": "malicious",
            "image": format!("docker.io/team/{}\u{1b}[31m:1@sha256:12", "x".repeat(100)),
            "digest": format!("sha256:{}", "a".repeat(64)), "user": "ana",
            "why": "b".repeat(300),
        }]);
        let text = table(&rows, 80);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(!text.contains('\u{1b}') && text.contains("malicious"), "{text}");
    }
}
