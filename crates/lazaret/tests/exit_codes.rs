//! The exit codes of docs/EXIT-CODES.md, one test each.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;

use support::{MARKER, Place, RawImage, Tar, gzip, sha256};

fn marked(place: &Place, name: &str) -> std::path::PathBuf {
    place.recipe(name, &format!("FILE /start.sh 0755\n    #!/bin/sh\n    # {MARKER}\n    exec sleep 1\nENTRYPOINT [\"/start.sh\"]\n"))
}

#[test]
fn a_clean_image_is_0() {
    let place = Place::new();
    let image = place.recipe("clean", "ELF /usr/bin/app 0755\n    app\nENTRYPOINT [\"/usr/bin/app\"]\n");
    let said = place.run(&["scan", "--no-store", &format!("oci:{}", image.display())]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.starts_with("clean"), "{said:?}");
}

#[test]
fn a_malicious_image_is_1_and_the_code_can_be_changed() {
    let place = Place::new();
    let image = marked(&place, "bad");
    let said = place.scan_marker(&image, &[]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.starts_with("malicious"), "{said:?}");
    assert_eq!(place.scan_marker(&image, &["--exit-code", "42"]).code, 42);
}

#[test]
fn fail_on_never_leaves_only_errors_and_gaps() {
    let place = Place::new();
    let image = marked(&place, "bad");
    let rules = place.path("rules");
    let reference = format!("oci:{}", image.display());
    let arguments = [
        "scan",
        "--no-store",
        "--fail-on",
        "never",
        "--only-rules",
        "--rules",
        rules.to_str().unwrap(),
        &reference,
    ];
    assert_eq!(place.run(&arguments).code, 0);
}

#[test]
fn suspicion_fails_only_where_it_is_asked_to() {
    let place = Place::new();
    // The marker in a program that nothing starts.
    let image = place.recipe(
        "dormant",
        &format!("ELF /opt/x 0755\n    {MARKER}\nELF /app 0755\n    app\nENTRYPOINT [\"/app\"]\n"),
    );
    let said = place.scan_marker(&image, &["--fail-on", "malicious"]);
    assert_ne!(said.code, 1, "{said:?}");
    assert!(place.scan_marker(&image, &[]).out.starts_with("suspicious"));
    assert_eq!(place.scan_marker(&image, &[]).code, 1);
}

#[test]
fn wrong_use_is_2_in_one_line() {
    let place = Place::new();
    for arguments in [
        vec!["scan", "UPPER CASE"],
        vec!["scan", "oci:/nonexistent"],
        vec!["scan", "docker-archive:/nonexistent.tar"],
        vec!["scan", "--platform", "linux", "x"],
        vec!["scan", "-f", "nonsense", "dir:/nonexistent"],
        vec!["scan", "--rules", "/nonexistent", "dir:."],
        vec!["scan", "--ignorefile", "/nonexistent", "dir:."],
        vec!["scan"],
        vec!["nonsense"],
    ] {
        let said = place.run(&arguments);
        assert_eq!(said.code, 2, "{arguments:?}: {said:?}");
        assert!(said.out.is_empty(), "{arguments:?}: {said:?}");
        assert!(!said.err.is_empty(), "{arguments:?}");
    }
    let said = place.run(&["scan", "oci:/nonexistent"]);
    assert_eq!(said.err.trim_end().lines().count(), 1, "{said:?}");
    assert!(said.err.contains("/nonexistent"), "{said:?}");
}

#[test]
fn a_rule_that_does_not_compile_is_told_and_the_others_judge() {
    let place = Place::new();
    let image = marked(&place, "bad");
    fs::write(place.path("rules/broken.yar"), "rule broken {\n  condition:\n    $nothing\n}\n").unwrap();
    let said = place.scan_marker(&image, &[]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("1 of 2 rules applied"), "{said:?}");
}

#[test]
fn an_empty_pack_is_2() {
    let place = Place::new();
    let image = marked(&place, "bad");
    let empty = place.path("empty");
    fs::create_dir(&empty).unwrap();
    let reference = format!("oci:{}", image.display());
    let said =
        place.run(&["scan", "--no-store", "--only-rules", "--rules", empty.to_str().unwrap(), &reference]);
    assert_eq!(said.code, 2, "{said:?}");
}

#[test]
fn a_missing_layer_is_3() {
    let place = Place::new();
    let mut image = RawImage::default();
    image.layer(Tar::default().file("app", b"x").end()).present = false;
    let layout = image.write(&place.path("holey"));
    let said = place.scan_marker(&layout, &[]);
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.out.starts_with("inconclusive"), "{said:?}");
}

#[test]
fn a_malicious_image_with_gaps_is_1_not_3() {
    let place = Place::new();
    let mut image = RawImage::default();
    image.config["config"]["Entrypoint"] = serde_json::json!(["/start.sh"]);
    image.layer(Tar::default().file("start.sh", format!("#!/bin/sh\n# {MARKER}\n").as_bytes()).end());
    image.layer(Tar::default().file("app", b"x").end()).present = false;
    let layout = image.write(&place.path("both"));
    let said = place.scan_marker(&layout, &[]);
    assert_eq!(said.code, 1, "{said:?}");
}

#[test]
fn a_digest_mismatch_is_2() {
    let place = Place::new();
    let mut image = RawImage::default();
    let tar = Tar::default().file("app", b"honest").end();
    let blob = gzip(&tar);
    image.blob(blob.clone(), sha256(&tar), "application/vnd.oci.image.layer.v1.tar+gzip");
    let layout = image.write(&place.path("lying"));
    let mut other = gzip(&Tar::default().file("app", b"changed").end());
    other.resize(blob.len().max(other.len()), 0);
    fs::write(layout.join("blobs/sha256").join(&sha256(&blob)[7..]), other).unwrap();
    let said = place.scan_marker(&layout, &[]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains("digest mismatch"), "{said:?}");
}

#[test]
fn an_unwritable_store_is_2() {
    let place = Place::new();
    let image = marked(&place, "bad");
    let reference = format!("oci:{}", image.display());
    let said = place.run(&["scan", "--store", "sqlite:/proc/nope/store.sqlite", &reference]);
    assert_eq!(said.code, 2, "{said:?}");
}

#[test]
fn an_ignored_finding_no_longer_refuses_and_is_still_shown_on_request() {
    let place = Place::new();
    let image = marked(&place, "bad");
    fs::write(
        place.path(".lazaretignore.yaml"),
        "ignore:\n- id: marker\n  path: /start.sh\n  reason: our own\n  author: me\n  expires: 2999-01-01\n",
    )
    .unwrap();
    let said = place.scan_marker(&image, &[]);
    assert_eq!(said.code, 0, "{said:?}");
    let shown = place.scan_marker(&image, &["--show-ignored"]);
    assert!(shown.out.contains("our own"), "{shown:?}");
}
