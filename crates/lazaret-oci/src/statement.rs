//! Signatures and attestations that are stored in the clothes of an image (cosign, BuildKit): told by what
//! they hold, not by what they are called.

use serde::de::IgnoredAny;

use crate::tar::{BLOCK, has_checksum};

/// Most layers that a statement has.
const LAYERS: usize = 64;
/// Most bytes of one of its layers.
pub const STATEMENT_BYTES: u64 = 4 << 20;

/// Whether layers of these media types and sizes could be those of a statement: few, small, and none calls itself
/// a file system. Whether they are, [`is_statement`] says of each one's content.
pub fn may_be_statement<'l>(layers: impl IntoIterator<Item = (&'l str, u64)>) -> bool {
    let unpacked = ["application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs."];
    let mut number = 0;
    layers.into_iter().all(|(kind, size)| {
        number += 1;
        let kind = kind.trim().to_ascii_lowercase();
        size <= STATEMENT_BYTES
            && kind.starts_with("application/")
            && kind.ends_with("+json")
            && !unpacked.iter().any(|prefix| kind.starts_with(prefix))
    }) && (1..=LAYERS).contains(&number)
}

/// Whether a layer's content is a JSON document and nothing else, so that no engine can unpack it, whatever it
/// is called: nothing compressed is JSON. A tar archive can be, where each byte of its headers is a character in
/// a string, so the first block must be none.
pub fn is_statement(content: &[u8]) -> bool {
    !content.first_chunk::<BLOCK>().is_some_and(has_checksum)
        && serde_json::from_slice::<IgnoredAny>(content).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_a_statement_and_what_an_engine_may_unpack_is_none() {
        assert!(is_statement(br#"{"critical": {"type": "cosign container image signature"}}"#));
        assert!(is_statement(format!("{{\"payload\": \"{}\"}}", "e30=".repeat(400)).as_bytes()));
        for other in [&b""[..], b"#!/bin/sh", b"{", &[0x1f, 0x8b, 8], &[0; 1024]] {
            assert!(!is_statement(other), "{other:?}");
        }
    }

    #[test]
    fn a_document_that_is_a_tar_archive_as_well_is_none() {
        let mut block = [b' '; BLOCK];
        block[..100].fill(b'a');
        block[..6].copy_from_slice(br#"{"a":""#);
        for number in [100, 108, 116] {
            block[number..number + 8].copy_from_slice(b"0000644 ");
        }
        block[124..136].copy_from_slice(b"00000000000 ");
        block[136..148].copy_from_slice(b"00000000000 ");
        block[156] = b'0';
        block[157..].fill(b'b');
        block[257..265].copy_from_slice(b"ustar   ");
        block[510..].copy_from_slice(br#""}"#);
        assert!(serde_json::from_slice::<IgnoredAny>(&block).is_ok());
        assert!(is_statement(&block), "without a checksum no engine takes it for a header");
        let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}  ").as_bytes());
        assert!(serde_json::from_slice::<IgnoredAny>(&block).is_ok());
        assert!(!is_statement(&block));
    }

    #[test]
    fn layers_that_call_themselves_file_systems_or_are_large_are_no_statements() {
        let cosign = "application/vnd.dev.cosign.simplesigning.v1+json";
        assert!(may_be_statement([(cosign, 240), ("application/vnd.in-toto+json", 9000)]));
        assert!(!may_be_statement([]));
        assert!(!may_be_statement([(cosign, STATEMENT_BYTES + 1)]));
        assert!(!may_be_statement([(cosign, 1), ("application/vnd.oci.image.layer.v1.tar+gzip", 1)]));
        assert!(!may_be_statement([("application/vnd.oci.image.layer.x+json", 1)]));
        assert!(!may_be_statement([("text/plain", 1)]));
        assert!(!may_be_statement((0..65).map(|_| (cosign, 1))));
    }
}
