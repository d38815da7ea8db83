use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A path inside a layer, as raw bytes: file names need not be UTF-8.
///
/// Always relative to the root, without leading `/`, `.` or `..` components and without empty
/// ones, so it can neither escape nor name one file in two ways. The root itself is empty.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EntryPath(Vec<u8>);

impl EntryPath {
    /// Cleans a path as a tar archive or a symbolic link wrote it. `..` goes up but never above
    /// the root, as in a container's mount namespace.
    pub fn clean(raw: &[u8]) -> Self {
        let mut parts: Vec<&[u8]> = Vec::new();
        for part in raw.split(|&b| b == b'/') {
            match part {
                b"" | b"." => {}
                b".." => {
                    parts.pop();
                }
                name => parts.push(name),
            }
        }
        Self(parts.join(&b'/'))
    }

    /// The bytes, without a leading slash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path as text for matching, invalid UTF-8 replaced.
    pub fn to_str(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }

    /// The last component.
    pub fn file_name(&self) -> &[u8] {
        self.0.rsplit(|&b| b == b'/').next().unwrap_or_default()
    }

    /// Everything above the last component; the root's parent is the root.
    pub fn parent(&self) -> EntryPath {
        match self.0.iter().rposition(|&b| b == b'/') {
            Some(at) => Self(self.0[..at].to_vec()),
            None => Self::default(),
        }
    }

    /// This path with `name` (which may hold slashes) below it.
    pub fn join(&self, name: &[u8]) -> EntryPath {
        let mut raw = self.0.clone();
        raw.push(b'/');
        raw.extend_from_slice(name);
        Self::clean(&raw)
    }

    /// Whether this is `other` or lies below it.
    pub fn is_within(&self, other: &EntryPath) -> bool {
        other.0.is_empty()
            || self.0.strip_prefix(other.0.as_slice()).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for EntryPath {
    fn from(path: &str) -> Self {
        Self::clean(path.as_bytes())
    }
}

/// With the leading slash that people expect.
impl fmt::Display for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.to_str())
    }
}

impl fmt::Debug for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

/// BLAKE3 of a file's content: the key under which content is remembered. It is ours and
/// internal; what people are shown is SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ContentId(pub [u8; 32]);

impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What kind of thing an entry is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileKind {
    /// A regular file with content.
    File,
    /// A directory.
    Directory,
    /// A symbolic link; the target as written.
    Symlink(Vec<u8>),
    /// A hard link to another path of the same layer (or of one below).
    Hardlink(EntryPath),
    /// A character device.
    CharDevice(u32, u32),
    /// A block device.
    BlockDevice(u32, u32),
    /// A named pipe.
    Fifo,
    /// Anything else, with the tar type flag.
    Other(u8),
}

/// An entry that removes something from the layers below (image-spec, `layer.md`, "Whiteouts").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Whiteout {
    /// `.wh.name`: removes this path.
    Path(EntryPath),
    /// `.wh..wh..opq`: removes everything that lower layers put into this directory.
    Opaque(EntryPath),
}

/// One entry of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Where it goes.
    pub path: EntryPath,
    /// What it is.
    pub kind: FileKind,
    /// Permission bits with setuid, setgid and sticky (0o7777).
    pub mode: u32,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Size of the content in bytes.
    pub size: u64,
    /// Modification time, seconds since 1970.
    pub mtime: i64,
    /// Content, where it was read whole.
    pub content: Option<ContentId>,
    /// Extended attributes (`security.capability`, …).
    pub xattrs: Vec<(String, Vec<u8>)>,
    /// What it removes, if it is a whiteout. A whiteout may carry content all the same.
    pub whiteout: Option<Whiteout>,
}

impl FileEntry {
    /// Whether any execute bit is set on a regular file.
    pub fn is_executable(&self) -> bool {
        self.kind == FileKind::File && self.mode & 0o111 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_cannot_leave_the_root_or_have_two_names() {
        for (raw, clean) in [
            ("./etc/passwd", "/etc/passwd"),
            ("/../../etc//x/", "/etc/x"),
            ("a/../../b", "/b"),
            ("", "/"),
            ("./", "/"),
        ] {
            assert_eq!(EntryPath::from(raw).to_string(), clean, "{raw}");
        }
        assert!(EntryPath::from("a/b").is_within(&"a".into()));
        assert!(!EntryPath::from("ab").is_within(&"a".into()));
        assert_eq!(EntryPath::from("a/b").parent(), "a".into());
        assert_eq!(EntryPath::from("a").parent(), "".into());
    }
}
