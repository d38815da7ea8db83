//! What one team denies protects another: packs are made, pinned, taken, refused, and judge.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "support/postgres.rs"]
mod postgres;
mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use support::{Place, Said, images};

/// An image that does nothing wrong by itself, with a host in its start script and a file of its own.
const HONEST: &str = "\
ENTRYPOINT [\"/start.sh\"]
LAYER COPY start.sh /start.sh
FILE /start.sh 0755
    #!/bin/sh
    echo ready
    wget -q -O /tmp/news http://updates.example.invalid/news
FILE /opt/readme 0644
    see http://updates.example.invalid/news
";

/// A team: its place, its key and what it calls itself.
struct Team {
    place: Place,
    public: String,
}

impl Team {
    fn new() -> Self {
        let place = Place::new();
        let said = place.run(&["feed", "keygen", "-o", "team.pem"]);
        assert_eq!(said.code, 0, "{said:?}");
        let public = said.out.lines().next().unwrap().to_owned();
        Self { place, public }
    }

    /// Writes a pack of these entries; gives its file.
    fn export(&self, version: u32, entries: &str) -> PathBuf {
        self.export_until(version, entries, "90d", &[])
    }

    fn export_until(&self, version: u32, entries: &str, expires: &str, env: &[(&str, &str)]) -> PathBuf {
        fs::write(self.place.path("entries.csv"), entries).unwrap();
        let name = format!("acme-{version}.json");
        let version = version.to_string();
        let said = self.place.run_with(
            &[
                "feed",
                "export",
                "-o",
                &name,
                "--key",
                "team.pem",
                "--name",
                "acme",
                "--version",
                &version,
                "--expires",
                expires,
                "--issuer",
                "Acme threat research",
                "--reason",
                "a miner's camp",
                "--from",
                "entries.csv",
            ],
            env,
        );
        assert_eq!(said.code, 0, "{said:?}");
        self.place.path(&name)
    }
}

fn text(path: &std::path::Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn pinned(team: &Team) -> Place {
    let place = Place::new();
    let said = place.run(&["feed", "pin", "acme", &team.public]);
    assert_eq!(said.code, 0, "{said:?}");
    place
}

fn import(place: &Place, pack: &std::path::Path) -> Said {
    place.run(&["feed", "import", pack.to_str().unwrap()])
}

fn scan(place: &Place, layout: &std::path::Path, more: &[&str]) -> (Said, Value) {
    let reference = format!("oci:{}", layout.display());
    place.json(&[&["scan", &reference], more].concat())
}

fn outcome(report: &Value) -> &str {
    images(report)[0]["verdict"]["outcome"].as_str().unwrap()
}

fn findings<'r>(report: &'r Value, list: &str, rule: &str) -> Vec<&'r Value> {
    let all = images(report)[0][list].as_array().unwrap();
    all.iter().filter(|one| one["rule"]["id"] == rule || one["finding"]["rule"]["id"] == rule).collect()
}

#[test]
fn what_one_team_denies_is_refused_by_another_and_named_in_the_evidence() {
    let team = Team::new();
    let other = pinned(&team);
    let layout = other.recipe("honest", HONEST);
    let (said, before) = scan(&other, &layout, &[]);
    assert_eq!((said.code, outcome(&before)), (0, "clean"), "{said:?}");
    let manifest = images(&before)[0]["manifest"].as_str().unwrap();

    let pack = team.export(
        1,
        &format!("kind,value,campaign,reason,author\nimage,{manifest},LZ-3f9a1c20,seventeen images with one wallet,J. Doe\n"),
    );
    let imported = import(&other, &pack);
    assert_eq!(imported.code, 0, "{imported:?}");
    assert!(imported.out.contains("acme version 1 of Acme threat research, 1 entry"), "{imported:?}");

    let (said, after) = scan(&other, &layout, &[]);
    assert_eq!((said.code, outcome(&after)), (1, "malicious"), "{said:?}");
    let found = findings(&after, "findings", "feed/denied-digest");
    let told = found[0].to_string();
    for word in
        ["feed acme version 1", "Acme threat research", "LZ-3f9a1c20", "seventeen images", "J. Doe", manifest]
    {
        assert!(told.contains(word), "{word}: {told}");
    }
    assert!(images(&after)[0]["verdict"]["why"].as_str().unwrap().contains("feed acme version 1"));
    let feed = &after["reports"][0]["feeds"][0];
    assert_eq!((feed["name"].as_str(), feed["version"].as_u64()), (Some("acme"), Some(1)));

    let shown = other.run(&["scan", &format!("oci:{}", layout.display())]);
    assert!(shown.out.contains("acme version 1 of Acme threat research: 1 entry"), "{}", shown.out);
    assert!(shown.out.contains("seventeen images with one wallet"), "{}", shown.out);
    for format in ["sarif", "markdown", "html"] {
        let shown = other.run(&["scan", &format!("oci:{}", layout.display()), "-f", format]);
        assert!(shown.out.contains("seventeen images with one wallet"), "{format}: {}", shown.out);
    }

    // Without feeds it is what it was, and another image is not touched.
    let (said, without) = scan(&other, &layout, &["--no-feeds"]);
    assert_eq!((said.code, outcome(&without)), (0, "clean"), "{said:?}");
    let near = other.recipe("near", &HONEST.replace("echo ready", "echo nearly ready"));
    let (said, near) = scan(&other, &near, &[]);
    assert_eq!((said.code, outcome(&near)), (0, "clean"), "{said:?}");
}

#[test]
fn an_indicator_weighs_by_its_kind_and_by_whether_it_acts() {
    let team = Team::new();
    let other = pinned(&team);
    let layout = other.recipe("honest", HONEST);
    let written = other.recipe(
        "written",
        &HONEST.replace("wget -q -O /tmp/news http://updates.example.invalid/news", "true"),
    );
    let near = other.recipe("near", &HONEST.replace("updates.", "update."));
    let host = text(&team.export(1, "kind,value\nhost,updates.example.invalid\n"));
    let address = text(&team.export(2, "kind,value\nurl,http://updates.example.invalid/news\n"));

    // A host may serve many: it suspects where the image goes there, and is nothing where it is written.
    let (said, report) = scan(&other, &layout, &["--no-store", "--feed", &host]);
    assert_eq!((said.code, outcome(&report)), (0, "suspicious"), "{said:?}");
    let found = findings(&report, "findings", "feed/denied-indicator");
    assert_eq!((found.len(), found[0]["confidence"].as_str()), (1, Some("medium")), "{found:?}");
    assert!(found[0].to_string().contains("/start.sh"), "{found:?}");
    let (said, report) = scan(&other, &written, &["--no-store", "--feed", &host]);
    assert_eq!((said.code, outcome(&report)), (0, "clean"), "{said:?}");
    // An address is somebody's own.
    let (said, report) = scan(&other, &layout, &["--no-store", "--feed", &address]);
    assert_eq!((said.code, outcome(&report)), (1, "malicious"), "{said:?}");
    for feed in [&host, &address] {
        let (said, report) = scan(&other, &near, &["--no-store", "--feed", feed]);
        assert_eq!((said.code, outcome(&report)), (0, "clean"), "{said:?}");
        assert!(findings(&report, "findings", "feed/denied-indicator").is_empty());
    }
}

#[test]
fn a_wallet_convicts_where_it_acts_and_suspects_where_it_lies() {
    let team = Team::new();
    let other = pinned(&team);
    let address = |seed: &str| lazaret_lab::wallet("xmr", seed).unwrap();
    let pack = text(&team.export(1, &format!("kind,value\nwallet,xmr:{}\n", address("camp"))));
    let starting = |seed: &str| HONEST.replace("echo ready", &format!("echo {}", address(seed)));
    let lying = HONEST.replace("see http", &format!("{} http", address("camp")));
    for (name, recipe, verdict) in [
        ("starts", starting("camp"), "malicious"),
        ("lies", lying, "suspicious"),
        ("another", starting("somebody"), "clean"),
    ] {
        let layout = other.recipe(name, &recipe);
        let (said, before) = scan(&other, &layout, &["--no-store", "--no-feeds"]);
        assert_eq!(outcome(&before), "clean", "{name}: {said:?}");
        let (said, report) = scan(&other, &layout, &["--no-store", "--feed", &pack]);
        assert_eq!(outcome(&report), verdict, "{name}: {said:?}");
    }
}

#[test]
fn a_file_and_a_layer_are_known_by_their_digests_whatever_they_are_called() {
    use sha2::{Digest, Sha256};
    let team = Team::new();
    let other = pinned(&team);
    let layout = other.recipe("honest", HONEST);
    let script = "#!/bin/sh\necho ready\nwget -q -O /tmp/news http://updates.example.invalid/news\n";
    let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(script));
    let renamed = other.recipe("renamed", &HONEST.replace("/start.sh", "/usr/bin/innocent"));
    for (version, kind) in [(1, "file"), (2, "script-hash"), (3, "elf-hash")] {
        let pack = text(&team.export(version, &format!("kind,value\n{kind},{hash}\n")));
        for image in [&layout, &renamed] {
            let (said, report) = scan(&other, image, &["--no-store", "--feed", &pack]);
            assert_eq!((said.code, outcome(&report)), (1, "malicious"), "{kind}: {said:?}");
            assert_eq!(findings(&report, "findings", "feed/denied-digest").len(), 1, "{kind}");
        }
    }
    let (_, plain) = scan(&other, &layout, &["--no-store", "--no-feeds"]);
    let diff_id = images(&plain)[0]["layers"][0]["diffId"].as_str().unwrap();
    let pack = text(&team.export(4, &format!("kind,value\nlayer,{diff_id}\n")));
    let (said, report) = scan(&other, &layout, &["--no-store", "--feed", &pack]);
    assert_eq!((said.code, outcome(&report)), (1, "malicious"), "{said:?}");
    let (said, report) = scan(&other, &renamed, &["--no-store", "--feed", &pack]);
    assert_eq!((said.code, outcome(&report)), (0, "clean"), "{said:?}");
}

#[test]
fn who_may_only_deny_lets_nothing_in() {
    let team = Team::new();
    let other = pinned(&team);
    let layout = other.recipe("marked", &HONEST.replace("echo ready", support::MARKER));
    let rules = text(&other.path("rules"));
    let with_rules = ["--rules", &rules, "--fail-on", "suspicious"];
    let (_, report) = scan(&other, &layout, &with_rules);
    assert_eq!(outcome(&report), "malicious");
    let manifest = images(&report)[0]["manifest"].as_str().unwrap();
    let pack =
        team.export(1, &format!("kind,value,action,reason\nimage,{manifest},allow,our own red team\n"));
    assert_eq!(import(&other, &pack).code, 0);
    let (said, report) = scan(&other, &layout, &with_rules);
    assert_eq!((said.code, outcome(&report)), (1, "malicious"), "{said:?}");
    assert!(report["reports"][0]["feeds"][0]["notUsed"].as_str().unwrap().contains("--allow"), "{report}");

    // Who was given that right moves its findings aside, with name and reason.
    assert_eq!(other.run(&["feed", "pin", "acme", &team.public, "--allow"]).code, 0);
    let (said, report) = scan(&other, &layout, &with_rules);
    assert_eq!((said.code, outcome(&report)), (0, "clean"), "{said:?}");
    let ignored = findings(&report, "ignored", "marker");
    assert_eq!(ignored.len(), 1, "{report}");
    let told = ignored[0].to_string();
    assert!(told.contains("our own red team") && told.contains("feed acme version 1"), "{told}");
}

#[test]
fn allowing_a_thing_outweighs_denying_that_thing_and_no_other() {
    let (team, ours) = (Team::new(), Team::new());
    let other = pinned(&team);
    assert_eq!(other.run(&["feed", "pin", "acme", &ours.public, "--also", "--allow"]).code, 0);
    let layout = other.recipe("honest", HONEST);
    let entries = "kind,value\nurl,http://updates.example.invalid/news\nhost,updates.example.invalid\n";
    let deny = text(&team.export(1, entries));
    // Of two packs of one name the newer counts: the allowing team has a name of its own.
    assert_eq!(other.run(&["feed", "pin", "ours", &ours.public, "--allow"]).code, 0);
    fs::write(
        ours.place.path("allow.csv"),
        "kind,value,action\nurl,http://updates.example.invalid/news,allow\n",
    )
    .unwrap();
    let said = ours.place.run(&[
        "feed",
        "export",
        "-o",
        "ours.json",
        "--key",
        "team.pem",
        "--name",
        "ours",
        "--version",
        "1",
        "--expires",
        "30d",
        "--issuer",
        "us",
        "--reason",
        "our mirror",
        "--from",
        "allow.csv",
    ]);
    assert_eq!(said.code, 0, "{said:?}");
    let allow = text(&ours.place.path("ours.json"));
    let (_, report) = scan(&other, &layout, &["--no-store", "--feed", &deny]);
    assert_eq!(findings(&report, "findings", "feed/denied-indicator").len(), 2);
    let (said, report) = scan(&other, &layout, &["--no-store", "--feed", &deny, "--feed", &allow]);
    assert_eq!((said.code, outcome(&report)), (0, "suspicious"), "{said:?}");
    let left = findings(&report, "findings", "feed/denied-indicator");
    assert_eq!(left.len(), 1);
    assert!(left[0].to_string().contains("the host updates.example.invalid"), "{left:?}");
}

#[test]
fn an_older_an_expired_a_foreign_and_a_damaged_pack_are_refused_with_a_reason() {
    let (team, stranger) = (Team::new(), Team::new());
    let other = pinned(&team);
    let entries = "kind,value\nhost,updates.example.invalid\n";
    let (one, two) = (team.export(1, entries), team.export(2, entries));
    assert_eq!(import(&other, &two).code, 0);
    assert_eq!(import(&other, &two).code, 0);
    let refused = |pack: &std::path::Path, reason: &str| {
        for command in ["import", "check"] {
            let said = other.run(&["feed", command, pack.to_str().unwrap()]);
            assert_eq!(said.code, 1, "{said:?}");
            assert!(said.err.contains(reason) && said.err.lines().count() == 1, "{reason}: {said:?}");
        }
        let layout = other.recipe("honest", HONEST);
        let named =
            other.run(&["scan", &format!("oci:{}", layout.display()), "--feed", pack.to_str().unwrap()]);
        assert_eq!(named.code, 2, "{named:?}");
        assert!(named.err.contains(reason), "{reason}: {named:?}");
    };
    refused(&one, "version 2 was seen before");
    refused(&team.export(2, "kind,value\nhost,other.example.invalid\n"), "seen before with other content");
    let old = team.export_until(3, entries, "2020-06-01", &[("SOURCE_DATE_EPOCH", "1577836800")]);
    refused(&old, "it expired at 2020-06-01T23:59:59Z");
    refused(&stranger.export(9, entries), "no pinned key signed these bytes");
    let whole = fs::read_to_string(team.export(4, entries)).unwrap();
    let damaged = other.path("damaged.json");
    fs::write(&damaged, whole.replacen("\"payload\":\"ey", "\"payload\":\"fy", 1)).unwrap();
    refused(&damaged, "no pinned key signed these bytes");
    let unsigned = other.path("unsigned.json");
    let mut envelope: Value = serde_json::from_str(&whole).unwrap();
    envelope["signatures"] = serde_json::json!([]);
    fs::write(&unsigned, envelope.to_string()).unwrap();
    refused(&unsigned, "it is not signed");

    // A removed feed does not open the door for an older pack; a forgotten one does.
    assert_eq!(other.run(&["feed", "remove", "acme"]).code, 0);
    assert_eq!(import(&other, &one).code, 1);
    assert_eq!(other.run(&["feed", "remove", "acme", "--forget"]).code, 0);
    assert_eq!(import(&other, &one).code, 0);
}

#[test]
fn a_feed_that_stops_counting_is_said_and_no_longer_judges() {
    let team = Team::new();
    let other = pinned(&team);
    let layout = other.recipe("honest", HONEST);
    let pack = team.export(1, "kind,value\nurl,http://updates.example.invalid/news\n");
    assert_eq!(import(&other, &pack).code, 0);
    let (_, report) = scan(&other, &layout, &[]);
    assert_eq!(outcome(&report), "malicious");
    // The key is no longer trusted: the verdict that rested on it is not given again.
    assert_eq!(other.run(&["feed", "unpin", "acme"]).code, 0);
    let (said, report) = scan(&other, &layout, &[]);
    assert_eq!((said.code, outcome(&report)), (0, "clean"), "{said:?}");
    assert!(said.err.contains("the feed acme is not used"), "{said:?}");
    assert!(report["reports"][0]["feeds"][0]["notUsed"].as_str().unwrap().contains("no key is pinned"));
    let listed = other.run(&["feed", "list"]);
    assert!(listed.out.contains("not used") && listed.out.contains("no key is pinned"), "{listed:?}");
}

#[test]
fn a_pack_is_the_same_bytes_each_time_and_other_tools_can_check_it() {
    let team = Team::new();
    let epoch = [("SOURCE_DATE_EPOCH", "1795342800")];
    let entries = "kind,value\nhost,b.example.invalid\nhost,a.example.invalid\n";
    let first = fs::read(team.export_until(1, entries, "2027-01-31", &epoch)).unwrap();
    let turned = "kind,value\nhost,A.example.invalid.\nhost,b.example.invalid\nhost,a.example.invalid\n";
    assert_eq!(fs::read(team.export_until(1, turned, "2027-01-31", &epoch)).unwrap(), first);

    // OpenSSL reads the key and verifies the signature over DSSE's encoding.
    let mode = fs::metadata(team.place.path("team.pem")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let openssl = |arguments: &[&str]| {
        let out = Command::new("openssl").args(arguments).current_dir(team.place.path("")).output().unwrap();
        assert!(out.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    };
    let public = openssl(&["pkey", "-in", "team.pem", "-pubout"]);
    assert_eq!(team.place.run(&["feed", "public", "team.pem", "--pem"]).out, public);
    fs::write(team.place.path("public.pem"), &public).unwrap();
    let envelope: Value = serde_json::from_slice(&first).unwrap();
    let base64 = |value: &Value| data_encoding::BASE64.decode(value.as_str().unwrap().as_bytes()).unwrap();
    let payload = base64(&envelope["payload"]);
    let kind = envelope["payloadType"].as_str().unwrap();
    let mut signed = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    signed.extend(payload);
    fs::write(team.place.path("signed"), signed).unwrap();
    fs::write(team.place.path("signature"), base64(&envelope["signatures"][0]["sig"])).unwrap();
    openssl(&[
        "pkeyutl",
        "-verify",
        "-pubin",
        "-inkey",
        "public.pem",
        "-rawin",
        "-in",
        "signed",
        "-sigfile",
        "signature",
    ]);

    // And a key that OpenSSL made signs.
    openssl(&["genpkey", "-algorithm", "ed25519", "-out", "theirs.pem"]);
    fs::set_permissions(team.place.path("theirs.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    let theirs = team.place.run(&["feed", "public", "theirs.pem"]);
    assert!(theirs.out.starts_with("lazaret-feed-key:MCowBQYDK2Vw"), "{theirs:?}");
}

#[test]
fn a_key_is_pinned_by_a_person_and_kept_from_others() {
    let team = Team::new();
    let place = Place::new();
    for (arguments, reason) in [
        (vec!["feed", "pin", "Acme", &team.public], "no name of a feed"),
        (vec!["feed", "pin", "acme", "lazaret-feed-key:AAAA"], "no key for feeds"),
        (vec!["feed", "pin", "acme", "missing.pem"], "cannot be read"),
        (vec!["feed", "unpin", "acme"], "no such key is pinned"),
        (vec!["feed", "remove", "acme"], "no feed `acme`"),
        (vec!["feed", "show", "acme"], "no feed `acme`"),
    ] {
        let said = place.run(&arguments);
        assert_eq!(said.code, 2, "{said:?}");
        assert!(said.err.contains(reason) && said.err.lines().count() == 1, "{reason}: {said:?}");
    }
    assert_eq!(place.run(&["feed", "pin", "acme", &team.public, "--note", "by phone"]).code, 0);
    let listed = place.run(&["feed", "list"]);
    assert!(listed.out.contains("by phone") && listed.out.contains("no feed is imported"), "{listed:?}");
    let pins = place.path(".config/lazaret/feeds.toml");
    fs::set_permissions(&pins, fs::Permissions::from_mode(0o666)).unwrap();
    let layout = place.recipe("honest", HONEST);
    let said = place.run(&["scan", &format!("oci:{}", layout.display())]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains("written by others"), "{said:?}");
}

#[test]
fn a_feed_is_shown_and_its_texts_act_on_no_terminal() {
    let team = Team::new();
    let other = pinned(&team);
    let pack = team.export(
        1,
        "kind,value,reason,campaign\nhost,updates.example.invalid,\"\u{1b}[2Jred\u{202e}\",LZ-1\n",
    );
    assert_eq!(import(&other, &pack).code, 0);
    let layout = other.recipe("honest", HONEST);
    let reference = format!("oci:{}", layout.display());
    for arguments in
        [vec!["feed", "show", "acme"], vec!["feed", "list"], vec!["scan", &reference, "--color", "never"]]
    {
        let said = other.run(&arguments);
        assert!(!said.out.contains(['\u{1b}', '\u{202e}']), "{said:?}");
    }
    let shown = other.run(&["feed", "show", "acme"]).out;
    assert!(
        shown.contains("deny  host updates.example.invalid") && shown.contains("campaign LZ-1"),
        "{shown}"
    );
    let json: Value =
        serde_json::from_str(&other.run(&["feed", "show", text(&pack).as_str(), "--json"]).out).unwrap();
    assert_eq!(json["feed"]["entries"][0]["campaign"], "LZ-1");
    let json: Value = serde_json::from_str(&other.run(&["feed", "list", "--json"]).out).unwrap();
    assert_eq!(
        (json["feeds"][0]["inUse"].as_bool(), json["pins"][0]["mayAllow"].as_bool()),
        (Some(true), Some(false))
    );
}

#[test]
fn a_pack_in_a_shared_store_judges_wherever_its_key_is_pinned() {
    let server = postgres::Server::start();
    let url = server.database();
    let team = Team::new();
    let (importer, reader) = (pinned(&team), pinned(&team));
    let layout = reader.recipe("honest", HONEST);
    let pack = team.export(1, "kind,value\nurl,http://updates.example.invalid/news\n");
    let said = importer.run(&["feed", "import", pack.to_str().unwrap(), "--store", &url]);
    assert_eq!(said.code, 0, "{said:?}");
    let (said, report) = scan(&reader, &layout, &["--store", &url]);
    assert_eq!((said.code, outcome(&report)), (1, "malicious"), "{said:?}");
    let stranger = Place::new();
    let (said, report) = scan(&stranger, &layout, &["--store", &url]);
    assert_eq!((said.code, outcome(&report)), (0, "clean"), "{said:?}");
    assert!(said.err.contains("the feed acme is not used: no key is pinned"), "{said:?}");
}

#[test]
fn what_a_feed_allows_ties_nobody_and_why_says_so() {
    let team = Team::new();
    let place = Place::new();
    assert_eq!(place.run(&["feed", "pin", "acme", &team.public, "--allow"]).code, 0);
    let store = format!("sqlite:{}", place.path("store.sqlite").display());
    let said = place.run(&["scan", "-q", "--store", &store, "-f", "json", "-o", "report.json", "lab:lineup"]);
    assert_eq!(said.code, 1, "{said:?}");
    let ask = |more: &[&str]| -> (Value, String) {
        let asked = ["campaigns", "why", "--store", &store, "lineup/mysql2", "lineup/tomcat"];
        let json = place.run(&[&asked[..], &["--json"], more].concat());
        let answer = serde_json::from_str(&json.out).unwrap_or_else(|error| panic!("{error}: {json:?}"));
        (answer, place.run(&[&asked[..], more].concat()).out)
    };
    let wallet = |answer: &Value| -> Value {
        let held = answer["held"].as_array().unwrap();
        held.iter().find(|held| held["kind"] == "wallet").cloned().unwrap()
    };
    let (before, _) = ask(&[]);
    let bits = wallet(&before)["bits"].as_f64().unwrap();
    assert!(before["together"] == "tied" && bits > 16.0, "{before:#}");

    let value = wallet(&before)["value"].as_str().unwrap().to_owned();
    let pack = team.export(
        1,
        &format!("kind,value,action,reason,author\nwallet,{value},allow,our own test wallet,J. Doe\n"),
    );
    let said = place.run(&["feed", "import", pack.to_str().unwrap(), "--store", &store]);
    assert_eq!(said.code, 0, "{said:?}");
    let (after, text) = ask(&[]);
    assert_eq!(wallet(&after)["bits"], 0.0, "{after:#}");
    let why = wallet(&after)["why"].as_str().unwrap().to_owned();
    assert_eq!(
        why,
        "a wallet; allowed by the feed acme version 1 of Acme threat research: our own test wallet (J. Doe)"
    );
    assert!(text.contains("a wallet; allowed by the feed acme version 1"), "{text}");
    let list: Value =
        serde_json::from_str(&place.run(&["campaigns", "--store", &store, "--json"]).out).unwrap();
    let refuted: Vec<&str> = list["campaigns"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|campaign| campaign["refuted"].as_array().unwrap())
        .map(|refuted| refuted.as_str().unwrap())
        .collect();
    assert!(
        !refuted.is_empty()
            && refuted.iter().all(|one| one.contains("ties nobody: allowed by the feed acme")),
        "{list:#}"
    );

    // Without feeds, and by a key that may only deny, it ties as before.
    assert_eq!(wallet(&ask(&["--no-feeds"]).0)["bits"].as_f64(), Some(bits));
    assert_eq!(place.run(&["feed", "pin", "acme", &team.public]).code, 0);
    assert_eq!(wallet(&ask(&[]).0)["bits"].as_f64(), Some(bits));
    // A pack that is named and does not count is an error.
    assert_eq!(place.run(&["feed", "unpin", "acme"]).code, 0);
    let said = place.run(&["campaigns", "--store", &store, "--feed", pack.to_str().unwrap()]);
    assert!(said.code == 2 && said.err.contains("no key is pinned"), "{said:?}");
}

#[test]
fn a_list_of_what_a_feed_denies_ties_those_who_carry_it_to_nobody() {
    let team = Team::new();
    let other = pinned(&team);
    let address = |number: usize| lazaret_lab::wallet("xmr", &format!("rival {number}")).unwrap();
    let wallets: Vec<String> = (0..12).map(address).collect();
    let rows: Vec<String> = wallets.iter().map(|address| format!("wallet,xmr:{address}")).collect();
    let pack = team.export(1, &format!("kind,value\n{}\n", rows.join("\n")));
    assert_eq!(import(&other, &pack).code, 0);
    let listing = HONEST.replace(
        "see http://updates.example.invalid/news",
        &wallets.iter().map(|address| format!("block {address}")).collect::<Vec<_>>().join("\n    "),
    );
    for name in ["watchful", "wary"] {
        // Nothing in common but the list.
        let own = listing.replace("updates", name).replace("echo ready", &format!("echo {name}"));
        let layout = other.recipe(name, &own.replace("/opt/readme", &format!("/opt/{name}")));
        let (said, report) = scan(&other, &layout, &[]);
        assert_eq!(outcome(&report), "suspicious", "{said:?}");
    }
    let said = other.run(&["campaigns", "why", "watchful", "wary", "--json"]);
    let answer: Value = serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"));
    let held = answer["held"].as_array().unwrap_or_else(|| panic!("{said:?}"));
    assert!(held.iter().filter(|held| held["kind"] == "wallet").count() == 12, "{answer:#}");
    assert_eq!(answer["together"], "not-enough", "{answer:#}");
}

#[test]
fn what_was_taken_is_told_whatever_becomes_of_the_packs_after_it() {
    let team = Team::new();
    let other = pinned(&team);
    let pack = team.export(1, "kind,value\nhost,updates.example.invalid\n");
    let said = other.run(&["feed", "import", pack.to_str().unwrap(), "missing.json"]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.out.contains("it is in use") && said.err.contains("missing.json"), "{said:?}");
    // A folder of the feed's name is in nobody's way.
    fs::create_dir(other.path("acme")).unwrap();
    let shown = other.run(&["feed", "show", "acme"]);
    assert!(shown.code == 0 && shown.out.contains("updates.example.invalid"), "{shown:?}");
}
