//! Reading from real registries and real engines, and from a server that misbehaves.
#![allow(clippy::unwrap_used, missing_docs)]

mod access;
mod engines;
mod faults;
mod formats;
mod pages;
mod redirects;
#[path = "../support/mod.rs"]
mod support;
mod tokens;

use lazaret_model::{Budget, RegistryRef};
use lazaret_oci::Resolved;
use lazaret_registry::{Client, RegistryError};

/// Parses a reference.
fn reference(text: &str) -> RegistryRef {
    text.parse().unwrap()
}

/// Resolves all platforms.
async fn resolve(client: &Client, text: &str) -> Result<Resolved, RegistryError> {
    client.resolve(&reference(text), &[], &Budget::default()).await
}

/// Resolves what must not resolve; gives the sentence for people.
async fn refusal(client: &Client, text: &str) -> String {
    match resolve(client, text).await {
        Ok(resolved) => panic!("{text} resolved to {}", resolved.pinned),
        Err(error) => {
            let text = error.to_string();
            assert!(!text.contains('\n'), "more than one line: {text}");
            text
        }
    }
}
