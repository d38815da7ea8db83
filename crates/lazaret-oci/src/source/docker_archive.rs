//! What `docker save` writes: `manifest.json`, and layers named by path.
//!
//! Such an archive has no manifest with a digest of its own. What pins its image is the digest of
//! the configuration, which Docker calls the image id; through the diff ids in it, it covers every
//! byte of every layer.

use std::collections::{BTreeMap, HashMap};

use lazaret_model::{Algorithm, Digest, EntryPath, PinnedRef, Unscanned};
use serde_json::Value;

use super::archive_file::{Archive, Member, first_bytes};
use super::oci_form::{repository, same_reference};
use super::{SourceError, Wish};
use crate::codec::Compression;
use crate::config::ParsedConfig;
use crate::hash::{Hasher, digest_of};
use crate::manifest::{DOCKER_MANIFEST, Descriptor, Document, Manifest, image, parse_document};
use crate::resolve::{ResolveError, Resolved, ResolvedImage};

/// One image of `manifest.json`.
struct Saved {
    config: String,
    tags: Vec<String>,
    layers: Vec<String>,
}

fn damaged(wish: Wish<'_>, why: impl Into<String>) -> SourceError {
    SourceError::Damaged { path: wish.words.to_owned(), why: why.into() }
}

fn parse(manifest: &[u8], wish: Wish<'_>) -> Result<Vec<Saved>, SourceError> {
    let value: Value = serde_json::from_slice(manifest)
        .map_err(|e| damaged(wish, format!("manifest.json is no JSON: {e}")))?;
    let Value::Array(images) = value else { return Err(damaged(wish, "manifest.json is no list of images")) };
    let texts = |value: Option<&Value>| -> Vec<String> {
        let list = value.and_then(Value::as_array);
        list.map(|list| list.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect())
            .unwrap_or_default()
    };
    images
        .iter()
        .map(|image| {
            let config = image.get("Config").and_then(Value::as_str);
            let layers = match image.get("Layers") {
                None | Some(Value::Null) => Vec::new(),
                Some(Value::Array(list)) if list.iter().all(Value::is_string) => texts(image.get("Layers")),
                Some(_) => return Err(damaged(wish, "manifest.json names layers that are no names")),
            };
            Ok(Saved {
                config: config
                    .ok_or_else(|| damaged(wish, "manifest.json names no configuration"))?
                    .to_owned(),
                tags: texts(image.get("RepoTags")),
                layers,
            })
        })
        .collect()
}

/// The images that were asked for, and the members that are their layers, by digest.
pub(super) fn resolve(
    archive: &Archive,
    manifest: &[u8],
    wish: Wish<'_>,
) -> Result<(Vec<Resolved>, HashMap<Digest, Member>), SourceError> {
    let saved = parse(manifest, wish)?;
    let numbered = wish.reference.and_then(|r| r.strip_prefix('@')).and_then(|n| n.parse::<usize>().ok());
    let chosen: Vec<&Saved> = match (wish.reference, numbered) {
        (None, _) => saved.iter().collect(),
        (_, Some(number)) => saved.iter().skip(number).take(1).collect(),
        (Some(wanted), None) => {
            saved.iter().filter(|image| image.tags.iter().any(|tag| same_reference(tag, wanted))).collect()
        }
    };
    if let (true, Some(wanted)) = (chosen.is_empty(), wish.reference) {
        let mut available: Vec<&str> = saved.iter().flat_map(|i| i.tags.iter().map(String::as_str)).collect();
        available.truncate(20);
        return Err(SourceError::NoSuchReference {
            path: wish.words.to_owned(),
            wanted: wanted.to_owned(),
            available: lazaret_model::one_line(&available.join(", "), 2_000),
        });
    }
    if chosen.is_empty() {
        let error = ResolveError::NoImage("manifest.json is empty".to_owned());
        return Err(SourceError::Resolve { path: wish.words.to_owned(), error });
    }
    let mut members = HashMap::new();
    let mut images = Vec::new();
    let mut left_out = Vec::new();
    for saved in chosen {
        let resolved = one(archive, saved, wish, &mut members)?;
        let platform = resolved.images.first().and_then(|i| i.image.platform.clone());
        match platform {
            Some(p)
                if !wish.platforms.is_empty() && !wish.platforms.iter().any(|wanted| p.satisfies(wanted)) =>
            {
                left_out.push((resolved.pinned.digest, p));
            }
            _ => images.push(resolved),
        }
    }
    match images.first_mut() {
        Some(first) => first.unscanned.extend(left_out.into_iter().map(|(digest, platform)| Unscanned {
            digest,
            platform: Some(platform),
            reason: "another platform than the ones asked for".to_owned(),
        })),
        None => {
            let list = |all: Vec<String>| all.join(", ");
            let error = ResolveError::NoPlatform {
                wanted: list(wish.platforms.iter().map(ToString::to_string).collect()),
                available: list(left_out.iter().map(|(_, p)| p.to_string()).collect()),
            };
            return Err(SourceError::Resolve { path: wish.words.to_owned(), error });
        }
    }
    Ok((images, members))
}

fn one(
    archive: &Archive,
    saved: &Saved,
    wish: Wish<'_>,
    members: &mut HashMap<Digest, Member>,
) -> Result<Resolved, SourceError> {
    let shown = lazaret_model::one_line(&saved.config, 100);
    let config = archive
        .document(&saved.config, wish.budget)?
        .ok_or_else(|| damaged(wish, format!("the configuration {shown} is not there")))?;
    let config_digest = digest_of(Algorithm::Sha256, &config);
    // What cannot be parsed is told by `image` below.
    let diff_ids = ParsedConfig::parse(&config).map(|c| c.diff_ids).unwrap_or_default();
    let mut layers = Vec::new();
    for (number, name) in saved.layers.iter().enumerate() {
        let shown = lazaret_model::one_line(name, 100);
        let member = archive
            .member(&EntryPath::clean(name.as_bytes()))
            .ok_or_else(|| damaged(wish, format!("layer {number}, {shown}, is not there")))?;
        let compression = Compression::sniff(&first_bytes(archive.blob(member)?));
        let diff_id = diff_ids.get(number).and_then(|id| id.as_ref().ok());
        // A plain tar is what the diff id is the digest of. Some tools store layers compressed:
        // then the blob has a digest of its own, and the diff id is still checked.
        let digest = match (compression, diff_id) {
            (Compression::None, Some(diff_id)) => diff_id.clone(),
            _ => digest_of_member(archive, member, wish)?,
        };
        layers.push(Descriptor {
            media_type: match compression {
                Compression::None => "application/vnd.docker.image.rootfs.diff.tar".to_owned(),
                other => format!("application/vnd.docker.image.rootfs.diff.tar.{}", other.name()),
            },
            digest: digest.clone(),
            size: archive.len_of(member),
            platform: None,
            annotations: BTreeMap::new(),
            urls: Vec::new(),
            artifact_type: None,
            data: None,
        });
        members.insert(digest, member.clone());
    }
    let manifest = Manifest {
        media_type: DOCKER_MANIFEST.to_owned(),
        config: Descriptor {
            media_type: "application/vnd.docker.container.image.v1+json".to_owned(),
            digest: config_digest.clone(),
            size: config.len() as u64,
            platform: None,
            annotations: BTreeMap::new(),
            urls: Vec::new(),
            artifact_type: None,
            data: None,
        },
        layers,
        annotations: BTreeMap::new(),
        artifact_type: None,
    };
    let pinned = PinnedRef {
        repository: repository(wish),
        tag: saved.tags.first().cloned(),
        digest: config_digest.clone(),
    };
    let (image, gaps) = image(pinned.clone(), config_digest, &manifest, &config, None)
        .map_err(|e| SourceError::Resolve { path: wish.words.to_owned(), error: e.into() })?;
    Ok(Resolved {
        pinned,
        source: format!("docker archive {}", archive.words()),
        images: vec![ResolvedImage { image, gaps }],
        unscanned: Vec::new(),
        gaps: Vec::new(),
    })
}

fn digest_of_member(archive: &Archive, member: &Member, wish: Wish<'_>) -> Result<Digest, SourceError> {
    let fail = |e| SourceError::io(wish.words, e);
    let mut reader = archive.blob(member)?.reader();
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mut buffer = vec![0; 256 << 10];
    loop {
        match std::io::Read::read(&mut reader, &mut buffer).map_err(fail)? {
            0 => return Ok(hasher.finish()),
            n => hasher.update(&buffer[..n]),
        }
    }
}

/// Where an archive has both forms, an engine that reads `manifest.json` must not find an image
/// that the OCI form does not hold.
pub(super) fn must_agree(
    archive: &Archive,
    manifest: &[u8],
    index: &[u8],
    resolved: &[Resolved],
    wish: Wish<'_>,
) -> Result<(), SourceError> {
    let mut known: Vec<Digest> =
        resolved.iter().flat_map(|r| &r.images).map(|i| i.image.config_digest.clone()).collect();
    let narrowed = wish.reference.is_some() || !wish.platforms.is_empty();
    if narrowed && let Ok(Document::Index(_)) = parse_document(index, None) {
        let all = Wish { reference: None, platforms: &[], ..wish };
        if let Ok(everything) = super::oci_form::resolve(index, "", all, |digest| archive.find_blob(digest)) {
            known.extend(everything.iter().flat_map(|r| &r.images).map(|i| i.image.config_digest.clone()));
        }
    }
    for saved in parse(manifest, wish)? {
        let shown = lazaret_model::one_line(&saved.config, 100);
        let Some(config) = archive.document(&saved.config, wish.budget)? else {
            return Err(damaged(wish, format!("the configuration {shown} is not there")));
        };
        if !known.contains(&digest_of(Algorithm::Sha256, &config)) {
            let why =
                format!("manifest.json names the configuration {shown}, index.json does not lead to it");
            return Err(SourceError::Ambiguous { path: wish.words.to_owned(), why });
        }
    }
    Ok(())
}
