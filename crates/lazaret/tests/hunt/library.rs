//! A registry of several repositories on loopback, and small images that share a base.
#![allow(dead_code, missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::served::field::fake::{Reply, Request};
use crate::served::manifest_digest;
use crate::support::{MARKER, RawImage, Tar, noise};

/// An image of a base that all have and a layer of its own; where it lies, and the base's digest.
pub fn image(place: &Path, n: u32, bad: bool) -> (PathBuf, String) {
    let mut image = RawImage::default();
    image.config["config"]["Entrypoint"] = json!(["/start.sh"]);
    let base = image.layer(Tar::default().file("lib/base", &noise(300_000, 1)).end()).digest();
    let text = if bad { format!("#!/bin/sh\n# {MARKER} {n}\n") } else { format!("#!/bin/sh\necho {n}\n") };
    image.layer(Tar::default().file("start.sh", text.as_bytes()).end());
    (image.write(place), base)
}

/// Layouts by repository and tag.
#[derive(Clone, Default)]
pub struct Library {
    held: BTreeMap<String, BTreeMap<String, PathBuf>>,
}

impl Library {
    pub fn add(&mut self, repository: &str, tag: &str, layout: &Path) {
        self.held.entry(repository.to_owned()).or_default().insert(tag.to_owned(), layout.to_owned());
    }

    /// What an honest registry answers.
    pub fn answer(&self, request: &Request) -> Reply {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        if path == "/v2/" {
            return Reply::new(200, "{}").header("Docker-Distribution-Api-Version", "registry/2.0");
        }
        if path == "/v2/_catalog" {
            return self.catalogue(query);
        }
        let unknown = || Reply::new(404, r#"{"errors":[{"code":"NAME_UNKNOWN","message":"unknown"}]}"#);
        let rest = path.strip_prefix("/v2/").unwrap_or_default();
        let Some((repository, tags)) =
            self.held.iter().find(|(name, _)| rest.starts_with(&format!("{name}/")))
        else {
            return unknown();
        };
        if rest.ends_with("/tags/list") {
            let tags: Vec<&String> = tags.keys().collect();
            return Reply::new(200, json!({"name": repository, "tags": tags}).to_string());
        }
        let last = rest.rsplit('/').next().unwrap_or_default().replace("%3A", ":");
        let digest = match tags.get(&last) {
            Some(layout) => manifest_digest(layout),
            None => last,
        };
        let hex = digest.strip_prefix("sha256:").unwrap_or("none");
        let found = tags.values().find_map(|layout| fs::read(layout.join("blobs/sha256").join(hex)).ok());
        let Some(bytes) = found else { return unknown() };
        let reply = Reply::new(200, if request.method == "HEAD" { Vec::new() } else { bytes });
        match rest.contains("/manifests/") {
            true => reply
                .header("Content-Type", "application/vnd.oci.image.manifest.v1+json")
                .header("Docker-Content-Digest", digest),
            false => reply,
        }
    }

    fn catalogue(&self, query: &str) -> Reply {
        let value = |name: &str| {
            query
                .split('&')
                .find_map(|pair| pair.strip_prefix(&format!("{name}=")))
                .map(|v| v.replace("%2F", "/"))
        };
        let most: usize = value("n").and_then(|n| n.parse().ok()).unwrap_or(100);
        let after = value("last").unwrap_or_default();
        let left: Vec<&String> = self.held.keys().filter(|name| **name > after).collect();
        let page: Vec<&String> = left.iter().take(most).copied().collect();
        let reply = Reply::new(200, json!({"repositories": page}).to_string());
        match page.last() {
            Some(last) if left.len() > page.len() => reply.header(
                "Link",
                format!("</v2/_catalog?last={}&n={most}>; rel=\"next\"", last.replace('/', "%2F")),
            ),
            _ => reply,
        }
    }
}
