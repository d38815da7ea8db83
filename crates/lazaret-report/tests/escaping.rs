//! What an image says is shown, and never acts: in no format, from no field.
#![allow(clippy::unwrap_used)]

mod common;

use lazaret_model::{Report, visible};
use lazaret_report::{Format, Options, render};

fn rendered(format: Format, report: &Report, verbose: u8) -> String {
    let options = Options { verbose, show_ignored: true, ..Options::default() };
    let mut out = Vec::new();
    render(format, std::slice::from_ref(report), &options, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The fixtures with hostile text in every field that an image, a registry or a file name feeds.
fn hostile() -> Vec<Report> {
    let spoil = |mut report: Report| {
        report.requested = format!("oci:{}", common::HOSTILE);
        report.pinned.repository = format!("oci:/srv/{}", common::HOSTILE);
        report.source = common::HOSTILE.to_owned();
        report.verdict.why = common::HOSTILE.to_owned();
        report.verdict.would_change = common::HOSTILE.to_owned();
        report.rules_version = common::HOSTILE.to_owned();
        for other in &mut report.unscanned {
            other.reason = common::HOSTILE.to_owned();
        }
        for image in &mut report.images {
            image.verdict.why = common::HOSTILE.to_owned();
            if let Some(platform) = &mut image.image.platform {
                platform.os = common::HOSTILE.to_owned();
            }
            for step in &mut image.image.config.history {
                step.created_by = common::HOSTILE.to_owned();
            }
            for finding in &mut image.findings {
                finding.rule.id = common::HOSTILE.to_owned();
                finding.rule.title = common::HOSTILE.to_owned();
                finding.rule.explanation = common::HOSTILE.to_owned();
                finding.rule.attack = vec![common::HOSTILE.to_owned()];
            }
            for ignored in &mut image.ignored {
                ignored.reason = common::HOSTILE.to_owned();
                ignored.author = common::HOSTILE.to_owned();
                ignored.expires = common::HOSTILE.to_owned();
            }
        }
        report
    };
    let mut reports = vec![common::malicious(), common::clean(), common::inconclusive()];
    reports.extend(reports.clone().into_iter().map(spoil));
    reports
}

#[test]
fn no_format_holds_a_character_that_acts() {
    for report in hostile() {
        for format in Format::ALL {
            for verbose in [0, 2] {
                let text = rendered(format, &report, verbose);
                for line in text.lines() {
                    assert_eq!(visible(line), line, "{format}");
                }
            }
        }
    }
}

#[test]
fn the_terminal_writes_no_escape_but_its_own_colours() {
    for report in hostile() {
        let options = Options { color: true, verbose: 1, show_ignored: true, ..Options::default() };
        let mut out = Vec::new();
        render(Format::Terminal, &[report], &options, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        for after in text.split('\u{1b}').skip(1) {
            let sequence =
                after.strip_prefix('[').and_then(|rest| rest.split_once('m')).map(|(digits, _)| digits);
            let own = sequence.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit() || b == b';'));
            assert!(own, "{:?}", &after.chars().take(20).collect::<String>());
        }
    }
}

#[test]
fn no_line_of_the_body_is_wider_than_the_terminal() {
    for width in [40, 80, 120] {
        let options = Options { width, verbose: 1, show_ignored: true, ..Options::default() };
        let mut out = Vec::new();
        render(Format::Terminal, &[common::malicious()], &options, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        // The first line is the answer and stays one line; headings of findings hold a rule's id.
        for line in text.lines().skip(1).filter(|line| line.starts_with("  ") || width >= 80) {
            let wide = unicode_width::UnicodeWidthStr::width(line);
            assert!(wide <= width, "{width}: {wide}: {line}");
        }
    }
}

#[test]
fn html_holds_no_element_attribute_or_link_from_the_image() {
    for report in hostile() {
        let text = rendered(Format::Html, &report, 2);
        for bad in ["<script", "<img", "onerror=alert(1)>\"", "javascript:", "http-equiv=\"refresh", " src="]
        {
            assert!(!text.contains(bad) || bad == " src=" && !text.contains("<img src"), "{bad}");
        }
        for href in text.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(
                href.starts_with('#') || href.starts_with("https://attack.mitre.org/techniques/T"),
                "{href}"
            );
        }
        assert!(text.contains("default-src 'none'"));
        assert_eq!(text.matches("<style").count(), 1);
        assert!(!text.contains(" style=\""), "the policy allows no style attribute");
    }
}

#[test]
fn the_policy_of_the_page_allows_its_own_style() {
    use sha2::{Digest as _, Sha256};
    let text = rendered(Format::Html, &common::clean(), 0);
    let style = text.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    let hash = data_encoding::BASE64.encode(&Sha256::digest(style.as_bytes()));
    assert!(text.contains(&format!("style-src 'sha256-{hash}'")));
}

/// A reader of XML that knows enough: every `<` starts a tag of ours, tags close in order,
/// every `&` starts an entity.
#[test]
fn junit_is_well_formed_whatever_the_image_says() {
    for report in hostile() {
        let text = rendered(Format::Junit, &report, 0);
        let mut open: Vec<&str> = Vec::new();
        for part in text.split('<').skip(1) {
            let (tag, rest) = part.split_once('>').expect("every tag ends");
            assert!(!rest.contains('>'), "a bare `>` in {rest}");
            let name = tag.trim_start_matches(['/', '?']).split([' ', '/', '?']).next().unwrap();
            let known = [
                "xml",
                "testsuites",
                "testsuite",
                "testcase",
                "failure",
                "error",
                "skipped",
                "properties",
                "property",
            ];
            assert!(known.contains(&name), "{tag}");
            match tag {
                _ if tag.starts_with('?') || tag.ends_with('/') => {}
                _ if tag.starts_with('/') => assert_eq!(open.pop(), Some(name)),
                _ => open.push(name),
            }
        }
        assert!(open.is_empty());
        for entity in text.split('&').skip(1) {
            let name = entity.split(';').next().unwrap();
            assert!(["amp", "lt", "gt", "quot", "apos"].contains(&name), "{name}");
        }
    }
}

#[test]
fn markdown_from_an_image_makes_no_link_mention_cell_or_element() {
    for report in hostile() {
        let text = rendered(Format::Markdown, &report, 0);
        let own = [
            "<code>",
            "</code>",
            "<details>",
            "</details>",
            "<summary>",
            "</summary>",
            "<b>",
            "</b>",
            "<sub>",
            "</sub>",
            "<!-- -->",
        ];
        let mut rest = text.clone();
        for tag in own {
            rest = rest.replace(tag, "");
        }
        assert!(!rest.contains('<'), "{}", rest.split('<').nth(1).unwrap_or_default());
        assert!(!text.contains('@'), "a mention or a mail address");
        // What would start a mention, a mail address or an address is taken apart: these are
        // looked for in the finished text, where an entity is its character again.
        for start in ["&#64;", "&#35;", "&#58;"] {
            assert!(text.split(start).skip(1).all(|rest| rest.starts_with("<!-- -->")), "{start}");
        }
        assert!(!text.contains("http://"), "a bare address");
        assert!(!text.contains("www."), "a bare address");
        assert!(!text.contains("https://evil"), "a bare address");
        assert!(!text.contains('`'), "code of its own");
        for link in text.split("](").skip(1) {
            assert!(link.starts_with("https://attack.mitre.org/techniques/T"), "{link}");
        }
        common::assert_tables_are_even(&text);
    }
}

#[test]
fn a_comment_stays_inside_its_limit_and_says_what_it_left_out() {
    let mut report = common::malicious();
    let finding = report.images[1].findings[1].clone();
    report.images[1].findings = std::iter::repeat_n(finding, 400).collect();
    let text = rendered(Format::Markdown, &report, 0);
    assert!(text.len() <= 65_536, "{}", text.len());
    assert!(text.contains("left out to stay inside"), "{}", &text[text.len() - 400..]);
    assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
}
