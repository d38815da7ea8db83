//! Encodings and compressions.

use std::io::Read;

/// Decodes what is there up to the first thing that is no code, as `base64 -d` puts it out.
pub(super) fn decode_base(input: &[u8], wide: bool) -> Option<Vec<u8>> {
    let clean: Vec<u8> = input.iter().copied().filter(|b| !b.is_ascii_whitespace() && *b != b'=').collect();
    let good = clean
        .iter()
        .position(|b| {
            if wide {
                !(b.is_ascii_alphanumeric() || b"+/".contains(b))
            } else {
                !(b.is_ascii_uppercase() || (b'2'..=b'7').contains(b))
            }
        })
        .unwrap_or(clean.len());
    let mut end = good;
    let encoding = if wide { data_encoding::BASE64_NOPAD } else { data_encoding::BASE32_NOPAD };
    if wide && end % 4 == 1 {
        end -= 1;
    }
    let mut spec = encoding.specification();
    spec.check_trailing_bits = false;
    let encoding = spec.encoding().ok()?;
    encoding.decode(&clean[..end]).ok()
}

pub(super) fn decode_hex(input: &[u8]) -> Option<Vec<u8>> {
    let clean: Vec<u8> =
        input.iter().copied().filter(u8::is_ascii_hexdigit).map(|b| b.to_ascii_lowercase()).collect();
    data_encoding::HEXLOWER.decode(&clean[..clean.len() & !1]).ok()
}

pub(super) fn gunzip(input: &[u8], most: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut reader = flate2::read::MultiGzDecoder::new(input).take(most as u64 + 1);
    reader.read_to_end(&mut out).ok()?;
    (out.len() <= most).then_some(out)
}
