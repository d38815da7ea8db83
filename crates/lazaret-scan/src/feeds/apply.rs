//! What the feeds say of one image.

use std::collections::BTreeMap;

use lazaret_detect::{Trace, Traced};
use lazaret_model::{
    Confidence, Digest, EntryPath, Evidence, Finding, IgnoredFinding, ImageReport, Indicator, IndicatorKind,
    Location, Reach, Role, Verdict, one_line,
};
use lazaret_trust::{Entry, Subject};
use time::OffsetDateTime;

use super::index::Said;
use super::{Feeds, Used, rules};

/// Denied things beyond this many in one image are counted and not told.
const FINDINGS: usize = 100;
/// Places of one thing, and packs that deny it, beyond this many are not told.
const PLACES: usize = 6;

/// Where something is, and whether it can act there.
type Place = (Reach, Location);

impl Feeds {
    /// Adds what the feeds deny in an image to its findings, or moves all findings of an image that is
    /// allowed among the ignored ones, and judges anew. Gaps stay: allowing is no looking.
    ///
    /// `traces` is what the image holds, as far as the judge told it besides the report.
    pub fn apply(&self, report: &mut ImageReport, traces: &[Trace], now: OffsetDateTime) {
        if self.is_empty() {
            return;
        }
        let mut denied: Vec<Denied<'_>> = Vec::new();
        let mut allowed: Option<(&Used, &Entry)> = None;
        for (digest, place, what) in digests(report) {
            match self.index.ask(&self.used, &Subject::Image(digest.clone()), now) {
                Said::Nothing => {}
                Said::Allowed(used, entry) => allowed = allowed.or(Some((used, entry))),
                Said::Denied(by) => denied.push(Denied {
                    subject: Subject::Image(digest),
                    called: what,
                    places: vec![(Reach::Starts, place)],
                    by,
                }),
            }
        }
        // Who denies one digest of an image is not outvoted by who allows another of it.
        let allowed = allowed.filter(|_| denied.is_empty());
        for (subject, places) in held(report, traces) {
            if let Said::Denied(by) = self.index.ask(&self.used, &subject, now) {
                let called = called(&subject);
                denied.push(Denied { subject, called, places, by });
            }
        }
        let more = denied.len().saturating_sub(FINDINGS);
        // Those about digests come first, and then what is sure: an image cannot push what convicts it out
        // of the list with much that does not.
        denied.sort_by(|a, b| b.order().cmp(&a.order()).then_with(|| a.subject.cmp(&b.subject)));
        denied.truncate(FINDINGS);
        let mut findings: Vec<Finding> = denied.iter().map(Denied::finding).collect();
        if let (Some(last), true) = (findings.last_mut(), more > 0) {
            last.message.push_str(&format!("; {more} further things in it are denied"));
        }
        if findings.is_empty() && allowed.is_none() {
            return;
        }
        report.findings.append(&mut findings);
        if let Some((used, entry)) = allowed {
            let ignored = report.findings.drain(..).map(|finding| ignored(finding, used, entry));
            report.ignored.extend(ignored);
        }
        lazaret_detect::sort_findings(&mut report.findings);
        report.verdict = lazaret_detect::verdict(&report.findings, &report.gaps);
    }

    /// What the feeds say against a list of images, of which nothing is known but its digest: the verdict
    /// and the finding that it rests on. None where they do not deny it.
    pub fn against(&self, digest: &Digest, now: OffsetDateTime) -> Option<(Verdict, Finding)> {
        let subject = Subject::Image(digest.clone());
        let Said::Denied(by) = self.index.ask(&self.used, &subject, now) else { return None };
        let places = vec![(Reach::Starts, Location::Manifest)];
        let finding = Denied { subject, called: "the index".to_owned(), places, by }.finding();
        Some((lazaret_detect::verdict(std::slice::from_ref(&finding), &[]), finding))
    }
}

fn ignored(finding: Finding, used: &Used, entry: &Entry) -> IgnoredFinding {
    let feed = &used.pack.feed;
    let expires = entry.expires.map_or(feed.expires(), |end| end.min(feed.expires()));
    IgnoredFinding {
        finding,
        reason: format!(
            "the {} allows this image: {}",
            super::title(feed.name(), feed.version(), feed.issuer()),
            one_line(&entry.reason, 300)
        ),
        author: one_line(&entry.author, 100),
        expires: expires.date().to_string(),
    }
}

/// The digests by which an image is known, with where each stands and what it is.
fn digests(report: &ImageReport) -> Vec<(Digest, Location, String)> {
    let image = &report.image;
    let mut all = vec![(image.manifest.clone(), Location::Manifest, "the manifest".to_owned())];
    if image.pinned.digest != image.manifest {
        all.push((image.pinned.digest.clone(), Location::Manifest, "the index".to_owned()));
    }
    all.push((image.config_digest.clone(), Location::Image, "the image id".to_owned()));
    all
}

/// Everything in an image that a feed may speak about, each with its places, those that act first.
fn held(report: &ImageReport, traces: &[Trace]) -> BTreeMap<Subject, Vec<Place>> {
    let mut held: BTreeMap<Subject, Vec<Place>> = BTreeMap::new();
    let mut acting: BTreeMap<(usize, &EntryPath), Reach> = BTreeMap::new();
    let mut see = |subject: Subject, place: Place| {
        add(held.entry(subject).or_default(), place);
    };
    for layer in &report.image.layers {
        if let Some(diff_id) = &layer.diff_id {
            let indicator = Indicator::new(IndicatorKind::Layer, diff_id.to_string());
            see(Subject::Indicator(indicator), (Reach::Starts, Location::Layer(layer.index)));
        }
    }
    for trace in traces {
        if let (Some(layer), Some(path)) = (trace.location.layer(), trace.location.path()) {
            let reach = acting.entry((layer, path)).or_insert(trace.reach);
            *reach = (*reach).max(trace.reach);
        }
        let place = (trace.reach, trace.location.clone());
        match &trace.what {
            Traced::File(digest) => see(Subject::File(digest.clone()), place),
            Traced::Indicator(indicator) => {
                for subject in subjects(indicator) {
                    see(subject, place.clone());
                }
            }
        }
    }
    for finding in &report.findings {
        for indicator in &finding.indicators {
            for subject in subjects(indicator) {
                see(subject, (finding.reach, finding.location().clone()));
            }
        }
        for evidence in finding.evidence() {
            if let Some(digest) = &evidence.sha256 {
                see(Subject::File(digest.clone()), (finding.reach, evidence.location.clone()));
            }
        }
    }
    for sighting in report.sightings.iter().filter(|sighting| sighting.role > Role::Mentioned) {
        let file = sighting.location.layer().zip(sighting.location.path());
        let reach = match (&sighting.location, file) {
            (_, Some(file)) => acting.get(&file).copied().unwrap_or(Reach::Dormant),
            (Location::Config(key), None) if !key.starts_with("Labels") => Reach::Starts,
            (Location::Launch { .. }, None) => Reach::Starts,
            _ => Reach::Dormant,
        };
        for subject in subjects(&sighting.indicator) {
            see(subject, (reach, sighting.location.clone()));
        }
    }
    // A content has one entry, whatever it is called: by its hash.
    let mut by_hash: BTreeMap<String, Subject> = BTreeMap::new();
    let mut merged: BTreeMap<Subject, Vec<Place>> = BTreeMap::new();
    for (subject, places) in held {
        let subject = match subject.file_hash() {
            Some(hash) => by_hash.entry(hash).or_insert(subject).clone(),
            None => subject,
        };
        let known = merged.entry(subject).or_default();
        places.into_iter().for_each(|place| add(known, place));
    }
    for places in merged.values_mut() {
        places.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    }
    merged
}

/// Adds a place. Of two who say how far the same place acts, the one who says more is believed.
fn add(places: &mut Vec<Place>, place: Place) {
    match places.iter_mut().find(|known| known.1 == place.1) {
        Some(known) => known.0 = known.0.max(place.0),
        None => places.push(place),
    }
}

/// What a feed may say of an indicator: of itself, and of the host in it.
fn subjects(indicator: &Indicator) -> Vec<Subject> {
    let mut all: Vec<Subject> = Subject::seen(indicator).into_iter().collect();
    if matches!(indicator.kind, IndicatorKind::Url | IndicatorKind::Pool)
        && let Some(host) = host(&indicator.value)
        && let Ok(subject) = Subject::parse(IndicatorKind::Host.name(), &host)
    {
        all.push(subject);
    }
    all
}

/// The host in `scheme://user@host:port/path` or `host:port`.
fn host(address: &str) -> Option<String> {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next()?;
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    let host = match place.strip_prefix('[') {
        Some(six) => six.split_once(']')?.0,
        None => place.rsplit_once(':').map_or(place, |(host, _)| host),
    };
    (!host.is_empty()).then(|| host.to_owned())
}

/// What a thing is called in a sentence.
fn called(subject: &Subject) -> String {
    match subject {
        Subject::Image(_) => "the digest".to_owned(),
        Subject::File(_) => "the file with SHA-256".to_owned(),
        Subject::Indicator(indicator) => match indicator.kind {
            IndicatorKind::ScriptHash => "the script with SHA-256".to_owned(),
            IndicatorKind::ElfHash => "the program with SHA-256".to_owned(),
            IndicatorKind::Layer => "the layer".to_owned(),
            kind => format!("the {}", kind.name()),
        },
    }
}

/// Something that feeds deny, in an image.
struct Denied<'f> {
    subject: Subject,
    called: String,
    /// Never empty, those that act first.
    places: Vec<Place>,
    /// Never empty.
    by: Vec<(&'f Used, &'f Entry)>,
}

impl Denied<'_> {
    fn order(&self) -> (bool, Confidence, Reach) {
        let (_, confidence) = rules::weight(&self.subject);
        (matches!(self.subject, Subject::Image(_)), confidence, self.places[0].0)
    }

    fn finding(&self) -> Finding {
        let is_digest = matches!(self.subject, Subject::Image(_) | Subject::File(_))
            || self.subject.file_hash().is_some()
            || self.subject.kind() == IndicatorKind::Layer.name();
        let rule = if is_digest { rules::digest() } else { rules::indicator() };
        let (severity, confidence) = rules::weight(&self.subject);
        let (reach, first) = &self.places[0];
        let named = format!("{} {}", self.called, one_line(&self.subject.value(), 120));
        let (used, entry) = self.by[0];
        let feed = &used.pack.feed;
        let who = super::title(feed.name(), feed.version(), feed.issuer());
        let message = match &self.subject {
            Subject::Image(_) => {
                format!("{named} is denied by the {who}: {}", one_line(&entry.reason, 200))
            }
            _ => format!("It holds {named}, which the {who} denies: {}", one_line(&entry.reason, 200)),
        };
        let mut finding = Finding::of(&rule, capital(&message), said(first, &named, used, entry))
            .severity(severity)
            .confidence(confidence)
            .reach(*reach);
        for (used, entry) in self.by.iter().skip(1).take(PLACES) {
            finding = finding.and(said(first, &named, used, entry));
        }
        for (reach, place) in self.places.iter().skip(1).take(PLACES) {
            finding = finding.and(Evidence::at(place.clone(), format!("holds it as well ({reach})")));
        }
        if let Subject::Indicator(indicator) = &self.subject {
            finding = finding.indicator(indicator.clone());
        }
        finding.refuted_by(format!("the issuer of the feed {} withdraws the entry", feed.name())).build()
    }
}

/// What one feed says of a place.
fn said(place: &Location, named: &str, used: &Used, entry: &Entry) -> Evidence {
    let feed = &used.pack.feed;
    let mut text = format!(
        "feed {} version {}, issued by {}, key {}: denies {named}",
        feed.name(),
        feed.version(),
        one_line(feed.issuer(), 100),
        used.pack.signer.short()
    );
    if let Some(campaign) = &entry.campaign {
        text.push_str(&format!("; campaign {}", one_line(campaign, 100)));
    }
    text.push_str(&format!("; {}; by {}", one_line(&entry.reason, 300), one_line(&entry.author, 100)));
    let what = format!("is denied by the feed {}", feed.name());
    let mut evidence = Evidence::at(place.clone(), what).quoting(text);
    if let Subject::File(digest) = &entry.subject {
        evidence.sha256 = Some(digest.clone());
    }
    evidence
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
