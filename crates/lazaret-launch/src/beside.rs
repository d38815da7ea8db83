/// What stands beside a text: the folder of a compose file, the build context of a Dockerfile.
///
/// Names are relative, with `/` between their parts. Who implements it opens nothing outside of
/// the folder and bounds what it reads.
pub trait Beside {
    /// The content of a file; None where there is none, or where it is too large.
    fn read(&self, name: &str) -> Option<Vec<u8>>;
    /// The files below a folder, relative to it, with their permission bits. A name that is a
    /// file's gives none.
    fn below(&self, folder: &str) -> Vec<(String, u32)>;
}

/// Nothing stands beside it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nothing;

impl Beside for Nothing {
    fn read(&self, _name: &str) -> Option<Vec<u8>> {
        None
    }

    fn below(&self, _folder: &str) -> Vec<(String, u32)> {
        Vec::new()
    }
}
