use std::fmt::Write;

use anyhow::Result;
use lazaret_model::one_line;
use serde_json::Value;

use super::ask::ask;
use crate::args::GateStatusArgs;
use crate::exit::Exit;

/// Answers in the order in which people look for them.
const ANSWERS: [&str; 5] = ["served", "refused", "audited", "failed", "pending"];

/// `lazaret gate status`.
pub fn run(args: &GateStatusArgs) -> Result<Exit> {
    let status = ask(&args.admin, "/api/v1/status", &[])?;
    let text = match args.json {
        true => lazaret_report::json_document(&status),
        false => table(&status),
    };
    crate::commands::print(&text)?;
    Ok(Exit::Allowed)
}

fn table(status: &Value) -> String {
    let mut out = String::new();
    let word = |value: &Value| one_line(value.as_str().unwrap_or("-"), 200);
    let seconds = status["uptimeSeconds"].as_u64().unwrap_or_default();
    let _ = writeln!(out, "lazaret {}, up {}", word(&status["version"]), span(seconds));
    let upstreams: Vec<String> = status["upstreams"].as_array().into_iter().flatten().map(word).collect();
    let _ = writeln!(out, "before    {}", upstreams.join(", "));
    let policy = &status["policy"];
    let file = policy["file"].as_str().map_or("the default".to_owned(), |file| one_line(file, 200));
    let rules = policy["rules"].as_u64().unwrap_or_default();
    let plural = if rules == 1 { "" } else { "s" };
    let _ = writeln!(out, "policy    {file}, mode {}, {rules} rule{plural}", word(&policy["mode"]));
    if let Some(digest) = policy["digest"].as_str() {
        let short: String = digest.chars().take(19).collect();
        let _ = writeln!(out, "          {short}, read {}", time(&policy["readAt"]));
    }
    for expired in policy["expired"].as_array().into_iter().flatten() {
        let _ = writeln!(out, "          expired: {}", word(expired));
    }
    if let Some(error) = policy["error"].as_str() {
        let _ = writeln!(out, "          NOT TAKEN: {}", one_line(error, 300));
    }
    let cache = &status["cache"];
    let (bytes, limit) = (cache["bytes"].as_u64(), cache["limit"].as_u64());
    let _ = writeln!(
        out,
        "cache     {} of {}, {} blobs",
        size(bytes.unwrap_or_default()),
        size(limit.unwrap_or_default()),
        cache["blobs"].as_u64().unwrap_or_default()
    );
    let counted: Vec<String> = ANSWERS
        .iter()
        .map(|answer| format!("{} {answer}", status["answers"][answer].as_u64().unwrap_or_default()))
        .collect();
    let _ = writeln!(out, "answers   {}", counted.join(", "));
    let pending = status["pending"].as_array().map_or(&[][..], Vec::as_slice);
    let _ = writeln!(out, "judging   {}", if pending.is_empty() { "nothing" } else { "now:" });
    for one in pending {
        let _ = writeln!(out, "          {} since {}", word(&one["image"]), time(&one["since"]));
    }
    out
}

/// A time for people: the minute, UTC.
pub fn time(value: &Value) -> String {
    let text = value.as_str().unwrap_or("-");
    let minute: String = text.chars().take(16).collect();
    one_line(&minute.replace('T', " "), 16)
}

fn span(seconds: u64) -> String {
    match (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

fn size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1_024.0 && unit + 1 < units.len() {
        value /= 1_024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", units[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_written_for_people() {
        assert_eq!([span(5), span(65), span(3_665), span(90_000)], ["5 s", "1 min", "1 h 1 min", "1 d 1 h"]);
        assert_eq!([size(5), size(1_536), size(20 << 30)], ["5 B", "1.5 KiB", "20.0 GiB"]);
        assert_eq!(time(&Value::from("2026-01-02T03:04:05Z")), "2026-01-02 03:04");
    }
}
