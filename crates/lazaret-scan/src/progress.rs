use std::sync::Arc;

/// What the scanner tells while it works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// So many more bytes are to be read.
    Expect(u64),
    /// So many bytes were read.
    Read(u64),
}

/// Who listens to it.
pub type Listener = Arc<dyn Fn(Progress) + Send + Sync>;
