//! What a package manager leaves in an image: programs, file lists, and the database.

use std::fmt::Write;

/// The packages installed so far, in the order of installation.
#[derive(Default)]
pub(crate) struct Installed {
    packages: Vec<Package>,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Manager {
    Dpkg,
    Apk,
}

struct Package {
    name: String,
    version: String,
    paths: Vec<String>,
}

impl Manager {
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "deb" => Some(Self::Dpkg),
            "apk" => Some(Self::Apk),
            _ => None,
        }
    }
}

impl Installed {
    /// Installs the packages of a block (`name version path…` on each line) and writes the
    /// directives that make their files. A path that ends in `=` belongs to the package while the
    /// recipe itself makes the file.
    pub fn install(&mut self, manager: Manager, lines: &[&str]) -> Result<String, String> {
        let mut out = String::new();
        for line in lines {
            let mut words = line.split_whitespace();
            let (Some(name), Some(version)) = (words.next(), words.next()) else {
                return Err(format!("`{line}`: write name, version and paths"));
            };
            let mut paths = Vec::new();
            for path in words {
                match path.strip_suffix('=') {
                    Some(path) => paths.push(path.to_owned()),
                    None => {
                        out.push_str(&make(manager, path, name, version));
                        paths.push(path.split_once("->").map_or(path, |(link, _)| link).to_owned());
                    }
                }
            }
            if manager == Manager::Dpkg {
                let _ = writeln!(out, "FILE /var/lib/dpkg/info/{name}.list");
                for path in listed(&paths) {
                    let _ = writeln!(out, "    {path}");
                }
            }
            self.packages.retain(|p| p.name != name);
            self.packages.push(Package { name: name.to_owned(), version: version.to_owned(), paths });
        }
        match manager {
            Manager::Dpkg => self.dpkg_status(&mut out),
            Manager::Apk => self.apk_database(&mut out),
        }
        Ok(out)
    }

    fn dpkg_status(&self, out: &mut String) {
        out.push_str("FILE /var/lib/dpkg/status\n");
        for Package { name, version, .. } in &self.packages {
            let _ = write!(
                out,
                "    Package: {name}\n    Status: install ok installed\n    Priority: optional\n    Section: misc\n    \
                 Installed-Size: 640\n    Maintainer: Debian Maintainers <maintainers@example.org>\n    \
                 Architecture: amd64\n    Version: {version}\n    Description: {name}\n\n"
            );
        }
    }

    fn apk_database(&self, out: &mut String) {
        out.push_str("FILE /lib/apk/db/installed\n");
        for Package { name, version, paths } in &self.packages {
            let _ = write!(
                out,
                "    P:{name}\n    V:{version}\n    A:x86_64\n    S:81920\n    I:159744\n    T:{name}\n    \
                 U:https://pkgs.example.org/{name}\n    L:MIT\n    o:{name}\n    m:Maintainer <m@example.org>\n"
            );
            let mut directory = None;
            for path in paths {
                let (parent, file) = path.trim_start_matches('/').rsplit_once('/').unwrap_or(("", path));
                if directory != Some(parent) {
                    let _ = writeln!(out, "    F:{parent}");
                    directory = Some(parent);
                }
                let _ = writeln!(out, "    R:{file}");
            }
            out.push('\n');
        }
    }
}

/// A package's file list: every directory above its files, then the files.
fn listed(paths: &[String]) -> Vec<String> {
    let mut all = vec!["/.".to_owned()];
    for path in paths {
        for (at, _) in path.match_indices('/').skip(1) {
            if !all.iter().any(|p| p == &path[..at]) {
                all.push(path[..at].to_owned());
            }
        }
        all.push(path.clone());
    }
    all
}

/// A directive for a packaged file: a library, a program, or a plain file.
fn make(manager: Manager, path: &str, name: &str, version: &str) -> String {
    let (loader, library) = match manager {
        Manager::Dpkg => ("/lib64/ld-linux-x86-64.so.2", "libc.so.6"),
        Manager::Apk => ("/lib/ld-musl-x86_64.so.1", "libc.musl-x86_64.so.1"),
    };
    let file = path.rsplit('/').next().unwrap_or(path);
    let about = format!(
        "    {file} {version}\n    Usage: {file} [OPTION]...\n    Report bugs to <bugs@example.org>\n"
    );
    if let Some((link, target)) = path.split_once("->") {
        format!("SYMLINK {link} -> {target}\n")
    } else if file.contains(".so") {
        let symbol = name.replace(['-', '.', '+'], "_");
        format!("ELF {path} 0644 shared symbols={symbol}_init needed={library}\n{about}")
    } else if path.contains("/bin/") || path.contains("/sbin/") {
        let imports = "printf,getopt_long,exit,setlocale";
        format!("ELF {path} 0755 interp={loader} needed={library} imports={imports}\n{about}")
    } else {
        format!("FILE {path}\n    # {name} {version}\n")
    }
}
