//! Every limit has a flag; where one is reached, the report says where and which.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::io::Write;
use std::path::Path;

use serde_json::Value;

use support::{MARKER, Place, RawImage, Said, Tar, gaps, gzip, images, noise, sha256, zstd};

/// Scans an image of one layer with the marker rule and these flags.
fn scan(tar: Vec<u8>, flags: &[&str]) -> (Said, Value) {
    let mut image = RawImage::default();
    image.layer(tar);
    scan_image(&image, flags)
}

fn scan_image(image: &RawImage, flags: &[&str]) -> (Said, Value) {
    let place = Place::new();
    let layout = image.write(&place.path("image"));
    scan_layout(&place, &layout, flags)
}

fn scan_layout(place: &Place, layout: &Path, flags: &[&str]) -> (Said, Value) {
    let (rules, reference) = (place.path("rules"), format!("oci:{}", layout.display()));
    let arguments = ["scan", "--no-store", "--only-rules", "--rules", rules.to_str().unwrap(), &reference];
    place.json(&[&arguments, flags].concat())
}

/// Inconclusive, with a gap that names the flag.
fn stopped((said, report): &(Said, Value), flag: &str) {
    assert_eq!(said.code, 3, "{flag}: {said:?}");
    assert_eq!(report["reports"][0]["verdict"]["outcome"], "inconclusive", "{flag}: {said:?}");
    assert!(gaps(report).iter().any(|g| g.contains(flag)), "no gap names {flag}: {said:?}");
}

fn filler() -> Vec<u8> {
    Tar::default().file("opt/filler", &noise(300_000, 1)).end()
}

/// Compressed zeros by the hundred megabytes, without holding them.
fn zeros(megabytes: usize) -> (Vec<u8>, String) {
    use sha2::Digest;
    let mut header = Tar::default();
    header.raw(b"opt/zeros", b'0', (megabytes << 20) as u64, b"", b"");
    let mut hasher = sha2::Sha256::new();
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let chunk = vec![0; 1 << 20];
    for part in std::iter::once(header.0.as_slice())
        .chain(std::iter::repeat_n(chunk.as_slice(), megabytes))
        .chain([&[0_u8; 1024][..]])
    {
        out.write_all(part).unwrap();
        hasher.update(part);
    }
    let digest: String = hasher.finalize().iter().map(|b| format!("{b:02x}")).collect();
    (out.finish().unwrap(), format!("sha256:{digest}"))
}

#[test]
fn bytes_of_a_layer() {
    stopped(&scan(filler(), &["--max-layer-bytes", "64K"]), "--max-layer-bytes");
    assert_eq!(scan(filler(), &["--max-layer-bytes", "1M"]).0.code, 0);
}

#[test]
fn entries_of_a_layer() {
    let mut tar = Tar::default();
    for n in 0..20 {
        tar.file(&format!("srv/{n}"), b"x");
    }
    stopped(&scan(tar.end(), &["--max-entries", "10"]), "--max-entries");
    assert_eq!(scan(tar.end(), &["--max-entries", "30"]).0.code, 0);
}

#[test]
fn what_came_before_a_limit_is_scanned() {
    let mut tar = Tar::default();
    tar.file("opt/tool", format!("\x7fELF{MARKER}").as_bytes());
    for n in 0..20 {
        tar.file(&format!("srv/{n}"), b"x");
    }
    let (said, report) = scan(tar.end(), &["--max-entries", "10", "--fail-on", "suspicious"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(gaps(&report).iter().any(|g| g.contains("--max-entries")), "{said:?}");
}

#[test]
fn a_layer_that_unpacks_to_a_thousand_times_its_size() {
    let (blob, diff_id) = zeros(64);
    let mut image = RawImage::default();
    image.blob(blob, diff_id, "application/vnd.oci.image.layer.v1.tar+gzip");
    stopped(&scan_image(&image, &["--max-ratio", "100"]), "--max-ratio");
    // As far as gzip can compress is honest: real layers hold sparse files.
    assert_eq!(scan_image(&image, &[]).0.code, 0);
}

#[test]
fn a_bomb_stops_without_any_flag() {
    let mut header = Tar::default();
    header.raw(b"opt/zeros", b'0', 256 << 20, b"", &vec![0; 256 << 20]);
    let tar = header.end();
    let (blob, diff_id) = (zstd(&tar), sha256(&tar));
    let mut image = RawImage::default();
    image.blob(blob, diff_id, "application/vnd.oci.image.layer.v1.tar+zstd");
    stopped(&scan_image(&image, &[]), "--max-ratio");
}

/// A text in an archive in an archive in an archive.
fn nested(text: &[u8]) -> Vec<u8> {
    let mut inner = Tar::default().file("text", text).end();
    for n in 0..4 {
        inner = Tar::default().file(&format!("{n}.tar.gz"), &gzip(&inner)).end();
    }
    Tar::default().file("usr/share/data.tar", &inner).end()
}

#[test]
fn archives_in_archives_of_plain_data_are_told_and_decide_nothing() {
    let (said, report) = scan(nested(b"plain"), &["--max-depth", "2"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(gaps(&report).iter().any(|g| g.contains("--max-depth")), "{said:?}");
    assert_eq!(images(&report)[0]["coverage"]["gaps"], 0, "{said:?}");
}

#[test]
fn archives_are_read_as_deep_as_is_asked_for() {
    let bad = format!("\x7fELF{MARKER}");
    let (said, _) = scan(nested(bad.as_bytes()), &["--max-depth", "20", "--fail-on", "suspicious"]);
    assert_eq!(said.code, 1, "{said:?}");
}

#[test]
fn bytes_that_archives_unpack_to() {
    let inner = Tar::default().file("data", &noise(400_000, 2)).end();
    let tar = Tar::default().file("usr/share/data.tar.gz", &gzip(&inner)).end();
    stopped(&scan(tar.clone(), &["--max-nested-bytes", "10K"]), "--max-nested-bytes");
    assert_eq!(scan(tar, &["--max-nested-bytes", "10M"]).0.code, 0);
}

#[test]
fn seconds() {
    stopped(&scan(filler(), &["--timeout", "0"]), "--timeout");
}

#[test]
fn a_manifest_or_configuration_that_is_too_long_is_not_read_and_never_clean() {
    let mut image = RawImage::default();
    image.layer(filler());
    image.config["config"]["Labels"] = serde_json::json!({"long": "x".repeat(20_000)});
    let place = Place::new();
    let layout = image.write(&place.path("image"));
    // The configuration is longer than this, the manifest is not; then both are.
    for limit in ["4K", "100"] {
        let said = place.scan_marker(&layout, &["--max-document-bytes", limit]);
        assert!(matches!(said.code, 2 | 3), "{limit}: {said:?}");
        assert!(format!("{}{}", said.out, said.err).contains("--max-document-bytes"), "{limit}: {said:?}");
    }
    assert_eq!(place.scan_marker(&layout, &[]).code, 0);
}

#[test]
fn memory_of_the_worker() {
    let place = Place::new();
    let mut image = RawImage::default();
    image.layer(Tar::default().file("opt/filler", &noise(24 << 20, 1)).end());
    let layout = image.write(&place.path("image"));
    let said = place.scan_marker(&layout, &["--max-memory", "12M"]);
    assert!(matches!(said.code, 2 | 3), "{said:?}");
    assert!(format!("{}{}", said.out, said.err).contains("--max-memory"), "{said:?}");
    assert_eq!(place.scan_marker(&layout, &[]).code, 0);
}

#[test]
fn contents_that_are_not_kept_are_read_again_where_they_decide() {
    let mut image = RawImage::default();
    image.config["config"]["Entrypoint"] = serde_json::json!(["/start.sh"]);
    image.layer(
        Tar::default()
            .file("a.sh", b"#!/bin/sh\ntrue\n")
            .file("start.sh", b"#!/bin/sh\nexec /next.sh\n")
            .file("next.sh", format!("#!/bin/sh\n# {MARKER}\n").as_bytes())
            .end(),
    );
    let place = Place::new();
    let layout = image.write(&place.path("image"));
    let (said, report) = scan_layout(&place, &layout, &["--max-kept-bytes", "1"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert_eq!(report["reports"][0]["verdict"]["hasGaps"], false, "{said:?}");
    let (same, unlimited) = scan_layout(&place, &layout, &[]);
    assert_eq!(same.code, 1);
    assert_eq!(images(&report)[0]["findings"], images(&unlimited)[0]["findings"]);
}

#[test]
fn a_limit_that_is_no_number_is_wrong_use() {
    let place = Place::new();
    for flag in
        ["--max-layer-bytes", "--max-entries", "--max-ratio", "--max-depth", "--timeout", "--max-memory"]
    {
        let said = place.run(&["scan", "--no-store", flag, "many", "dir:."]);
        assert_eq!(said.code, 2, "{flag}: {said:?}");
        assert!(said.err.contains(flag), "{flag}: {said:?}");
    }
}
