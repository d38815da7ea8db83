//! Paths that are the host's where something of the host is mounted.

use lazaret_model::{ImageReport, Launch};

use super::sentence::{Sentence, say};

/// Folders below which images expect the host's files. The first group holds folders of the host
/// by their own name (`/mnt/etc`), the second the host's root.
const BY_NAME: &[&str] = &["/mnt", "/host", "/hostfs", "/host-root", "/node", "/media/host", "/mnt/host"];
const AS_ROOT: &[&str] =
    &["/hostroot", "/host-root", "/rootfs", "/hostfs", "/host", "/mnt/host", "/mnt/root-fs", "/node"];
/// Folders that a host has at its root.
const FOLDERS: &[&str] = &[
    "etc", "root", "var", "home", "usr", "boot", "opt", "bin", "sbin", "lib", "lib64", "run", "tmp", "proc",
    "sys", "dev", "srv",
];

/// What of the host is mounted where.
#[derive(Debug, Clone, Default)]
pub struct Mounts {
    /// How it is run, where that is known: then the mounts are, and nothing is guessed.
    launch: Option<Launch>,
    /// Folders that the image declares as volumes.
    volumes: Vec<String>,
}

/// A path of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPath {
    /// The path on the host.
    pub path: String,
    /// The host's folder that is mounted.
    pub folder: String,
    /// Where it is mounted.
    pub mount: String,
    /// Whether the mount is known; otherwise it is what the image expects.
    pub known: bool,
}

impl Mounts {
    /// What is known of one image.
    pub fn of(image: &ImageReport) -> Self {
        Self { launch: image.launch.clone(), volumes: image.image.config.volumes.clone() }
    }

    /// The host's path behind a path of the container, where there is one.
    pub fn host(&self, path: &str) -> Option<HostPath> {
        let below = |dir: &str| -> Option<String> {
            let rest = path.strip_prefix(dir.trim_end_matches('/'))?;
            (rest.is_empty() || rest.starts_with('/')).then(|| rest.to_owned())
        };
        if let Some(launch) = &self.launch {
            let (mount, _) = launch.mount_of(path)?;
            return Some(HostPath {
                path: launch.host_path(path)?,
                folder: mount.source.clone(),
                mount: mount.target.clone(),
                known: true,
            });
        }
        let expected = |folder: &str, mount: &str, path: String| HostPath {
            path,
            folder: folder.to_owned(),
            mount: mount.to_owned(),
            known: false,
        };
        for root in BY_NAME {
            let Some(rest) = below(root) else { continue };
            let Some(first) = rest.split('/').nth(1).filter(|first| FOLDERS.contains(first)) else {
                continue;
            };
            let mount = format!("{root}/{first}");
            // A mount of the host's whole root serves as well; the folder by its name is the
            // lesser claim.
            let whole = AS_ROOT.contains(root) && !self.volumes.contains(&mount);
            return Some(if whole {
                expected("/", root, rest)
            } else {
                expected(&format!("/{first}"), &mount, rest)
            });
        }
        AS_ROOT.iter().find_map(|root| {
            let rest = below(root)?;
            let path = if rest.is_empty() { "/".to_owned() } else { rest };
            Some(expected("/", root, path))
        })
    }

    /// A path in words: with the host's path behind it, where it has one.
    pub fn name(&self, path: &str) -> Sentence {
        match self.host(path) {
            Some(host) => say("").code(path).then(host.behind()),
            None => say("").code(path),
        }
    }
}

impl HostPath {
    /// What stands behind the path of the container.
    pub fn behind(&self) -> Sentence {
        let out = say(": the host's ").code(self.path.clone());
        if self.known {
            return out;
        }
        let folder = if self.folder == "/" { "root folder".to_owned() } else { self.folder.clone() };
        out.say(", if the host's ")
            .code(folder)
            .say(" is mounted at ")
            .code(self.mount.clone())
            .say(", as this image expects")
    }
}

#[cfg(test)]
mod tests {
    use lazaret_model::{Mount, MountKind};

    use super::*;

    #[test]
    fn a_path_below_a_mount_of_the_host_is_the_hosts() {
        let mounts = Mounts::default();
        let host = |path: &str| mounts.host(path).map(|host| (host.path, host.folder, host.mount));
        let same = |a: &str, b: &str, c: &str| Some((a.to_owned(), b.to_owned(), c.to_owned()));
        assert_eq!(host("/mnt/etc/crontab"), same("/etc/crontab", "/etc", "/mnt/etc"));
        assert_eq!(
            host("/mnt/root/.ssh/authorized_keys"),
            same("/root/.ssh/authorized_keys", "/root", "/mnt/root")
        );
        assert_eq!(host("/hostroot/var/spool/cron/root"), same("/var/spool/cron/root", "/", "/hostroot"));
        assert_eq!(host("/host/etc/passwd"), same("/etc/passwd", "/", "/host"));
        assert_eq!(host("/rootfs"), same("/", "/", "/rootfs"));
        for own in ["/etc/crontab", "/mnt/data/x", "/mntetc/x", "/hosts", "/var/lib/host/x"] {
            assert_eq!(host(own), None, "{own}");
        }
    }

    #[test]
    fn a_mount_that_is_known_needs_no_guess() {
        let mount = Mount {
            kind: MountKind::Bind,
            source: "/etc".into(),
            target: "/x".into(),
            read_only: false,
            propagation: None,
        };
        let launch = Launch { mounts: vec![mount], ..Launch::default() };
        let mounts = Mounts { launch: Some(launch), volumes: Vec::new() };
        assert_eq!(mounts.name("/x/crontab").text(), "/x/crontab: the host's /etc/crontab");
        assert_eq!(
            mounts.name("/mnt/etc/crontab").text(),
            "/mnt/etc/crontab",
            "not mounted, so not the host's"
        );
    }
}
