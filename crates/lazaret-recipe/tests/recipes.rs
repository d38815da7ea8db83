//! What a recipe's text becomes.
#![allow(clippy::unwrap_used)]

use lazaret_model::{EntryPath, FileKind, Whiteout};
use lazaret_recipe::Recipe;

fn parse(text: &str) -> Recipe {
    Recipe::parse(text).unwrap()
}

fn refused(text: &str) -> (usize, String) {
    let error = Recipe::parse(text).unwrap_err();
    (error.line, error.what)
}

#[test]
fn a_block_is_the_content_without_its_indent_and_trailing_blank_lines() {
    let recipe = parse("FILE /a 0755\n    one\n\n      two\n\n# comment\nFILE b noeol\n    x\n");
    let files = &recipe.layers[0].files;
    assert_eq!(files[0].bytes, b"one\n\n  two\n");
    assert_eq!((files[0].entry.mode, files[0].entry.size), (0o755, 11));
    assert_eq!((files[1].bytes.as_slice(), files[1].entry.mode), (b"x".as_slice(), 0o644));
}

#[test]
fn shell_form_becomes_what_the_engine_makes_of_it() {
    let recipe = parse("ENTRYPOINT [\"/a\", \"b c\"]\nCMD run $X\nHEALTHCHECK --interval=5s CMD curl -f x\n");
    assert_eq!(recipe.config.entrypoint, ["/a", "b c"]);
    assert_eq!(recipe.config.cmd, ["/bin/sh", "-c", "run $X"]);
    assert_eq!(recipe.config.healthcheck.unwrap().test, ["CMD-SHELL", "curl -f x"]);
    assert_eq!(
        parse("SHELL [\"/bin/bash\", \"-c\"]\nCMD [ -f x ] && y\n").config.cmd,
        ["/bin/bash", "-c", "[ -f x ] && y"]
    );
}

#[test]
fn configuration_is_kept_and_leaves_its_steps() {
    let recipe = parse(concat!(
        "PLATFORM linux/arm/v7\nAUTHOR me\nENV A=b=c\nENV Q=\"x y\"\nLABEL z=1\nLABEL a=2\nUSER 0:0\n",
        "WORKDIR /w\nEXPOSE 80 53/udp\nVOLUME [\"/v\"]\nONBUILD RUN x\nSTOPSIGNAL SIGTERM\n",
        "RUNARGS docker run -v /etc:/mnt/etc x\n"
    ));
    let config = &recipe.config;
    assert_eq!(recipe.platform.to_string(), "linux/arm/v7");
    assert_eq!(config.env, [("A".into(), "b=c".into()), ("Q".into(), "x y".into())]);
    assert_eq!(config.labels, [("a".into(), "2".into()), ("z".into(), "1".into())]);
    assert_eq!(config.exposed_ports, ["53/udp", "80/tcp"]);
    assert_eq!(config.volumes, ["/v"]);
    assert_eq!(config.on_build, ["RUN x"]);
    assert_eq!((config.user.as_str(), config.working_dir.as_str()), ("0:0", "/w"));
    assert_eq!(recipe.run.as_deref(), Some("docker run -v /etc:/mnt/etc x"));
    assert_eq!(config.history.len(), 10);
    assert!(config.history.iter().all(|step| step.empty_layer && step.created == "2024-01-01T00:00:00Z"));
}

#[test]
fn history_tells_of_each_layer_in_order_unless_told_otherwise() {
    let recipe = parse(concat!(
        "CREATED 2023-05-06T07:08:09Z\nFILE a\nENV A=b\nLAYER @2020-02-29T00:00:01Z RUN x\nFILE b\n",
        "FILE c mtime=5\nLAYER -\nFILE d\nCLAIM RUN ghost\nHISTORY LABEL x\n"
    ));
    let shown: Vec<(&str, bool)> =
        recipe.config.history.iter().map(|s| (s.created_by.as_str(), s.empty_layer)).collect();
    assert_eq!(
        shown,
        [
            ("COPY rootfs / # buildkit", false),
            ("ENV A=b", true),
            ("RUN x", false),
            ("RUN ghost", false),
            ("LABEL x", true)
        ]
    );
    assert_eq!(recipe.layers[1].history.as_ref(), Some(&recipe.config.history[2]));
    assert_eq!(recipe.layers[2].history, None);
    let times: Vec<i64> = recipe.layers.iter().flat_map(|l| l.files.iter().map(|f| f.entry.mtime)).collect();
    assert_eq!(times, [1_683_356_889, 1_582_934_401, 5, 1_683_356_889]);
    assert!(parse("BUILDER none\nFILE a\nCMD x\n").config.history.is_empty());
}

#[test]
fn special_entries_say_what_they_are() {
    let recipe = parse(concat!(
        "SYMLINK /a -> ../b\nHARDLINK c -> /d/e\nDEVICE /dev/x c 1 3 0600\nDIR /t 01777 uid=5 gid=6\n",
        "WHITEOUT /etc/x\n    carried\nOPAQUE /var/cache\nFILE /\\xff\\x20z xattr:user.a=AAE=\n"
    ));
    let entries: Vec<_> = recipe.layers[0].files.iter().map(|f| &f.entry).collect();
    assert_eq!(entries[0].kind, FileKind::Symlink(b"../b".to_vec()));
    assert_eq!(entries[1].kind, FileKind::Hardlink("d/e".into()));
    assert_eq!((&entries[2].kind, entries[2].mode), (&FileKind::CharDevice(1, 3), 0o600));
    assert_eq!((entries[3].mode, entries[3].uid, entries[3].gid), (0o1777, 5, 6));
    assert_eq!(entries[4].path, "etc/.wh.x".into());
    assert_eq!(entries[4].whiteout, Some(Whiteout::Path("etc/x".into())));
    assert_eq!(recipe.layers[0].files[4].bytes, b"carried\n");
    assert_eq!(entries[5].path, "var/cache/.wh..wh..opq".into());
    assert_eq!(entries[6].path, EntryPath::clean(b"\xff z"));
    assert_eq!(entries[6].xattrs, [("user.a".to_owned(), vec![0, 1])]);
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    for (text, line, part) in [
        ("FILE /a\n\nNONSENSE x\n", 3, "NONSENSE"),
        ("    early\n", 1, "before the first"),
        ("FILE /a\n  two\n", 2, "four spaces"),
        ("CMD [\"a\n", 1, "JSON"),
        ("BASE64 /a !!!\n", 1, "base64"),
        ("ELF /a sparkly\n", 1, "sparkly"),
        ("FILE /a shiny\n", 1, "shiny"),
        ("SYMLINK /a /b\n", 1, "->"),
        ("USER x\n    y\n", 2, "no indented"),
        ("CREATED yesterday\n", 1, "time"),
        ("ZIP /a\n    CMD x\n", 2, "inside an archive"),
        ("ENV A\n", 1, "NAME=VALUE"),
        ("FILE /\\xzz\n", 1, "hexadecimal"),
        ("FILE\n", 1, "path"),
    ] {
        let (at, what) = refused(text);
        assert_eq!(at, line, "{text}");
        assert!(what.contains(part), "{text}: {what}");
    }
}

#[test]
fn text_that_is_not_ascii_is_refused_or_kept_but_never_a_panic() {
    assert_eq!(parse("FILE /ü\n    ä\n").layers[0].files[0].bytes, "ä\n".as_bytes());
    assert!(Recipe::parse("FILE /\\xü\n").is_err());
    assert!(Recipe::parse("CREATED 2024-01-üüT00:00:00Z\n").is_err());
    assert!(Recipe::parse("LAYER @ü x\n").is_err());
}
