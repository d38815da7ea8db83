#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use lazaret_model::{Digest, FileEntry, LayerFacts, Whiteout};

use super::*;

/// A small image: layers of paths with contents; a path that ends with `@` is a link, with `/` a
/// directory, and one that begins with `!` is a whiteout.
struct Small {
    layers: Vec<LayerFacts>,
    contents: BTreeMap<ContentId, Arc<[u8]>>,
}

impl Small {
    fn new(layers: &[&[(&str, &str)]]) -> Self {
        let mut contents = BTreeMap::new();
        let layers = layers
            .iter()
            .map(|files| {
                let entry = |&(path, text): &(&str, &str)| {
                    let id = ContentId(*blake3::hash(text.as_bytes()).as_bytes());
                    contents.insert(id, Arc::from(text.as_bytes()));
                    let link = path.strip_suffix('@');
                    let gone = path.strip_prefix('!');
                    FileEntry {
                        path: link.unwrap_or(path).into(),
                        kind: match link {
                            Some(_) => FileKind::Symlink(text.into()),
                            None if path.ends_with('/') => FileKind::Directory,
                            None => FileKind::File,
                        },
                        mode: 0o755,
                        uid: 0,
                        gid: 0,
                        size: text.len() as u64,
                        mtime: 0,
                        content: link.is_none().then_some(id),
                        xattrs: Vec::new(),
                        whiteout: gone.map(|gone| Whiteout::Path(gone.into())),
                    }
                };
                LayerFacts {
                    diff_id: Some(Digest::sha256(blake3::hash(format!("{files:?}").as_bytes()).as_bytes())),
                    complete: true,
                    entries: files.iter().map(entry).collect(),
                    ..LayerFacts::default()
                }
            })
            .collect();
        Self { layers, contents }
    }

    /// `package version state` of each path, `-` where nobody owns it.
    fn owners(&self, paths: &[&str]) -> Vec<String> {
        let view = View::new(&self.layers.iter().collect::<Vec<_>>());
        let ownership = Ownership::of(&view, &self.contents);
        let agrees = |found: &Found<'_>, _: Sum| agreed(&self.contents, found);
        let owner = |path: &EntryPath| {
            let listed = ownership.owner(&view, path, &agrees);
            listed.or_else(|| ownership.owner_by_place(&view, &self.contents, path, &[]))
        };
        let told = |path: &&str| match owner(&(*path).into()) {
            Some(owner) => format!("{} {} {:?}", owner.package, owner.version, owner.state),
            None => "-".to_owned(),
        };
        paths.iter().map(told).collect()
    }

    fn rewritten(&self) -> Vec<String> {
        let view = View::new(&self.layers.iter().collect::<Vec<_>>());
        let ownership = Ownership::of(&view, &self.contents);
        ownership.rewritten().map(|(name, how)| format!("{name}:{} {:?}", how.layer, how.files)).collect()
    }
}

fn agreed(contents: &BTreeMap<ContentId, Arc<[u8]>>, found: &Found<'_>) -> Agreed {
    Agreed::ByContent(found.data.content.and_then(|id| contents.get(&id).cloned()))
}

fn md5(text: &str) -> String {
    data_encoding::HEXLOWER.encode(&Md5::digest(text.as_bytes()))
}

fn status(name: &str, version: &str) -> String {
    format!("Package: {name}\nStatus: install ok installed\nVersion: {version}\nArchitecture: amd64\n\n")
}

#[test]
fn dpkg_lists_and_checksums_say_who_owns_what_and_what_was_changed() {
    let sums = format!("{}  bin/bash\n{}  usr/bin/bashbug\n", md5("bash"), md5("as it was"));
    let status = status("bash", "5.2-1");
    let image = Small::new(&[&[
        ("var/lib/dpkg/status", &status),
        (
            "var/lib/dpkg/info/bash.list",
            "/.\n/bin\n/bin/bash\n/usr/bin/bashbug\n/usr/share/x\n/etc/bash.rc\n",
        ),
        ("var/lib/dpkg/info/bash.md5sums", &sums),
        ("bin@", "usr/bin"),
        ("usr/bin/bash", "bash"),
        ("usr/bin/sh@", "bash"),
        ("usr/bin/bashbug", "changed"),
        ("usr/share/x", "no checksum"),
        ("usr/bin/other", "bash"),
    ]]);
    assert_eq!(
        image.owners(&[
            "bin/bash",
            "usr/bin/bash",
            "bin/sh",
            "usr/bin/bashbug",
            "usr/share/x",
            "usr/bin/other"
        ]),
        [
            "bash 5.2-1 Unchanged",
            "bash 5.2-1 Unchanged",
            "bash 5.2-1 Unchanged",
            "bash 5.2-1 Changed",
            "bash 5.2-1 Unverified",
            "-"
        ]
    );
}

#[test]
fn packages_of_a_second_architecture_and_of_images_without_dpkg_own_files() {
    let list = status("libc6", "2.36");
    let sums = format!("{}  lib/libc.so.6\n", md5("libc"));
    let image = Small::new(&[&[
        ("var/lib/dpkg/status", &list),
        ("var/lib/dpkg/info/libc6:amd64.list", "/lib/libc.so.6\n"),
        ("var/lib/dpkg/info/libc6:amd64.md5sums", &sums),
        ("lib/libc.so.6", "libc"),
    ]]);
    assert_eq!(image.owners(&["lib/libc.so.6"]), ["libc6 2.36 Unchanged"]);
    let image = Small::new(&[&[
        ("var/lib/dpkg/status.d/libc6", "Package: libc6\nVersion: 2.36\n"),
        ("var/lib/dpkg/status.d/libc6.md5sums", &sums),
        ("lib/libc.so.6", "other"),
    ]]);
    assert_eq!(image.owners(&["lib/libc.so.6"]), ["libc6 2.36 Changed"]);
}

#[test]
fn a_removed_package_owns_nothing() {
    let status = "Package: a\nStatus: deinstall ok config-files\nVersion: 1\n";
    let image = Small::new(&[&[
        ("var/lib/dpkg/status", status),
        ("var/lib/dpkg/info/a.list", "/usr/bin/a\n"),
        ("usr/bin/a", "a"),
    ]]);
    assert_eq!(image.owners(&["usr/bin/a"]), ["-"]);
}

#[test]
fn apk_owns_by_directory_and_file_with_sha1() {
    let sha1 = data_encoding::BASE64.encode(&Sha1::digest(b"box"));
    let db = format!(
        "C:Q1x=\nP:busybox\nV:1.36-r0\nF:bin\nR:busybox\na:0:0:755\nZ:Q1{sha1}\nR:bbsuid\nZ:Q1{sha1}\n\n"
    );
    let image = Small::new(&[&[
        ("lib/apk/db/installed", &db),
        ("bin/busybox", "box"),
        ("bin/ls@", "/bin/busybox"),
        ("bin/bbsuid", "other"),
    ]]);
    assert_eq!(
        image.owners(&["bin/busybox", "bin/ls", "bin/bbsuid"]),
        ["busybox 1.36-r0 Unchanged", "busybox 1.36-r0 Unchanged", "busybox 1.36-r0 Changed"]
    );
}

#[test]
fn a_layer_above_the_installation_contradicts_a_database_without_checksums() {
    let db = "P:a\nV:1\nF:bin\nR:a\nR:b\n\n";
    let image = Small::new(&[
        &[("lib/apk/db/installed", db), ("bin/a", "1"), ("bin/b", "1")],
        &[("bin/a", "2"), ("bin/b", "1")],
    ]);
    assert_eq!(image.owners(&["bin/a", "bin/b"]), ["a 1 Changed", "a 1 Unverified"]);
    // An upgrade writes the database with the files.
    let newer = "P:a\nV:2\nF:bin\nR:a\nR:b\n\n";
    let image = Small::new(&[
        &[("lib/apk/db/installed", db), ("bin/a", "1"), ("bin/b", "1")],
        &[("lib/apk/db/installed", newer), ("bin/a", "2"), ("bin/b", "2")],
    ]);
    assert_eq!(image.owners(&["bin/a"]), ["a 2 Unverified"]);
    assert_eq!(image.rewritten(), [""; 0]);
}

#[test]
fn checksums_rewritten_with_the_file_are_seen_as_an_edit_of_the_database() {
    let status = status("a", "1");
    let sums =
        |text: &str| format!("{}  usr/bin/a\n{}  usr/bin/b\n{}  usr/bin/c\n", md5(text), md5("b"), md5("c"));
    let (first, second) = (sums("a"), sums("evil"));
    let image = Small::new(&[
        &[
            ("var/lib/dpkg/status", &status),
            ("var/lib/dpkg/info/a.list", "/usr/bin/a\n/usr/bin/b\n/usr/bin/c\n"),
            ("var/lib/dpkg/info/a.md5sums", &first),
            ("usr/bin/a", "a"),
            ("usr/bin/b", "b"),
            ("usr/bin/c", "c"),
        ],
        &[("var/lib/dpkg/info/a.md5sums", &second), ("usr/bin/a", "evil")],
    ]);
    assert_eq!(image.owners(&["usr/bin/a", "usr/bin/b"]), ["a 1 Changed", "a 1 Unverified"]);
    assert_eq!(image.rewritten(), ["a:1 [\"/usr/bin/a\"]"]);
}

#[test]
fn a_database_that_was_not_kept_is_a_gap() {
    let mut image = Small::new(&[&[("lib/apk/db/installed", "P:a\nV:1\nF:bin\nR:a\n"), ("bin/a", "1")]]);
    image.contents.clear();
    let view = View::new(&image.layers.iter().collect::<Vec<_>>());
    let ownership = Ownership::of(&view, &image.contents);
    assert_eq!(ownership.gaps().len(), 1);
    assert!(!ownership.gaps()[0].matters);
}

#[test]
fn databases_cut_anywhere_or_damaged_give_no_panic() {
    let status = status("a", "1");
    let sums = format!("{}  usr/bin/a\n", md5("a"));
    let files = [
        ("var/lib/dpkg/status", status.as_str()),
        ("var/lib/dpkg/info/a.list", "/usr/bin/a\n/../..//x\n"),
        ("var/lib/dpkg/info/a.md5sums", sums.as_str()),
        ("var/lib/dpkg/diversions", "/usr/bin/a\n/usr/bin/b\n:\n"),
        ("lib/apk/db/installed", "P:a\nV:1\nF:bin\nR:a\nZ:Q1abc\n\nP:b\nR:x\nZ:\n"),
        ("usr/bin/a", "a"),
    ];
    for (at, (path, text)) in files.iter().enumerate() {
        for cut in 0..text.len() {
            let mut damaged = files;
            damaged[at] = (path, &text[..cut]);
            Small::new(&[&damaged]).owners(&["usr/bin/a", "bin/a"]);
        }
    }
}

#[test]
fn languages_own_files_by_their_own_lists() {
    let digest = data_encoding::BASE64URL_NOPAD.encode(&Sha256::digest(b"code"));
    let record = format!(
        "tool/__init__.py,sha256={digest},4\n\"tool/a,b.py\",sha256={digest},4\n../../../bin/tool,sha256={digest},4\ntool-1.2.dist-info/RECORD,,\n"
    );
    let image = Small::new(&[&[
        ("usr/lib/python3/site-packages/tool-1.2.dist-info/RECORD", &record),
        ("usr/lib/python3/site-packages/tool/__init__.py", "code"),
        ("usr/lib/python3/site-packages/tool/a,b.py", "changed"),
        ("usr/bin/tool", "code"),
        ("app/node_modules/@org/x/node_modules/y/index.js", "code"),
        ("app/node_modules/@org/x/node_modules/y/package.json", "{\"version\": \"3.0.1\"}"),
        ("app/node_modules/@org/x/index.js", "code"),
        ("app/node_modules/@org/x/package.json", "{}"),
        ("app/node_modules/none/index.js", "code"),
        ("var/lib/gems/3.1.0/specifications/rake-13.0.6.gemspec", ""),
        ("var/lib/gems/3.1.0/gems/rake-13.0.6/exe/rake", "code"),
        ("var/lib/gems/3.1.0/gems/other-1.0/exe/other", "code"),
    ]]);
    assert_eq!(
        image.owners(&[
            "usr/lib/python3/site-packages/tool/__init__.py",
            "usr/lib/python3/site-packages/tool/a,b.py",
            "usr/bin/tool",
            "app/node_modules/@org/x/node_modules/y/index.js",
            "app/node_modules/@org/x/index.js",
            "app/node_modules/none/index.js",
            "var/lib/gems/3.1.0/gems/rake-13.0.6/exe/rake",
            "var/lib/gems/3.1.0/gems/other-1.0/exe/other",
        ]),
        [
            "tool 1.2 Unchanged",
            "tool 1.2 Changed",
            "tool 1.2 Unchanged",
            "y 3.0.1 Unverified",
            "@org/x  Unverified",
            "-",
            "rake 13.0.6 Unverified",
            "-"
        ]
    );
}

#[test]
fn an_upgrade_that_brings_few_files_is_no_edit() {
    let (old, new) = (status("a", "1"), status("a", "2"));
    let list = "/usr/bin/a\n/usr/bin/b\n/usr/bin/c\n";
    let longer = format!("{list}/usr/bin/d\n");
    let image = Small::new(&[
        &[
            ("var/lib/dpkg/status", &old),
            ("var/lib/dpkg/info/a.list", list),
            ("usr/bin/a", "a"),
            ("usr/bin/b", "b"),
            ("usr/bin/c", "c"),
        ],
        // A builder that leaves out what did not change.
        &[("var/lib/dpkg/status", &new), ("var/lib/dpkg/info/a.list", &longer), ("usr/bin/d", "d")],
    ]);
    assert_eq!(image.rewritten(), [""; 0]);
    assert_eq!(image.owners(&["usr/bin/d"]), ["a 2 Unverified"]);
}

/// All that ownership says of an image, as text.
fn told(small: &Small, ownership: &Ownership) -> String {
    let view = View::new(&small.layers.iter().collect::<Vec<_>>());
    let agrees = |found: &Found<'_>, _: Sum| agreed(&small.contents, found);
    let owners: Vec<_> = view
        .files()
        .map(|found| (found.entry.path.clone(), ownership.owner(&view, &found.entry.path, &agrees)))
        .collect();
    let mut packages: Vec<String> = ownership.packages.iter().map(|package| format!("{package:?}")).collect();
    packages.sort();
    let replaced = ownership.replaced(&view, &small.contents, &agrees);
    format!("{packages:?}\n{owners:?}\n{replaced:?}\n{:?}", ownership.gaps)
}

#[test]
fn what_is_known_of_a_base_is_what_the_image_itself_says() {
    let (old, new) = (status("procps", "1"), status("procps", "1") + &status("curl", "8"));
    let sums = format!("{}  usr/bin/ps\n{}  usr/bin/top\n", md5("ps"), md5("top"));
    let base: &[(&str, &str)] = &[
        ("usr/", ""),
        ("usr/bin/", ""),
        ("bin@", "usr/bin"),
        ("var/lib/dpkg/status", &old),
        ("var/lib/dpkg/info/procps.list", "/usr/bin/ps\n/usr/bin/top\n"),
        ("var/lib/dpkg/info/procps.md5sums", &sums),
        ("usr/bin/ps", "ps"),
        ("usr/bin/top", "another top"),
        ("usr/lib/python3/a-1.dist-info/RECORD", "a.py,,\n"),
        ("usr/lib/python3/a.py", "a"),
    ];
    let owns: [&[(&str, &str)]; 14] = [
        &[("app/x", "x")],
        &[("app/y", "y"), ("usr/bin/own", "own")],
        &[("usr/bin/ps", "changed")],
        &[("bin/ps", "changed")],
        &[("!usr/bin/ps", "")],
        &[("!usr/bin", "")],
        &[("!usr/lib/python3/a-1.dist-info", "")],
        &[("var/lib/dpkg/status", &new)],
        &[("var/lib/dpkg/info/procps.md5sums", "")],
        &[("var/lib/dpkg/diversions", "/usr/bin/ps\n/usr/bin/ps.real\n:\n")],
        &[("srv/b-2.dist-info/RECORD", "b.py,,\n"), ("srv/b.py", "b")],
        &[("usr/bin", "no directory any more")],
        &[("lib/apk/db/installed", "P:musl\nV:1\nF:lib\nR:ld.so\n\n"), ("lib/ld.so", "ld")],
        &[("lib@", "usr/lib"), ("sbin@", "usr/bin")],
    ];
    let images: Vec<Small> = owns.iter().map(|own| Small::new(&[base, own])).collect();
    // In every order of two, because the first one decides what is known of the base.
    for first in &images {
        for second in &images {
            let seen = crate::on_deep_stack(|| {
                let known = |small: &Small| {
                    let view = View::new(&small.layers.iter().collect::<Vec<_>>());
                    told(small, &Ownership::known(&view, &small.contents))
                };
                [known(first), known(second)]
            });
            let alone = [first, second].map(|small| {
                let view = View::new(&small.layers.iter().collect::<Vec<_>>());
                told(small, &Ownership::of(&view, &small.contents))
            });
            assert_eq!(seen.unwrap(), alone);
        }
    }
    // And the plain ones do share it.
    let shared = crate::on_deep_stack(|| {
        let known = |small: &Small| {
            let view = View::new(&small.layers.iter().collect::<Vec<_>>());
            Ownership::known(&view, &small.contents)
        };
        let (first, second) = (known(&images[0]), known(&images[1]));
        (Rc::ptr_eq(&first, &second), Rc::ptr_eq(&first, &known(&images[2])))
    });
    assert_eq!(shared.unwrap(), (true, false));
}

#[test]
fn what_a_content_decides_is_told_by_each_image_for_itself() {
    let status = status("tool", "1");
    let sums = format!("{}  usr/bin/tool\n{}  usr/bin/other\n", md5("as it was"), md5("other"));
    let base: &[(&str, &str)] = &[
        ("var/lib/dpkg/status", &status),
        ("var/lib/dpkg/info/tool.list", "/usr/bin/tool\n/usr/bin/other\n"),
        ("var/lib/dpkg/info/tool.md5sums", &sums),
        ("usr/bin/tool", "changed"),
        ("usr/bin/other", "other"),
    ];
    let whole = Small::new(&[base, &[("app/x", "x")]]);
    let mut lacking = Small::new(&[base, &[("app/y", "y")]]);
    lacking.contents.remove(&ContentId(*blake3::hash(b"changed").as_bytes()));
    let mut without_sums = Small::new(&[base, &[("app/z", "z")]]);
    without_sums.contents.remove(&ContentId(*blake3::hash(sums.as_bytes()).as_bytes()));
    let images = [&whole, &lacking, &without_sums];
    fn view(small: &Small) -> View<'_> {
        View::new(&small.layers.iter().collect::<Vec<_>>())
    }
    let alone = images.map(|small| told(small, &Ownership::of(&view(small), &small.contents)));
    assert!(alone[0].contains("Changed") && !alone[1].contains("Changed") && !alone[2].contains("Changed"));
    for order in [[0, 1, 0, 2, 1], [1, 0, 1, 2, 0], [2, 1, 0, 2, 1]] {
        let seen = crate::on_deep_stack(|| {
            order
                .map(|at: usize| told(images[at], &Ownership::known(&view(images[at]), &images[at].contents)))
        });
        assert_eq!(seen.unwrap(), order.map(|at| alone[at].clone()), "{order:?}");
    }
}
