use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use lazaret_model::{ImageRef, ReferenceError, RegistryRef};

/// Folders below each other that are looked through.
const DEPTH: usize = 16;
/// Entries of folders that are looked at.
const ENTRIES: usize = 5_000_000;
/// Longest line of a list.
const LINE: u64 = 16 << 10;

/// What is to be hunted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// Every repository that a registry lists: `registry:HOST[:PORT]`.
    Registry(String),
    /// Every tag of a repository: `HOST/NAME`.
    Repository {
        /// The registry.
        registry: String,
        /// The repository.
        repository: String,
    },
    /// Every repository of an account or organisation: `account:docker.io/NAME`.
    Account {
        /// The registry.
        registry: String,
        /// The account.
        name: String,
    },
    /// One image, in any form that `lazaret scan` takes.
    Image(String),
    /// Every layout and archive below a directory: `folder:DIR`.
    Folder(PathBuf),
    /// One target on each line of a file: `list:FILE`; `-` is standard input.
    List(PathBuf),
}

/// Why a text names nothing that can be hunted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is nothing that can be hunted: {reason}")]
pub struct TargetError {
    /// What was typed.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let fail = |reason: &str| TargetError { text: text.to_owned(), reason: reason.to_owned() };
        let image = |e: ReferenceError| TargetError { text: text.to_owned(), reason: e.reason };
        if text == "-" {
            return Ok(Self::List(PathBuf::from("-")));
        }
        if let Some(file) = text.strip_prefix("list:") {
            return Ok(Self::List(PathBuf::from(file)));
        }
        if let Some(folder) = text.strip_prefix("folder:") {
            return Ok(Self::Folder(PathBuf::from(folder)));
        }
        if let Some(account) = text.strip_prefix("account:") {
            let (registry, name) = account.split_once('/').unwrap_or(("docker.io", account));
            let sound = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            if name.is_empty() || name.len() > 255 || !name.chars().all(sound) || name.starts_with('.') {
                return Err(fail(
                    "write account:docker.io/NAME, account:quay.io/NAME or account:ghcr.io/NAME",
                ));
            }
            return Ok(Self::Account { registry: registry.to_ascii_lowercase(), name: name.to_owned() });
        }
        if let Some(host) = text.strip_prefix("registry:")
            && !host.contains('/')
        {
            // What holds for the host of an image holds for one alone.
            let parsed: RegistryRef = format!("{host}/a").parse().map_err(image)?;
            if parsed.registry != host {
                return Err(fail("write registry:HOST with a dot in it, or registry:HOST:PORT"));
            }
            return Ok(Self::Registry(host.to_owned()));
        }
        let folder = text.trim_end_matches('/');
        if folder.len() < text.len() && is_plain_folder(Path::new(text)) {
            return Ok(Self::Folder(PathBuf::from(if folder.is_empty() { "/" } else { folder })));
        }
        match text.parse::<ImageRef>().map_err(image)? {
            ImageRef::Registry(RegistryRef { registry, repository, tag: None, digest: None }) => {
                Ok(Self::Repository { registry, repository })
            }
            ImageRef::Path(path) if is_plain_folder(&path) => Ok(Self::Folder(path)),
            reference => Ok(Self::Image(reference.to_string())),
        }
    }
}

impl Target {
    /// Who lists it, where that is not this machine: a registry, or the site that tells of accounts.
    pub(crate) fn listed_by(&self) -> Option<String> {
        match self {
            Self::Registry(registry) | Self::Repository { registry, .. } => Some(registry.clone()),
            Self::Account { registry, .. } => Some(format!("accounts of {registry}")),
            Self::Image(_) | Self::Folder(_) | Self::List(_) => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(host) => write!(f, "registry:{host}"),
            Self::Repository { registry, repository } => write!(f, "{registry}/{repository}"),
            Self::Account { registry, name } => write!(f, "account:{registry}/{name}"),
            Self::Image(reference) => f.write_str(reference),
            Self::Folder(path) => write!(f, "folder:{}", whole(path).display()),
            Self::List(path) if path.as_os_str() == "-" => f.write_str("-"),
            Self::List(path) => write!(f, "list:{}", whole(path).display()),
        }
    }
}

/// The path by which a place is remembered, wherever the program was started.
fn whole(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// A directory that is no image itself. One folder with the name of a system's makes no root file system:
/// whoever keeps archives beside a `bin` means the archives.
fn is_plain_folder(path: &Path) -> bool {
    let holds = |name: &str| path.join(name).is_dir();
    let of_system = ["etc", "bin", "usr", "sbin", "lib", "var"].iter().filter(|name| holds(name)).count();
    path.is_dir()
        && !path.join("oci-layout").exists()
        && !path.join("manifest.json").exists()
        && (of_system == 0 || of_system < 3 && below(path).is_ok_and(|(images, _)| !images.is_empty()))
}

/// The reference under which an image on disk is scanned and remembered.
pub(crate) fn on_disk(path: &Path) -> io::Result<String> {
    let place = fs::canonicalize(path)?;
    let Some(text) = place.to_str() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "its name is no text"));
    };
    let last = text.rsplit('/').next().unwrap_or_default();
    // After a colon, the form with a scheme would name an image inside.
    Ok(match place.join("oci-layout").is_file() && !last.contains(':') {
        true => format!("oci:{text}"),
        false => text.to_owned(),
    })
}

/// Every layout and archive below a directory, sorted, and what could not be looked into.
pub(crate) fn below(folder: &Path) -> io::Result<(Vec<String>, Vec<String>)> {
    let (mut found, mut troubles) = (Vec::new(), Vec::new());
    let mut seen = 0usize;
    let mut open = vec![(folder.to_owned(), 0usize)];
    // That the folder itself cannot be read is an error; of one below it, a trouble.
    fs::read_dir(folder)?;
    while let Some((place, depth)) = open.pop() {
        let image = is_image(&place);
        if image {
            match on_disk(&place) {
                Ok(reference) => found.push(reference),
                Err(error) => troubles.push(format!("{}: {error}", place.display())),
            }
        }
        let entries = match fs::read_dir(&place) {
            Ok(entries) => entries,
            Err(error) => {
                troubles.push(format!("{}: {error}", place.display()));
                continue;
            }
        };
        for entry in entries {
            seen += 1;
            if seen > ENTRIES {
                troubles.push(format!(
                    "{}: more than {ENTRIES} entries; the rest was left out",
                    folder.display()
                ));
                open.clear();
                break;
            }
            let Ok(entry) = entry else { continue };
            // Links are not followed: they could lead round in a circle or out of the folder.
            let Ok(kind) = entry.file_type() else { continue };
            let path = entry.path();
            // What is beside a layout's own is looked at: it could be hidden below an empty one.
            if image && entry.file_name() == "blobs" {
                continue;
            }
            if kind.is_dir() && depth < DEPTH {
                open.push((path, depth + 1));
            } else if kind.is_dir() {
                troubles.push(format!("{}: more than {DEPTH} folders deep", path.display()));
            } else if kind.is_file() {
                match is_archive(&path) {
                    Ok(true) => match on_disk(&path) {
                        Ok(reference) => found.push(reference),
                        Err(error) => troubles.push(format!("{}: {error}", path.display())),
                    },
                    Ok(false) => {}
                    Err(trouble) => troubles.push(trouble),
                }
            }
        }
    }
    found.sort();
    troubles.sort();
    Ok((found, troubles))
}

/// Whether a file is to be judged: an archive by its content, whatever its name. Why it cannot be, where its name
/// says that it should.
fn is_archive(path: &Path) -> Result<bool, String> {
    const ENDS: [&str; 12] = [
        ".tar", ".tar.gz", ".tgz", ".tar.zst", ".tzst", ".tar.xz", ".txz", ".tar.bz2", ".tbz", ".tbz2",
        ".oci", ".docker",
    ];
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let named = ENDS.iter().any(|end| name.ends_with(end));
    if !named && is_blob(path) {
        return Ok(false);
    }
    match lazaret_scan::begins_as_archive(path) {
        Ok(false) if named => {
            Err(format!("{}: it has the name of an archive and does not begin as one", path.display()))
        }
        Ok(begins) => Ok(begins),
        Err(error) => Err(error.to_string()),
    }
}

/// Whether a file is named by its digest, in a layout's manner or in a registry's: a part of an image.
fn is_blob(path: &Path) -> bool {
    let digest = |name: Option<&std::ffi::OsStr>| {
        name.is_some_and(|name| name.len() == 64 && name.as_encoded_bytes().iter().all(u8::is_ascii_hexdigit))
    };
    digest(path.file_name())
        || path.file_name().is_some_and(|name| name == "data")
            && digest(path.parent().and_then(Path::file_name))
}

/// Whether a directory is an image in OCI's layout or in skopeo's `dir:` form, whole or not.
fn is_image(place: &Path) -> bool {
    let file = |name: &str| place.join(name).is_file();
    file("oci-layout")
        || file("index.json") && place.join("blobs").is_dir()
        || file("version") && file("manifest.json")
}

/// The targets of a list, and the lines that are none. What follows `#` is said to people.
pub(crate) fn listed(path: &Path) -> io::Result<(Vec<Target>, Vec<String>)> {
    let input: Box<dyn Read> = match path.as_os_str() == "-" {
        true => Box::new(io::stdin()),
        false => Box::new(File::open(path)?),
    };
    let mut lines = BufReader::new(input);
    let (mut targets, mut troubles) = (Vec::new(), Vec::new());
    for number in 1.. {
        let mut line = Vec::new();
        if lines.by_ref().take(LINE).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let text = String::from_utf8_lossy(&line);
        // Some editors begin a file with a mark that is no part of its text.
        let text = text.trim_start_matches('\u{feff}').split('#').next().unwrap_or_default().trim();
        if text.is_empty() {
            continue;
        }
        match text.parse::<Target>() {
            Ok(Target::List(_)) => troubles.push(format!("line {number}: a list in a list is not read")),
            Ok(target) => targets.push(target),
            Err(error) => troubles.push(format!("line {number}: {error}")),
        }
    }
    Ok((targets, troubles))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn every_kind_of_target_is_understood() {
        for (typed, meant) in [
            ("registry:127.0.0.1:5000", "registry:127.0.0.1:5000"),
            ("registry:quay.io", "registry:quay.io"),
            ("account:docker.io/somebody", "account:docker.io/somebody"),
            ("account:somebody", "account:docker.io/somebody"),
            ("127.0.0.1:5000/a/b", "127.0.0.1:5000/a/b"),
            ("registry:127.0.0.1:5000/a/b", "127.0.0.1:5000/a/b"),
            ("nginx", "docker.io/library/nginx"),
            ("nginx:1", "docker.io/library/nginx:1"),
            ("oci:/srv/layout", "oci:/srv/layout"),
            ("-", "-"),
        ] {
            assert_eq!(typed.parse::<Target>().unwrap().to_string(), meant, "{typed}");
        }
        for bad in
            ["registry:plain", "account:", "account:quay.io/a/b", "account:quay.io/..", "registry:a b.c", ""]
        {
            assert!(bad.parse::<Target>().is_err(), "{bad}");
        }
    }

    #[test]
    fn one_folder_with_the_name_of_a_systems_hides_no_archives() {
        let dir = tempfile::tempdir().unwrap();
        let text = dir.path().to_str().unwrap().to_owned();
        let meant = |text: &str| text.parse::<Target>().unwrap();
        let is_folder = |text: &str| matches!(meant(text), Target::Folder(path) if path == dir.path());
        assert!(is_folder(&text) && is_folder(&format!("{text}/")));
        fs::create_dir_all(dir.path().join("bin")).unwrap();
        assert!(matches!(meant(&text), Target::Image(_)), "a folder of programs and no image");
        fs::create_dir_all(dir.path().join("acme/tool")).unwrap();
        fs::write(dir.path().join("acme/tool/oci-layout"), "{}").unwrap();
        assert!(is_folder(&text) && is_folder(&format!("{text}/")));
        for name in ["etc", "usr"] {
            fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        assert!(matches!(meant(&text), Target::Image(_)), "a root file system that holds a layout");
    }

    #[test]
    fn a_folder_is_looked_through_without_following_links() {
        let dir = tempfile::tempdir().unwrap();
        let make = |path: &str| {
            let place = dir.path().join(path);
            fs::create_dir_all(&place).unwrap();
            place
        };
        fs::write(make("a/layout").join("oci-layout"), "{}").unwrap();
        fs::write(make("odd/with:colon").join("oci-layout"), "{}").unwrap();
        fs::write(dir.path().join("b.tar"), tar("notes.txt")).unwrap();
        fs::write(dir.path().join("c.tar"), "no archive").unwrap();
        fs::write(dir.path().join("d.txt"), tar("notes.txt")).unwrap();
        for blob in [format!("{:064}", 7), format!("{:064}/data", 8)] {
            fs::create_dir_all(dir.path().join(&blob).parent().unwrap()).unwrap();
            fs::write(dir.path().join(blob), tar("notes.txt")).unwrap();
        }
        fs::create_dir_all(make("a/layout/blobs").join("below")).unwrap();
        fs::write(dir.path().join("a/layout/blobs/below/oci-layout"), "{}").unwrap();
        fs::write(make("a/layout/hidden").join("oci-layout"), "{}").unwrap();
        make("a/without/blobs");
        fs::write(dir.path().join("a/without/index.json"), "{}").unwrap();
        let no_text = std::ffi::OsString::from_vec(vec![b'n', 0xff]);
        fs::create_dir_all(dir.path().join(&no_text)).unwrap();
        fs::write(dir.path().join(&no_text).join("oci-layout"), "{}").unwrap();
        std::os::unix::fs::symlink(dir.path(), dir.path().join("a/loop")).unwrap();
        let (found, troubles) = below(dir.path()).unwrap();
        let place = fs::canonicalize(dir.path()).unwrap();
        let place = place.to_str().unwrap();
        assert_eq!(
            found,
            [
                format!("{place}/a/without"),
                format!("{place}/b.tar"),
                format!("{place}/d.txt"),
                format!("{place}/odd/with:colon"),
                format!("oci:{place}/a/layout"),
                format!("oci:{place}/a/layout/hidden"),
            ]
        );
        let [archive, name] = troubles.as_slice() else { panic!("{troubles:?}") };
        assert!(archive.contains("c.tar: it has the name of an archive"), "{archive}");
        assert!(name.contains("its name is no text"), "{name}");
    }

    /// The header of an empty file in a tar archive.
    fn tar(name: &str) -> Vec<u8> {
        let mut block = vec![0; 512];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[124..136].copy_from_slice(b"00000000000\0");
        block[148..156].copy_from_slice(b"        ");
        block[156] = b'0';
        block[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block
    }

    #[test]
    fn a_list_has_comments_and_tells_the_lines_that_are_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("list");
        fs::write(&file, "# all of ours\nnginx:1\n\n  a.example/b  # two\nUPPER CASE\nlist:other\n").unwrap();
        let (targets, troubles) = listed(&file).unwrap();
        assert_eq!(targets.len(), 2);
        assert_eq!(troubles.len(), 2, "{troubles:?}");
        assert!(troubles[0].starts_with("line 5:") && troubles[1].starts_with("line 6:"));
    }
}
