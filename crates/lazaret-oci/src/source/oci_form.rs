//! From `index.json` and blobs to images, for layouts in directories and in archives.

use lazaret_model::{Digest, Gap, GapKind, Location, PinnedRef, RegistryRef, Unscanned};

use super::{Blob, SourceError, Wish};
use crate::hash::digest_of;
use crate::manifest::{Descriptor, Document, parse_document};
use crate::resolve::{ResolveError, Resolved, Resolver};

/// Annotation with the tag of a manifest (image-spec, `annotations.md`).
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// Annotation with the full name, as containerd and dockerd write it.
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// Looks for a blob.
type Find<'a> = &'a dyn Fn(&Digest) -> Result<Option<Blob>, SourceError>;

fn failed(wish: Wish<'_>, error: ResolveError) -> SourceError {
    SourceError::Resolve { path: wish.words.to_owned(), error }
}

/// Names under which people know an entry of `index.json`.
fn names(descriptor: &Descriptor) -> impl Iterator<Item = &String> {
    [CONTAINERD_NAME, REF_NAME].into_iter().filter_map(|key| descriptor.annotations.get(key))
}

/// Whether two texts are the same reference once both are written in full.
pub(super) fn same_reference(a: &str, b: &str) -> bool {
    let full = |text: &str| text.parse::<RegistryRef>().ok().map(|r| r.to_string());
    a == b || (full(a).is_some() && full(a) == full(b))
}

/// Which entries a reference means: a name, a digest, or `@number` as skopeo counts.
fn chosen<'a>(entries: &'a [Descriptor], wish: Wish<'_>) -> Result<Vec<&'a Descriptor>, SourceError> {
    let Some(wanted) = wish.reference else { return Ok(entries.iter().collect()) };
    let numbered = wanted.strip_prefix('@').and_then(|n| n.parse::<usize>().ok());
    let found: Vec<_> = match numbered {
        Some(number) => entries.iter().skip(number).take(1).collect(),
        None => entries
            .iter()
            .filter(|e| names(e).any(|name| same_reference(name, wanted)) || e.digest.to_string() == wanted)
            .collect(),
    };
    if found.is_empty() {
        let mut available: Vec<String> = entries
            .iter()
            .map(|e| names(e).next().cloned().unwrap_or_else(|| e.digest.to_string()))
            .collect();
        available.truncate(20);
        return Err(SourceError::NoSuchReference {
            path: wish.words.to_owned(),
            wanted: wanted.to_owned(),
            available: available
                .iter()
                .map(|a| lazaret_model::one_line(a, 100))
                .collect::<Vec<_>>()
                .join(", "),
        });
    }
    Ok(found)
}

/// All images of a layout. An `index.json` without any names is one index; with names, each name
/// is an image of its own.
pub(super) fn resolve(
    index: &[u8],
    from: &str,
    wish: Wish<'_>,
    find: impl Fn(&Digest) -> Result<Option<Blob>, SourceError>,
) -> Result<Vec<Resolved>, SourceError> {
    let find: Find<'_> = &find;
    let document = parse_document(index, None).map_err(|e| failed(wish, e.into()))?;
    let Document::Index(parsed) = document else {
        return Err(SourceError::Damaged {
            path: wish.words.to_owned(),
            why: "index.json is no index".to_owned(),
        });
    };
    let entries = chosen(&parsed.manifests, wish)?;
    let named = entries.iter().any(|e| names(e).next().is_some());
    if entries.is_empty() || (!named && entries.len() > 1) {
        return resolve_root(index, from, wish, find).map(|resolved| vec![resolved]);
    }
    let mut images: Vec<Resolved> = Vec::new();
    let mut unscanned: Vec<Unscanned> = Vec::new();
    let mut gaps: Vec<Gap> = Vec::new();
    let mut first_error = None;
    for entry in entries {
        if images.iter().any(|image| image.pinned.digest == entry.digest) {
            continue;
        }
        let error = match one(entry, from, wish, find) {
            Ok(resolved) => {
                images.push(resolved);
                continue;
            }
            Err(error) => error,
        };
        match &error {
            SourceError::Resolve {
                error: why @ (ResolveError::NoImage(_) | ResolveError::NoPlatform { .. }),
                ..
            } => {
                let (digest, platform) = (entry.digest.clone(), entry.platform.clone());
                unscanned.push(Unscanned { digest, platform, reason: why.to_string() });
            }
            other => {
                let detail = format!("manifest {}: {other}", entry.words());
                gaps.push(Gap::serious(GapKind::Damaged, Location::Manifest, detail));
            }
        }
        // Damage is worth more to a person than "another platform".
        let worse = !matches!(&error, SourceError::Resolve { error: ResolveError::NoImage(_), .. });
        if first_error.is_none() || worse {
            first_error = Some(error);
        }
    }
    match (images.first_mut(), first_error) {
        (Some(first), _) => {
            first.unscanned.append(&mut unscanned);
            first.gaps.append(&mut gaps);
            Ok(images)
        }
        (None, Some(error)) => Err(error),
        (None, None) => Err(failed(wish, ResolveError::NoImage("the index is empty".to_owned()))),
    }
}

/// The images behind one entry of `index.json`.
fn one(entry: &Descriptor, from: &str, wish: Wish<'_>, find: Find<'_>) -> Result<Resolved, SourceError> {
    let pinned = PinnedRef {
        repository: repository(wish),
        tag: names(entry).next().cloned(),
        digest: entry.digest.clone(),
    };
    let Some(blob) = find(&entry.digest)? else {
        return Err(SourceError::NoBlob { path: wish.words.to_owned(), digest: entry.digest.clone() });
    };
    let root = blob
        .read_all(wish.budget.document_bytes)
        .map_err(|e| SourceError::io(format!("{}: manifest {}", wish.words, entry.digest), e))?;
    let media_type = Some(entry.media_type.as_str()).filter(|t| !t.is_empty());
    run(pinned, &root, media_type, from, wish, find)
}

/// The images behind a document that is no blob: `index.json` itself, or the `manifest.json` of a
/// transport directory.
pub(super) fn resolve_root(
    root: &[u8],
    from: &str,
    wish: Wish<'_>,
    find: Find<'_>,
) -> Result<Resolved, SourceError> {
    let digest = digest_of(lazaret_model::Algorithm::Sha256, root);
    run(PinnedRef { repository: repository(wish), tag: None, digest }, root, None, from, wish, find)
}

fn run(
    pinned: PinnedRef,
    root: &[u8],
    media_type: Option<&str>,
    from: &str,
    wish: Wish<'_>,
    find: Find<'_>,
) -> Result<Resolved, SourceError> {
    let fail = |e| failed(wish, e);
    let mut resolver = Resolver::new(pinned, root, media_type, wish.platforms, wish.budget).map_err(fail)?;
    while let Some(needed) = resolver.next_needed() {
        let result = match find(&needed.digest) {
            Ok(Some(blob)) => blob.read_all(wish.budget.document_bytes).map_err(|e| e.to_string()),
            Ok(None) => Err("it is not there".to_owned()),
            Err(e) => Err(e.to_string()),
        };
        resolver.provide(&needed.digest, result);
    }
    resolver.finish(from.to_owned()).map_err(fail)
}

/// What was typed, without the reference inside the archive.
pub(super) fn repository(wish: Wish<'_>) -> String {
    match wish.reference.and_then(|r| wish.words.strip_suffix(r)) {
        Some(rest) => rest.trim_end_matches(':').to_owned(),
        None => wish.words.to_owned(),
    }
}
