//! JUnit XML as CI systems read it: one suite for each image, one case for each finding, an error
//! where the verdict is inconclusive.

use lazaret_model::{ImageReport, Outcome, Report, Severity, visible};

use crate::{Options, chain, words};

/// One document.
pub fn render(reports: &[Report], options: &Options) -> String {
    let mut suites = String::new();
    let mut totals = Totals::default();
    for report in reports {
        for image in &report.images {
            suite(&mut suites, &mut totals, report, image, options);
        }
        if report.images.is_empty() {
            totals.tests += 1;
            totals.errors += 1;
            let name = escape(&words::name(report));
            suites.push_str(&format!(
                "  <testsuite name=\"{name}\" tests=\"1\" failures=\"0\" errors=\"1\" skipped=\"0\">\n    <testcase classname=\"{name}\" name=\"verdict\">\n      <error message=\"{0}\" type=\"inconclusive\">{0}</error>\n    </testcase>\n  </testsuite>\n",
                escape(&report.verdict.why)
            ));
        }
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"lazaret\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\">\n{suites}</testsuites>\n",
        totals.tests, totals.failures, totals.errors, totals.skipped
    )
}

#[derive(Default)]
struct Totals {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
}

fn suite(out: &mut String, all: &mut Totals, report: &Report, image: &ImageReport, options: &Options) {
    let class = format!("{} ({})", words::name(report), words::platform(image));
    let class = escape(&class);
    let mut totals = Totals::default();
    let mut cases = String::new();
    let mut case = |name: &str, body: &str| {
        totals.tests += 1;
        cases.push_str(&format!(
            "    <testcase classname=\"{class}\" name=\"{}\">\n{body}    </testcase>\n",
            escape(name)
        ));
    };
    // The verdict is a case of its own, so that a clean image has a test that passed and an
    // inconclusive one without findings does not pass.
    let why = escape(&image.verdict.why);
    let serious: Vec<String> = image
        .gaps
        .iter()
        .filter(|gap| gap.matters)
        .map(|gap| format!("{} ({}): {}", words::place(&gap.location), gap.kind.name(), visible(&gap.detail)))
        .collect();
    let detail = escape_lines(&serious.join("\n"));
    let mut failures = 0;
    let mut errors = 0;
    let mut skipped = 0;
    match image.verdict.outcome {
        Outcome::Inconclusive => {
            errors += 1;
            case(
                "verdict",
                &format!("      <error message=\"{why}\" type=\"inconclusive\">{detail}</error>\n"),
            );
        }
        Outcome::Malicious | Outcome::Suspicious => {
            failures += 1;
            let word = image.verdict.outcome.word();
            case(
                "verdict",
                &format!("      <failure message=\"{why}\" type=\"{word}\">{detail}</failure>\n"),
            );
        }
        Outcome::Clean => case("verdict", ""),
    }
    // Informational findings accuse nobody, and a test that fails does.
    for finding in image.findings.iter().filter(|finding| finding.severity > Severity::Info) {
        failures += 1;
        let mut lines = Vec::new();
        for piece in finding.evidence() {
            lines.extend(
                chain::links(image, piece, true)
                    .into_iter()
                    .map(|link| format!("{}: {}", link.label, link.value)),
            );
            lines.extend(chain::excerpt(piece).map(|excerpt| format!("excerpt: {excerpt}")));
        }
        lines.push(format!("reach: {}", words::reach(finding.reach)));
        lines.push(format!("confidence: {}", finding.confidence));
        if !finding.rule.attack.is_empty() {
            lines.push(format!("ATT&CK: {}", visible(&finding.rule.attack.join(", "))));
        }
        let name = format!("{} {}", finding.rule.id, words::place(finding.location()));
        case(
            &name,
            &format!(
                "      <failure message=\"{}\" type=\"{} {}\">{}</failure>\n",
                escape(&finding.message),
                finding.severity.word(),
                finding.class.word(),
                escape_lines(&lines.join("\n"))
            ),
        );
    }
    if options.show_ignored {
        for ignored in &image.ignored {
            skipped += 1;
            let name = format!("{} {}", ignored.finding.rule.id, words::place(ignored.finding.location()));
            let reason = format!("{} ({}, until {})", ignored.reason, ignored.author, ignored.expires);
            case(&name, &format!("      <skipped message=\"{}\"/>\n", escape(&reason)));
        }
    }
    out.push_str(&format!(
        "  <testsuite name=\"{class}\" tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\"",
        totals.tests
    ));
    if !options.reproducible && report.images.len() == 1 {
        let ms = report.timing.total_ms;
        out.push_str(&format!(" time=\"{}.{:03}\"", ms / 1000, ms % 1000));
    }
    out.push_str(">\n    <properties>\n");
    for (name, value) in [
        ("manifest", image.image.manifest.to_string()),
        ("verdict", image.verdict.outcome.to_string()),
        ("coverage", words::coverage(&image.coverage)),
        ("rules", report.rules_version.clone()),
    ] {
        out.push_str(&format!("      <property name=\"{name}\" value=\"{}\"/>\n", escape(&value)));
    }
    out.push_str("    </properties>\n");
    out.push_str(&cases);
    out.push_str("  </testsuite>\n");
    all.tests += totals.tests;
    all.failures += failures;
    all.errors += errors;
    all.skipped += skipped;
}

/// Text for an attribute or an element. What acts is an escape already, which also covers the
/// control characters that XML 1.0 cannot hold at all; U+FFFE and U+FFFF are the rest.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in visible(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn escape_lines(text: &str) -> String {
    text.lines().map(escape).collect::<Vec<_>>().join("\n")
}
