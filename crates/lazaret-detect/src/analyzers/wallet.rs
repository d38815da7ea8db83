//! Cryptocurrency addresses whose checksum is right.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use base58_monero::base58;
use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32, segwit};
use lazaret_model::{Fact, Indicator, IndicatorKind};
use memchr::memmem;
use sha3::{Digest, Keccak256};

use super::runs::{Alphabet, alphabet, runs};
use super::state;
use crate::{Analyzer, Subject};

/// States every cryptocurrency address with a valid checksum, in text and in binaries.
///
/// An address is taken only where the currency's own checksum proves it: Keccak for Monero and
/// its relatives, double SHA-256 for those of Bitcoin's kind, bech32 and its relatives, mixed case
/// (EIP-55) for Ethereum. An all-lower Ethereum address or a Solana address proves nothing and is
/// not stated. The prefix in the normal form names the address format, which some currencies
/// share: `rvn` is also that of Verus and Raptoreum, `eth` that of every EVM chain.
pub(crate) struct Wallets;

/// The shortest address that is looked for.
const SHORTEST: usize = 26;
/// The most addresses of one currency that are stated of one content.
const MOST: usize = 1000;
/// The most places in one content at which a Monero address without a boundary is tried. Honest
/// content has a handful; a file made to waste time is cut off here.
const MOST_TRIES: u32 = 20_000;

const WORD: Alphabet = alphabet(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
const BASE58: Alphabet = alphabet(b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz");

impl Analyzer for Wallets {
    fn name(&self) -> &'static str {
        "wallet"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, subject: &Subject<'_>) -> bool {
        subject.bytes.len() >= SHORTEST
    }

    fn analyze(&self, subject: &Subject<'_>, facts: &mut Vec<Fact>) -> Result<(), String> {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
        let mut cut = None;
        find(subject.bytes, |at, wallet| {
            let count = counts.entry(wallet.currency).or_default();
            if *count >= MOST {
                cut = Some(wallet.currency);
            } else if let Entry::Vacant(place) = seen.entry(wallet.normal()) {
                place.insert(at);
                *count += 1;
            }
        });
        let indicator = |value| Indicator::new(IndicatorKind::Wallet, value);
        state(subject, seen.into_iter().map(|(value, at)| (at, indicator(value))).collect(), facts);
        match cut {
            None => Ok(()),
            Some(currency) => {
                Err(format!("holds more than {MOST} {currency} addresses; the first were read"))
            }
        }
    }
}

/// An address that its checksum proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wallet {
    currency: &'static str,
    address: String,
}

impl Wallet {
    /// `currency:address`.
    pub(crate) fn normal(&self) -> String {
        format!("{}:{}", self.currency, self.address)
    }
}

/// Whether `text` as a whole is an address.
pub(crate) fn is_wallet(text: &str) -> bool {
    let mut whole = false;
    find(text.as_bytes(), |at, wallet| whole |= at == 0 && text.len() == wallet.address.len());
    whole
}

/// The wallet that a login at a pool is, where it is an address of Ethereum's form: `0x…`, `ETH:0x….worker`.
/// Beside a pool nothing else is meant, so it needs no checksum; it is given the one that it has.
pub(crate) fn ethereum_login(login: &str) -> Option<String> {
    let login = match login.split_once(':') {
        Some((coin, rest))
            if (2..=8).contains(&coin.len()) && coin.bytes().all(|b| b.is_ascii_alphanumeric()) =>
        {
            rest
        }
        _ => login,
    };
    let digits = login.strip_prefix("0x").or_else(|| login.strip_prefix("0X"))?;
    let end = digits.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(digits.len());
    let ends =
        digits[end..].is_empty() || digits[end..].starts_with(['.', '/', '+', '#', '-', '_', ':', '@']);
    if end != 40 || !ends || !varied(digits.as_bytes()) {
        return None;
    }
    let lower = digits[..40].to_ascii_lowercase();
    let hash = Keccak256::digest(&lower);
    let nibble = |at: usize| if at.is_multiple_of(2) { hash[at / 2] >> 4 } else { hash[at / 2] & 15 };
    let cased =
        lower.chars().enumerate().map(|(at, c)| if nibble(at) >= 8 { c.to_ascii_uppercase() } else { c });
    Some(format!("eth:0x{}", cased.collect::<String>()))
}

/// Calls `found(offset, wallet)` for every address in `bytes`.
pub(crate) fn find(bytes: &[u8], mut found: impl FnMut(usize, Wallet)) {
    let mut tries = 0;
    runs(bytes, &WORD, SHORTEST, |start, end| {
        // Anything longer is a blob of hex or base64; addresses at its ends would have a boundary
        // on one side only, which `cryptonote` handles.
        let run = &bytes[start..end];
        if !varied(run) {
            return;
        }
        if let Some((at, wallet)) = exact(&bytes[..start], run) {
            found(start + at, wallet);
            return;
        }
        if run.len() >= 42 {
            ethereum(run, |at, wallet| found(start + at, wallet));
        }
        if run.len() >= 95 {
            cryptonote(run, &mut tries, |at, wallet| found(start + at, wallet));
        }
    });
}

/// Whether a run has more than a few different characters, as a payload of random bytes has.
fn varied(run: &[u8]) -> bool {
    let mut seen = 0u128;
    for &b in &run[..run.len().min(64)] {
        seen |= 1 << (b & 127);
    }
    seen.count_ones() >= 8
}

/// The run as a whole as an address. The offset is negative where a prefix belongs to it, so what
/// is returned is where the address starts relative to the run.
fn exact(before: &[u8], run: &[u8]) -> Option<(usize, Wallet)> {
    let text = || std::str::from_utf8(run).ok();
    let wallet = |currency: &'static str, address: String| Some((0, Wallet { currency, address }));
    match run.len() {
        26..=35 if base58_only(run) => {
            if let Some(currency) = base58check(run) {
                return wallet(currency, text()?.to_owned());
            }
        }
        _ => {}
    }
    if let (42 | 62, [b'b' | b'B', b'c' | b'C', b'1', ..])
    | (43 | 63, [b'l' | b'L', b't' | b'T', b'c' | b'C', b'1', ..]) = (run.len(), run)
    {
        let (hrp, _, program) = segwit::decode(text()?).ok()?;
        let currency = match hrp.to_lowercase().as_str() {
            "bc" => "btc",
            "ltc" => "ltc",
            _ => return None,
        };
        return uneven(&program).then_some(()).and_then(|()| wallet(currency, text()?.to_ascii_lowercase()));
    }
    if run.starts_with(b"dero1") && (60..=70).contains(&run.len())
        || run.starts_with(b"deroi1") && (60..=400).contains(&run.len())
        || run.starts_with(b"zs1") && run.len() == 78
    {
        let checked = CheckedHrpstring::new::<Bech32>(text()?).ok()?;
        let payload: Vec<u8> = checked.byte_iter().collect();
        let currency = if run[0] == b'z' { "zec" } else { "dero" };
        return uneven(&payload).then_some(()).and_then(|()| wallet(currency, text()?.to_owned()));
    }
    if let 61..=63 = run.len()
        && before.ends_with(b"kaspa:")
        && cash_checksum(b"kaspa", run)
    {
        return wallet("kaspa", text()?.to_owned());
    }
    if run.len() == 42 && before.ends_with(b"bitcoincash:") && cash_checksum(b"bitcoincash", run) {
        return wallet("bch", text()?.to_owned());
    }
    if (95..=115).contains(&run.len()) && base58_only(run) {
        return wallet(cryptonote_currency(text()?)?, text()?.to_owned());
    }
    None
}

fn base58_only(run: &[u8]) -> bool {
    run.iter().all(|&b| BASE58[usize::from(b)])
}

/// Whether a payload is not all of one byte: the "burn" addresses of zeros in every test suite.
fn uneven(payload: &[u8]) -> bool {
    payload.iter().skip(1).any(|b| Some(b) != payload.get(1)) || payload.len() < 2
}

/// The currency of an address of Bitcoin's kind: version bytes, 20 bytes of hash, and four bytes of
/// double SHA-256 (Bitcoin wiki, "Base58Check encoding"; version bytes from each chain's
/// `chainparams.cpp`).
fn base58check(run: &[u8]) -> Option<&'static str> {
    // The first character is fixed by the version byte; this saves decoding every identifier.
    if !matches!(run[0], b'1' | b'3' | b'L' | b'M' | b'D' | b'A' | b'9' | b'T' | b'R' | b'X' | b't') {
        return None;
    }
    let mut raw = [0u8; 32];
    let length = bs58::decode(run).onto(&mut raw[..]).ok()?;
    let currency = match (length, raw[0], raw[1]) {
        (25, 0x00, _) | (25, 0x05, _) => "btc",
        (25, 0x30, _) | (25, 0x32, _) => "ltc",
        (25, 0x1e, _) | (25, 0x16, _) => "doge",
        (25, 0x41, _) => "trx",
        (25, 0x3c, _) => "rvn",
        (25, 0x4c, _) => "dash",
        (26, 0x1c, 0xb8) | (26, 0x1c, 0xbd) => "zec",
        _ => return None,
    };
    let (payload, checksum) = raw[..length].split_at(length - 4);
    let hash = sha2::Sha256::digest(sha2::Sha256::digest(payload));
    (hash[..4] == *checksum && uneven(payload)).then_some(currency)
}

/// Ethereum addresses in a run: `0x`, 40 hexadecimal digits whose case is the checksum (EIP-55),
/// and no further digit.
fn ethereum(run: &[u8], mut found: impl FnMut(usize, Wallet)) {
    for at in memmem::find_iter(run, b"0x") {
        let Some(digits) = run.get(at + 2..at + 42) else { return };
        if run.get(at + 42).is_some_and(u8::is_ascii_hexdigit) || !digits.iter().all(u8::is_ascii_hexdigit) {
            continue;
        }
        let upper = digits.iter().any(u8::is_ascii_uppercase);
        let lower = digits.iter().any(u8::is_ascii_lowercase);
        if !(upper && lower) {
            continue;
        }
        let hash = Keccak256::digest(digits.to_ascii_lowercase());
        let right = digits.iter().enumerate().all(|(i, b)| {
            let nibble = if i % 2 == 0 { hash[i / 2] >> 4 } else { hash[i / 2] & 15 };
            b.is_ascii_digit() || b.is_ascii_uppercase() == (nibble >= 8)
        });
        if right && let Ok(digits) = std::str::from_utf8(digits) {
            found(at, Wallet { currency: "eth", address: format!("0x{digits}") });
        }
    }
}

/// Monero addresses inside a longer run, where neighbours are not separated (string tables of Go
/// programs have no zero bytes between strings).
fn cryptonote(run: &[u8], tries: &mut u32, mut found: impl FnMut(usize, Wallet)) {
    let mut skip_to = 0;
    runs(run, &BASE58, 95, |start, end| {
        for at in start..=end - 95 {
            // The first character says 18 (`4`), 19 (`4`) or 42 (`8`), the second bounds the rest.
            if at < skip_to
                || !matches!(run[at], b'4' | b'8')
                || !matches!(run[at + 1], b'1'..=b'9' | b'A' | b'B' | b'C')
            {
                continue;
            }
            if *tries >= MOST_TRIES {
                return;
            }
            *tries += 1;
            for length in [95, 106] {
                let candidate = run.get(at..at + length).filter(|_| at + length <= end);
                let Some(text) = candidate.and_then(|raw| std::str::from_utf8(raw).ok()) else { continue };
                if cryptonote_currency(text) == Some("xmr") {
                    found(at, Wallet { currency: "xmr", address: text.to_owned() });
                    skip_to = at + length;
                    break;
                }
            }
        }
    });
}

/// The currency of an address of CryptoNote's kind: a variable-length prefix number, two public
/// keys of 32 bytes, in integrated addresses 8 bytes of payment id, four bytes of Keccak
/// (CryptoNote standard 7, "Addresses"; prefixes from each chain's `cryptonote_config.h`).
fn cryptonote_currency(text: &str) -> Option<&'static str> {
    let raw = base58::decode(text).ok()?;
    let (payload, checksum) = raw.split_at_checked(raw.len().checked_sub(4)?)?;
    if Keccak256::digest(payload)[..4] != *checksum {
        return None;
    }
    let mut prefix = 0u64;
    let mut used = 0;
    for &byte in payload.iter().take(9) {
        prefix |= u64::from(byte & 0x7f) << (7 * used);
        used += 1;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let keys = payload.get(used..)?;
    if !matches!(keys.len(), 64 | 72) || !uneven(&keys[..32]) {
        return None;
    }
    Some(match prefix {
        18 | 19 | 42 => "xmr",
        24 | 25 | 36 | 53 | 54 | 63 => "xmr-test",
        _ if text.starts_with("ZEPH") => "zeph",
        _ if text.starts_with("hv") => "xhv",
        178 => "aeon",
        4146 | 6810 | 12208 => "wow",
        _ if text.starts_with("SaL") || text.starts_with("SC1") => "sal",
        _ => "cryptonote",
    })
}

/// The checksum of Bitcoin Cash, which Kaspa has too: a BCH code over GF(32) of 40 bits
/// (bitcoincash.org, `spec/cashaddr.md`).
fn cash_checksum(prefix: &[u8], payload: &[u8]) -> bool {
    const CHARSET: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const GENERATOR: [u64; 5] =
        [0x98_f2bc_8e61, 0x79_b76d_99e2, 0xf3_3e5f_b3c4, 0xae_2eab_e2a8, 0x1e_4f43_e470];
    let mut sum = 1u64;
    let mut feed = |value: u8| {
        let top = sum >> 35;
        sum = (sum & 0x07_ffff_ffff) << 5 ^ u64::from(value);
        for (bit, generator) in GENERATOR.iter().enumerate() {
            if top >> bit & 1 == 1 {
                sum ^= generator;
            }
        }
    };
    prefix.iter().for_each(|&b| feed(b & 31));
    feed(0);
    for b in payload {
        let Some(value) = CHARSET.iter().position(|c| c == b) else { return false };
        feed(value as u8);
    }
    sum == 1
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use bech32::Hrp;
    use lazaret_model::EntryPath;

    use super::*;

    fn noise(seed: u64, length: usize) -> Vec<u8> {
        let mut state = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        (0..length)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect()
    }

    fn monero(prefix: &[u8], keys: usize, seed: u64) -> String {
        let payload = [prefix, &noise(seed, keys)].concat();
        let sum = Keccak256::digest(&payload);
        base58::encode(&[&payload[..], &sum[..4]].concat()).unwrap()
    }

    fn base58_of(version: &[u8], seed: u64) -> String {
        bs58::encode([version, &noise(seed, 20)].concat()).with_check().into_string()
    }

    fn eip55(seed: u64) -> String {
        let lower = data_encoding::HEXLOWER.encode(&noise(seed, 20));
        let hash = data_encoding::HEXLOWER.encode(&Keccak256::digest(lower.as_bytes()));
        let mixed =
            lower.chars().zip(hash.chars()).map(|(c, h)| if h >= '8' { c.to_ascii_uppercase() } else { c });
        format!("0x{}", mixed.collect::<String>())
    }

    fn cash(prefix: &str, version: u8, length: usize, seed: u64) -> String {
        const CHARSET: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
        // The checksum is what makes the polynomial right: try is cheaper than a second encoder,
        // so solve it by linearity, one symbol at a time from the remainder.
        let mut payload = vec![version];
        payload.extend(noise(seed, length));
        let bits: String = payload.iter().map(|b| format!("{b:08b}")).collect();
        let mut symbols: Vec<u8> = bits
            .as_bytes()
            .chunks(5)
            .map(|c| u8::from_str_radix(&format!("{:0<5}", std::str::from_utf8(c).unwrap()), 2).unwrap())
            .collect();
        let remainder = {
            let all =
                [prefix.bytes().map(|b| b & 31).collect(), vec![0], symbols.clone(), vec![0; 8]].concat();
            polymod(&all)
        };
        symbols.extend((0..8).map(|i| (remainder >> (5 * (7 - i)) & 31) as u8));
        symbols.iter().map(|&s| CHARSET[s as usize] as char).collect()
    }

    fn polymod(values: &[u8]) -> u64 {
        const GENERATOR: [u64; 5] = [0x98f2bc8e61, 0x79b76d99e2, 0xf33e5fb3c4, 0xae2eabe2a8, 0x1e4f43e470];
        let mut c = 1u64;
        for &v in values {
            let top = c >> 35;
            c = ((c & 0x07ffffffff) << 5) ^ u64::from(v);
            for (i, g) in GENERATOR.iter().enumerate() {
                if (top >> i) & 1 == 1 {
                    c ^= g;
                }
            }
        }
        c ^ 1
    }

    fn found(bytes: &[u8]) -> Vec<String> {
        let mut out = Vec::new();
        find(bytes, |_, wallet| out.push(wallet.normal()));
        out
    }

    /// One made address of every kind, with its prefix.
    fn samples(seed: u64) -> Vec<(&'static str, String)> {
        let dero =
            bech32::encode::<Bech32>(Hrp::parse("dero").unwrap(), &[&[1, 2][..], &noise(seed, 32)].concat());
        vec![
            ("xmr", monero(&[18], 64, seed)),
            ("xmr", monero(&[19], 72, seed)),
            ("xmr", monero(&[42], 64, seed)),
            ("xmr-test", monero(&[53], 64, seed)),
            ("aeon", monero(&[0xb2, 0x01], 64, seed)),
            ("cryptonote", monero(&[0x81, 0x23], 64, seed)),
            ("btc", base58_of(&[0], seed)),
            ("btc", base58_of(&[5], seed)),
            ("ltc", base58_of(&[0x30], seed)),
            ("doge", base58_of(&[0x1e], seed)),
            ("trx", base58_of(&[0x41], seed)),
            ("rvn", base58_of(&[0x3c], seed)),
            ("dash", base58_of(&[0x4c], seed)),
            ("zec", base58_of(&[0x1c, 0xb8], seed)),
            ("btc", segwit::encode_v0(Hrp::parse("bc").unwrap(), &noise(seed, 20)).unwrap()),
            ("btc", segwit::encode_v1(Hrp::parse("bc").unwrap(), &noise(seed, 32)).unwrap()),
            ("ltc", segwit::encode_v0(Hrp::parse("ltc").unwrap(), &noise(seed, 20)).unwrap()),
            ("dero", dero.unwrap()),
            ("eth", eip55(seed)),
        ]
    }

    #[test]
    fn an_address_is_found_in_text_and_in_binaries() {
        for seed in 1..40 {
            for (currency, address) in samples(seed) {
                let value = format!("{currency}:{address}");
                assert_eq!(found(address.as_bytes()), [value.as_str()], "{seed}");
                let text = format!("./m -o pool.invalid:3333 -u {address}.worker -p x\n");
                assert_eq!(found(text.as_bytes()), [value.as_str()], "{seed}");
                let binary =
                    [&noise(seed, 311)[..], b"\0", address.as_bytes(), b"\0", &noise(seed + 1, 97)].concat();
                assert_eq!(found(&binary), [value.as_str()], "{seed}");
            }
        }
    }

    #[test]
    fn a_wrong_character_anywhere_makes_it_no_address() {
        for (currency, address) in samples(77) {
            for at in 1..address.len() {
                let mut wrong = address.clone().into_bytes();
                wrong[at] = if wrong[at] == b'7' { b'8' } else { b'7' };
                assert_eq!(found(&wrong), Vec::<String>::new(), "{currency} {at}");
            }
        }
    }

    #[test]
    fn addresses_with_a_network_name_are_found_after_it() {
        let kaspa = cash("kaspa", 0, 32, 5);
        assert_eq!(kaspa.len(), 61);
        assert_eq!(found(format!("\"kaspa:{kaspa}\"").as_bytes()), [format!("kaspa:{kaspa}")]);
        assert_eq!(found(kaspa.as_bytes()), Vec::<String>::new());
        let cash = cash("bitcoincash", 0, 20, 6);
        assert_eq!(found(format!("bitcoincash:{cash}").as_bytes()), [format!("bch:{cash}")]);
    }

    #[test]
    fn a_monero_address_is_found_without_boundaries() {
        let address = monero(&[18], 64, 9);
        let joined = format!("invalidArgumentDonate{address}stratumNotFoundPoolClosed");
        assert_eq!(found(joined.as_bytes()), [format!("xmr:{address}")]);
        let eth = eip55(3);
        assert_eq!(found(format!("walletZZ{eth}somethingelse").as_bytes()), [format!("eth:{eth}")]);
    }

    #[test]
    fn an_address_of_zeros_or_without_case_is_none() {
        assert_eq!(
            found(bs58::encode([0u8; 21]).with_check().into_string().as_bytes()),
            Vec::<String>::new()
        );
        let payload = [&[18u8][..], &[0; 64]].concat();
        let sum = Keccak256::digest(&payload);
        let zeros = base58::encode(&[&payload[..], &sum[..4]].concat()).unwrap();
        assert_eq!(found(zeros.as_bytes()), Vec::<String>::new());
        assert_eq!(found(eip55(4).to_lowercase().as_bytes()), Vec::<String>::new());
        assert_eq!(found(&[b'4'; 4096]), Vec::<String>::new());
    }

    #[test]
    fn hashes_and_blobs_are_no_addresses() {
        let mut text = String::new();
        for seed in 0..2000 {
            text.push_str(&data_encoding::HEXLOWER.encode(&noise(seed, 16)));
            text.push('\n');
            text.push_str(&data_encoding::BASE64.encode(&noise(seed, 120)));
            text.push(' ');
            text.push_str(&bs58::encode(noise(seed, 80)).into_string());
            text.push(' ');
        }
        assert_eq!(found(text.as_bytes()), Vec::<String>::new());
    }

    #[test]
    fn a_file_made_to_waste_time_is_cut_off() {
        let address = monero(&[18], 64, 9);
        let trap = b"4A29Bzt7m6".repeat(400_000);
        let started = std::time::Instant::now();
        let all = [&trap[..], b" ", address.as_bytes()].concat();
        assert_eq!(found(&all), [format!("xmr:{address}")]);
        assert!(started.elapsed() < std::time::Duration::from_secs(20));
    }

    #[test]
    fn the_same_address_is_stated_once_with_its_line() {
        let address = monero(&[42], 64, 2);
        let text = format!("a\n{address}\n{address}\n");
        let path = EntryPath::from("a");
        let size = text.len() as u64;
        let subject = Subject { path: &path, inside: &[], mode: 0, size, bytes: text.as_bytes(), offset: 0 };
        let mut facts = Vec::new();
        Wallets.analyze(&subject, &mut facts).unwrap();
        assert_eq!(facts.len(), 1);
        assert_eq!((facts[0].line, facts[0].offset), (Some(2), Some(2)));
        assert!(is_wallet(&address));
        assert!(!is_wallet(&format!("{address}.worker")));
    }
}
