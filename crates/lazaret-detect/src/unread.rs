//! Archives that nobody here can open.

use lazaret_model::GapKind;

use crate::Subject;

/// Raised when the same content would be named otherwise.
pub(crate) const VERSION: u32 = 1;

/// Where the volume descriptors of a CD image begin: after 16 sectors (ECMA-119, 6.2.1).
const CD_DESCRIPTOR: usize = 16 * 2048;

/// Why the members of this content were not looked at, where it is an archive or a compressed
/// stream of a format that is not read: the kind of gap and one sentence.
pub(crate) fn unread(subject: &Subject<'_>) -> Option<(GapKind, String)> {
    if subject.offset != 0 {
        return None;
    }
    let name = format(subject.bytes)?;
    Some((GapKind::Unsupported, format!("what is inside a {name} archive is not read; its bytes were")))
}

/// The format by its magic. Marks of two bytes count only with fields beside them that fit, since
/// a gap for what is no archive would only be noise.
fn format(bytes: &[u8]) -> Option<&'static str> {
    Some(match bytes {
        [b'R', b'a', b'r', b'!', 0x1a, 7, 0, ..] | [b'R', b'a', b'r', b'!', 0x1a, 7, 1, 0, ..] => "RAR",
        [b'M', b'S', b'C', b'F', 0, 0, 0, 0, ..] => "cabinet",
        [4, 0x22, 0x4d, 0x18, ..] | [2, 0x21, 0x4c, 0x18, ..] => "LZ4",
        [b'L', b'Z', b'I', b'P', 0 | 1, ..] => "lzip",
        [b'L', b'R', b'Z', b'I', ..] => "lrzip",
        [0x89, b'L', b'Z', b'O', 0, 0x0d, 0x0a, 0x1a, 0x0a, ..] => "lzop",
        [b'x', b'a', b'r', b'!', 0, 0x1c, ..] => "xar",
        [0xed, 0xab, 0xee, 0xdb, ..] => "RPM",
        [b'h', b's', b'q', b's', ..] => "squashfs",
        // Flags of compress(1): 9 to 16 bits a code, two bits that are never set.
        [0x1f, 0x9d, flags, ..] if (9..=16).contains(&(flags & 0x1f)) && flags & 0x60 == 0 => "compress (.Z)",
        _ if old_cpio(bytes) => "old cpio",
        _ if lzma(bytes) => "LZMA",
        _ if lha(bytes) => "LHA",
        _ if bytes.get(CD_DESCRIPTOR + 1..CD_DESCRIPTOR + 6) == Some(b"CD001") => "CD image (ISO 9660)",
        _ => return None,
    })
}

/// The first member of a cpio in its old forms (`cpio(5)`). In octal: a header of 76 digits. Binary:
/// a magic of two bytes, and a name as long as the header says, with a NUL only at its end.
fn old_cpio(bytes: &[u8]) -> bool {
    if bytes.starts_with(b"070707") {
        return bytes.get(..76).is_some_and(|header| header.iter().all(|b| (b'0'..=b'7').contains(b)));
    }
    let word = |at: usize| bytes.get(at..).and_then(|rest| rest.first_chunk::<2>());
    let length = match (word(0), word(20)) {
        (Some([0xc7, 0x71]), Some(length)) => u16::from_le_bytes(*length),
        (Some([0x71, 0xc7]), Some(length)) => u16::from_be_bytes(*length),
        _ => return false,
    };
    let name = bytes.get(26..26 + usize::from(length));
    name.is_some_and(|name| name.len() > 1 && memchr::memchr(0, name) == Some(name.len() - 1))
}

/// The header of LZMA alone: default properties, a dictionary of a power of two, a size that is
/// unknown or below a terabyte.
fn lzma(bytes: &[u8]) -> bool {
    let Some([0x5d, d0, d1, d2, d3, size @ ..]) = bytes.first_chunk::<13>() else { return false };
    let dictionary = u32::from_le_bytes([*d0, *d1, *d2, *d3]);
    dictionary.is_power_of_two() && dictionary >= 4096 && (size == &[0xff; 8] || size[5..] == [0; 3])
}

/// An LHA header: its method (`-lh5-`, `-lz4-`, `-pm2-`) after size and checksum, its level at 20.
fn lha(bytes: &[u8]) -> bool {
    bytes.get(20).is_some_and(|&level| level <= 3)
        && matches!(
            bytes.get(2..7),
            Some(
                [b'-', b'l', b'h' | b'z', b'0'..=b'9' | b'd' | b's' | b'x', b'-']
                    | [b'-', b'p', b'm', b'0'..=b'2', b'-']
            )
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_is_told_by_its_first_bytes() {
        let mut cd = vec![0; CD_DESCRIPTOR];
        cd.extend_from_slice(b"\x01CD001\x01");
        let mut cpio = b"\xc7\x71".to_vec();
        cpio.resize(20, 0);
        cpio.extend_from_slice(b"\x05\0\0\0\0\0name\0");
        let octal = [b"070707".as_slice(), &[b'0'; 70]].concat();
        let archives: [(&[u8], &str); 16] = [
            (b"Rar!\x1a\x07\0rest", "RAR"),
            (b"Rar!\x1a\x07\x01\0rest", "RAR"),
            (b"MSCF\0\0\0\0rest", "cabinet"),
            (b"\x04\x22\x4d\x18rest", "LZ4"),
            (b"LZIP\x01\x0c", "lzip"),
            (b"LRZI\0\x06", "lrzip"),
            (b"\x89LZO\0\r\n\x1a\n", "lzop"),
            (b"xar!\0\x1c\0\x01", "xar"),
            (b"\xed\xab\xee\xdb\x03\0", "RPM"),
            (b"hsqs\x01\0", "squashfs"),
            (b"\x1f\x9d\x90rest", "compress (.Z)"),
            (&octal, "old cpio"),
            (&cpio, "old cpio"),
            (b"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff", "LZMA"),
            (b"\x19\x7e-lh5-size....time\x20\x01", "LHA"),
            (&cd, "CD image (ISO 9660)"),
        ];
        for (bytes, name) in archives {
            assert_eq!(
                format(bytes),
                Some(name),
                "{:?}",
                String::from_utf8_lossy(&bytes[..bytes.len().min(16)])
            );
        }
    }

    #[test]
    fn what_only_begins_alike_is_no_archive() {
        let others: [&[u8]; 9] = [
            b"",
            b"Rar!",
            b"]\0\0",
            b"\x5d\0\0\x81\0\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x1f\x9dplain",
            b"\xc7\x71\0\0\0\0",
            b"# -lh5- is a method of LHA\n",
            b"070707 is a number",
            b"LZIPPED",
        ];
        for bytes in others {
            assert_eq!(format(bytes), None, "{:?}", String::from_utf8_lossy(bytes));
        }
    }
}
