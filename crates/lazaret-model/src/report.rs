use serde::{Deserialize, Serialize};

use crate::{
    Behaviour, BuiltOn, CampaignLink, Coverage, Digest, FeedUse, Finding, Gap, Image, Inventory, Launch,
    PinnedRef, Platform, RulePack, Sighting, Verdict,
};

/// What is said of one reference that a person named: one verdict for each platform, and the
/// worst of them for the whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// What the person typed.
    pub requested: String,
    /// What it was resolved to, once.
    pub pinned: PinnedRef,
    /// In words, where it was read from: `registry docker.io`, `OCI layout /srv/x`.
    pub source: String,
    /// One for each platform, in the order of the index.
    pub images: Vec<ImageReport>,
    /// Manifests of the index that hold no image to run (attestations, signatures, artifacts)
    /// or that `--platform` left out.
    pub unscanned: Vec<Unscanned>,
    /// The worst verdict.
    pub verdict: Verdict,
    /// Version of the rules that judged.
    pub rules_version: String,
    /// The rules that the user named, and which of them could be applied.
    #[serde(default)]
    pub rule_packs: Vec<RulePack>,
    /// The feeds of indicators that judged, and those that should have and could not.
    #[serde(default)]
    pub feeds: Vec<FeedUse>,
    /// The campaigns, as they were last computed, that lead to it. Not part of the judgement, and not
    /// remembered with it.
    #[serde(skip)]
    pub campaigns: Vec<CampaignLink>,
    /// How long it took.
    pub timing: Timing,
}

/// A manifest that was not scanned, and why that is right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unscanned {
    /// Its digest.
    pub digest: Digest,
    /// Its platform, where the index names one.
    pub platform: Option<Platform>,
    /// Why, in words.
    pub reason: String,
}

/// What is said of one image for one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageReport {
    /// The image.
    pub image: Image,
    /// The answer.
    pub verdict: Verdict,
    /// What speaks against it, worst first.
    pub findings: Vec<Finding>,
    /// Findings that an ignore file took out of the verdict.
    pub ignored: Vec<IgnoredFinding>,
    /// What could not be read.
    pub gaps: Vec<Gap>,
    /// What it does, on paper.
    pub behaviours: Vec<Behaviour>,
    /// How much was looked at.
    pub coverage: Coverage,
    /// Uncompressed size of each layer in bytes, lowest first, 0 where unknown.
    pub layer_sizes: Vec<u64>,
    /// What it holds.
    pub inventory: Inventory,
    /// What it may have in common with others of its maker, sorted.
    #[serde(default)]
    pub sightings: Vec<Sighting>,
    /// The recorded base that it is built on, where there is one.
    #[serde(default)]
    pub base: Option<BuiltOn>,
    /// How it is run, where that was given; None is a plain start.
    #[serde(default)]
    pub launch: Option<Launch>,
}

/// A finding that a person decided to live with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IgnoredFinding {
    /// The finding.
    pub finding: Finding,
    /// The reason in the ignore file.
    pub reason: String,
    /// Who decided.
    pub author: String,
    /// Until when, RFC 3339 date.
    pub expires: String,
}

/// Where the time went, in milliseconds. Not part of anything that must be reproducible.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// Wall time of the whole.
    pub total_ms: u64,
}
