//! cpio archives in the "new" ASCII forms (cpio(5)): initial RAM disks and RPM payloads.

use lazaret_model::GapKind;

use super::content::{Contents, Limited};
use super::{ArchiveFormat, Walk};

/// Longest name that is believed.
const NAME_MOST: u64 = 64 << 10;

pub(super) fn walk(walk: &mut Walk<'_>, stream: &mut dyn Contents) {
    let mut members = 0;
    loop {
        let at = stream.position();
        let mut header = [0u8; 110];
        let n = stream.fill(&mut header);
        if n == 0 {
            break;
        }
        let field = |number: usize| {
            let text = &header[6 + 8 * number..14 + 8 * number];
            u64::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok()
        };
        let sound = n == header.len() && (header.starts_with(b"070701") || header.starts_with(b"070702"));
        let (true, Some(mode), Some(size), Some(length)) = (sound, field(1), field(6), field(11)) else {
            walk.gap(GapKind::Damaged, format!("the cpio archive is damaged at byte {at}"));
            break;
        };
        if length > NAME_MOST {
            walk.gap(
                GapKind::Damaged,
                format!("the cpio archive claims a name of {length} bytes at byte {at}"),
            );
            break;
        }
        let mut name = vec![0; length as usize];
        let got = stream.fill(&mut name);
        name.truncate(memchr::memchr(0, &name[..got]).unwrap_or(got));
        stream.skip((110 + length).wrapping_neg() % 4);
        if name == b"TRAILER!!!" {
            break;
        }
        if !walk.enter() {
            break;
        }
        members += 1;
        if size > 0 {
            walk.inside.push(String::from_utf8_lossy(&name).into_owned());
            let mut limited = Limited::new(stream, size);
            walk.content(&mut limited, mode as u32 & 0o7777, Some(size));
            let (taken, short) = (limited.taken(), limited.short());
            if short {
                walk.gap(GapKind::Damaged, format!("it ends after {taken} of {size} bytes"));
            }
            walk.inside.pop();
            stream.skip(size - taken + size.wrapping_neg() % 4);
        }
        if walk.stopped {
            break;
        }
    }
    walk.trailing(stream);
    walk.finished(ArchiveFormat::Cpio, members);
}
