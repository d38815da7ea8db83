//! What an operator asks a running gate.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/gates.rs"]
mod gates;
#[path = "support/served.rs"]
mod served;
mod support;

use serde_json::Value;

use gates::{Field, Running, get};
use support::Said;

/// A gate with an admin API, and where it is.
fn started(field: &Field, more: &[&str]) -> (Running, String, String) {
    let token = field.place.path("token");
    let mut arguments = vec!["--admin", "127.0.0.1:0", "--admin-token", token.to_str().unwrap()];
    arguments.extend(more);
    let gate = field.gate(&arguments);
    let admin = format!("http://{}", gate.told("admin API is on "));
    let token = std::fs::read_to_string(&token).unwrap().trim().to_owned();
    (gate, admin, token)
}

fn ask(field: &Field, admin: &str, words: &[&str]) -> Said {
    let token = field.place.path("token");
    let arguments = [words, &["--admin", admin, "--admin-token", token.to_str().unwrap()]].concat();
    field.place.run(&[&["gate"], arguments.as_slice()].concat())
}

/// What the list holds, once it holds this many.
fn listed(field: &Field, admin: &str, words: &[&str], at_least: usize) -> Vec<Value> {
    served::until("the list", || {
        let said = ask(field, admin, &[&["list", "--json"], words].concat());
        assert_eq!(said.code, 0, "{said:?}");
        let rows = serde_json::from_str::<Value>(&said.out).unwrap()["decisions"].as_array().unwrap().clone();
        (rows.len() >= at_least).then_some(rows)
    })
}

#[test]
fn an_operator_with_the_token_sees_what_came_in_and_what_did_not_and_nobody_else_does() {
    let field = Field::new();
    let policy = field.place.path("policy.toml");
    std::fs::write(&policy, "[[rule]]\nname = \"old\"\naction = \"refuse\"\nexpires = \"2020-01-01\"\n")
        .unwrap();
    let (gate, admin, token) = started(&field, &["--policy", policy.to_str().unwrap()]);
    for (image, status) in [("good", 200), ("bad", 403)] {
        assert_eq!(get(&format!("http://{}/v2/team/{image}/manifests/1", gate.host), &[]).status, status);
    }
    let digest = field.digest("bad");
    for path in ["/api/v1/status", "/api/v1/decisions", &format!("/api/v1/reports/{digest}"), "/", "/metrics"]
    {
        for sent in [&[][..], &[("authorization", "Bearer x")], &[("authorization", "Basic eDp5")]] {
            let got = get(&format!("{admin}{path}"), sent);
            assert_eq!(got.status, 401, "{path}");
            assert!(got.header("www-authenticate").starts_with("Bearer"));
        }
        // And the gate's own address has none of it.
        assert!(
            path == "/metrics" || get(&format!("http://{}{path}", gate.host), &[]).status == 404,
            "{path}"
        );
    }
    let bearer = format!("Bearer {token}");
    let with = [("authorization", bearer.as_str())];

    let status = get(&format!("{admin}/api/v1/status"), &with).json();
    assert_eq!(
        (&status["answers"]["served"], &status["answers"]["refused"]),
        (&1.into(), &1.into()),
        "{status}"
    );
    assert_eq!(status["policy"]["mode"], "enforce");
    assert!(status["policy"]["digest"].as_str().unwrap().starts_with("sha256:"), "{status}");
    let said = ask(&field, &admin, &["status"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("1 served, 1 refused") && said.out.contains("expired: old"), "{said:?}");

    listed(&field, &admin, &[], 2);
    let refused = listed(&field, &admin, &["--refused"], 1);
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(
        (&refused[0]["digest"], &refused[0]["verdict"], &refused[0]["door"]),
        (&digest.as_str().into(), &"malicious".into(), &"registry".into())
    );
    assert!(gate.log().contains(refused[0]["request"].as_str().unwrap()), "the same number is in the log");
    assert_eq!(listed(&field, &admin, &["--came-in", "--image", "good", "--since", "1h"], 1).len(), 1);
    assert!(listed(&field, &admin, &["--image", "nothing"], 0).is_empty());
    let said = ask(&field, &admin, &["list"]);
    assert!(said.out.lines().all(|line| line.chars().count() <= 80), "{}", said.out);
    assert!(said.out.contains("refused   malicious"), "{}", said.out);

    let report = get(&format!("{admin}/api/v1/reports/{digest}"), &with).json();
    assert_eq!(report["reports"][0]["verdict"]["outcome"], "malicious", "{report}");
    let nothing = format!("{admin}/api/v1/reports/sha256:{}", "0".repeat(64));
    assert_eq!(get(&nothing, &with).status, 404);
    assert_eq!(get(&format!("{admin}/api/v1/reports/..%2f..%2fetc"), &with).status, 400);
    assert_eq!(get(&format!("{admin}/api/v1/decisions?answer=nonsense"), &with).status, 400);

    std::fs::write(field.place.path("token"), "another-token-that-is-long-enough\n").unwrap();
    let said = ask(&field, &admin, &["status"]);
    assert!(said.code == 2 && said.err.contains("does not know the token"), "{said:?}");
    drop(gate);
    let said = ask(&field, &admin, &["status"]);
    assert!(said.code == 2 && said.err.contains("no gate answers"), "{said:?}");
}

#[test]
fn what_came_in_once_and_is_refused_now_is_listed_also_after_a_new_start() {
    let field = Field::new();
    let policy = field.place.path("policy.toml");
    let allow = "[[rule]]\nname = \"known\"\nrepository = \"team/bad\"\naction = \"allow\"\nreason = \"a test\"\nauthor = \"ana\"\n";
    std::fs::write(&policy, allow).unwrap();
    let words = ["--policy", policy.to_str().unwrap()];
    let (gate, admin, _) = started(&field, &words);
    let pull = |gate: &Running| get(&format!("http://{}/v2/team/bad/manifests/1", gate.host), &[]).status;
    assert_eq!(pull(&gate), 200);
    let came_in = listed(&field, &admin, &["--came-in"], 1);
    assert_eq!(came_in[0]["policy"], "known");
    assert!(listed(&field, &admin, &["--changed"], 0).is_empty());
    // Told to end, it writes down what is not written yet.
    drop(gate);
    std::fs::write(&policy, "").unwrap();
    let (gate, admin, _) = started(&field, &words);
    assert_eq!(pull(&gate), 403);
    let changed = listed(&field, &admin, &["--changed"], 1);
    assert_eq!((changed.len(), &changed[0]["digest"]), (1, &field.digest("bad").into()));
}

#[test]
fn a_refusal_names_its_report_and_the_page_is_there_where_the_operator_wants_it() {
    let field = Field::new();
    let digest = field.digest("bad");
    let gate = field.gate(&["--report-url", "https://gate.example/"]);
    let got = get(&format!("http://{}/v2/team/bad/manifests/1", gate.host), &[]);
    let address = format!("https://gate.example/reports/{digest}");
    let said = got.json();
    assert!(
        said["errors"][0]["message"].as_str().unwrap().ends_with(&format!("; report: {address}")),
        "{said}"
    );
    assert_eq!(said["errors"][0]["detail"]["report"], address.as_str());
    let page = get(&format!("http://{}/reports/{digest}", gate.host), &[]);
    assert_eq!(page.status, 200, "{}", page.text());
    assert!(page.header("content-security-policy").contains("default-src 'none'"));
    assert!(page.header("content-type").starts_with("text/html") && page.text().contains("malicious"));
    assert_eq!(get(&format!("http://{}/reports/sha256:{}", gate.host, "0".repeat(64)), &[]).status, 404);
    assert_eq!(get(&format!("http://{}/reports/%3Cscript%3E", gate.host), &[]).status, 400);
    drop(gate);
    let gate = field.gate(&[]);
    let got = get(&format!("http://{}/v2/team/bad/manifests/1", gate.host), &[]);
    assert!(!got.text().contains("report:"), "{}", got.text());
    assert_eq!(get(&format!("http://{}/reports/{digest}", gate.host), &[]).status, 404);
}

#[test]
fn a_policy_is_explained_rule_by_rule_and_checked() {
    let field = Field::new();
    let policy = field.place.path("policy.toml");
    let text = "[[rule]]\nname = \"strangers\"\nrepository = \"other/*\"\naction = \"refuse\"\n\n\
                [[rule]]\nname = \"last year\"\naction = \"allow\"\nreason = \"x\"\nauthor = \"ana\"\nexpires = \"2020-01-01\"\n\n\
                [[rule]]\nname = \"ours\"\nrepository = \"team/*\"\nverdict = [\"malicious\"]\naction = \"allow\"\nreason = \"a test\"\nauthor = \"ana\"\n\n\
                [[rule]]\nname = \"rest\"\naction = \"refuse\"\n\n[[rule]]\naction = \"refuse\"\n";
    std::fs::write(&policy, text).unwrap();
    let policy = policy.to_str().unwrap();
    let said = field.place.run(&["policy", "check", policy]);
    assert_eq!(said.code, 0, "{said:?}");
    for part in ["mode enforce, 5 rules", "last year ran out on 2020-01-01", "rule 5 is never reached: rest"]
    {
        assert!(said.out.contains(part), "{part}: {}", said.out);
    }
    let rules = field.place.path("rules");
    let explain = |image: &str, more: &[&str]| {
        let words =
            ["policy", "explain", image, "--only-rules", "--rules", rules.to_str().unwrap(), "--no-store"];
        field.place.run(&[&words[..], more].concat())
    };
    let bad = field.registry.name("team/bad:1");
    let said = explain(&bad, &["--policy", policy]);
    assert_eq!(said.code, 0, "{said:?}");
    for part in [
        "verdict   malicious",
        "the repository team/bad is not `other/*`",
        "it ran out on 2020-01-01",
        "rule      ours\n              fits, and decides\n              a test (ana)",
        "it comes in",
    ] {
        assert!(said.out.contains(part), "{part}: {}", said.out);
    }
    assert!(!said.out.contains("rest"), "{}", said.out);
    let said = explain(&bad, &[]);
    assert!(said.code == 1 && said.out.contains("no rule fits: the verdict malicious decides"), "{said:?}");
    let layout = format!("oci:{}", field.place.path("good").display());
    let said = explain(&layout, &[]);
    assert!(said.code == 2 && said.err.contains("--name"), "{said:?}");
    let said = explain(&layout, &["--policy", policy, "--name", "docker.io/other/x:1", "--json"]);
    assert_eq!(said.code, 1, "{said:?}");
    let json: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(json["images"][0]["explanation"]["decision"]["by"], "strangers", "{json}");
    std::fs::write(field.place.path("wrong.toml"), "mode = 1\n").unwrap();
    let said = field.place.run(&["policy", "check", "wrong.toml"]);
    assert!(said.code == 2 && said.err.contains("line 1"), "{said:?}");
}
