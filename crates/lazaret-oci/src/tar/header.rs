//! One header block: v7, ustar, star and GNU forms.

use super::BLOCK;

/// Which form a header has. It decides what the bytes after the link name mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    V7,
    /// POSIX ustar, and pax, which looks the same.
    Ustar,
    /// Schilling's star: a shorter prefix, times after it.
    Star,
    /// GNU: no prefix, times and sparse map instead.
    Gnu,
}

/// What a header block says, numbers parsed, names up to their first NUL.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    pub(crate) form: Form,
    pub(crate) typeflag: u8,
    pub(crate) name: Vec<u8>,
    pub(crate) link: Vec<u8>,
    pub(crate) size: i64,
    pub(crate) mode: i64,
    pub(crate) uid: i64,
    pub(crate) gid: i64,
    pub(crate) mtime: i64,
    pub(crate) major: i64,
    pub(crate) minor: i64,
}

/// Why a block is no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeaderFault {
    /// The checksum is wrong: no header at all.
    Checksum,
    /// The checksum is right, a number is none.
    Number(&'static str),
}

impl HeaderFault {
    pub(crate) fn words(self) -> String {
        match self {
            Self::Checksum => "a header's checksum is wrong".to_owned(),
            Self::Number(field) => format!("a header's {field} is not a number"),
        }
    }
}

/// Bytes of a field up to its first NUL.
fn text(field: &[u8]) -> &[u8] {
    &field[..memchr::memchr(0, field).unwrap_or(field.len())]
}

/// Octal digits between spaces and NULs; nothing is 0. Go's `parser.parseOctal`.
fn octal(field: &[u8]) -> Option<u64> {
    let pad = |b: &u8| *b == b' ' || *b == 0;
    let start = field.iter().position(|b| !pad(b)).unwrap_or(field.len());
    let end = field.iter().rposition(|b| !pad(b)).map_or(start, |at| at + 1);
    let digits = text(&field[start..end]);
    digits.iter().try_fold(0u64, |value, &b| match b {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(u64::from(b - b'0')),
        _ => None,
    })
}

/// A number field: octal, or base-256 where the top bit of the first byte is set (GNU, star).
/// Go's `parser.parseNumeric`.
pub(crate) fn number(field: &[u8]) -> Option<i64> {
    let first = *field.first()?;
    if first & 0x80 == 0 {
        return octal(field).and_then(|v| i64::try_from(v).ok());
    }
    let invert = if first & 0x40 != 0 { 0xff } else { 0 };
    let mut value = 0u64;
    for (at, &byte) in field.iter().enumerate() {
        let byte = (byte ^ invert) & if at == 0 { 0x7f } else { 0xff };
        if value >> 56 > 0 {
            return None;
        }
        value = value << 8 | u64::from(byte);
    }
    let value = i64::try_from(value).ok()?;
    Some(if invert == 0xff { !value } else { value })
}

/// The checksum with the checksum field as spaces, over unsigned and over signed bytes: old
/// Sun tars summed signed ones.
fn sums(block: &[u8; BLOCK]) -> (i64, i64) {
    let sum = |bytes: &[u8]| {
        let unsigned: u32 = bytes.iter().map(|&b| u32::from(b)).sum();
        let high: u32 = bytes.iter().map(|&b| u32::from(b >> 7)).sum();
        (i64::from(unsigned), i64::from(unsigned) - 256 * i64::from(high))
    };
    let (all, field) = (sum(block), sum(&block[148..156]));
    let spaces = 8 * i64::from(b' ');
    (all.0 - field.0 + spaces, all.1 - field.1 + spaces)
}

/// Whether the block has a right checksum: without one no engine takes it for a header.
pub(crate) fn has_checksum(block: &[u8; BLOCK]) -> bool {
    !matches!(Header::parse(block), Err(HeaderFault::Checksum))
}

/// Whether the block has a right checksum and sound numbers: what a resync looks for, and what
/// tells a tar by its content.
pub(crate) fn looks_like_header(block: &[u8]) -> bool {
    block.first_chunk::<BLOCK>().is_some_and(|block| Header::parse(block).is_ok_and(|h| !h.name.is_empty()))
}

impl Header {
    pub(crate) fn parse(block: &[u8; BLOCK]) -> Result<Self, HeaderFault> {
        let stated = octal(&block[148..156]).and_then(|v| i64::try_from(v).ok());
        let (unsigned, signed) = sums(block);
        if stated != Some(unsigned) && stated != Some(signed) {
            return Err(HeaderFault::Checksum);
        }
        let form = match (&block[257..263], &block[263..265], &block[508..512]) {
            (b"ustar\0", _, b"tar\0") => Form::Star,
            (b"ustar\0", _, _) => Form::Ustar,
            (b"ustar ", b" \0", _) => Form::Gnu,
            _ => Form::V7,
        };
        let read =
            |range: std::ops::Range<usize>, field| number(&block[range]).ok_or(HeaderFault::Number(field));
        let mut header = Self {
            form,
            typeflag: block[156],
            name: text(&block[..100]).to_vec(),
            link: text(&block[157..257]).to_vec(),
            mode: read(100..108, "mode")?,
            uid: read(108..116, "owner")?,
            gid: read(116..124, "group")?,
            size: read(124..136, "size")?,
            mtime: read(136..148, "time")?,
            major: 0,
            minor: 0,
        };
        if form != Form::V7 {
            header.major = read(329..337, "device number")?;
            header.minor = read(337..345, "device number")?;
        }
        let prefix: &[u8] = match form {
            Form::V7 => b"",
            Form::Ustar => text(&block[345..500]),
            Form::Star => text(&block[345..476]),
            // Go before 1.8 wrote a prefix where GNU has times; readers in Go still honour it
            // where the times are no numbers.
            Form::Gnu => {
                let time = |range: std::ops::Range<usize>| {
                    block[range.start] == 0 || number(&block[range]).is_some()
                };
                let prefix = text(&block[345..500]);
                if (time(345..357) && time(357..369)) || !prefix.is_ascii() { b"" } else { prefix }
            }
        };
        if !prefix.is_empty() {
            let mut name = prefix.to_vec();
            name.push(b'/');
            name.append(&mut header.name);
            header.name = name;
        }
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_read_as_go_reads_them() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b"   644 \0"), Some(0o644));
        assert_eq!(number(b"\0\0\0\0"), Some(0));
        assert_eq!(number(b"9"), None);
        assert_eq!(number(b"7\x007"), Some(7));
        assert_eq!(number(b"\x80\0\0\0\0\0\0\x02\0\0\0\0"), Some(8 << 30));
        assert_eq!(number(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), Some(-1));
        assert_eq!(number(b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), None);
    }
}
