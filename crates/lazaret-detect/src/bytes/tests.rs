#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;

use lazaret_model::{EntryPath, FactKind};

use crate::{Pack, PackError, Subject};

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn matches(
    pack: &Pack,
    path: &str,
    inside: &[String],
    bytes: &[u8],
) -> Vec<(String, Option<u32>, Option<u64>, String)> {
    let path = EntryPath::from(path);
    let subject = Subject { path: &path, inside, mode: 0o644, size: bytes.len() as u64, bytes, offset: 0 };
    let facts = pack.scanner().scan(&subject).unwrap();
    facts
        .into_iter()
        .map(|fact| match fact.kind {
            FactKind::ByteMatch { rule, excerpt } => (rule, fact.line, fact.offset, excerpt),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn the_engine_that_is_locked_is_the_one_in_the_version() {
    let lock = include_str!("../../../../Cargo.lock");
    assert!(lock.contains(&format!("name = \"yara-x\"\nversion = \"{}\"", super::YARA_X)));
}

#[test]
fn a_match_says_where_it_is_and_what_is_there() {
    let rules =
        folder(&[("a.yar", "rule a { strings: $b = \"needle\" $c = \"hay\" condition: all of them }")]);
    let pack = Pack::only(rules.path()).unwrap();
    let seen = matches(&pack, "/x", &[], b"hay stack\nthe needle there\n");
    assert_eq!(seen, [("a".to_owned(), Some(2), Some(14), "the needle there … hay stack".to_owned())]);
    assert!(matches(&pack, "/x", &[], b"needle only").is_empty());
    assert!(matches(&pack, "/x", &[], b"").is_empty());
}

#[test]
fn a_window_is_placed_in_the_whole_content() {
    let rules = folder(&[("a.yar", "rule a { strings: $b = \"needle\" condition: $b }")]);
    let pack = Pack::only(rules.path()).unwrap();
    let path = EntryPath::from("big");
    let subject = Subject { path: &path, inside: &[], mode: 0, size: 5000, bytes: b"..needle", offset: 4000 };
    let facts = pack.scanner().scan(&subject).unwrap();
    assert_eq!((facts[0].offset, facts[0].line), (Some(4002), None));
}

#[test]
fn other_peoples_packs_load_unchanged_with_the_variables_that_they_expect() {
    let rules = folder(&[
        (
            "pack/many.yara",
            "import \"pe\"\nprivate rule p { condition: filesize > 0 }\n\
            rule one { meta: description = \"one thing\" severity = 80 condition: p and filename == \"x.sh\" and extension == \".sh\" }\n\
            rule two { condition: p and inside_archive and path == \"/a/b.zip\" }\n\
            rule windows { condition: pe.is_pe }\n",
        ),
        ("index.yar", "// all of them\ninclude \"pack/many.yara\"\n"),
        (".git/no.yar", "not a rule"),
    ]);
    let pack = Pack::only(rules.path()).unwrap();
    let described: Vec<String> = pack
        .rules()
        .iter()
        .map(|r| {
            format!(
                "{} {} {} {}: {}",
                r.rule.id, r.rule.class, r.rule.severity, r.rule.confidence, r.rule.title
            )
        })
        .collect();
    assert_eq!(
        described,
        [
            "pack/many/one malware medium low: hold what the rule one describes: one thing",
            "pack/many/two malware medium low: hold what the rule two looks for",
        ]
    );
    assert_eq!(pack.left_out().len(), 1);
    assert!(pack.left_out()[0].rule.contains("windows"), "{:?}", pack.left_out());
    assert_eq!(matches(&pack, "/u/x.sh", &[], b"x")[0].0, "pack/many/one");
    assert_eq!(matches(&pack, "/a/b.zip", &["x.sh".to_owned()], b"x").len(), 2);
}

#[test]
fn a_rule_that_does_not_compile_is_an_error_with_file_line_and_reason() {
    for (text, line, part) in [
        ("rule a {\n  condition:\n    nosuch\n}", 3, "unknown identifier"),
        ("rule a {\n  strings:\n    $a = \"x\n  condition: $a }", 3, "syntax error"),
        ("rule a { meta:\n class = \"evil\"\n condition: true }", 2, "malware, dual-use"),
    ] {
        let rules = folder(&[("t/a.yar", text)]);
        match Pack::only(rules.path()).unwrap_err() {
            PackError::Rule { file, line: at, reason } => {
                assert!(file.ends_with("t/a.yar"), "{file}");
                assert_eq!(at, line, "{reason}");
                assert!(reason.contains(part), "{reason}");
                assert!(!reason.contains('\n'));
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn a_folder_without_rules_and_an_id_that_occurs_twice_are_errors() {
    assert!(matches!(Pack::only(folder(&[("README.md", "x")]).path()), Err(PackError::Empty { .. })));
    assert!(matches!(Pack::only("/nonexistent/rules".as_ref()), Err(PackError::Unreadable { .. })));
    let (one, two) = (
        folder(&[("a.yar", "rule a { condition: true }")]),
        folder(&[("a.yar", "rule a { condition: false }")]),
    );
    let error = Pack::load(&[one.path().to_owned(), two.path().to_owned()], None).unwrap_err();
    assert!(matches!(error, PackError::Duplicate { .. }), "{error}");
}

#[test]
fn the_byte_version_changes_with_byte_rules_only() {
    let sigma = |title: &str| {
        format!(
            "title: {title}\nlogsource: {{category: process_creation, product: linux}}\ndetection: {{s: {{Image: x}}, condition: s}}\n"
        )
    };
    let versions = |yara: &str, title: &str| {
        let pack = Pack::only(folder(&[("a.yar", yara), ("b.yml", &sigma(title))]).path()).unwrap();
        (pack.version().to_owned(), pack.byte_rules_version().to_owned())
    };
    let first = versions("rule a { condition: true }", "one");
    assert_eq!(first, versions("rule a { condition: true }", "one"));
    let other_behaviour = versions("rule a { condition: true }", "two");
    assert!(first.0 != other_behaviour.0 && first.1 == other_behaviour.1);
    let other_bytes = versions("rule a { condition: false }", "one");
    assert!(first.0 != other_bytes.0 && first.1 != other_bytes.1);
}

#[test]
fn the_compiled_form_is_kept_only_where_nobody_else_can_write() {
    let rules = folder(&[("a.yar", "rule a { strings: $b = \"needle\" condition: $b }")]);
    let cache = tempfile::tempdir().unwrap();
    let kept = || {
        let files = std::fs::read_dir(cache.path()).unwrap().map(|e| e.unwrap().path());
        files.filter(|path| path.to_str().unwrap().contains("/byte-rules-")).collect::<Vec<_>>()
    };
    let load = || Pack::load(&[rules.path().to_owned()], Some(cache.path())).unwrap();
    let fires = |pack: &Pack| matches(pack, "/x", &[], b"needle").iter().any(|m| m.0 == "a");

    std::fs::set_permissions(cache.path(), PermissionsExt::from_mode(0o777)).unwrap();
    assert!(fires(&load()) && kept().is_empty(), "a folder that all can write to was used");

    std::fs::set_permissions(cache.path(), PermissionsExt::from_mode(0o700)).unwrap();
    assert!(fires(&load()));
    let [file] = kept().try_into().unwrap();
    let bytes = std::fs::read(&file).unwrap();
    assert!(fires(&load()), "what was kept is not taken");

    // A damaged file is compiled anew and replaced.
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 1;
    std::fs::write(&file, &damaged).unwrap();
    assert!(fires(&load()));
    assert_ne!(std::fs::read(&file).unwrap(), damaged);
    assert_eq!(kept().len(), 1);
}

#[test]
fn the_program_holds_no_rule_as_plain_text() {
    let packed = include_bytes!(concat!(env!("OUT_DIR"), "/rules.bin"));
    for word in [&b"condition:"[..], b"stratum+tcp", b"logsource"] {
        assert!(memchr::memmem::find(packed, word).is_none());
    }
}

#[test]
fn each_group_of_built_in_rules_is_small_enough_for_the_fast_search() {
    let pack = Pack::load(&[], None).unwrap();
    for shard in &pack.bytes.shards {
        let atoms: usize =
            shard.iter().flat_map(|r| r.patterns().map(|p| p.atoms().count()).collect::<Vec<_>>()).sum();
        let shortest = shard
            .iter()
            .flat_map(|r| {
                r.patterns()
                    .flat_map(|p| p.atoms().map(|a| a.as_slice().len()).collect::<Vec<_>>())
                    .collect::<Vec<_>>()
            })
            .min();
        let names: Vec<&str> = shard.iter().map(|r| r.identifier()).collect();
        assert!(atoms <= 64, "{atoms} atoms in {names:?}");
        assert!(shortest >= Some(3), "an atom of {shortest:?} bytes in {names:?}");
    }
}
