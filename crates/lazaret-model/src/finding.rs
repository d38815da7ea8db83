use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Class, Confidence, ContentId, Digest, Indicator, Location, Rule, Severity};

/// Whether what was found can come to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// Only in a layer below a whiteout or an overwrite: not in the running container, but it
    /// was shipped.
    Removed,
    /// In the image, and nothing that we follow starts it.
    Dormant,
    /// Something in the image can start it (a scheduler, a login, a health check, a file named
    /// by a script).
    Reachable,
    /// On the start path.
    Starts,
}

impl Reach {
    /// The word used in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Starts => "starts",
            Self::Reachable => "reachable",
            Self::Dormant => "dormant",
            Self::Removed => "removed",
        }
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One link in the chain that would convince a stranger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Where.
    pub location: Location,
    /// What is seen there, in words: "starts `/usr/bin/x` with a pool address".
    pub what: String,
    /// The decoded excerpt, raw; renderers neutralise it.
    pub excerpt: Option<String>,
    /// SHA-256 of the file, where the place is in one and it is known.
    pub sha256: Option<Digest>,
    /// Content of the file, where it is known.
    pub content: Option<ContentId>,
}

impl Evidence {
    /// Evidence with neither excerpt nor hash.
    pub fn at(location: Location, what: impl Into<String>) -> Self {
        Self { location, what: what.into(), excerpt: None, sha256: None, content: None }
    }

    /// The same with an excerpt.
    pub fn quoting(mut self, excerpt: impl Into<String>) -> Self {
        self.excerpt = Some(excerpt.into());
        self
    }
}

/// A rule that is met, with the evidence for it. It cannot exist without evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// One sentence about this image.
    pub message: String,
    /// Class, the rule's unless the context changed it (an honest miner is dual-use).
    pub class: Class,
    /// Severity, the rule's unless the context changed it.
    pub severity: Severity,
    /// Confidence, the rule's unless the context changed it.
    pub confidence: Confidence,
    /// Whether it can act.
    pub reach: Reach,
    evidence: Vec<Evidence>,
    /// What ties this to others.
    pub indicators: Vec<Indicator>,
    /// What would show that this finding is wrong.
    pub refuted_by: Option<String>,
}

impl Finding {
    /// Starts a finding of `rule` with its first piece of evidence.
    pub fn of(rule: &Rule, message: impl Into<String>, first: Evidence) -> FindingBuilder {
        FindingBuilder(Self {
            message: message.into(),
            class: rule.class,
            severity: rule.severity,
            confidence: rule.confidence,
            reach: Reach::Dormant,
            evidence: vec![first],
            indicators: Vec::new(),
            refuted_by: None,
            rule: rule.clone(),
        })
    }

    /// The evidence, most telling first. Never empty.
    pub fn evidence(&self) -> &[Evidence] {
        &self.evidence
    }

    /// The evidence, to complete hashes. It cannot be emptied through this.
    pub fn evidence_mut(&mut self) -> &mut [Evidence] {
        &mut self.evidence
    }

    /// The place that stands for the finding.
    pub fn location(&self) -> &Location {
        &self.evidence[0].location
    }
}

/// A finding in the making; it has evidence from its first moment.
#[derive(Debug)]
pub struct FindingBuilder(Finding);

impl FindingBuilder {
    /// Adds a link to the chain.
    #[must_use]
    pub fn and(mut self, evidence: Evidence) -> Self {
        self.0.evidence.push(evidence);
        self
    }

    /// Sets the reach.
    #[must_use]
    pub fn reach(mut self, reach: Reach) -> Self {
        self.0.reach = reach;
        self
    }

    /// Sets class, where the context changes the rule's.
    #[must_use]
    pub fn class(mut self, class: Class) -> Self {
        self.0.class = class;
        self
    }

    /// Sets severity, where the context changes the rule's.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.0.severity = severity;
        self
    }

    /// Sets confidence, where the context changes the rule's.
    #[must_use]
    pub fn confidence(mut self, confidence: Confidence) -> Self {
        self.0.confidence = confidence;
        self
    }

    /// Adds an indicator, once.
    #[must_use]
    pub fn indicator(mut self, indicator: Indicator) -> Self {
        if !self.0.indicators.contains(&indicator) {
            self.0.indicators.push(indicator);
        }
        self
    }

    /// Says what would refute it.
    #[must_use]
    pub fn refuted_by(mut self, what: impl Into<String>) -> Self {
        self.0.refuted_by = Some(what.into());
        self
    }

    /// The finding.
    pub fn build(self) -> Finding {
        self.0
    }
}
