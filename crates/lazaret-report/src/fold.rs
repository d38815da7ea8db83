//! One finding seen on several platforms is one finding.

use std::collections::HashMap;

use lazaret_model::{
    EntryPath, Evidence, Finding, Gap, IgnoredFinding, ImageReport, Location, Report, Rule, Severity,
};

/// A finding with every image in which it was made.
#[derive(Debug)]
pub struct Folded<'a> {
    /// The finding, as the first of the images has it.
    pub finding: &'a Finding,
    /// The images, never empty, worst verdict first.
    pub images: Vec<&'a ImageReport>,
    /// Why it does not count, where a person decided so.
    pub ignored: Option<&'a IgnoredFinding>,
}

impl<'a> Folded<'a> {
    /// The same once more.
    pub fn again(&self) -> Self {
        Self { finding: self.finding, images: self.images.clone(), ignored: self.ignored }
    }

    /// The image whose digests the chain of evidence names.
    pub fn image(&self) -> &'a ImageReport {
        self.images[0]
    }

    /// The platforms, in words.
    pub fn platforms(&self) -> Vec<String> {
        self.images.iter().map(|image| crate::words::platform(image)).collect()
    }
}

/// The findings of a report, those of several platforms folded into one, worst first.
pub fn findings(report: &Report) -> Vec<Folded<'_>> {
    let images = crate::words::worst_first(report);
    fold(images.into_iter().flat_map(|image| image.findings.iter().map(move |f| (image, f, None))))
}

/// Findings that are told one by one, and informational ones, which are summed up: they accuse
/// nobody, and there are many.
pub fn told_and_seen(report: &Report) -> (Vec<Folded<'_>>, Vec<Folded<'_>>) {
    findings(report).into_iter().partition(|folded| folded.finding.severity > Severity::Info)
}

/// Informational findings by rule: id, title and how many, most first.
pub fn by_rule<'a>(seen: &[Folded<'a>]) -> Vec<(&'a Rule, usize)> {
    let mut rules: Vec<(&Rule, usize)> = Vec::new();
    let mut known: HashMap<&str, usize> = HashMap::new();
    for folded in seen {
        let rule = &folded.finding.rule;
        let at = *known.entry(rule.id.as_str()).or_insert_with(|| {
            rules.push((rule, 0));
            rules.len() - 1
        });
        rules[at].1 += 1;
    }
    rules.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.id.cmp(&b.0.id)));
    rules
}

/// The findings of a report that a person decided to live with, folded likewise.
pub fn ignored(report: &Report) -> Vec<Folded<'_>> {
    let images = crate::words::worst_first(report);
    fold(images.into_iter().flat_map(|image| image.ignored.iter().map(move |i| (image, &i.finding, Some(i)))))
}

/// Gaps of all platforms, equal ones once with the platforms that have them, those that matter
/// first.
pub fn gaps(report: &Report) -> Vec<(&Gap, Vec<String>)> {
    let mut out: Vec<(&Gap, Vec<String>)> = Vec::new();
    let mut known: HashMap<&Gap, usize> = HashMap::new();
    for image in crate::words::worst_first(report) {
        let platform = crate::words::platform(image);
        for gap in &image.gaps {
            let at = *known.entry(gap).or_insert_with(|| {
                out.push((gap, Vec::new()));
                out.len() - 1
            });
            if out[at].1.last() != Some(&platform) {
                out[at].1.push(platform.clone());
            }
        }
    }
    out.sort_by_key(|(gap, _)| std::cmp::Reverse(gap.matters));
    out
}

type Seen<'a> = (&'a ImageReport, &'a Finding, Option<&'a IgnoredFinding>);

fn fold<'a>(findings: impl Iterator<Item = Seen<'a>>) -> Vec<Folded<'a>> {
    let mut out: Vec<Folded<'a>> = Vec::new();
    // Only findings of one rule at one path can be alike; the rest is never compared.
    let mut near: HashMap<(&str, Option<&EntryPath>), Vec<usize>> = HashMap::new();
    for (image, finding, ignored) in findings {
        let candidates = near.entry((finding.rule.id.as_str(), finding.location().path())).or_default();
        let same = candidates.iter().copied().find(|&at| {
            // Within one image two findings stay two even when they look alike.
            !out[at].images.iter().any(|other| std::ptr::eq(*other, image))
                && alike(out[at].finding, finding)
                && out[at].ignored.map(|i| &i.reason) == ignored.map(|i| &i.reason)
        });
        match same {
            Some(at) => out[at].images.push(image),
            None => {
                candidates.push(out.len());
                out.push(Folded { finding, images: vec![image], ignored });
            }
        }
    }
    sort(&mut out);
    out
}

/// Worst first: class, severity, confidence, reach; what is equal keeps the order of the model.
fn sort(findings: &mut [Folded<'_>]) {
    findings.sort_by_key(|f| {
        let f = f.finding;
        std::cmp::Reverse((f.class, f.severity, f.reach, f.confidence))
    });
}

fn alike(a: &Finding, b: &Finding) -> bool {
    a.rule.id == b.rule.id
        && a.message == b.message
        && (a.class, a.severity, a.confidence, a.reach) == (b.class, b.severity, b.confidence, b.reach)
        && a.evidence().len() == b.evidence().len()
        && a.evidence().iter().zip(b.evidence()).all(|(a, b)| evidence_alike(a, b))
}

/// Layers have other numbers and digests on other platforms; the same bytes at the same place
/// are the same evidence.
fn evidence_alike(a: &Evidence, b: &Evidence) -> bool {
    let place = match (&a.location, &b.location) {
        (
            Location::File { path: p, inside: i, line: l, offset: o, .. },
            Location::File { path: q, inside: j, line: m, offset: n, .. },
        ) => (p, i, l, o) == (q, j, m, n),
        (Location::Layer(_), Location::Layer(_)) => true,
        (a, b) => a == b,
    };
    place && a.what == b.what && a.excerpt == b.excerpt && a.sha256 == b.sha256
}
