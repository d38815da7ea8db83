//! A gate follows signed feeds while it runs: what is denied is refused from then on, and said to be.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/served.rs"]
mod served;
mod support;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::{Value, json};
use served::field::Process;
use served::field::images::Workshop;
use served::field::registry::{Access, Registry};
use support::{PROGRAM, Place, Said};

const CLEAN: &str = "FILE /etc/os-release\n    ID=debian\nLAYER COPY app /app # buildkit\nELF /app 0755\n    x\nENTRYPOINT [\"/app\"]\n";

const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A gate before a real registry, and a team that issues feeds.
struct Field {
    place: Place,
    workshop: Workshop,
    registry: Registry,
    gate: Process,
    host: String,
    store: String,
}

impl Field {
    /// With the marker rule alone, and these further arguments; the key of the team is pinned.
    fn start(more: &[&str]) -> Self {
        let (place, workshop, registry) = (Place::new(), Workshop::new(), Registry::start(Access::Open));
        let made = place.run(&["feed", "keygen", "-o", "team.pem"]);
        let key = made.out.lines().next().unwrap_or_else(|| panic!("{made:?}"));
        assert_eq!(place.run(&["feed", "pin", "acme", key]).code, 0);
        for (name, text) in [("one", CLEAN.to_owned()), ("other", CLEAN.replace("    x", "    y"))] {
            let layout = place.recipe(name, &text);
            let mut copy = workshop.skopeo();
            copy.args(["copy", "-q", "--dest-tls-verify=false"])
                .arg(format!("oci:{}", layout.display()))
                .arg(format!("docker://{}", registry.name(&format!("team/{name}:1"))));
            served::field::run(&mut copy);
        }
        let store = format!("sqlite:{}", place.path("store.sqlite").display());
        let rules = place.path("rules");
        let mut arguments =
            vec!["gate", "--listen", "127.0.0.1:0", "--upstream", &registry.host, "--only-rules"];
        arguments.extend(["--rules", rules.to_str().unwrap(), "--store", &store]);
        arguments.extend(more);
        let mut command = Command::new(PROGRAM);
        place.scrub(&mut command, &arguments, &[]);
        let mut gate = Process::start(&mut command, &place.path("gate.log"));
        let host = gate.wait(|log| {
            let rest = log.split("listens on ").nth(1)?;
            Some(rest.split_once(',')?.0.to_owned())
        });
        Self { place, workshop, registry, gate, host, store }
    }

    /// Pulls through the gate with skopeo.
    fn pull(&self, image: &str) -> Result<(), String> {
        let layout = self.place.path("pulled");
        let _ = std::fs::remove_dir_all(&layout);
        let mut copy = self.workshop.skopeo();
        copy.args(["copy", "-q", "--src-tls-verify=false"])
            .arg(format!("docker://{}/{image}", self.host))
            .arg(format!("oci:{}", layout.display()));
        let done = copy.output().unwrap();
        match done.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&done.stderr).into_owned()),
        }
    }

    /// Writes a pack that denies one image.
    fn export(&self, version: u32, digest: &str) -> String {
        let entries = format!("kind,value,campaign,reason\nimage,{digest},LZ-3f9a1c20,one of seventeen\n");
        std::fs::write(self.place.path("entries.csv"), entries).unwrap();
        let (file, version) = (format!("acme-{version}.json"), version.to_string());
        let said = self.place.run(&[
            "feed",
            "export",
            "-o",
            &file,
            "--key",
            "team.pem",
            "--name",
            "acme",
            "--version",
            &version,
            "--expires",
            "30d",
            "--issuer",
            "Acme threat research",
            "--from",
            "entries.csv",
        ]);
        assert_eq!(said.code, 0, "{said:?}");
        file
    }

    fn feed(&self, arguments: &[&str]) -> Said {
        self.place.run(&[&["feed"], arguments, &["--store", &self.store]].concat())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.gate.log).unwrap()
    }

    /// How often the gate has read anew what judges.
    fn renewed(&self) -> usize {
        self.log().matches("the rules were read again").count()
    }

    /// Waits until the gate has taken notice of what `change` does.
    fn noticed(&self, change: impl FnOnce()) {
        let before = self.renewed();
        change();
        served::until("the gate to read the feeds again", || (self.renewed() > before).then_some(()));
    }
}

#[test]
fn an_image_that_a_feed_denies_is_refused_from_its_import_on_and_no_other() {
    let field = Field::start(&[]);
    field.pull("team/one:1").unwrap();
    field.pull("team/other:1").unwrap();
    let digest = served::manifest_digest(&field.place.path("one"));
    let pack = field.export(2, &digest);
    field.noticed(|| assert_eq!(field.feed(&["import", &pack]).code, 0));

    let refused = field.pull("team/one:1").unwrap_err();
    for word in [
        "lazaret refuses team/one: malicious",
        "feed acme version 2 of Acme threat research",
        "one of seventeen",
    ] {
        assert!(refused.contains(word), "{word}: {refused}");
    }
    field.pull("team/other:1").unwrap();
    // What came in before is told.
    served::until("the gate to tell what it let in", || {
        field.log().contains("came in and is refused from now on").then_some(())
    });

    // An older pack changes nothing; when the feed is removed, the image comes in again.
    let older = field.export(1, &format!("sha256:{}", "ab".repeat(32)));
    let said = field.feed(&["import", &older]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(field.pull("team/one:1").is_err());
    field.noticed(|| assert_eq!(field.feed(&["remove", "acme"]).code, 0));
    field.pull("team/one:1").unwrap();
    drop(field.registry);
}

#[test]
fn a_list_of_images_that_a_feed_denies_is_refused_and_what_it_lists_is_judged_by_itself() {
    let field = Field::start(&[]);
    let layout = field.place.path("one");
    let child: Value = serde_json::from_slice(&std::fs::read(layout.join("index.json")).unwrap()).unwrap();
    let mut child = child["manifests"][0].clone();
    child["platform"] = json!({"os": "linux", "architecture": "amd64"});
    child.as_object_mut().unwrap().remove("annotations");
    let list = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child]}).to_string();
    let put = field.registry.put_manifest("team/one", "list", OCI_INDEX, list.as_bytes());
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(put);
    field.pull("team/one:list").unwrap();

    let pack = field.export(1, &support::sha256(list.as_bytes()));
    field.noticed(|| assert_eq!(field.feed(&["import", &pack]).code, 0));
    let refused = field.pull("team/one:list").unwrap_err();
    for word in ["lazaret refuses team/one: malicious", "feed acme version 1 of Acme threat research"] {
        assert!(refused.contains(word), "{word}: {refused}");
    }
    field.pull("team/one:1").unwrap();
    served::until("the gate to tell what it let in", || {
        field.log().contains("came in and is refused from now on").then_some(())
    });
}

#[test]
fn a_feed_that_stops_counting_is_told_by_a_gate_that_runs() {
    let field = Field::start(&[]);
    let pack = field.export(1, &served::manifest_digest(&field.place.path("one")));
    field.noticed(|| assert_eq!(field.feed(&["import", &pack]).code, 0));
    assert!(field.pull("team/one:1").is_err());
    assert!(!field.log().contains("is not used"), "{}", field.log());
    field.noticed(|| assert_eq!(field.place.run(&["feed", "unpin", "acme"]).code, 0));
    served::until("the gate to tell which feed does not count", || {
        field.log().contains("the feed acme is not used: no key is pinned").then_some(())
    });
    field.pull("team/one:1").unwrap();
}

#[test]
fn a_gate_that_could_not_read_its_feeds_reads_them_once_it_can() {
    let field = Field::start(&[]);
    let pack = field.export(1, &served::manifest_digest(&field.place.path("one")));
    let (pins, copy) = (field.place.path(".config/lazaret/feeds.toml"), field.place.path("feeds.toml"));
    std::fs::copy(&pins, &copy).unwrap();
    let open = |mode: u32| std::fs::set_permissions(&pins, Permissions::from_mode(mode)).unwrap();
    open(0o666);
    assert_eq!(field.feed(&["import", &pack, "--feed-keys", copy.to_str().unwrap()]).code, 0);
    served::until("the gate to tell that it cannot", || {
        field.log().contains("the rules before still hold").then_some(())
    });
    field.pull("team/one:1").unwrap();
    // Nothing of what lies there changes but who may write it.
    field.noticed(|| open(0o644));
    assert!(field.pull("team/one:1").is_err());
}

#[test]
fn a_gate_that_is_told_to_use_no_feeds_uses_none() {
    let field = Field::start(&["--no-feeds"]);
    let pack = field.export(1, &served::manifest_digest(&field.place.path("one")));
    assert_eq!(field.feed(&["import", &pack]).code, 0);
    // What judges is read anew after the import, and the feed is not among it.
    let rule = std::fs::read_to_string(field.place.path("rules/marker.yar")).unwrap();
    field.noticed(|| std::fs::write(field.place.path("rules/marker.yar"), rule + "\n// more\n").unwrap());
    field.pull("team/one:1").unwrap();
}

#[test]
fn a_gate_does_not_open_with_a_pack_that_nobody_vouches_for() {
    let field = Field::start(&[]);
    let pack = field.export(1, &served::manifest_digest(&field.place.path("one")));
    assert_eq!(field.place.run(&["feed", "unpin", "acme"]).code, 0);
    let said = field.place.run(&[
        "gate",
        "--listen",
        "127.0.0.1:0",
        "--upstream",
        "registry.invalid",
        "--feed",
        &pack,
    ]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains("no key is pinned"), "{said:?}");
}
