//! Writes a directory tree as a tar, always the same for the same tree: names sorted, no link
//! followed, no other file system entered.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use lazaret_model::{EntryPath, Gap, GapKind, Location};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, openat, readlinkat, statat};

use super::directory::open_below;
use super::{Blob, SourceError};

/// A blob of which the other end is written while it is read.
pub(super) fn pipe(path: &Path) -> Result<Blob, SourceError> {
    let fail = |e| SourceError::io(path.display().to_string(), e);
    let (reader, writer) = io::pipe().map_err(fail)?;
    let root = path.to_owned();
    std::thread::Builder::new()
        .name("rootfs".to_owned())
        .spawn(move || {
            // A reader that went away ends this; what could not be read was told when the tree was
            // first gone through, and a tree that changed since is found by its digest.
            let _ = write(&root, &mut BufWriter::with_capacity(128 << 10, writer));
        })
        .map_err(fail)?;
    Ok(Blob { file: File::from(OwnedFd::from(reader)), offset: 0, len: None })
}

/// Writes the tree. Gives what could not be read of it.
pub(super) fn write(root: &Path, out: &mut dyn Write) -> io::Result<Vec<Gap>> {
    let fd = openat(CWD, root, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::DIRECTORY, Mode::empty())?;
    let device = rustix::fs::fstat(&fd)?.st_dev;
    let mut tree = Tree { root: fd, device, out, gaps: Vec::new() };
    // Directories still to be listed; the last one first, so that the order is that of a walk.
    let mut waiting = vec![PathBuf::new()];
    while let Some(directory) = waiting.pop() {
        let mut names = match tree.list(&directory) {
            Ok(names) => names,
            Err(e) => {
                tree.gap(&directory, true, format!("the directory cannot be listed: {e}"));
                continue;
            }
        };
        names.sort();
        let mut below = Vec::new();
        for name in names {
            let path = directory.join(&name);
            if tree.entry(&path)? {
                below.push(path);
            }
        }
        waiting.extend(below.into_iter().rev());
    }
    tree.out.write_all(&[0; 1024])?;
    tree.out.flush()?;
    Ok(tree.gaps)
}

struct Tree<'a> {
    root: OwnedFd,
    device: u64,
    out: &'a mut dyn Write,
    gaps: Vec<Gap>,
}

impl Tree<'_> {
    fn gap(&mut self, path: &Path, matters: bool, detail: String) {
        let location = Location::file(0, EntryPath::clean(path.as_os_str().as_bytes()));
        self.gaps.push(Gap { kind: GapKind::Missing, location, detail, matters });
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        let name = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        let fd = open_below(&self.root, name)?;
        let mut names = Vec::new();
        for entry in Dir::read_from(&fd)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name));
            }
        }
        Ok(names)
    }

    /// Writes one entry; whether it is a directory to go into.
    fn entry(&mut self, path: &Path) -> io::Result<bool> {
        let stat = match statat(&self.root, path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(e) => {
                self.gap(path, true, format!("it cannot be looked at: {e}"));
                return Ok(false);
            }
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                self.header(path, &stat, b'5', 0, b"", None)?;
                if stat.st_dev != self.device {
                    self.gap(
                        path,
                        true,
                        "another file system is mounted here, which is not entered".to_owned(),
                    );
                    return Ok(false);
                }
                Ok(true)
            }
            FileType::Symlink => {
                match readlinkat(&self.root, path, Vec::new()) {
                    Ok(target) => self.header(path, &stat, b'2', 0, target.as_bytes(), None)?,
                    Err(e) => self.gap(path, true, format!("the link cannot be read: {e}")),
                }
                Ok(false)
            }
            FileType::RegularFile => self.file(path, &stat).map(|()| false),
            FileType::CharacterDevice => self.header(path, &stat, b'3', 0, b"", None).map(|()| false),
            FileType::BlockDevice => self.header(path, &stat, b'4', 0, b"", None).map(|()| false),
            FileType::Fifo => self.header(path, &stat, b'6', 0, b"", None).map(|()| false),
            // Sockets hold nothing and no image can carry one.
            _ => Ok(false),
        }
    }

    fn file(&mut self, path: &Path, stat: &Stat) -> io::Result<()> {
        let executable = stat.st_mode & 0o111 != 0;
        let opened = open_below(&self.root, path).map_err(io::Error::from).and_then(|file| {
            let metadata = file.metadata()?;
            if metadata.is_file() {
                Ok((file, metadata))
            } else {
                Err(io::Error::other("it is no longer a file"))
            }
        });
        let (mut file, metadata) = match opened {
            Ok(opened) => opened,
            Err(e) => {
                self.gap(path, executable, format!("the file cannot be opened: {e}"));
                return self.header(path, stat, b'0', 0, b"", None);
            }
        };
        let mut value = [0u8; 64];
        let capability = rustix::fs::fgetxattr(&file, c"security.capability", &mut value[..]).ok();
        self.header(path, stat, b'0', metadata.size(), b"", capability.map(|n| &value[..n]))?;
        let mut left = metadata.size();
        let mut buffer = vec![0; 128 << 10];
        while left > 0 {
            let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
            let n = match file.read(&mut buffer[..most]) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => {
                    self.gap(path, executable, format!("the file cannot be read on: {e}"));
                    break;
                }
            };
            self.out.write_all(&buffer[..n])?;
            left -= n as u64;
        }
        // It became shorter while it was read: the header has promised more.
        io::copy(&mut io::repeat(0).take(left), self.out)?;
        self.pad(metadata.size())
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        let pad = (size.wrapping_neg() % 512) as usize;
        self.out.write_all(&[0; 512][..pad])
    }

    fn header(
        &mut self,
        path: &Path,
        stat: &Stat,
        typeflag: u8,
        size: u64,
        link: &[u8],
        capability: Option<&[u8]>,
    ) -> io::Result<()> {
        let name = path.as_os_str().as_bytes();
        let mut pax = Vec::new();
        if name.len() > 100 {
            record(&mut pax, "path", name);
        }
        if link.len() > 100 {
            record(&mut pax, "linkpath", link);
        }
        for (key, value, most) in [
            ("size", size, 0o77_777_777_777),
            ("uid", stat.st_uid.into(), 0o7_777_777),
            ("gid", stat.st_gid.into(), 0o7_777_777),
        ] {
            if value > most {
                record(&mut pax, key, value.to_string().as_bytes());
            }
        }
        if !(0..=0o77_777_777_777).contains(&stat.st_mtime) {
            record(&mut pax, "mtime", stat.st_mtime.to_string().as_bytes());
        }
        if let Some(capability) = capability {
            record(&mut pax, "SCHILY.xattr.security.capability", capability);
        }
        if !pax.is_empty() {
            self.out.write_all(&block(b"pax", 0o644, 0, 0, pax.len() as u64, 0, b'x', b"", (0, 0)))?;
            self.out.write_all(&pax)?;
            self.pad(pax.len() as u64)?;
        }
        let device = match typeflag {
            b'3' | b'4' => (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev)),
            _ => (0, 0),
        };
        let mode = stat.st_mode & 0o7777;
        let mtime = u64::try_from(stat.st_mtime).unwrap_or(0);
        self.out.write_all(&block(name, mode, stat.st_uid, stat.st_gid, size, mtime, typeflag, link, device))
    }
}

/// One PAX record; its length counts its own digits.
fn record(out: &mut Vec<u8>, key: &str, value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    out.extend_from_slice(format!("{length} {key}=").as_bytes());
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// A ustar header. Numbers that do not fit are cut here and stand in an extended header.
#[allow(clippy::too_many_arguments)]
fn block(
    name: &[u8],
    mode: u32,
    uid: u32,
    gid: u32,
    size: u64,
    mtime: u64,
    typeflag: u8,
    link: &[u8],
    device: (u32, u32),
) -> [u8; 512] {
    let mut block = [0u8; 512];
    let text = |field: &mut [u8], value: &[u8]| {
        let n = value.len().min(field.len());
        field[..n].copy_from_slice(&value[..n]);
    };
    let octal = |field: &mut [u8], value: u64| {
        let digits = field.len() - 1;
        let value = value & ((1u64 << (3 * digits)) - 1);
        let shown = format!("{value:0digits$o}");
        field[..digits].copy_from_slice(shown.as_bytes());
    };
    text(&mut block[..100], name);
    octal(&mut block[100..108], mode.into());
    octal(&mut block[108..116], uid.into());
    octal(&mut block[116..124], gid.into());
    octal(&mut block[124..136], size);
    octal(&mut block[136..148], mtime);
    block[156] = typeflag;
    text(&mut block[157..257], link);
    text(&mut block[257..265], b"ustar\x0000");
    octal(&mut block[329..337], device.0.into());
    octal(&mut block[337..345], device.1.into());
    block[148..156].fill(b' ');
    let sum: u64 = block.iter().map(|&b| u64::from(b)).sum();
    octal(&mut block[148..155], sum);
    block
}
