//! A tar writer: POSIX ustar, with PAX extended headers for what ustar cannot say
//! (POSIX.1-2017, `pax`, "pax Interchange Format"). The same entries give the same bytes.

use lazaret_model::FileKind;

use crate::RecipeFile;

const BLOCK: usize = 512;
/// Largest name that fits in a header's name field.
const NAME: usize = 100;
/// Largest number in a seven-digit octal field.
const SEVEN_OCTAL: u64 = 0o7777777;
/// Largest number in an eleven-digit octal field.
const ELEVEN_OCTAL: u64 = 0o77777777777;

pub(crate) fn write(files: &[RecipeFile]) -> Vec<u8> {
    let mut out = Vec::new();
    for file in files {
        write_entry(&mut out, file);
    }
    out.resize(out.len() + 2 * BLOCK, 0);
    out
}

fn write_entry(out: &mut Vec<u8>, file: &RecipeFile) {
    let entry = &file.entry;
    let mut name = entry.path.as_bytes().to_vec();
    let mut link: Vec<u8> = Vec::new();
    let mut device = (0, 0);
    let flag = match &entry.kind {
        FileKind::File => b'0',
        FileKind::Hardlink(target) => {
            link = target.as_bytes().to_vec();
            b'1'
        }
        FileKind::Symlink(target) => {
            link.clone_from(target);
            b'2'
        }
        FileKind::CharDevice(major, minor) => {
            device = (*major, *minor);
            b'3'
        }
        FileKind::BlockDevice(major, minor) => {
            device = (*major, *minor);
            b'4'
        }
        FileKind::Directory => {
            name.push(b'/');
            b'5'
        }
        FileKind::Fifo => b'6',
        FileKind::Other(flag) => *flag,
    };

    let mut records = Vec::new();
    for (key, value) in [("path", &name), ("linkpath", &link)] {
        if value.len() > NAME {
            if std::str::from_utf8(value).is_err() {
                record(&mut records, "hdrcharset", b"BINARY");
            }
            record(&mut records, key, value);
        }
    }
    for (key, value) in [("uid", entry.uid), ("gid", entry.gid)] {
        if value > SEVEN_OCTAL {
            record(&mut records, key, value.to_string().as_bytes());
        }
    }
    let mtime = u64::try_from(entry.mtime).ok().filter(|t| *t <= ELEVEN_OCTAL);
    if mtime.is_none() {
        record(&mut records, "mtime", entry.mtime.to_string().as_bytes());
    }
    for (key, value) in &entry.xattrs {
        record(&mut records, &format!("SCHILY.xattr.{key}"), value);
    }
    if !records.is_empty() {
        let size = records.len() as u64;
        out.extend(header(b"PaxHeaders/entry", &[], b'x', 0o644, (0, 0), size, 0, (0, 0)));
        content(out, &records);
    }
    out.extend(header(
        &name,
        &link,
        flag,
        entry.mode,
        (entry.uid.min(SEVEN_OCTAL), entry.gid.min(SEVEN_OCTAL)),
        file.bytes.len() as u64,
        mtime.unwrap_or_default(),
        device,
    ));
    content(out, &file.bytes);
}

/// A PAX record states its own length, the digits of the length included.
fn record(out: &mut Vec<u8>, key: &str, value: &[u8]) {
    let fixed = key.len() + value.len() + 3;
    let mut length = fixed + 1;
    while fixed + length.to_string().len() != length {
        length = fixed + length.to_string().len();
    }
    out.extend(format!("{length} {key}=").as_bytes());
    out.extend(value);
    out.push(b'\n');
}

fn content(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(bytes);
    out.resize(out.len().next_multiple_of(BLOCK), 0);
}

#[expect(clippy::too_many_arguments, reason = "they are the fields of one header")]
fn header(
    name: &[u8],
    link: &[u8],
    flag: u8,
    mode: u32,
    owner: (u64, u64),
    size: u64,
    mtime: u64,
    device: (u32, u32),
) -> [u8; BLOCK] {
    let mut block = [0u8; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &name[..name.len().min(NAME)]);
    put(100, format!("{mode:07o}").as_bytes());
    put(108, format!("{:07o}", owner.0).as_bytes());
    put(116, format!("{:07o}", owner.1).as_bytes());
    put(124, format!("{size:011o}").as_bytes());
    put(136, format!("{mtime:011o}").as_bytes());
    put(148, b"        ");
    put(156, &[flag]);
    put(157, &link[..link.len().min(NAME)]);
    put(257, b"ustar\x0000");
    put(329, format!("{:07o}", device.0).as_bytes());
    put(337, format!("{:07o}", device.1).as_bytes());
    let sum: u32 = block.iter().map(|&b| u32::from(b)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}
