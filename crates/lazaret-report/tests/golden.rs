//! What each format looks like, byte for byte. `UPDATE_GOLDEN=1` writes the files anew; read the
//! difference before you commit it.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;

use lazaret_model::Report;
use lazaret_report::{Format, Options, render};

fn rendered(format: Format, reports: &[Report], options: &Options) -> String {
    let mut out = Vec::new();
    render(format, reports, options, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn options() -> Options {
    Options { reproducible: true, tool_version: "0.0.0-test".to_owned(), ..Options::default() }
}

fn check(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    if expected != text {
        let line = expected.lines().zip(text.lines()).position(|(a, b)| a != b).unwrap_or(0);
        panic!(
            "{name} is stale at line {}:\n  file: {}\n  now:  {}\nrun the test with UPDATE_GOLDEN=1 and read the difference",
            line + 1,
            expected.lines().nth(line).unwrap_or("(end)"),
            text.lines().nth(line).unwrap_or("(end)")
        );
    }
}

fn extension(format: Format) -> &'static str {
    match format {
        Format::Terminal => "txt",
        Format::Json | Format::GitLab => "json",
        Format::JsonLines => "jsonl",
        Format::Sarif => "sarif",
        Format::Markdown => "md",
        Format::Junit => "xml",
        Format::Html => "html",
    }
}

#[test]
fn every_format_of_every_report_is_as_it_was() {
    for (name, report) in [
        ("malicious", common::malicious()),
        ("clean", common::clean()),
        ("inconclusive", common::inconclusive()),
    ] {
        for format in Format::ALL {
            let text = rendered(format, std::slice::from_ref(&report), &options());
            check(&format!("{name}.{format}.{}", extension(format)), &text);
        }
    }
}

#[test]
fn the_long_terminal_form_with_ignored_findings_is_as_it_was() {
    let options = Options { verbose: 1, show_ignored: true, width: 100, ..options() };
    check("malicious.verbose.txt", &rendered(Format::Terminal, &[common::malicious()], &options));
}

#[test]
fn colour_is_as_it_was() {
    let options = Options { color: true, ..options() };
    check("inconclusive.color.txt", &rendered(Format::Terminal, &[common::inconclusive()], &options));
}

#[test]
fn several_references_start_with_their_answers_worst_first() {
    let reports = [common::clean(), common::malicious(), common::inconclusive()];
    let text = rendered(Format::Terminal, &reports, &options());
    let words: Vec<&str> = text.lines().take(3).map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(words, ["malicious", "inconclusive", "clean"]);
    check("several.txt", &text);
    check("several.md", &rendered(Format::Markdown, &reports, &options()));
    check("several.html", &rendered(Format::Html, &reports, &options()));
}

#[test]
fn rendering_twice_gives_the_same_bytes() {
    let reports = [common::malicious(), common::inconclusive()];
    for format in Format::ALL {
        assert_eq!(
            rendered(format, &reports, &options()),
            rendered(format, &reports, &options()),
            "{format}"
        );
    }
}

#[test]
fn timing_is_the_only_difference_between_two_runs_and_can_be_left_out() {
    let fast = common::clean();
    let mut slow = common::clean();
    slow.timing.total_ms += 1_000;
    for format in Format::ALL {
        assert_eq!(
            rendered(format, std::slice::from_ref(&fast), &options()),
            rendered(format, std::slice::from_ref(&slow), &options()),
            "{format}"
        );
    }
}
