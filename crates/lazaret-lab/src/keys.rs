//! Well-formed keys to which nobody has the other half.

use data_encoding::BASE64;
use sha2::{Digest, Sha256};

/// Bytes that depend on nothing but their arguments.
pub(crate) fn seeded(purpose: &str, seed: &str, length: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(length + 32);
    for counter in 0u32.. {
        if out.len() >= length {
            break;
        }
        let mut hash = Sha256::new();
        hash.update(b"lazaret-lab\0");
        hash.update(purpose.as_bytes());
        hash.update([0]);
        hash.update(seed.as_bytes());
        hash.update(counter.to_be_bytes());
        out.extend(hash.finalize());
    }
    out.truncate(length);
    out
}

/// Text of `length` characters from `alphabet`.
pub(crate) fn seeded_text(purpose: &str, seed: &str, length: usize, alphabet: &[u8]) -> String {
    seeded(purpose, seed, length)
        .into_iter()
        .map(|b| char::from(alphabet[usize::from(b) % alphabet.len()]))
        .collect()
}

/// A line for `authorized_keys` (RFC 4253, 6.6, and RFC 8709): an Ed25519 key made from a hash.
pub fn authorized_key(name: &str) -> String {
    let mut blob = Vec::new();
    for part in [b"ssh-ed25519".as_slice(), &seeded("ssh-ed25519", name, 32)] {
        blob.extend((part.len() as u32).to_be_bytes());
        blob.extend(part);
    }
    format!("ssh-ed25519 {}", BASE64.encode(&blob))
}

/// The same for RSA, 2048 bits.
pub(crate) fn authorized_key_rsa(name: &str) -> String {
    let mut modulus = seeded("ssh-rsa", name, 256);
    // The top bit makes it 2048 bits long, the lowest makes it odd; the zero in front keeps it positive.
    modulus[0] |= 0x80;
    modulus[255] |= 1;
    modulus.insert(0, 0);
    let mut blob = Vec::new();
    for part in [b"ssh-rsa".as_slice(), &[1, 0, 1], &modulus] {
        blob.extend((part.len() as u32).to_be_bytes());
        blob.extend(part);
    }
    format!("ssh-rsa {}", BASE64.encode(&blob))
}

/// What stands in `/etc/shadow` for a password (`crypt`, method 6); no password is known to give it.
pub fn password_hash(name: &str) -> String {
    const ALPHABET: &[u8] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let salt = seeded_text("salt", name, 16, ALPHABET);
    // 512 bits in six-bit characters: the last one holds two bits only.
    let hash = seeded_text("hash", name, 85, ALPHABET);
    format!("$6${salt}${hash}/")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keys_are_well_formed_and_always_the_same() {
        let line = authorized_key("a");
        let blob = BASE64.decode(line.strip_prefix("ssh-ed25519 ").unwrap().as_bytes()).unwrap();
        assert_eq!(blob.len(), 4 + 11 + 4 + 32);
        assert_eq!(&blob[..15], b"\0\0\0\x0bssh-ed25519");
        assert_eq!(line, authorized_key("a"));
        assert_ne!(line, authorized_key("b"));
        assert!(authorized_key_rsa("a").starts_with("ssh-rsa AAAAB3NzaC1yc2EAAAADAQAB"));
        let hash = password_hash("a");
        assert_eq!(hash.rsplit('$').next().unwrap().len(), 86);
    }
}
