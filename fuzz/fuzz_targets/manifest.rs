//! Any document: a tree of manifests that is resolved from whatever is there.
#![no_main]

use lazaret_model::{Algorithm, Budget, PinnedRef};
use lazaret_oci::{Resolver, digest_of, parse_document};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = parse_document(data, None);
    let digest = digest_of(Algorithm::Sha256, data);
    let pinned = PinnedRef { repository: "example.invalid/x".to_owned(), tag: None, digest };
    let Ok(mut resolver) = Resolver::new(pinned, data, None, &[], &Budget::default()) else { return };
    while let Some(needed) = resolver.next_needed() {
        resolver.provide(&needed.digest, Ok(data.to_vec()));
    }
    if let Ok(resolved) = resolver.finish(String::new()) {
        assert!(!resolved.images.is_empty());
    }
});
