//! ar archives (ar(5)), and with them Debian packages.

use lazaret_model::GapKind;

use super::content::{Contents, Limited};
use super::{ArchiveFormat, Walk};

pub(super) fn walk(walk: &mut Walk<'_>, stream: &mut dyn Contents) {
    let mut names: Vec<u8> = Vec::new();
    let mut members = 0;
    stream.skip(8);
    loop {
        let mut header = [0u8; 60];
        let n = stream.fill(&mut header);
        if n == 0 || header[..n].iter().all(|&b| b == b'\n') {
            break;
        }
        let number = |range: std::ops::Range<usize>, radix| {
            let text = std::str::from_utf8(&header[range]).ok()?.trim();
            u64::from_str_radix(text, radix).ok()
        };
        let (Some(size), true) = (number(48..58, 10), n == 60 && header[58..] == *b"`\n") else {
            walk.gap(GapKind::Damaged, format!("the ar archive is damaged at byte {}", stream.position()));
            break;
        };
        let mode = number(40..48, 8).unwrap_or(0) as u32 & 0o7777;
        if !walk.enter() {
            break;
        }
        let field = &header[..16];
        let mut left = size;
        let trimmed =
            |text: &[u8]| String::from_utf8_lossy(text).trim_end_matches([' ', '/', '\0', '\n']).to_owned();
        let name = if field.starts_with(b"// ") || field.starts_with(b"//\0") {
            // GNU: a table of long names. It is text of at most a few kilobytes.
            names = vec![0; left.min(1 << 20) as usize];
            let got = stream.fill(&mut names);
            names.truncate(got);
            left -= got as u64;
            stream.skip(left + size % 2);
            continue;
        } else if let Some(length) = field.strip_prefix(b"#1/") {
            // BSD: the name stands before the content.
            let length =
                std::str::from_utf8(length).ok().and_then(|t| t.trim().parse::<u64>().ok()).unwrap_or(0);
            let mut long = vec![0; length.min(left).min(4096) as usize];
            let got = stream.fill(&mut long);
            left -= got as u64;
            trimmed(&long[..got])
        } else if let Some(at) =
            field.strip_prefix(b"/").and_then(|t| std::str::from_utf8(t).ok()?.trim().parse::<usize>().ok())
        {
            let rest = names.get(at..).unwrap_or_default();
            trimmed(&rest[..memchr::memchr(b'\n', rest).unwrap_or(rest.len())])
        } else {
            trimmed(field)
        };
        members += 1;
        walk.inside.push(name);
        let mut limited = Limited::new(stream, left);
        walk.content(&mut limited, mode, Some(left));
        let (taken, short) = (limited.taken(), limited.short());
        if short {
            walk.gap(GapKind::Damaged, format!("it ends after {taken} of {left} bytes"));
        }
        walk.inside.pop();
        stream.skip(left - taken + size % 2);
        if walk.stopped {
            break;
        }
    }
    walk.trailing(stream);
    walk.finished(ArchiveFormat::Ar, members);
}
