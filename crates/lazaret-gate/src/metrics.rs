//! What a gate counts, for Prometheus.

use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// The numbers.
pub struct Metrics {
    registry: Registry,
    /// Manifests asked for, by what was answered.
    pub manifests: Family<Answer, Counter>,
    /// Bytes of blobs that were served.
    pub blob_bytes: Counter,
    /// Blobs served from the shelf or fetched.
    pub blobs: Family<Origin, Counter>,
    /// Images that were judged, by verdict.
    pub judged: Family<Verdict, Counter>,
    /// Seconds until a manifest was answered.
    pub seconds: Histogram,
    /// Bytes on the shelf.
    pub shelf_bytes: Gauge,
    /// Judgements under way.
    pub pending: Gauge,
    /// Answers that are not in the store's list, because the store failed.
    pub lost: Counter,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Answer {
    /// `served`, `refused`, `audited`, `failed`, `pending`.
    pub answer: String,
}

/// Where a blob came from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Origin {
    /// `shelf`, `bucket` or `upstream`.
    pub origin: String,
}

/// The outcome of a judgement.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Verdict {
    /// The word.
    pub verdict: String,
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("lazaret_gate"),
            manifests: Family::default(),
            blob_bytes: Counter::default(),
            blobs: Family::default(),
            judged: Family::default(),
            seconds: Histogram::new(exponential_buckets(0.000_5, 2.0, 20)),
            shelf_bytes: Gauge::default(),
            pending: Gauge::default(),
            lost: Counter::default(),
        };
        let registry = &mut metrics.registry;
        registry.register("manifests", "Manifests asked for, by answer", metrics.manifests.clone());
        registry.register("blob_bytes", "Bytes of blobs served", metrics.blob_bytes.clone());
        registry.register("blobs", "Blobs served, by origin", metrics.blobs.clone());
        registry.register("judged", "Images judged, by verdict", metrics.judged.clone());
        registry.register("manifest_seconds", "Seconds to answer a manifest", metrics.seconds.clone());
        registry.register("shelf_bytes", "Bytes of blobs on disk", metrics.shelf_bytes.clone());
        registry.register("pending", "Judgements under way", metrics.pending.clone());
        registry.register("answers_unlisted", "Answers that the store did not take", metrics.lost.clone());
        metrics
    }

    /// The text that Prometheus reads.
    pub fn text(&self) -> String {
        let mut out = String::new();
        // Writing into a string cannot fail.
        let _ = encode(&mut out, &self.registry);
        out
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
