//! From the document that a reference points at to the images behind it, without any input or
//! output: the caller fetches what is asked for, from a registry or from a disk.

use std::collections::{HashSet, VecDeque};

use lazaret_model::{
    Budget, BudgetKind, Digest, Gap, GapKind, Image, Location, PinnedRef, Platform, Unscanned,
};

use crate::hash::digest_of;
use crate::manifest::{Descriptor, Document, Index, Manifest, ManifestError, image, parse_document};

/// How deep indexes may nest. containerd follows them without a limit; real ones have one level.
const DEPTH: usize = 8;
/// Most manifests behind one reference.
const MANIFESTS: usize = 2_000;
/// Why an attestation is not scanned.
const ATTESTATION: &str = "an attestation, nothing that runs";
/// Media type of the statements in a BuildKit attestation manifest.
const IN_TOTO: &str = "application/vnd.in-toto+json";

/// Everything behind one reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// What the reference was resolved to, once.
    pub pinned: PinnedRef,
    /// In words, where it was read from.
    pub source: String,
    /// The images, in the order of the index. Never empty.
    pub images: Vec<ResolvedImage>,
    /// Manifests that are rightly not scanned.
    pub unscanned: Vec<Unscanned>,
    /// Manifests that should have been scanned and could not be read: all serious.
    pub gaps: Vec<Gap>,
}

/// One image, and what is wrong with its description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedImage {
    /// The image.
    pub image: Image,
    /// What its manifest and its configuration leave open.
    pub gaps: Vec<Gap>,
}

/// Why nothing behind a reference can be scanned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The document itself is not what was asked for.
    #[error("digest mismatch: asked for {expected}, got {got}; it was changed on the way or at its source")]
    Digest {
        /// What was pinned.
        expected: Digest,
        /// What came.
        got: Digest,
    },
    /// It is larger than the limit for documents.
    #[error(
        "the manifest has {size} bytes, more than the limit of {limit} (raise it with --max-document-bytes)"
    )]
    TooLarge {
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// It cannot be understood.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// It is in Docker's schema 1.
    #[error(
        "the manifest is in Docker's schema 1, which current engines refuse; pull and push the image with a current engine to convert it"
    )]
    Schema1,
    /// It is no image.
    #[error("there is no image to run here: {0}")]
    NoImage(String),
    /// None of the platforms that were asked for is there.
    #[error("there is no image for {wanted}; there is: {available}")]
    NoPlatform {
        /// What was asked for.
        wanted: String,
        /// What there is.
        available: String,
    },
    /// There are images, and none could be read.
    #[error("no image could be read: {0}")]
    Unreadable(String),
}

/// What a needed document is for.
#[derive(Debug, Clone)]
enum Purpose {
    /// A manifest or an index named by an index.
    Child { depth: usize },
    /// The configuration of a manifest.
    Config { manifest: Box<Manifest>, digest: Digest },
}

/// A document that is needed.
#[derive(Debug, Clone)]
struct Need {
    descriptor: Descriptor,
    purpose: Purpose,
    /// What an index says of the platform.
    platform: Option<Platform>,
    /// Position in the index, in each level.
    order: Vec<usize>,
}

impl Need {
    /// Whether an index calls it an attestation. Only with an unknown platform: an engine picks by platform and
    /// does not look at annotations.
    fn is_attestation(&self) -> bool {
        self.platform.as_ref().is_some_and(Platform::is_unknown) && self.descriptor.is_attestation()
    }
}

/// Follows indexes to images. Ask [`Resolver::next_needed`], give with [`Resolver::provide`],
/// until nothing is needed, then [`Resolver::finish`].
#[derive(Debug)]
pub struct Resolver {
    pinned: PinnedRef,
    platforms: Vec<Platform>,
    budget: Budget,
    needs: VecDeque<Need>,
    seen: HashSet<Digest>,
    images: Vec<(Vec<usize>, ResolvedImage)>,
    unscanned: Vec<(Vec<usize>, Unscanned)>,
    gaps: Vec<Gap>,
    /// Platforms that were left out because nobody asked for them.
    left_out: Vec<String>,
    failure: Option<ManifestError>,
}

impl Resolver {
    /// Begins with the document that the reference points at. `media_type` is what the transport
    /// says of it. An empty `platforms` means all.
    ///
    /// # Errors
    /// The document is not the pinned one, or nothing that could lead to an image.
    pub fn new(
        pinned: PinnedRef,
        root: &[u8],
        media_type: Option<&str>,
        platforms: &[Platform],
        budget: &Budget,
    ) -> Result<Self, ResolveError> {
        let got = digest_of(pinned.digest.algorithm(), root);
        if got != pinned.digest {
            return Err(ResolveError::Digest { expected: pinned.digest, got });
        }
        if root.len() as u64 > budget.document_bytes {
            return Err(ResolveError::TooLarge { size: root.len() as u64, limit: budget.document_bytes });
        }
        let document = parse_document(root, media_type)?;
        let digest = pinned.digest.clone();
        let mut resolver = Self {
            pinned,
            platforms: platforms.to_vec(),
            budget: *budget,
            needs: VecDeque::new(),
            seen: HashSet::from([digest.clone()]),
            images: Vec::new(),
            unscanned: Vec::new(),
            gaps: Vec::new(),
            left_out: Vec::new(),
            failure: None,
        };
        match document {
            Document::Schema1 => return Err(ResolveError::Schema1),
            Document::Artifact(manifest) => return Err(ResolveError::NoImage(artifact_words(&manifest))),
            Document::Image(manifest) => resolver.need_config(manifest, digest, None, Vec::new()),
            Document::Index(index) if index.manifests.is_empty() => {
                return Err(ResolveError::NoImage("the index is empty".to_owned()));
            }
            Document::Index(index) => resolver.index(index, 0, &[]),
        }
        Ok(resolver)
    }

    /// The next document to fetch; the same again until it was provided.
    pub fn next_needed(&self) -> Option<Descriptor> {
        self.needs.front().map(|need| need.descriptor.clone())
    }

    /// All documents that could be fetched now, at once if one likes.
    pub fn needed(&self) -> impl Iterator<Item = &Descriptor> {
        self.needs.iter().map(|need| &need.descriptor)
    }

    /// Gives a document, or one sentence why it cannot be had. Digest and size are checked here.
    pub fn provide(&mut self, digest: &Digest, result: Result<Vec<u8>, String>) {
        let (matching, others) =
            std::mem::take(&mut self.needs).into_iter().partition(|need| need.descriptor.digest == *digest);
        self.needs = others;
        let matching: VecDeque<Need> = matching;
        for need in matching {
            let checked = match &result {
                Ok(bytes) => check(&need.descriptor, bytes),
                Err(why) => Err((GapKind::Missing, why.clone())),
            };
            match (checked, need.purpose.clone()) {
                // Tools that copy images leave attestations out. Who asks by digest for one that is there gets
                // it, so what is there is looked at: it is one by what it holds.
                (Err((GapKind::Missing, _)), Purpose::Child { .. }) if need.is_attestation() => {
                    self.skip(&need.order, &need.descriptor, ATTESTATION.to_owned());
                }
                (Err((kind, why)), purpose) => {
                    let role =
                        if matches!(purpose, Purpose::Config { .. }) { "configuration" } else { "manifest" };
                    self.lost(kind, &need, format!("{role} {}: {why}", need.descriptor.words()));
                }
                (Ok(bytes), Purpose::Child { depth }) => self.child(&need, bytes, depth),
                (Ok(bytes), Purpose::Config { manifest, digest }) => {
                    self.config(&need, &manifest, digest, bytes)
                }
            }
        }
    }

    /// The images. What was asked for and never provided counts as missing.
    ///
    /// # Errors
    /// There is no image, none for the platforms asked for, or none that could be read.
    pub fn finish(mut self, source: String) -> Result<Resolved, ResolveError> {
        while let Some(need) = self.needs.pop_front() {
            let words = format!("{} was not provided", need.descriptor.words());
            self.lost(GapKind::Missing, &need, words);
        }
        if self.images.is_empty() {
            if let Some(failure) = self.failure {
                return Err(failure.into());
            }
            if let Some(gap) = self.gaps.first() {
                return Err(ResolveError::Unreadable(gap.detail.clone()));
            }
            if !self.left_out.is_empty() {
                let wanted: Vec<String> = self.platforms.iter().map(Platform::to_string).collect();
                return Err(ResolveError::NoPlatform {
                    wanted: wanted.join(", "),
                    available: self.left_out.join(", "),
                });
            }
            let reasons: Vec<String> = self.unscanned.iter().map(|(_, u)| u.reason.clone()).collect();
            return Err(ResolveError::NoImage(
                reasons.first().cloned().unwrap_or_else(|| "nothing is there".to_owned()),
            ));
        }
        self.images.sort_by(|a, b| a.0.cmp(&b.0));
        self.unscanned.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(Resolved {
            pinned: self.pinned,
            source,
            images: self.images.into_iter().map(|(_, image)| image).collect(),
            unscanned: self.unscanned.into_iter().map(|(_, unscanned)| unscanned).collect(),
            gaps: self.gaps,
        })
    }

    fn lost(&mut self, kind: GapKind, _need: &Need, detail: String) {
        self.gaps.push(Gap::serious(kind, Location::Manifest, detail));
    }

    fn wanted(&self, platform: &Platform) -> bool {
        self.platforms.is_empty() || self.platforms.iter().any(|wanted| platform.satisfies(wanted))
    }

    fn skip(&mut self, order: &[usize], descriptor: &Descriptor, reason: String) {
        let unscanned =
            Unscanned { digest: descriptor.digest.clone(), platform: descriptor.platform.clone(), reason };
        self.unscanned.push((order.to_vec(), unscanned));
    }

    fn leave_out(&mut self, order: &[usize], digest: Digest, platform: Platform) {
        self.left_out.push(platform.to_string());
        let reason = "another platform than the ones asked for".to_owned();
        self.unscanned.push((order.to_vec(), Unscanned { digest, platform: Some(platform), reason }));
    }

    /// Asks for the children of an index.
    fn index(&mut self, index: Index, depth: usize, order: &[usize]) {
        for (number, descriptor) in index.manifests.into_iter().enumerate() {
            let mut place = order.to_vec();
            place.push(number);
            if let Some(platform) = descriptor.platform.clone().filter(|p| !p.is_unknown())
                && !self.wanted(&platform)
            {
                self.leave_out(&place, descriptor.digest, platform);
                continue;
            }
            if descriptor.size > self.budget.document_bytes {
                self.too_large(&descriptor);
                continue;
            }
            // A cycle, or the same manifest again: it is scanned once. What was left out above for
            // its platform may still come in under another.
            if !self.seen.insert(descriptor.digest.clone()) {
                continue;
            }
            if depth >= DEPTH || self.seen.len() > MANIFESTS {
                let detail =
                    format!("manifest {}: too many or too deeply nested manifests", descriptor.words());
                self.gaps.push(Gap::serious(GapKind::Budget(BudgetKind::Depth), Location::Manifest, detail));
                continue;
            }
            let platform = descriptor.platform.clone();
            self.needs.push_back(Need {
                descriptor,
                purpose: Purpose::Child { depth },
                platform,
                order: place,
            });
        }
    }

    fn too_large(&mut self, descriptor: &Descriptor) {
        let detail = format!(
            "{} has {} bytes, more than the limit for documents; raise it with {}",
            descriptor.words(),
            descriptor.size,
            BudgetKind::DocumentBytes.flag()
        );
        self.gaps.push(Gap::serious(GapKind::Budget(BudgetKind::DocumentBytes), Location::Manifest, detail));
    }

    fn need_config(
        &mut self,
        manifest: Manifest,
        digest: Digest,
        platform: Option<Platform>,
        order: Vec<usize>,
    ) {
        if manifest.config.size > self.budget.document_bytes {
            self.too_large(&manifest.config);
            return;
        }
        let descriptor = manifest.config.clone();
        let purpose = Purpose::Config { manifest: Box::new(manifest), digest };
        self.needs.push_back(Need { descriptor, purpose, platform, order });
    }

    fn child(&mut self, need: &Need, bytes: &[u8], depth: usize) {
        let stated = Some(need.descriptor.media_type.as_str()).filter(|t| !t.is_empty());
        let unknown = need.platform.as_ref().is_some_and(Platform::is_unknown);
        match parse_document(bytes, stated) {
            Ok(Document::Index(index)) => self.index(index, depth + 1, &need.order),
            Ok(Document::Artifact(manifest)) => {
                self.skip(&need.order, &need.descriptor, artifact_words(&manifest))
            }
            Ok(Document::Image(manifest)) if unknown && is_statement(&manifest) => {
                self.skip(&need.order, &need.descriptor, ATTESTATION.to_owned());
            }
            Ok(Document::Image(manifest)) => {
                self.need_config(
                    manifest,
                    need.descriptor.digest.clone(),
                    need.platform.clone(),
                    need.order.clone(),
                );
            }
            Ok(Document::Schema1) => {
                let detail = format!("manifest {}: it is in Docker's schema 1", need.descriptor.words());
                self.lost(GapKind::Unsupported, need, detail);
            }
            Err(error) => {
                let detail = format!("manifest {}: {error}", need.descriptor.words());
                self.lost(GapKind::Damaged, need, detail);
            }
        }
    }

    fn config(&mut self, need: &Need, manifest: &Manifest, digest: Digest, bytes: &[u8]) {
        match image(self.pinned.clone(), digest.clone(), manifest, bytes, need.platform.as_ref()) {
            Ok((image, gaps)) => match image.platform.clone() {
                Some(platform) if !self.wanted(&platform) => self.leave_out(&need.order, digest, platform),
                None if !self.platforms.is_empty() => {
                    let gap = Gap::minor(
                        GapKind::Missing,
                        Location::Config("architecture".to_owned()),
                        "neither index nor configuration names a platform; it is scanned whatever was asked for",
                    );
                    let gaps = gaps.into_iter().chain([gap]).collect();
                    self.images.push((need.order.clone(), ResolvedImage { image, gaps }));
                }
                _ => self.images.push((need.order.clone(), ResolvedImage { image, gaps })),
            },
            Err(error) => {
                self.lost(GapKind::Damaged, need, error.to_string());
                if need.order.is_empty() {
                    self.failure = Some(error);
                }
            }
        }
    }
}

/// Size and digest are what the descriptor says.
fn check<'a>(descriptor: &Descriptor, bytes: &'a [u8]) -> Result<&'a [u8], (GapKind, String)> {
    let got = digest_of(descriptor.digest.algorithm(), bytes);
    if got != descriptor.digest {
        return Err((GapKind::Mismatch, format!("digest mismatch: what was read is {got}")));
    }
    if bytes.len() as u64 != descriptor.size {
        let why = format!("size mismatch: {} bytes are stated, it has {}", descriptor.size, bytes.len());
        return Err((GapKind::Mismatch, why));
    }
    Ok(bytes)
}

fn artifact_words(manifest: &Manifest) -> String {
    let kind = manifest.artifact_type.as_deref().unwrap_or(&manifest.config.media_type);
    format!("an artifact of type {}, nothing that runs", lazaret_model::one_line(kind, 100))
}

/// Whether every layer is an in-toto statement.
fn is_statement(manifest: &Manifest) -> bool {
    !manifest.layers.is_empty() && manifest.layers.iter().all(|layer| layer.media_type == IN_TOTO)
}
