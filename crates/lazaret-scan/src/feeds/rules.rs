//! The rules under which what a feed says becomes a finding.

use lazaret_model::{Class, Confidence, DENIED_INDICATOR, IndicatorKind, Rule, Severity};
use lazaret_trust::Subject;

/// Id of findings about a digest of the image, a layer or a file.
pub(super) const DIGEST: &str = "feed/denied-digest";

const DO: &str = "The entry, its author and its campaign are in the evidence: ask the issuer of the feed if you \
                  think it is wrong. `lazaret feed show NAME` lists what a feed says; a feed of your own that \
                  allows the same thing outweighs it.";

/// All of them, for lists of rules.
pub fn rules() -> Vec<Rule> {
    vec![digest(), indicator()]
}

pub(super) fn digest() -> Rule {
    rule(
        DIGEST,
        "be one that a feed denies",
        "A signed feed whose key you pinned denies this image, one of its layers or one of its files by digest. \
         Whoever issues the feed saw these very bytes do harm.",
    )
}

pub(super) fn indicator() -> Rule {
    rule(
        DENIED_INDICATOR,
        "hold what a feed denies",
        "A signed feed whose key you pinned denies something that this image holds: a wallet, a key, an address, \
         a pool, a host. Whoever issues the feed saw it in other images that do harm.",
    )
}

fn rule(id: &str, title: &str, what: &str) -> Rule {
    Rule {
        id: id.to_owned(),
        title: title.to_owned(),
        explanation: format!("{what} {DO}"),
        class: Class::Malware,
        severity: Severity::Critical,
        confidence: Confidence::High,
        attack: Vec::new(),
        references: Vec::new(),
    }
}

/// How sure it is that two images with the same thing are of one hand, and how bad that is.
///
/// A wallet, a key, a content is somebody's own. A host may serve many, a pool serves its customers,
/// and what is written into an environment others may have written too.
pub(super) fn weight(subject: &Subject) -> (Severity, Confidence) {
    let Subject::Indicator(indicator) = subject else { return (Severity::Critical, Confidence::High) };
    match indicator.kind {
        IndicatorKind::ScriptHash | IndicatorKind::ElfHash | IndicatorKind::Layer => {
            (Severity::Critical, Confidence::High)
        }
        IndicatorKind::Wallet | IndicatorKind::SshKey | IndicatorKind::Url | IndicatorKind::PoolLogin => {
            (Severity::High, Confidence::High)
        }
        IndicatorKind::Host | IndicatorKind::Pool | IndicatorKind::FuzzyHash => {
            (Severity::High, Confidence::Medium)
        }
        IndicatorKind::BuilderTrace | IndicatorKind::Environment | IndicatorKind::Label => {
            (Severity::Medium, Confidence::Low)
        }
    }
}
