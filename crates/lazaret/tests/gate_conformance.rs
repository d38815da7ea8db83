//! The pull and the content-discovery section of the OCI distribution specification against a gate
//! before a real registry. Where a gate must differ from a registry, the table in `docs/GATE.md` says
//! why, and the test holds it to the difference.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/gated.rs"]
mod gated;
#[path = "support/served.rs"]
mod served;
mod support;

use gated::{Answer, OCI_INDEX, OCI_MANIFEST, Running, Upstream, ask, clean, start};
use serde_json::{Value, json};
use served::field::fake::Reply;
use served::field::registry::{Access, Registry};
use support::{Place, sha256};

const MISSING: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// A gate before Debian's registry, with one image under several tags.
struct Field {
    registry: Registry,
    gate: Running,
    manifest: Vec<u8>,
    digest: String,
    place: Place,
}

impl Field {
    fn new(tags: &[&str]) -> Self {
        let place = Place::new();
        let registry = Registry::start(Access::Open);
        let layout = place.recipe("it", &clean("it"));
        let digest = served::manifest_digest(&layout);
        let blobs = layout.join("blobs/sha256");
        let manifest = std::fs::read(blobs.join(&digest[7..])).unwrap();
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            for entry in std::fs::read_dir(&blobs).unwrap() {
                registry.put_blob("team/it", &std::fs::read(entry.unwrap().path()).unwrap()).await;
            }
            for tag in tags {
                registry.put_manifest("team/it", tag, OCI_MANIFEST, &manifest).await;
            }
        });
        let gate = start(&place, &registry.host, &[]);
        Self { registry, gate, manifest, digest, place }
    }

    fn blob(&self, part: &str) -> String {
        let manifest: Value = serde_json::from_slice(&self.manifest).unwrap();
        let blob = if part == "config" { &manifest["config"] } else { &manifest["layers"][0] };
        blob["digest"].as_str().unwrap().to_owned()
    }

    fn ask(&self, method: &str, path: &str) -> Answer {
        ask(method, &self.gate.host, &format!("/v2/team/it/{path}"), &[("Accept", OCI_MANIFEST)])
    }

    /// The same without the gate.
    fn directly(&self, path: &str) -> Answer {
        ask("GET", &self.registry.host, &format!("/v2/team/it/{path}"), &[])
    }
}

/// An error body as the specification has it, with one of its codes.
fn spoken(answer: &Answer, code: &str) {
    assert_eq!(answer.header("content-type"), "application/json", "{answer:?}");
    let (said, message) = answer.error();
    assert_eq!(said, code, "{answer:?}");
    assert!(!message.is_empty());
}

#[test]
fn a_registry_answers_at_its_root() {
    let field = Field::new(&["1"]);
    let said = ask("GET", &field.gate.host, "/v2/", &[]);
    assert!(matches!(said.status, 200 | 401), "{said:?}");
    assert_eq!(said.header("docker-distribution-api-version"), "registry/2.0");
    // With the token that the challenge leads to, it is 200.
    let token = field.gate.get("/token").json()["token"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {token}");
    assert_eq!(ask("GET", &field.gate.host, "/v2/", &[("Authorization", bearer.as_str())]).status, 200);
}

#[test]
fn manifests_are_there_by_tag_and_by_digest_for_both_methods() {
    let field = Field::new(&["1"]);
    for reference in ["1", field.digest.as_str()] {
        for method in ["HEAD", "GET"] {
            let said = field.ask(method, &format!("manifests/{reference}"));
            assert_eq!(said.status, 200, "{method} {reference}: {said:?}");
            assert_eq!(said.header("docker-content-digest"), field.digest);
            assert_eq!(said.header("content-type"), OCI_MANIFEST);
            assert_eq!(said.header("content-length"), field.manifest.len().to_string());
            assert_eq!(said.body, if method == "GET" { field.manifest.clone() } else { Vec::new() });
        }
    }
}

#[test]
fn manifests_that_are_missing_are_not_found_for_both_methods() {
    let field = Field::new(&["1"]);
    for reference in [".INVALID_MANIFEST_NAME", "none", MISSING] {
        for method in ["HEAD", "GET"] {
            let said = field.ask(method, &format!("manifests/{reference}"));
            // What can be no tag is answered without the registry.
            let right = if reference.starts_with('.') { 400 } else { 404 };
            assert_eq!(said.status, right, "{method} {reference}: {said:?}");
            if method == "GET" && right == 404 {
                spoken(&said, "MANIFEST_UNKNOWN");
            }
        }
    }
}

#[test]
fn blobs_are_there_once_a_manifest_that_may_come_in_holds_them() {
    let field = Field::new(&["1"]);
    // The difference: a blob by itself is nobody's, and nobody judged it.
    for method in ["HEAD", "GET"] {
        let said = field.ask(method, &format!("blobs/{}", field.blob("config")));
        assert_eq!(said.status, 403, "{said:?}");
    }
    assert_eq!(field.ask("HEAD", "manifests/1").status, 200);
    for part in ["config", "layer"] {
        let digest = field.blob(part);
        let said = field.ask("HEAD", &format!("blobs/{digest}"));
        assert_eq!((said.status, said.header("docker-content-digest")), (200, digest.as_str()), "{said:?}");
        let length = said.header("content-length").to_owned();
        let said = field.ask("GET", &format!("blobs/{digest}"));
        assert_eq!((said.status, sha256(&said.body)), (200, digest.clone()));
        assert_eq!(said.body.len().to_string(), length);
        // In parts, as a download that broke off is taken up again.
        let path = format!("/v2/team/it/blobs/{digest}");
        let half = said.body.len() / 2;
        let range = format!("bytes={half}-");
        let rest = ask("GET", &field.gate.host, &path, &[("Range", range.as_str())]);
        assert_eq!((rest.status, rest.body.as_slice()), (206, &said.body[half..]));
    }
}

#[test]
fn blobs_that_are_missing_are_not_found_for_both_methods() {
    let field = Field::new(&["1"]);
    for before in [true, false] {
        for method in ["HEAD", "GET"] {
            let said = field.ask(method, &format!("blobs/{MISSING}"));
            assert_eq!(said.status, 404, "{method}: {said:?}");
            if method == "GET" {
                spoken(&said, "BLOB_UNKNOWN");
            }
        }
        if before {
            assert_eq!(field.ask("GET", "manifests/1").status, 200);
        }
    }
}

#[test]
fn a_malformed_request_is_answered_with_an_error_of_the_specification() {
    let field = Field::new(&["1"]);
    let said = field.ask("GET", "manifests/sha256:totallywrong");
    assert_eq!(said.status, 400);
    spoken(&said, "DIGEST_INVALID");
    let said = field.ask("GET", "blobs/sha256:totallywrong");
    assert_eq!(said.status, 400);
    spoken(&said, "DIGEST_INVALID");
    let said = ask("GET", &field.gate.host, "/v2/UPPER/manifests/1", &[]);
    assert_eq!(said.status, 400);
    spoken(&said, "NAME_INVALID");
    // The difference: nothing is pushed to a gate, whether it is well formed or not.
    for (method, path) in [
        ("PUT", "manifests/sha256:totallywrong"),
        ("DELETE", "manifests/1"),
        ("POST", "blobs/uploads/"),
        ("PATCH", "blobs/uploads/1"),
        ("DELETE", "blobs/sha256:totallywrong"),
    ] {
        let said = field.ask(method, path);
        assert_eq!(said.status, 405, "{method} {path}");
        spoken(&said, "UNSUPPORTED");
    }
    assert_eq!(field.ask("GET", "manifests/1").status, 200, "it is still there");
}

#[test]
fn tags_are_listed_as_the_registry_lists_them() {
    let field = Field::new(&["test0", "test1", "test2", "test3"]);
    for path in
        ["tags/list", "tags/list?n=2", "tags/list?n=2&last=test1", "tags/list?last=test1", "tags/list?n=0"]
    {
        let (said, directly) = (field.ask("GET", path), field.directly(path));
        assert_eq!((said.status, said.json()), (directly.status, directly.json()), "{path}");
    }
    let said = field.ask("GET", "tags/list").json();
    let mut tags: Vec<&str> = said["tags"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    // In this registry's order, which is none.
    tags.sort_unstable();
    assert_eq!(tags, ["test0", "test1", "test2", "test3"]);
    let said = ask("GET", &field.gate.host, "/v2/team/none/tags/list", &[]);
    assert_eq!(said.status, 404);
    spoken(&said, "NAME_UNKNOWN");
}

#[test]
fn a_registry_without_the_list_of_referrers_is_relayed_so_that_clients_use_the_tag() {
    let field = Field::new(&["1"]);
    for digest in [MISSING, field.digest.as_str()] {
        let said = field.ask("GET", &format!("referrers/{digest}"));
        assert_eq!(said.status, 404, "{said:?}");
    }
    // What clients look for then (distribution specification, "Referrers Tag Schema").
    let signature = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}).to_string();
    let tag = field.digest.replace(':', "-");
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(field.registry.put_manifest("team/it", &tag, OCI_INDEX, signature.as_bytes()));
    let said = field.ask("GET", &format!("manifests/{tag}"));
    assert_eq!((said.status, said.header("content-type")), (200, OCI_INDEX), "{said:?}");
    assert_eq!(said.body, signature.as_bytes());
    assert!(field.place.path("it").exists());
}

/// A registry that has the list of referrers, and lists in pages.
fn newer(subject: String, artifacts: Vec<Value>) -> Upstream {
    Upstream::start(move |request, reply| {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        if let Some((_, digest)) = path.split_once("/referrers/") {
            let of: &[Value] = if digest == subject { &artifacts } else { &[] };
            let kind = value("artifactType").map(|kind| kind.replace("%2F", "/").replace("%2B", "+"));
            let chosen: Vec<&Value> = of
                .iter()
                .filter(|one| kind.as_ref().is_none_or(|kind| one["artifactType"] == *kind))
                .collect();
            let list = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": chosen});
            let reply = Reply::new(200, list.to_string()).header("Content-Type", OCI_INDEX);
            return if kind.is_some() { reply.header("OCI-Filters-Applied", "artifactType") } else { reply };
        }
        if path.ends_with("/tags/list") {
            let tags = ["a", "b", "c", "d", "e"];
            let from = value("last").map_or(0, |last| tags.iter().take_while(|tag| **tag <= last).count());
            let number = value("n").map_or(tags.len(), |n| n.parse().unwrap());
            let page = &tags[from..(from + number).min(tags.len())];
            let reply = Reply::new(200, json!({"name": "team/it", "tags": page}).to_string())
                .header("Content-Type", "application/json");
            return match page.last().filter(|_| from + number < tags.len()) {
                Some(last) => reply.header("Link", format!("<{path}?n={number}&last={last}>; rel=\"next\"")),
                None => reply,
            };
        }
        reply
    })
}

#[test]
fn referrers_are_listed_filtered_and_pulled_where_the_registry_has_them() {
    let place = Place::new();
    let subject = sha256(b"a subject that need not be there");
    let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "application/vnd.example.a+json",
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": sha256(b"{}"), "size": 2},
        "layers": [{"mediaType": "application/vnd.example.a+json", "digest": sha256(b"{\"a\":1}"), "size": 7}],
        "subject": {"mediaType": OCI_MANIFEST, "digest": subject, "size": 5}});
    let manifest = manifest.to_string();
    let descriptor = |kind: &str, digest: &str| json!({"mediaType": OCI_MANIFEST, "digest": digest, "size": 5, "artifactType": kind, "annotations": {"k": kind}});
    let listed = vec![
        descriptor("application/vnd.example.a+json", &sha256(manifest.as_bytes())),
        descriptor("application/vnd.example.b+json", MISSING),
    ];
    let upstream = newer(subject.clone(), listed);
    {
        let mut stock = upstream.stock.lock().unwrap();
        stock.manifest("artifact", OCI_MANIFEST, manifest.as_bytes());
        stock.blob(b"{}");
        stock.blob(b"{\"a\":1}");
    }
    let gate = start(&place, upstream.host(), &[]);
    let list = |digest: &str, query: &str| {
        let said = gate.get(&format!("/v2/team/it/referrers/{digest}{query}"));
        assert_eq!((said.status, said.header("content-type")), (200, OCI_INDEX), "{said:?}");
        let count = said.json()["manifests"].as_array().unwrap().len();
        (count, said.header("oci-filters-applied").to_owned())
    };
    assert_eq!(list(&subject, ""), (2, String::new()));
    assert_eq!(
        list(&subject, "?artifactType=application%2Fvnd.example.a%2Bjson"),
        (1, "artifactType".to_owned())
    );
    assert_eq!(list(MISSING, ""), (0, String::new()), "what nothing refers to has an empty list");
    assert_eq!(gate.get("/v2/team/it/referrers/sha256:no").status, 400);
    // What is listed can be had.
    let said = gate.get(&format!("/v2/team/it/manifests/{}", sha256(manifest.as_bytes())));
    assert_eq!((said.status, said.body.as_slice()), (200, manifest.as_bytes()));
    for blob in [b"{}".as_slice(), b"{\"a\":1}"] {
        let said = gate.get(&format!("/v2/team/it/blobs/{}", sha256(blob)));
        assert_eq!((said.status, said.body.as_slice()), (200, blob));
    }
}

#[test]
fn pages_of_tags_are_followed_through_the_gate_to_the_same_registry() {
    let place = Place::new();
    let (first, second) = (Upstream::honest(), newer(String::new(), Vec::new()));
    let gate = start(&place, first.host(), &["--upstream", second.host()]);
    let port = second.host().rsplit_once(':').unwrap().1;
    for begin in [
        format!("/v2/{}/team/it/tags/list?n=2", second.host()),
        format!("/v2/team/it/tags/list?n=2&ns=127.0.0.1%3A{port}"),
    ] {
        let (mut next, mut all, mut pages) = (Some(begin), Vec::new(), 0);
        while let Some(path) = next {
            let said = gate.get(&path);
            assert_eq!(said.status, 200, "{path}: {said:?}");
            let tags = said.json()["tags"].clone();
            assert!(tags.as_array().unwrap().len() <= 2);
            all.extend(tags.as_array().unwrap().iter().map(|tag| tag.as_str().unwrap().to_owned()));
            let link = said.header("link").to_owned();
            next = link.strip_prefix('<').map(|rest| rest.split_once('>').unwrap().0.to_owned());
            pages += 1;
        }
        assert_eq!((all, pages), (["a", "b", "c", "d", "e"].map(str::to_owned).to_vec(), 3));
    }
    let said = gate.get(&format!("/v2/{}/team/it/tags/list?last=c", second.host()));
    assert_eq!(said.json()["tags"], json!(["d", "e"]));
    assert!(first.fake.seen().is_empty(), "{:?}", first.fake.seen());
}
