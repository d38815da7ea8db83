//! Reports as the program really writes them: each form for its reader, and hostile text in none.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/schema.rs"]
mod schema;
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use support::{MARKER, PROGRAM, Place, RawImage, Said, Tar};

/// An image that starts the marker, with a gap beside it.
fn image() -> RawImage {
    let mut image = RawImage::default();
    image.config["config"]["Entrypoint"] = serde_json::json!(["/start.sh"]);
    image.layer(Tar::default().file("start.sh", format!("#!/bin/sh\n# {MARKER}\n").as_bytes()).end());
    image.layer(Tar::default().file("app", b"x").end()).present = false;
    image
}

/// Bidirectional and control characters, markup and a link, in everything an image can name.
const HOSTILE: &str =
    "a\u{1b}[2J\u{1b}]0;t\u{7}\u{202e}gpj.\u{200b}<script>x</script>\r|`&\"'](http://198.51.100.9/)";

fn hostile() -> RawImage {
    let mut image = RawImage::default();
    image.config["config"]["Entrypoint"] = serde_json::json!([format!("/{HOSTILE}"), HOSTILE]);
    image.config["config"]["Env"] = serde_json::json!([format!("X={HOSTILE}")]);
    image.config["config"]["Labels"] = serde_json::json!({HOSTILE: HOSTILE});
    image.config["config"]["User"] = serde_json::json!(HOSTILE);
    image.config["history"] = serde_json::json!([{"created_by": HOSTILE}]);
    let script = format!("#!/bin/sh\n# {MARKER} {HOSTILE}\n");
    let mut tar = Tar::default();
    tar.pax(&[("path", HOSTILE)]).file("x", script.as_bytes());
    // Damaged, so that a gap has the name too.
    let packed = support::gzip(&support::noise(90_000, 1));
    tar.pax(&[("path", &format!("{HOSTILE}.gz"))]).file("y", &packed[..packed.len() / 2]);
    image.layer(tar.end());
    image
}

struct Scanned {
    place: Place,
    layout: PathBuf,
}

impl Scanned {
    fn new(image: &RawImage) -> Self {
        let place = Place::new();
        let layout = image.write(&place.path("image"));
        Self { place, layout }
    }

    fn run(&self, more: &[&str]) -> Said {
        self.place.scan_marker(&self.layout, more)
    }

    fn written(&self, name: &str) -> String {
        fs::read_to_string(self.place.path(name)).unwrap()
    }
}

const FORMS: [&str; 8] = ["table", "json", "jsonl", "sarif", "markdown", "junit", "gitlab", "html"];

fn read_schema(path: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn valid(schema: &str, text: &str) -> Value {
    let value = serde_json::from_str(text).unwrap();
    let wrong = schema::wrong(&read_schema(schema), &value);
    assert!(wrong.is_empty(), "{wrong:#?}");
    value
}

/// Every tag is closed in its order, and no `<` or `&` stands for itself.
fn well_formed(xml: &str) {
    let mut open = Vec::new();
    let mut rest = xml.strip_prefix("<?xml").and_then(|r| r.split_once("?>")).unwrap().1;
    while let Some((text, tail)) = rest.split_once('<') {
        entities(text);
        let (tag, after) = tail.split_once('>').unwrap();
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "{xml}");
            continue;
        }
        entities(tag);
        assert_eq!(tag.matches('"').count() % 2, 0, "<{tag}>");
        if !tag.ends_with('/') {
            open.push(tag.split_whitespace().next().unwrap());
        }
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} {rest}");
}

fn entities(text: &str) {
    for (at, _) in text.match_indices('&') {
        let name = text[at + 1..].split_once(';').unwrap_or_else(|| panic!("a bare & in {text}")).0;
        assert!(matches!(name, "amp" | "lt" | "gt" | "quot" | "apos") || name.starts_with('#'), "&{name};");
    }
}

#[test]
fn every_form_is_what_its_reader_expects() {
    let scanned = Scanned::new(&image());
    let read = |form: &str| {
        let said = scanned.run(&["-f", form]);
        assert_eq!((said.code, said.err.as_str()), (1, ""), "{form}: {said:?}");
        said.out
    };
    assert!(read("table").starts_with("malicious"));
    let ours = "docs/schema/report-v1.schema.json";
    let mut report = valid(ours, &read("json"));
    // A field that the schema does not know and a word that it does not know are seen.
    report["reports"][0]["verdict"]["outcome"] = "fine".into();
    report["reports"][0]["more"] = 1.into();
    assert_eq!(schema::wrong(&read_schema(ours), &report).len(), 2);
    let mut line = read_schema(ours);
    for key in ["type", "required", "properties", "additionalProperties"] {
        line.as_object_mut().unwrap().remove(key);
    }
    line["$ref"] = "#/$defs/line".into();
    let lines = read("jsonl");
    assert!(lines.lines().count() > 2);
    for text in lines.lines() {
        let wrong = schema::wrong(&line, &serde_json::from_str(text).unwrap());
        assert!(wrong.is_empty(), "{text}: {wrong:#?}");
    }
    valid("crates/lazaret-report/tests/schemas/sarif-subset.schema.json", &read("sarif"));
    valid("crates/lazaret-report/tests/schemas/gitlab-subset.schema.json", &read("gitlab"));
    well_formed(&read("junit"));
    let page = read("html");
    assert!(page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"));
    // Self-contained: nothing is loaded from anywhere.
    assert!(!page.contains(" src=") && !page.contains("<link") && !page.contains("@import"));
    assert!(read("markdown").contains("malicious"));
}

#[test]
fn whatever_the_lab_holds_fits_the_published_schema() {
    let (_, report) = Place::new().json(&["scan", "--no-store", "lab:all"]);
    assert!(report["reports"].as_array().unwrap().len() > 150);
    let wrong = schema::wrong(&read_schema("docs/schema/report-v1.schema.json"), &report);
    assert!(wrong.is_empty(), "{:#?}", &wrong[..wrong.len().min(5)]);
}

#[test]
fn hostile_text_reaches_no_form_raw() {
    let scanned = Scanned::new(&hostile());
    let acts = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    for form in FORMS {
        let said = scanned.run(&["-f", form, "-vv"]);
        assert!(matches!(said.code, 1 | 3), "{form}: {said:?}");
        assert!(said.out.contains("gpj."), "{form} does not show the name at all: {said:?}");
        for text in [&said.out, &said.err] {
            assert!(!text.contains(acts), "{form}: {:?}", text.chars().find(|c| acts(*c)));
        }
        if matches!(form, "html" | "markdown" | "junit") {
            assert!(!said.out.contains("<script>x"), "{form}: {}", said.out);
        }
        if form == "junit" {
            well_formed(&said.out);
        }
    }
    // Errors quote what was typed and what was found as well.
    let said = scanned.place.run(&[
        "scan",
        "--no-store",
        &format!("oci:/nonexistent/{}", HOSTILE.replace('\0', "")),
    ]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(!said.err.contains(acts), "{said:?}");
}

#[test]
fn the_output_flag_means_what_people_type() {
    let scanned = Scanned::new(&image());
    let is_sarif = |text: &str| serde_json::from_str::<Value>(text).unwrap()["version"] == "2.1.0";

    let plain = scanned.run(&["-o", "report.txt"]);
    assert_eq!((plain.code, plain.out.as_str()), (1, ""), "{plain:?}");
    assert!(scanned.written("report.txt").starts_with("malicious"));

    let both = scanned.run(&["-f", "sarif", "-o", "one.sarif"]);
    assert_eq!((both.code, both.out.as_str()), (1, ""), "{both:?}");
    assert!(is_sarif(&scanned.written("one.sarif")));

    let several = scanned.run(&["-o", "sarif=two.sarif", "-o", "html=page.html"]);
    assert_eq!((several.code, several.out.as_str()), (1, ""), "{several:?}");
    assert!(is_sarif(&scanned.written("two.sarif")));
    assert!(scanned.written("page.html").starts_with("<!DOCTYPE html>"));

    let form = scanned.run(&["-o", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&form.out).unwrap()["schemaVersion"], 1);
    assert!(!scanned.place.path("json").exists());

    let extension = scanned.run(&["-o", "guessed.json"]);
    assert_eq!(extension.code, 1, "{extension:?}");
    assert_eq!(serde_json::from_str::<Value>(&scanned.written("guessed.json")).unwrap()["schemaVersion"], 1);

    let beside = scanned.run(&["-f", "table", "-o", "json=beside.json"]);
    assert!(beside.out.starts_with("malicious"), "{beside:?}");
    assert!(scanned.place.path("beside.json").exists());

    for wrong in [&["-o", "json", "-o", "sarif"][..], &["-o", "a.txt", "-o", "b.txt"]] {
        assert_eq!(scanned.run(wrong).code, 2, "{wrong:?}");
    }
}

#[test]
fn a_report_that_cannot_be_written_is_an_error_that_names_the_file() {
    let scanned = Scanned::new(&image());
    let said = scanned.run(&["-o", "/nonexistent/report.txt"]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains("/nonexistent/report.txt"), "{said:?}");
    let full = scanned.run(&["-f", "json", "-o", "/dev/full"]);
    assert_eq!(full.code, 2, "{full:?}");
    assert!(full.err.contains("/dev/full"), "{full:?}");
    assert_eq!(full.err.trim_end().lines().count(), 1, "{full:?}");
}

/// Runs the program on a terminal of its own and gives what it wrote there.
fn on_terminal(scanned: &Scanned, flags: &str, env: &[(&str, &str)]) -> String {
    let rules = scanned.place.path("rules");
    let line = format!(
        "{PROGRAM} scan --no-store --no-progress --only-rules --rules {} oci:{} {flags}",
        rules.display(),
        scanned.layout.display()
    );
    let mut command = Command::new("/usr/bin/script");
    scanned.place.scrub(&mut command, &["-qec", &line, "/dev/null"], env);
    command.env("SHELL", "/bin/sh").env("TERM", "xterm");
    String::from_utf8_lossy(&command.output().unwrap().stdout).into_owned()
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let scanned = Scanned::new(&image());
    assert!(on_terminal(&scanned, "", &[]).contains("\u{1b}["));
    for (flags, env) in [("", &[("NO_COLOR", "1")][..]), ("--no-color", &[]), ("--color never", &[])] {
        let text = on_terminal(&scanned, flags, env);
        assert!(text.contains("malicious") && !text.contains('\u{1b}'), "{flags} {env:?}: {text:?}");
    }
    assert!(!scanned.run(&[]).out.contains('\u{1b}'));
    assert!(scanned.run(&["--color", "always"]).out.contains('\u{1b}'));
}

#[test]
fn the_same_image_and_rules_give_the_same_bytes() {
    let place = Place::new();
    let case = lazaret_lab::cases().unwrap().into_iter().find(|c| c.name == "mysql3").unwrap();
    let layout = place.path("image");
    case.write_oci_layout(&layout).unwrap();
    let reference = format!("oci:{}", layout.display());
    let scan = |jobs: &str| {
        let (_, mut report) = place.json(&["scan", "--no-store", "-j", jobs, &reference]);
        report["reports"][0].as_object_mut().unwrap().remove("timing").unwrap();
        serde_json::to_string(&report).unwrap()
    };
    let first = scan("1");
    for jobs in ["1", "2", "8"] {
        assert_eq!(scan(jobs), first, "{jobs} threads");
    }
    for form in ["sarif", "gitlab", "markdown", "junit"] {
        let write = || place.run(&["scan", "--no-store", "-f", form, &reference]).out;
        let (one, two) = (write(), write());
        assert!(!one.is_empty());
        assert_eq!(without_times(&one), without_times(&two), "{form}");
    }
}

/// JUnit and GitLab ask for times; nothing else may differ.
fn without_times(text: &str) -> String {
    let kept = text.lines().filter(|l| !["time", "took", " ms"].iter().any(|word| l.contains(word)));
    kept.collect::<Vec<_>>().join("\n")
}
