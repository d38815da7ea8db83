//! Keys: Ed25519 (RFC 8032) in the forms of RFC 8410, as other tools read and write them.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use data_encoding::{BASE64, HEXLOWER};

use crate::KeyError;

/// What stands before the 32 bytes of a key in a `SubjectPublicKeyInfo` (RFC 8410, 4).
const SPKI_HEAD: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const RAW: usize = 32;
/// What stands before a key in one line.
const LINE: &str = "lazaret-feed-key:";
/// No key file has more.
const MAX_FILE: u64 = 16 << 10;

/// Who signed: SHA-256 of the key's `SubjectPublicKeyInfo`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(String);

impl KeyId {
    /// 64 hexadecimal digits.
    pub fn hex(&self) -> &str {
        &self.0
    }

    /// As people compare it at a glance.
    pub fn short(&self) -> &str {
        &self.0[..16]
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A key that signatures are checked with. Anybody may have it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey([u8; RAW]);

impl PublicKey {
    /// The key of these 32 bytes (RFC 8032, 5.1.5).
    pub fn from_raw(raw: [u8; RAW]) -> Self {
        Self(raw)
    }

    /// Reads a key in PEM (`BEGIN PUBLIC KEY`) or in one line (`lazaret-feed-key:…`).
    ///
    /// # Errors
    /// It is neither, or the key of another algorithm.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        const WHAT: &str =
            "key for feeds: expected `lazaret-feed-key:…` or an Ed25519 key in PEM (BEGIN PUBLIC KEY)";
        let text = text.trim();
        let der = match text.strip_prefix(LINE) {
            Some(base64) => BASE64.decode(base64.trim().as_bytes()).ok(),
            None => pem(text, "PUBLIC KEY"),
        };
        let der = der.ok_or(KeyError::Form(WHAT))?;
        let raw = der.strip_prefix(&SPKI_HEAD).and_then(|raw| raw.try_into().ok());
        raw.map(Self).ok_or(KeyError::Form(WHAT))
    }

    /// Reads a key from a file, or takes `given` for the key itself where it is written as one line.
    ///
    /// # Errors
    /// A file that cannot be read, or no key.
    pub fn read(given: &str) -> Result<Self, KeyError> {
        if given.starts_with(LINE) {
            return Self::parse(given);
        }
        Self::parse(&text_of(Path::new(given))?.0)
    }

    /// `SubjectPublicKeyInfo` in DER.
    fn spki(&self) -> Vec<u8> {
        [&SPKI_HEAD[..], &self.0].concat()
    }

    /// `SubjectPublicKeyInfo` in PEM, with a new line at its end.
    pub fn to_pem(&self) -> String {
        to_pem("PUBLIC KEY", &self.spki())
    }

    /// The same in one line: `lazaret-feed-key:…`.
    pub fn to_line(&self) -> String {
        format!("{LINE}{}", BASE64.encode(&self.spki()))
    }

    /// What it is called.
    pub fn id(&self) -> KeyId {
        KeyId(HEXLOWER.encode(digest(&SHA256, &self.spki()).as_ref()))
    }

    /// Whether `signature` is this key's over `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_line())
    }
}

/// A key that signs. Whoever has it speaks for the feeds for which others pinned it.
pub struct SigningKey(Ed25519KeyPair);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.public().id().short()).finish()
    }
}

impl SigningKey {
    /// A new key.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn generate() -> Result<Self, KeyError> {
        Ed25519KeyPair::generate().map(Self).map_err(|_| KeyError::Randomness)
    }

    /// Reads a key in PEM (PKCS#8, RFC 8410, 7; with or without its public half).
    ///
    /// # Errors
    /// It is no such key, or encrypted, or of another algorithm.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        const WHAT: &str = "private key for feeds: expected an Ed25519 key in PEM (BEGIN PRIVATE KEY)";
        let der = pem(text.trim(), "PRIVATE KEY").ok_or(KeyError::Form(WHAT))?;
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map(Self).map_err(|_| KeyError::Form(WHAT))
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// It cannot be read, others can read it, or it holds no such key.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let (text, mode) = text_of(path)?;
        if mode & 0o077 != 0 {
            return Err(KeyError::Open(path.display().to_string()));
        }
        Self::parse(&text)
    }

    /// Writes a new file that only its owner may read.
    ///
    /// # Errors
    /// It is there already, or cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), KeyError> {
        let failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => KeyError::Exists(path.display().to_string()),
            _ => KeyError::File { path: path.display().to_string(), doing: "written", error },
        };
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
        file.write_all(self.to_pem()?.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
    }

    fn to_pem(&self) -> Result<String, KeyError> {
        // Version 1, without the public half, is the form that every tool reads.
        let der = self.0.to_pkcs8v1().map_err(|_| KeyError::Sign)?;
        Ok(to_pem("PRIVATE KEY", der.as_ref()))
    }

    /// What others pin.
    pub fn public(&self) -> PublicKey {
        let mut raw = [0; RAW];
        raw.copy_from_slice(self.0.public_key().as_ref());
        PublicKey(raw)
    }

    /// Signs.
    ///
    /// # Errors
    /// The cryptographic library fails.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.0.try_sign(message).map(|signature| signature.as_ref().to_vec()).map_err(|_| KeyError::Sign)
    }
}

/// The text of a key file and who may read it.
fn text_of(path: &Path) -> Result<(String, u32), KeyError> {
    let failed = |error| KeyError::File { path: path.display().to_string(), doing: "read", error };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.mode();
    let mut text = String::new();
    file.take(MAX_FILE).read_to_string(&mut text).map_err(failed)?;
    Ok((text, mode))
}

/// The bytes between the lines of a PEM text (RFC 7468) of one thing.
fn pem(text: &str, label: &str) -> Option<Vec<u8>> {
    let inner = text.strip_prefix(&format!("-----BEGIN {label}-----"))?;
    let inner = inner.strip_suffix(&format!("-----END {label}-----"))?;
    let base64: String = inner.split_ascii_whitespace().collect();
    BASE64.decode(base64.as_bytes()).ok()
}

fn to_pem(label: &str, der: &[u8]) -> String {
    let base64 = BASE64.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in base64.as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// RFC 8410, 10.1 and 10.3.
    const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
        -----END PUBLIC KEY-----\n";
    const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
        -----END PRIVATE KEY-----\n";

    fn raw<const N: usize>(hex: &str) -> [u8; N] {
        HEXLOWER.decode(hex.as_bytes()).unwrap().try_into().unwrap()
    }

    #[test]
    fn the_published_keys_of_rfc_8410_are_read_and_written_alike() {
        let public = PublicKey::parse(PUBLIC).unwrap();
        assert_eq!(public.to_pem(), PUBLIC);
        let private = SigningKey::parse(PRIVATE).unwrap();
        assert_eq!(private.public(), public);
        assert_eq!(private.to_pem().unwrap(), PRIVATE);
        assert_eq!(PublicKey::parse(&public.to_line()).unwrap(), public);
    }

    #[test]
    fn the_published_signatures_of_rfc_8032_are_made_and_verified() {
        // 7.1, TEST 1 to 3: secret key, public key, message, signature.
        for (secret, public, message, signature) in [
            (
                "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b\
                 d25bf5f0595bbe24655141438e7a100b",
            ),
            (
                "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                "72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c\
                 387b2eaeb4302aeeb00d291612bb0c00",
            ),
            (
                "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
                "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
                "af82",
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659\
                 4a7c15e9716ed28dc027beceea1ec40a",
            ),
        ] {
            let message = HEXLOWER.decode(message.as_bytes()).unwrap();
            let signature: [u8; 64] = raw(&signature.replace(' ', ""));
            let key = SigningKey(Ed25519KeyPair::from_seed_unchecked(&raw::<32>(secret)).unwrap());
            assert_eq!(key.public(), PublicKey::from_raw(raw(public)));
            assert_eq!(key.sign(&message).unwrap(), signature);
            assert!(key.public().verifies(&message, &signature));
            let mut other = message.clone();
            other.push(0);
            assert!(!key.public().verifies(&other, &signature));
            for at in 0..signature.len() {
                let mut changed = signature;
                changed[at] ^= 1;
                assert!(!key.public().verifies(&message, &changed), "byte {at}");
            }
        }
    }

    #[test]
    fn a_key_file_is_its_owners_alone_and_is_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key.pem");
        let key = SigningKey::generate().unwrap();
        key.write(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(SigningKey::read(&path).unwrap().public(), key.public());
        let again = SigningKey::generate().unwrap().write(&path).unwrap_err().to_string();
        assert!(again.contains("not overwritten"), "{again}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let open = SigningKey::read(&path).unwrap_err().to_string();
        assert!(open.contains("chmod 600"), "{open}");
    }

    #[test]
    fn what_is_no_ed25519_key_is_refused() {
        for text in [
            "",
            "lazaret-feed-key:",
            "lazaret-feed-key:AAAA",
            PRIVATE,
            &PUBLIC.replace("MCowBQYDK2Vw", "MCowBQYDK2Vu"),
            &PUBLIC.replace("ZuE=", "Zg=="),
            "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----",
        ] {
            assert!(PublicKey::parse(text).is_err(), "{text}");
        }
        for text in
            ["", PUBLIC, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----"]
        {
            assert!(SigningKey::parse(text).is_err(), "{text}");
        }
    }
}
