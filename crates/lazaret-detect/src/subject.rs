use lazaret_model::{EntryPath, Fact, FactKind};

/// One content to be looked at: a regular file of a layer, a member of an archive in it, a whiteout
/// that carries content, or bytes after the end of the archive.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The file in the layer.
    pub path: &'a EntryPath,
    /// Members of archives on the way from that file to this content, outermost first.
    pub inside: &'a [String],
    /// Permission bits (0o7777); 0 for archive members that have none.
    pub mode: u32,
    /// Size of the whole content.
    pub size: u64,
    /// The bytes: the whole content, or one window of it.
    pub bytes: &'a [u8],
    /// Offset of `bytes` in the content; 0 where it is whole.
    pub offset: u64,
}

impl Subject<'_> {
    /// Whether `bytes` is the whole content.
    pub fn is_whole(&self) -> bool {
        self.offset == 0 && self.bytes.len() as u64 == self.size
    }

    /// A fact about this content as a whole.
    pub fn fact(&self, kind: FactKind) -> Fact {
        Fact { path: self.path.clone(), inside: self.inside.to_vec(), line: None, offset: None, kind }
    }

    /// A fact at byte `at` of `bytes`; where `bytes` is text, with its line.
    pub fn fact_at(&self, at: usize, text: bool, kind: FactKind) -> Fact {
        let line = (text && self.offset == 0)
            .then(|| 1 + memchr::memchr_iter(b'\n', &self.bytes[..at.min(self.bytes.len())]).count() as u32);
        Fact { line, offset: Some(self.offset + at as u64), ..self.fact(kind) }
    }
}
