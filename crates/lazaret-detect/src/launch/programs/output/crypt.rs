//! `openssl`: what it makes of text with a key that stands in the script.

use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use sha2::Digest;

use super::code::decode_base;
use super::{Plan, bytes};

/// Rounds of a key derivation that are computed.
const MOST_ROUNDS: usize = 20_000;

/// Steps that a command costs beyond its text: deriving a key is work.
pub(crate) fn cost(args: &[&str]) -> u64 {
    if args.contains(&"-pbkdf2") || args.contains(&"-iter") { 8_000 } else { 0 }
}

impl<'s> Plan<'s> {
    pub(super) fn openssl(args: &[&'s str]) -> Option<Self> {
        let (command, args) = args.split_first()?;
        let after =
            |name: &str| args.iter().position(|a| *a == name).and_then(|at| args.get(at + 1)).copied();
        let has = |names: &[&str]| args.iter().any(|a| names.contains(a));
        let decrypt = has(&["-d"]);
        let files: Vec<&'s str> = after("-in").into_iter().collect();
        match *command {
            "base64" => Some(Self::base64_of(files, decrypt)),
            "md5" | "sha1" | "sha256" | "sha512" => Some(Self::digest_of(files, command)),
            "dgst" => {
                let name = args.iter().find_map(|a| a.strip_prefix('-').filter(|n| hash(n, b"").is_some()));
                let named = args.iter().copied().filter(|a| !a.starts_with('-')).collect();
                Some(Self::digest_of(named, name.unwrap_or("sha256")))
            }
            name => {
                let cipher = if *command == "enc" {
                    args.iter().find_map(|a| Cipher::of(a.trim_start_matches('-')))
                } else {
                    Some(Cipher::of(name)?)
                };
                let based = has(&["-a", "-base64"]);
                let Some(cipher) = cipher else {
                    return (based && *command == "enc").then(|| Self::base64_of(files, decrypt));
                };
                let pass = after("-k")
                    .or_else(|| after("-pass").or_else(|| after("-passin"))?.strip_prefix("pass:"));
                let secret = Secret {
                    key: after("-K").map(str::to_owned),
                    iv: after("-iv").map(str::to_owned),
                    pass: pass.map(str::to_owned),
                    salt: after("-S").and_then(unhex),
                    salted: !has(&["-nosalt"]),
                    digest: after("-md").unwrap_or("sha256").to_owned(),
                    rounds: match after("-iter") {
                        Some(n) => Some(n.parse().ok().filter(|n| *n <= MOST_ROUNDS)?),
                        None => has(&["-pbkdf2"]).then_some(10_000),
                    },
                };
                let change = bytes(move |input, _| {
                    if !decrypt {
                        return None;
                    }
                    let input = if based { decode_base(input, true)? } else { input.to_vec() };
                    secret.decrypt(cipher, &input)
                });
                Some(Self { files, change })
            }
        }
    }

    fn base64_of(files: Vec<&'s str>, decrypt: bool) -> Self {
        let change = bytes(move |input, _| {
            if decrypt {
                return decode_base(input, true);
            }
            Some((data_encoding::BASE64.encode(input) + "\n").into_bytes())
        });
        Self { files, change }
    }

    fn digest_of(files: Vec<&'s str>, name: &str) -> Self {
        let name = name.to_owned();
        let change = bytes(move |input, _| {
            let sum = data_encoding::HEXLOWER.encode(&hash(&name, input)?);
            Some(format!("{}(stdin)= {sum}\n", name.to_uppercase()).into_bytes())
        });
        Self { files, change }
    }
}

/// A digest by its name.
pub(super) fn hash(name: &str, data: &[u8]) -> Option<Vec<u8>> {
    Some(match name {
        "md5" => md5::Md5::digest(data).to_vec(),
        "sha1" => sha1::Sha1::digest(data).to_vec(),
        "sha256" => sha2::Sha256::digest(data).to_vec(),
        "sha384" => sha2::Sha384::digest(data).to_vec(),
        "sha512" => sha2::Sha512::digest(data).to_vec(),
        _ => return None,
    })
}

/// HMAC (RFC 2104) over a digest by its name.
fn mac(name: &str, key: &[u8], parts: &[&[u8]]) -> Option<Vec<u8>> {
    let width = if matches!(name, "sha384" | "sha512") { 128 } else { 64 };
    let mut block = if key.len() > width { hash(name, key)? } else { key.to_vec() };
    block.resize(width, 0);
    let mut inner: Vec<u8> = block.iter().map(|b| b ^ 0x36).collect();
    parts.iter().for_each(|part| inner.extend_from_slice(part));
    let mut outer: Vec<u8> = block.iter().map(|b| b ^ 0x5c).collect();
    outer.extend(hash(name, &inner)?);
    hash(name, &outer)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Cbc,
    Ecb,
    Ctr,
}

#[derive(Clone, Copy)]
struct Cipher {
    /// Bytes of the key.
    key: usize,
    mode: Mode,
}

impl Cipher {
    fn of(name: &str) -> Option<Self> {
        let rest = name.strip_prefix("aes-").or_else(|| name.strip_prefix("aes"))?;
        let (bits, mode) = rest.split_once('-').unwrap_or((rest, "cbc"));
        let key = match bits {
            "128" => 16,
            "192" => 24,
            "256" => 32,
            _ => return None,
        };
        let mode = match mode {
            "cbc" => Mode::Cbc,
            "ecb" => Mode::Ecb,
            "ctr" => Mode::Ctr,
            _ => return None,
        };
        Some(Self { key, mode })
    }
}

struct Secret {
    key: Option<String>,
    iv: Option<String>,
    pass: Option<String>,
    salt: Option<Vec<u8>>,
    salted: bool,
    digest: String,
    /// Rounds of PBKDF2; the older derivation where there are none.
    rounds: Option<usize>,
}

impl Secret {
    fn decrypt(&self, cipher: Cipher, input: &[u8]) -> Option<Vec<u8>> {
        let mut body = input;
        let (key, iv) = match &self.key {
            Some(key) => {
                let mut key = unhex(key)?;
                key.resize(cipher.key, 0);
                (key, self.iv.as_deref().map_or(Some(Vec::new()), unhex)?)
            }
            None => {
                let mut salt = self.salt.clone();
                if self.salted && body.starts_with(b"Salted__") && body.len() >= 16 {
                    salt.get_or_insert_with(|| body[8..16].to_vec());
                    body = &body[16..];
                }
                let salt = if self.salted { salt.unwrap_or_default() } else { Vec::new() };
                let mut both = self.derive(self.pass.as_deref()?, &salt, cipher.key + 16)?;
                let iv = both.split_off(cipher.key);
                (both, iv)
            }
        };
        let mut iv = iv;
        iv.resize(16, 0);
        unlock(cipher, &key, iv.try_into().ok()?, body)
    }

    fn derive(&self, pass: &str, salt: &[u8], length: usize) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        if let Some(rounds) = self.rounds {
            // PBKDF2 (RFC 8018).
            let mut number = 1u32;
            while out.len() < length {
                let mut last = mac(&self.digest, pass.as_bytes(), &[salt, &number.to_be_bytes()])?;
                let mut block = last.clone();
                for _ in 1..rounds {
                    last = mac(&self.digest, pass.as_bytes(), &[&last])?;
                    block.iter_mut().zip(&last).for_each(|(a, b)| *a ^= b);
                }
                out.extend(block);
                number += 1;
            }
        } else {
            // `EVP_BytesToKey` with one round.
            let mut last = Vec::new();
            while out.len() < length {
                last.extend_from_slice(pass.as_bytes());
                last.extend_from_slice(salt);
                last = hash(&self.digest, &last)?;
                out.extend_from_slice(&last);
            }
        }
        out.truncate(length);
        Some(out)
    }
}

enum Keyed {
    Short(aes::Aes128),
    Middle(aes::Aes192),
    Long(aes::Aes256),
}

impl Keyed {
    fn of(key: &[u8]) -> Option<Self> {
        Some(match key.len() {
            16 => Self::Short(aes::Aes128::new_from_slice(key).ok()?),
            24 => Self::Middle(aes::Aes192::new_from_slice(key).ok()?),
            _ => Self::Long(aes::Aes256::new_from_slice(key).ok()?),
        })
    }

    fn open(&self, block: [u8; 16]) -> [u8; 16] {
        let mut block = aes::Block::from(block);
        match self {
            Self::Short(key) => key.decrypt_block(&mut block),
            Self::Middle(key) => key.decrypt_block(&mut block),
            Self::Long(key) => key.decrypt_block(&mut block),
        }
        block.into()
    }

    fn close(&self, block: [u8; 16]) -> [u8; 16] {
        let mut block = aes::Block::from(block);
        match self {
            Self::Short(key) => key.encrypt_block(&mut block),
            Self::Middle(key) => key.encrypt_block(&mut block),
            Self::Long(key) => key.encrypt_block(&mut block),
        }
        block.into()
    }
}

fn unlock(cipher: Cipher, key: &[u8], iv: [u8; 16], body: &[u8]) -> Option<Vec<u8>> {
    let keyed = Keyed::of(key)?;
    let mut out = Vec::with_capacity(body.len());
    let mut before = iv;
    if cipher.mode == Mode::Ctr {
        for chunk in body.chunks(16) {
            let stream = keyed.close(before);
            out.extend(chunk.iter().zip(stream).map(|(a, b)| a ^ b));
            before = u128::from_be_bytes(before).wrapping_add(1).to_be_bytes();
        }
        return Some(out);
    }
    let (blocks, _) = body.as_chunks::<16>();
    for block in blocks {
        let open = keyed.open(*block);
        if cipher.mode == Mode::Cbc {
            out.extend(open.iter().zip(before).map(|(a, b)| a ^ b));
            before = *block;
        } else {
            out.extend(open);
        }
    }
    // PKCS#7: with another key than the right one this is rubbish, and the answer is none.
    let pad = usize::from(*out.last()?);
    let sound = (1..=16).contains(&pad) && out.len() >= pad;
    if !sound || out[out.len() - pad..].iter().any(|b| usize::from(*b) != pad) {
        return None;
    }
    out.truncate(out.len() - pad);
    Some(out)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()
}
