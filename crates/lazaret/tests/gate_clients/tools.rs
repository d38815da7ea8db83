//! skopeo, crane and oras.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::gated::Running;
use crate::served::manifest_digest;
use crate::{Field, told};

/// A program that `cargo xtask ci` brings; without it the test says so and is over.
fn tool(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("LAZARET_TOOLS")
        .map(PathBuf::from)
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/root/usr/bin"));
    let program = folder.join(name);
    if !program.exists() {
        eprintln!("{name}: not tested, it is not on this machine (`cargo xtask ci` brings it)");
        return None;
    }
    Some(program)
}

fn named(gate: &Running, image: &str) -> String {
    format!("{}/team/{image}", gate.host)
}

#[test]
fn skopeo_inspects_lists_copies_and_syncs_what_may_come_in_and_nothing_else() {
    let field = Field::start();
    let gate = field.gate(&[]);
    let skopeo = |arguments: &[&str]| told(field.shop.skopeo().args(arguments));
    let (good, bad) =
        (format!("docker://{}", named(&gate, "good:1")), format!("docker://{}", named(&gate, "bad:1")));
    let (ok, said) = skopeo(&["inspect", "--tls-verify=false", "--format", "{{.Digest}}", &good]);
    assert!(ok, "{said}");
    assert_eq!(said.trim(), field.digest("good"));
    let (ok, said) =
        skopeo(&["list-tags", "--tls-verify=false", &format!("docker://{}", named(&gate, "bad"))]);
    let list: Value = serde_json::from_str(&said).unwrap_or_default();
    assert!(ok && list["Tags"] == serde_json::json!(["1"]), "a list has no content: {said}");
    let (ok, said) = skopeo(&["inspect", "--tls-verify=false", &bad]);
    assert!(!ok && said.contains("lazaret refuses team/bad: malicious"), "{said}");

    let out = field.place.path("synced");
    let out = out.to_str().unwrap();
    let sync = |what: &str| {
        std::fs::create_dir_all(out).unwrap();
        skopeo(&["sync", "--src-tls-verify=false", "--src", "docker", "--dest", "dir", "--scoped", what, out])
    };
    let (ok, said) = sync(&named(&gate, "good"));
    assert!(ok, "{said}");
    let synced = Path::new(out).join(&gate.host).join("team/good:1/manifest.json");
    assert_eq!(std::fs::read(&synced).unwrap(), field.manifest("good"), "byte for byte");
    let (ok, said) = sync(&named(&gate, "bad"));
    assert!(!ok && said.contains("lazaret refuses team/bad: malicious"), "{said}");
    // All platforms of an image that is bad on one.
    let layout = format!("oci:{}", field.place.path("all").display());
    let both = format!("docker://{}", named(&gate, "both:1"));
    let (ok, said) = skopeo(&["copy", "-q", "--all", "--src-tls-verify=false", &both, &layout]);
    assert!(!ok && said.contains("lazaret refuses team/both: malicious"), "{said}");
}

#[test]
fn crane_works_through_the_gate() {
    let Some(crane) = tool("crane") else { return };
    let field = Field::start();
    let gate = field.gate(&[]);
    let crane = |arguments: &[&str]| {
        let mut command = Command::new(&crane);
        told(command.args(arguments).env("HOME", field.place.path("home")))
    };
    let (ok, said) = crane(&["digest", &named(&gate, "good:1")]);
    assert!(ok && said.trim() == field.digest("good"), "{said}");
    let (ok, said) = crane(&["manifest", &named(&gate, "good:1")]);
    assert!(ok && said.trim_end().as_bytes() == field.manifest("good"), "{said}");
    let (ok, said) = crane(&["ls", &named(&gate, "good")]);
    assert!(ok && said.trim() == "1", "{said}");
    let layout = field.place.path("crane");
    let layout = layout.to_str().unwrap();
    let (ok, said) = crane(&["pull", "--format", "oci", &named(&gate, "good:1"), layout]);
    assert!(ok, "{said}");
    assert_eq!(manifest_digest(Path::new(layout)), field.digest("good"));
    for verb in ["digest", "manifest", "config"] {
        let (ok, said) = crane(&[verb, &named(&gate, "bad:1")]);
        assert!(!ok, "{verb}: {said}");
        // A HEAD has no body that could say why.
        assert!(verb == "digest" || said.contains("lazaret refuses team/bad: malicious"), "{verb}: {said}");
    }
    let (ok, said) = crane(&["pull", "--format", "oci", &named(&gate, "bad:1"), layout]);
    assert!(!ok && said.contains("malicious"), "{said}");
    let (ok, said) = crane(&["copy", &named(&gate, "good:1"), &named(&gate, "good:2")]);
    assert!(!ok && said.contains("405") || said.contains("only lets images in"), "nothing is pushed: {said}");
    assert!(!ok);
}

#[test]
fn oras_works_through_the_gate() {
    let Some(oras) = tool("oras") else { return };
    let field = Field::start();
    let gate = field.gate(&[]);
    let folder = field.place.path("oras");
    std::fs::create_dir_all(&folder).unwrap();
    let oras = |arguments: &[&str]| {
        let mut command = Command::new(&oras);
        told(command.args(arguments).env("HOME", field.place.path("home")).current_dir(&folder))
    };
    // An artifact that no engine unpacks.
    std::fs::write(folder.join("note.txt"), "a note\n").unwrap();
    let direct = format!("{}/team/note:1", field.registry.host);
    let (ok, said) = oras(&[
        "push",
        "--plain-http",
        "--artifact-type",
        "application/vnd.example.note",
        &direct,
        "note.txt:text/plain",
    ]);
    assert!(ok, "{said}");
    std::fs::remove_file(folder.join("note.txt")).unwrap();
    let (ok, said) = oras(&["pull", "--plain-http", &named(&gate, "note:1")]);
    assert!(ok, "{said}");
    assert_eq!(std::fs::read_to_string(folder.join("note.txt")).unwrap(), "a note\n");
    let (ok, said) = oras(&["repo", "tags", "--plain-http", &named(&gate, "good")]);
    assert!(ok && said.trim() == "1", "{said}");
    let (ok, said) = oras(&["manifest", "fetch", "--plain-http", &named(&gate, "good:1")]);
    assert!(ok && said.trim_end().as_bytes() == field.manifest("good"), "{said}");
    // No list of referrers at this registry: it falls back to the tag, and finds nothing.
    let (ok, said) = oras(&["discover", "--plain-http", &named(&gate, "good:1")]);
    assert!(ok && said.contains(&field.digest("good")), "{said}");
    let layout = field.place.path("oras-layout");
    let (ok, said) = oras(&[
        "copy",
        "--from-plain-http",
        "--to-oci-layout",
        &named(&gate, "good:1"),
        &format!("{}:1", layout.display()),
    ]);
    assert!(ok, "{said}");
    assert_eq!(manifest_digest(&layout), field.digest("good"));
    let (ok, said) = oras(&["manifest", "fetch", "--plain-http", &named(&gate, "bad:1")]);
    assert!(!ok && said.contains("malicious"), "{said}");
}
