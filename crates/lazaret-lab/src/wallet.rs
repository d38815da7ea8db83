//! Addresses of coins with a valid checksum, made from a seed. Their keys are hashes: nobody can
//! spend from them.

use bech32::{Bech32, Fe32, Hrp, hrp};
use sha3::{Digest, Keccak256};

use crate::keys::seeded;

/// A coin whose addresses the lab does not make.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the lab makes no `{0}` address (xmr, xmr-sub, xmr-int, zeph, dero, btc, bc1q, bc1p, ltc, doge, rvn, trx, eth, kas)"
)]
pub struct UnknownCoin(String);

/// An address of `coin` that depends on nothing but its name and `seed`.
pub fn wallet(coin: &str, seed: &str) -> Result<String, UnknownCoin> {
    let bytes = |length| seeded(coin, seed, length);
    let check = |version: u8| bs58::encode(bytes(20)).with_check_version(version).into_string();
    Ok(match coin {
        // Monero: network byte, two public keys; a sub-address and an integrated one (with a payment id)
        // have network bytes of their own (monero, `cryptonote_config.h`).
        "xmr" => cryptonote(&[18], &bytes(64)),
        "xmr-sub" => cryptonote(&[42], &bytes(64)),
        "xmr-int" => cryptonote(&[19], &bytes(72)),
        // Zephyr: the prefix is a varint of several bytes, chosen so that an address begins with its name.
        "zeph" => cryptonote(&ZEPHYR, &bytes(64)),
        "dero" => {
            // Version, then a compressed curve point: its coordinate is below 2^254.
            let mut payload = [&[1], bytes(32).as_slice(), &[1]].concat();
            payload[1] &= 0x3f;
            bech32::encode::<Bech32>(Hrp::parse_unchecked("dero"), &payload).expect("34 bytes fit")
        }
        "btc" => check(0x00),
        "ltc" => check(0x30),
        "doge" => check(0x1e),
        "rvn" => check(0x3c),
        "trx" => check(0x41),
        "bc1q" => segwit(0, &bytes(20)),
        "bc1p" => segwit(1, &bytes(32)),
        "eth" => ethereum(&bytes(20)),
        "kas" => kaspa(&bytes(32)),
        other => return Err(UnknownCoin(other.to_owned())),
    })
}

/// A five-byte varint with which an address begins with `ZEPHYR`.
const ZEPHYR: [u8; 5] = [0xc0, 0xb1, 0xf4, 0xa0, 0x6c];

/// CryptoNote addresses: prefix, keys, the first four bytes of their Keccak-256, in Monero's base58.
fn cryptonote(prefix: &[u8], keys: &[u8]) -> String {
    let mut data = [prefix, keys].concat();
    let sum = Keccak256::digest(&data);
    data.extend(&sum[..4]);
    base58_monero::encode(&data).expect("any bytes have a base58 form")
}

fn segwit(version: u8, program: &[u8]) -> String {
    let version = Fe32::try_from(version).expect("versions are below 32");
    bech32::segwit::encode(hrp::BC, version, program).expect("the length suits the version")
}

/// EIP-55: upper case where the hash of the lower-case address has a high nibble.
fn ethereum(bytes: &[u8]) -> String {
    let lower = data_encoding::HEXLOWER.encode(bytes);
    let sum = Keccak256::digest(lower.as_bytes());
    let digits = lower.char_indices().map(|(i, c)| {
        let nibble = if i % 2 == 0 { sum[i / 2] >> 4 } else { sum[i / 2] & 15 };
        if nibble >= 8 { c.to_ascii_uppercase() } else { c }
    });
    format!("0x{}", digits.collect::<String>())
}

/// Kaspa: CashAddr's base32 and 40-bit checksum with Kaspa's prefix.
fn kaspa(key: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    let mut words = Vec::new();
    let (mut bits, mut held) = (0u32, 0u32);
    for byte in [&[0], key].concat() {
        held = (held << 8) | u32::from(byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            words.push((held >> bits) as u8 & 31);
        }
        held &= (1 << bits) - 1;
    }
    if bits > 0 {
        words.push((held << (5 - bits)) as u8 & 31);
    }
    let prefix = b"kaspa".iter().map(|b| b & 31).chain([0]);
    let sum = polymod(prefix.chain(words.iter().copied()).chain([0; 8]));
    words.extend((0..8).map(|i| (sum >> (5 * (7 - i))) as u8 & 31));
    format!("kaspa:{}", words.iter().map(|&w| char::from(ALPHABET[usize::from(w)])).collect::<String>())
}

/// The checksum of CashAddr.
fn polymod(values: impl Iterator<Item = u8>) -> u64 {
    const GENERATOR: [u64; 5] =
        [0x98_f2bc_8e61, 0x79_b76d_99e2, 0xf3_3e5f_b3c4, 0xae_2eab_e2a8, 0x1e_4f43_e470];
    let mut sum: u64 = 1;
    for value in values {
        let top = sum >> 35;
        sum = ((sum & 0x07_ffff_ffff) << 5) ^ u64::from(value);
        for (bit, generator) in GENERATOR.iter().enumerate() {
            if top >> bit & 1 == 1 {
                sum ^= generator;
            }
        }
    }
    sum ^ 1
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn monero_addresses_have_their_length_prefix_and_checksum() {
        for (coin, prefix, length, bytes) in
            [("xmr", '4', 95, 69), ("xmr-sub", '8', 95, 69), ("xmr-int", '4', 106, 77)]
        {
            let address = wallet(coin, "somebody").unwrap();
            assert_eq!((address.len(), address.chars().next()), (length, Some(prefix)), "{coin}");
            let data = base58_monero::decode(&address).unwrap();
            assert_eq!(data.len(), bytes);
            let (body, sum) = data.split_at(bytes - 4);
            assert_eq!(&Keccak256::digest(body)[..4], sum);
        }
        assert!(wallet("zeph", "somebody").unwrap().starts_with("ZEPHYR"));
    }

    #[test]
    fn other_coins_have_their_form() {
        for (coin, start, length) in [
            ("dero", "dero1qy", 66),
            ("bc1q", "bc1q", 42),
            ("bc1p", "bc1p", 62),
            ("ltc", "L", 34),
            ("rvn", "R", 34),
            ("eth", "0x", 42),
            ("kas", "kaspa:q", 67),
        ] {
            let address = wallet(coin, "somebody").unwrap();
            assert!(address.starts_with(start), "{address}");
            assert_eq!(address.len(), length, "{address}");
        }
        assert!(bs58::decode(wallet("btc", "x").unwrap()).with_check(Some(0)).into_vec().is_ok());
        assert!(bech32::segwit::decode(&wallet("bc1p", "x").unwrap()).is_ok());
        assert_eq!(wallet("xmr", "x"), wallet("xmr", "x"));
        assert_ne!(wallet("xmr", "x"), wallet("xmr", "y"));
        assert!(wallet("gold", "x").is_err());
    }

    #[test]
    fn upper_case_letters_of_an_ethereum_address_are_its_checksum() {
        // The first example of EIP-55.
        let bytes = data_encoding::HEXLOWER.decode(b"5aaeb6053f3e94c9b9a09f33669435e7ef1beaed").unwrap();
        assert_eq!(ethereum(&bytes), "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed");
    }

    #[test]
    fn kaspa_checksums_verify() {
        let address = wallet("kas", "x").unwrap();
        let alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
        let words = address["kaspa:".len()..].chars().map(|c| alphabet.find(c).unwrap() as u8);
        assert_eq!(polymod(b"kaspa".iter().map(|b| b & 31).chain([0]).chain(words)), 0);
    }
}
