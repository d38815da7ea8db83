//! What makes two findings the same one in two runs.

use lazaret_model::{Finding, Location};
use sha2::{Digest as _, Sha256};

/// A name for the finding that stays when the image is built anew and nothing that concerns it
/// has changed: rule, repository, path or configuration key, and the words that were seen. Layer
/// numbers, digests, line numbers and positions in lists are left out, because an unrelated step
/// moves them.
pub fn of(repository: &str, finding: &Finding) -> String {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        // A length before each part keeps two different lists of parts from looking alike.
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    part(b"lazaret-finding-1");
    part(finding.rule.id.as_bytes());
    part(repository.as_bytes());
    let first = &finding.evidence()[0];
    match &first.location {
        Location::Image => part(b"image"),
        Location::Manifest => part(b"manifest"),
        Location::Config(key) => {
            part(b"config");
            part(key.split('[').next().unwrap_or_default().as_bytes());
        }
        Location::History(_) => part(b"history"),
        Location::Layer(_) => part(b"layer"),
        Location::Launch { file, key, .. } => {
            part(b"launch");
            part(file.as_deref().unwrap_or_default().as_bytes());
            part(key.split('[').next().unwrap_or_default().as_bytes());
        }
        Location::File { path, inside, .. } => {
            part(b"file");
            part(path.as_bytes());
            for member in inside {
                part(member.as_bytes());
            }
        }
    }
    let seen = first.excerpt.as_deref().unwrap_or_default();
    part(seen.split_whitespace().collect::<Vec<_>>().join(" ").as_bytes());
    data_encoding::HEXLOWER.encode(&hash.finalize()[..16])
}

/// A number in the form of a UUID (version 8, RFC 9562) made from `text`, for formats that ask
/// for one; the same text gives the same number.
pub fn uuid(text: &str) -> String {
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&Sha256::digest(text.as_bytes())[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = data_encoding::HEXLOWER.encode(&bytes);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
