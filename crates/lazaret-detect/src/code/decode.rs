//! Decoders of the languages' libraries, computed for real over known bytes.

use std::io::Read;

use data_encoding::{BASE32, BASE64, Encoding, HEXLOWER_PERMISSIVE, Specification};

/// Decodes with the decoder of a name; None where the bytes are not of that kind, or would be
/// longer than `most`.
pub(super) fn decode(kind: &str, bytes: &[u8], most: usize) -> Option<Vec<u8>> {
    match kind {
        "base64" => base64(bytes),
        "base32" => BASE32.decode(&squeezed(bytes)).ok(),
        "base85" => base85(bytes, B85),
        "ascii85" => ascii85(bytes),
        "hex" => HEXLOWER_PERMISSIVE.decode(&squeezed(bytes)).ok(),
        "zlib" => read(flate2::read::ZlibDecoder::new(bytes), most),
        "deflate" => read(flate2::read::DeflateDecoder::new(bytes), most),
        "gzip" => read(flate2::read::MultiGzDecoder::new(bytes), most),
        "bz2" => read(bzip2::read::BzDecoder::new(bytes), most),
        "lzma" => lzma(bytes, most),
        "rot13" => Some(bytes.iter().map(|&b| rot13(b)).collect()),
        "url" => Some(percent(bytes)),
        "uu" => uu(bytes),
        "quoted-printable" => Some(quoted(bytes)),
        _ => None,
    }
}

fn read(from: impl Read, most: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let limit = most as u64 + 1;
    // What was there before a broken end is what a program would have seen of it in a stream.
    let whole = from.take(limit).read_to_end(&mut out);
    (out.len() <= most && (whole.is_ok() || !out.is_empty())).then_some(out)
}

/// A larger dictionary is not for a text of a script.
const DICTIONARY_KIB: u32 = 32 << 10;

fn lzma(bytes: &[u8], most: usize) -> Option<Vec<u8>> {
    if bytes.starts_with(b"\xfd7zXZ\0") {
        return read(lzma_rust2::XzReader::new_mem_limit(bytes, true, DICTIONARY_KIB), most);
    }
    read(lzma_rust2::LzmaReader::new_mem_limit(bytes, DICTIONARY_KIB, None).ok()?, most)
}

fn squeezed(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect()
}

/// Both alphabets; what belongs to neither is skipped, as Python and PHP do, and the padding may
/// be missing.
fn base64(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut clean = Vec::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'-' => clean.push(b'+'),
            b'_' => clean.push(b'/'),
            b'+' | b'/' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => clean.push(byte),
            b'=' if clean.len() % 4 >= 2 => break,
            _ => {}
        }
    }
    if clean.len() % 4 == 1 {
        clean.pop();
    }
    while clean.len() % 4 != 0 {
        clean.push(b'=');
    }
    match BASE64.decode(&clean) {
        Ok(out) => Some(out),
        // Bits behind the last byte that are not zero.
        Err(_) => {
            loose()?.decode(clean.strip_suffix(b"==").or(clean.strip_suffix(b"=")).unwrap_or(&clean)).ok()
        }
    }
}

fn loose() -> Option<Encoding> {
    let mut specification = Specification::new();
    specification.symbols.push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    specification.check_trailing_bits = false;
    specification.encoding().ok()
}

const B85: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";

fn base85(bytes: &[u8], alphabet: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len());
    for group in bytes.chunks(5) {
        let mut value: u32 = 0;
        for n in 0..5 {
            let digit = match group.get(n) {
                Some(byte) => alphabet.iter().position(|a| a == byte)?,
                None => 84,
            };
            value = value.checked_mul(85)?.checked_add(u32::try_from(digit).ok()?)?;
        }
        out.extend_from_slice(value.to_be_bytes().get(..group.len() - 1)?);
    }
    Some(out)
}

fn ascii85(bytes: &[u8]) -> Option<Vec<u8>> {
    let bytes = squeezed(bytes);
    let bytes = bytes.strip_prefix(b"<~").unwrap_or(&bytes);
    let bytes = bytes.strip_suffix(b"~>").unwrap_or(bytes);
    let mut full = Vec::with_capacity(bytes.len());
    for &byte in bytes {
        if byte == b'z' { full.extend_from_slice(b"!!!!!") } else { full.push(byte) }
    }
    let alphabet: Vec<u8> = (b'!'..=b'u').collect();
    base85(&full, &alphabet)
}

fn rot13(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' => (byte - b'a' + 13) % 26 + b'a',
        b'A'..=b'Z' => (byte - b'A' + 13) % 26 + b'A',
        other => other,
    }
}

fn percent(bytes: &[u8]) -> Vec<u8> {
    let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte == b'%'
            && let (Some(&a), Some(&b)) = (bytes.get(at + 1), bytes.get(at + 2))
            && let (Some(high), Some(low)) = (digit(a), digit(b))
        {
            out.push(high << 4 | low);
            at += 3;
        } else {
            out.push(byte);
            at += 1;
        }
    }
    out
}

fn quoted(bytes: &[u8]) -> Vec<u8> {
    let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte != b'=' {
            out.push(byte);
            at += 1;
        } else if bytes.get(at + 1) == Some(&b'\n') {
            at += 2;
        } else {
            let pair = bytes.get(at + 1).zip(bytes.get(at + 2));
            if let Some((high, low)) = pair.and_then(|(a, b)| Some((digit(*a)?, digit(*b)?))) {
                out.push(high << 4 | low);
                at += 3;
            } else {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

fn uu(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for line in bytes.split(|b| *b == b'\n') {
        let Some((&first, rest)) = line.split_first() else { continue };
        if line.starts_with(b"begin ") || line.starts_with(b"end") {
            continue;
        }
        let length = usize::from(first.checked_sub(b' ')? & 63);
        let mut decoded = Vec::new();
        for group in rest.chunks(4) {
            let mut value = 0u32;
            for n in 0..4 {
                let six = group.get(n).map_or(0, |b| u32::from(b.saturating_sub(b' ') & 63));
                value = value << 6 | six;
            }
            decoded.extend_from_slice(&value.to_be_bytes()[1..]);
        }
        out.extend_from_slice(decoded.get(..length.min(decoded.len()))?);
    }
    Some(out)
}

/// Encodes, for programs that hand what they made to another.
pub(super) fn encode(kind: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    match kind {
        "base64" => Some(BASE64.encode(bytes).into_bytes()),
        "hex" => Some(data_encoding::HEXLOWER.encode(bytes).into_bytes()),
        "base32" => Some(BASE32.encode(bytes).into_bytes()),
        "rot13" => Some(bytes.iter().map(|&b| rot13(b)).collect()),
        _ => None,
    }
}

/// `H*` and its relatives: what `pack` makes of hexadecimal text and lists of numbers.
pub(super) fn pack(template: &str, texts: &[Vec<u8>], numbers: &[i64]) -> Option<Vec<u8>> {
    let kind = template.trim().chars().next()?;
    match kind {
        'H' => decode("hex", texts.first()?, usize::MAX - 1),
        'm' => decode("base64", texts.first()?, usize::MAX - 1),
        'u' => decode("uu", texts.first()?, usize::MAX - 1),
        'A' | 'a' => texts.first().cloned(),
        'C' | 'c' => Some(numbers.iter().map(|&n| n as u8).collect()),
        'U' | 'W' => {
            let text: String = numbers.iter().filter_map(|&n| char::from_u32(n as u32)).collect();
            Some(text.into_bytes())
        }
        _ => None,
    }
}
