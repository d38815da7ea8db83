//! What must hold of the lab as a whole.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use lazaret_lab::{Case, Compression, Label, Set, authorized_key, build, cases, wallet};

fn all() -> Vec<Case> {
    cases().unwrap_or_else(|e| panic!("{e}"))
}

fn of(set: Set) -> Vec<Case> {
    all().into_iter().filter(|case| case.set == set).collect()
}

/// Everything that is written in a case: its files and its configuration.
fn texts(case: &Case) -> Vec<String> {
    let mut out = vec![case.description.clone()];
    for image in &case.images {
        out.push(format!("{:?}", image.config));
        out.extend(image.run.clone());
        for file in image.layers.iter().flat_map(|layer| &layer.files) {
            out.push(String::from_utf8_lossy(&file.bytes).into_owned());
        }
    }
    out
}

fn holds(case: &Case, needle: &str) -> bool {
    texts(case).iter().any(|text| text.contains(needle))
}

#[test]
fn the_line_up_is_seventeen_images_of_one_account_with_one_wallet_in_nine() {
    let lineup = of(Set::Lineup);
    assert_eq!(lineup.len(), 17);
    let accounts: BTreeSet<_> = lineup.iter().map(|c| c.account.as_str()).collect();
    assert_eq!(accounts.len(), 1);
    assert_eq!(lineup.iter().filter(|c| c.name.starts_with("tomcat")).count(), 3);
    assert!(lineup.iter().all(|c| c.label == Label::Malicious));

    let coin = wallet("xmr", "dockmaster117").unwrap();
    let gzipped_wallet = "mysql5";
    let (miners, doors): (Vec<_>, Vec<_>) =
        lineup.iter().partition(|c| c.name == gzipped_wallet || holds(c, &coin));
    assert_eq!((miners.len(), doors.len()), (9, 8));

    let key = authorized_key("dockmaster117");
    for door in &doors {
        assert!(holds(door, "203.0.113.66") || holds(door, &key), "{} is tied to no other", door.name);
        assert!(holds(door, "build7.dockmaster.invalid"), "{} lacks the builder's trace", door.name);
        // No other wallet either: an address has 95 characters of base58.
        let long = |text: &str| text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word.len() == 95);
        assert!(!texts(door).iter().any(|text| long(text)), "{}", door.name);
    }
}

#[test]
fn every_row_of_the_catalogue_has_a_malicious_case_and_a_near_miss() {
    let mut rows: BTreeMap<u32, (bool, bool)> = BTreeMap::new();
    for case in all() {
        let Ok(row) = case.technique.parse::<u32>() else { continue };
        let entry = rows.entry(row).or_default();
        match case.set {
            Set::Catalogue => entry.0 |= case.label == Label::Malicious,
            Set::NearMiss => entry.1 = true,
            Set::Lineup | Set::Actors => {}
        }
    }
    for row in 1..=60 {
        assert_eq!(rows.get(&row), Some(&(true, true)), "row {row}");
    }
    assert!(of(Set::NearMiss).iter().all(|case| case.label != Label::Malicious));
}

#[test]
fn shapes_that_are_more_than_one_image_are_there() {
    let by_name: BTreeMap<String, Case> = all().into_iter().map(|c| (c.name.clone(), c)).collect();
    let (before, after) = (&by_name["54-tag-mutation-before"], &by_name["54-tag-mutation-after"]);
    assert_eq!((&before.repository, &before.tag), (&after.repository, &after.tag));
    assert_ne!(before.images, after.images);
    assert_eq!(by_name["55-platform-divergence"].platform(), "linux/amd64,linux/arm64/v8");
    assert!(by_name["56-guilty-launch"].run().unwrap().starts_with("docker run"));
    assert!(by_name["57-lure-without-image"].images.is_empty());

    // The image built on a convicted one starts with that one's very layers.
    let tars = |name: &str| by_name[name].images[0].layers.iter().map(|l| l.to_tar()).collect::<Vec<_>>();
    let (base, derived) = (tars("16-cron"), tars("50-trojaned-base"));
    assert!(derived.len() > base.len() && derived[..base.len()] == base);

    let kinds: BTreeSet<&str> = all()
        .iter()
        .map(|c| match c.compression {
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
            Compression::None => "none",
        })
        .collect();
    assert_eq!(kinds.len(), 3);
}

#[test]
fn images_of_a_base_share_its_layers() {
    let first = |case: &Case| case.images.first().and_then(|i| i.layers.first()).map(|l| l.to_tar());
    let mut seen: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    for tar in all().iter().filter_map(first) {
        *seen.entry(tar).or_default() += 1;
    }
    assert!(seen.values().any(|count| *count > 40));
}

/// Whether nobody can be reached under this name: reserved by RFC 1122, RFC 2606, RFC 5737, RFC 6761 or
/// RFC 6762, private, link-local, or a name that only a container network knows.
fn is_reserved(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let host = host.split(':').next().unwrap_or_default().trim_end_matches('.');
    let last = host.rsplit('.').next().unwrap_or_default();
    let variable = host.contains(['$', '%', '`', '\'', '{', '(', '*', '<', '\\']);
    let domain = |name: &str| host == name || host.ends_with(&format!(".{name}"));
    variable
        || host.is_empty()
        || !host.contains('.')
        || ["invalid", "test", "example", "localhost", "internal", "local", "svc", "onion"].contains(&last)
        || ["example.com", "example.net", "example.org"].into_iter().any(domain)
        || ["192.0.2.", "198.51.100.", "203.0.113.", "127.", "10.", "169.254.", "0.", "192.168."]
            .into_iter()
            .any(|prefix| host.starts_with(prefix))
        // A name inside a swarm's network.
        || host == "tasks.agent"
}

#[test]
fn every_address_is_reserved() {
    let mut found = BTreeSet::new();
    for case in all() {
        for text in texts(&case) {
            for (at, _) in text.match_indices("://") {
                let rest = &text[at + 3..];
                let end =
                    rest.find(|c: char| c.is_whitespace() || c.is_control() || "/\"'<>)|,;]".contains(c));
                let host = &rest[..end.unwrap_or(rest.len())];
                let host = host.rsplit('@').next().unwrap_or_default();
                // The packer's own mark, by which packed files are known.
                if !is_reserved(host) && host != "upx.sf.net" {
                    found.insert(format!("{}: {host}", case.path()));
                }
            }
            for word in text.split(|c: char| !c.is_ascii_digit() && c != '.') {
                let parts: Vec<_> = word.split('.').map(str::parse::<u8>).collect();
                if parts.len() == 4 && parts.iter().all(Result::is_ok) && !is_reserved(word) {
                    found.insert(format!("{}: {word}", case.path()));
                }
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn no_program_of_an_image_does_anything_but_exit() {
    let mut programs = 0;
    for case in all() {
        for image in &case.images {
            for file in image.layers.iter().flat_map(|l| &l.files).filter(|f| f.bytes.starts_with(b"\x7fELF"))
            {
                let number = |at: usize| u64::from_le_bytes(file.bytes[at..at + 8].try_into().unwrap());
                let base = if file.bytes[16] == 2 { 0x40_0000 } else { 0 };
                let entry = number(24);
                let exits: &[u8] = match file.bytes[18] {
                    62 => b"\xb8\x3c\0\0\0\x31\xff\x0f\x05",
                    183 => b"\xa8\x0b\x80\xd2\0\0\x80\xd2\x01\0\0\xd4",
                    other => panic!("{}: machine {other}", file.entry.path),
                };
                // A library has no entry.
                let code = usize::try_from(entry.saturating_sub(base)).unwrap();
                assert!(
                    entry == 0 || file.bytes[code..].starts_with(exits),
                    "{}: {}",
                    case.path(),
                    file.entry.path
                );
                programs += 1;
            }
        }
    }
    assert!(programs > 1000);
}

#[test]
fn the_same_sources_give_the_same_bytes() {
    let once = |_: u8| -> Vec<Vec<u8>> {
        all().iter().flat_map(|c| &c.images).flat_map(|i| i.layers.iter().map(|l| l.to_tar())).collect()
    };
    assert!(once(0) == once(1));
}

fn run(program: &str, arguments: &[&str]) -> (bool, String) {
    let out = Command::new(program).args(arguments).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    (
        out.status.success(),
        format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr)),
    )
}

fn entries(dir: &Path) -> usize {
    std::fs::read_dir(dir).unwrap().count()
}

#[test]
fn the_corpus_is_written_as_documented_and_other_tools_read_it() {
    let out = tempfile::tempdir().unwrap();
    let built = build(out.path()).unwrap();
    let manifest = std::fs::read_to_string(out.path().join("manifest.tsv")).unwrap();
    let mut lines = manifest.lines();
    assert_eq!(lines.next(), Some("path\tlabel\tset\ttechnique\tplatform\tnote\trun"));
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows.len(), built.layouts);
    for row in &rows {
        assert_eq!(row.len(), 7, "{row:?}");
        assert!(out.path().join(row[0]).join("index.json").is_file(), "{row:?}");
        assert!(["malicious", "dual-use", "benign"].contains(&row[1]), "{row:?}");
    }
    let hub: serde_json::Value =
        serde_json::from_slice(&std::fs::read(out.path().join("hub.json")).unwrap()).unwrap();
    let records = hub.as_array().unwrap();
    assert_eq!(records.len(), built.records);
    assert!(records.iter().any(|r| r["path"].is_null()));

    let tags: BTreeMap<String, String> = all().into_iter().map(|c| (c.path(), c.tag)).collect();
    // One of each kind of layer, an index, and a case with special paths.
    for path in [
        "lineup/tomcat",
        "lineup/mysql5",
        "catalogue/55-platform-divergence",
        "catalogue/51-layer-hidden-file",
    ] {
        let reference = format!("oci:{}:{}", out.path().join(path).display(), tags[path]);
        let copied = out.path().join("copied").join(path);
        std::fs::create_dir_all(&copied).unwrap();
        let (ok, said) = run(
            "skopeo",
            &["--insecure-policy", "copy", "-q", "--all", &reference, &format!("dir:{}", copied.display())],
        );
        assert!(ok, "{path}: {said}");
        assert!(entries(&copied) > 2);
    }
    for row in rows.iter().filter(|row| row[2] == "lineup") {
        let reference = format!("oci:{}:{}", out.path().join(row[0]).display(), tags[row[0]]);
        let (ok, said) = run("skopeo", &["inspect", &reference]);
        assert!(ok, "{}: {said}", row[0]);
    }

    // Building again over what is there leaves the same files.
    let before = entries(&out.path().join("lineup/tomcat/blobs/sha256"));
    std::fs::write(out.path().join("lineup/tomcat/blobs/sha256/stale"), "x").unwrap();
    build(out.path()).unwrap();
    assert_eq!(entries(&out.path().join("lineup/tomcat/blobs/sha256")), before);
}
