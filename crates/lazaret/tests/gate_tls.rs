//! The gate over TLS and its log, with the field's own clients.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/gates.rs"]
mod gates;
#[path = "support/served.rs"]
mod served;
mod support;

use std::process::Command;

use serde_json::Value;

use gates::{Field, get};
use served::field::engines::containerd;
use served::field::registry::certificate;
use served::field::{needed, run};

#[test]
fn clients_that_trust_its_certificate_pull_over_tls_and_its_tokens_stay_there() {
    let field = Field::new();
    let folder = field.place.path("tls");
    std::fs::create_dir(&folder).unwrap();
    let (cert, key) = certificate(&folder, true);
    let gate = field.gate_as_hub(&["--cert", cert.to_str().unwrap(), "--key", key.to_str().unwrap()]);
    let trust = field.place.path("trust");
    std::fs::create_dir(&trust).unwrap();
    let image = format!("{}/team/good:1", gate.host);
    let trusting = ["--src-cert-dir", trust.to_str().unwrap()];
    let said = field.copy(&image, &trusting).unwrap_err();
    assert!(said.contains("certificate"), "nothing vouches for it yet: {said}");
    std::fs::copy(&cert, trust.join("ca.crt")).unwrap();
    assert_eq!(field.copy(&image, &trusting).unwrap(), field.digest("good"));
    let refused = field.copy(&format!("{}/team/bad:1", gate.host), &trusting).unwrap_err();
    assert!(refused.contains("lazaret refuses team/bad: malicious"), "{refused}");

    // HTTP/1.1 and HTTP/2: both are sent to the token over TLS.
    for version in ["--http1.1", "--http2"] {
        let mut curl = Command::new(needed("curl", "curl"));
        curl.args(["-sSi", version, "--noproxy", "*", "--cacert"])
            .arg(&cert)
            .arg(format!("https://{}/v2/", gate.host));
        let said = run(&mut curl).to_lowercase();
        let challenge = format!("www-authenticate: bearer realm=\"https://{}/token\"", gate.host);
        assert!(said.contains(&challenge), "{version}: {said}");
    }

    let hosts = field.place.path("certs.d/_default");
    std::fs::create_dir_all(&hosts).unwrap();
    let text = format!(
        "server = \"https://{0}\"\n[host.\"https://{0}\"]\n  capabilities = [\"pull\", \"resolve\"]\n  ca = \"{1}\"\n",
        gate.host,
        cert.display()
    );
    std::fs::write(hosts.join("hosts.toml"), text).unwrap();
    let engine = containerd();
    for (image, comes_in) in [("good", true), ("bad", false)] {
        let mut ctr = Command::new(needed("ctr", "containerd"));
        ctr.arg("--address").arg(&engine.socket);
        ctr.args(["images", "pull", "--snapshotter", "native", "--hosts-dir"]);
        ctr.arg(field.place.path("certs.d")).arg(format!("docker.io/team/{image}:1"));
        let done = ctr.output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.success(), comes_in, "{said}");
        assert!(comes_in || said.contains("403 Forbidden"), "{said}");
    }
}

#[test]
fn a_certificate_that_is_renewed_is_shown_and_a_broken_one_is_not() {
    let field = Field::new();
    let (old, new) = (field.place.path("old"), field.place.path("new"));
    for folder in [&old, &new] {
        std::fs::create_dir(folder).unwrap();
        certificate(folder, true);
    }
    let shown = field.place.path("shown");
    std::fs::create_dir(&shown).unwrap();
    let put = |from: &std::path::Path| {
        for name in ["cert.pem", "key.pem"] {
            std::fs::copy(from.join(name), shown.join(name)).unwrap();
        }
    };
    put(&old);
    let (cert, key) = (shown.join("cert.pem"), shown.join("key.pem"));
    let gate = field.gate(&["--cert", cert.to_str().unwrap(), "--key", key.to_str().unwrap()]);
    let trusted = |authority: &std::path::Path| {
        let mut curl = Command::new(needed("curl", "curl"));
        curl.args(["-sS", "--noproxy", "*", "--cacert"])
            .arg(authority.join("cert.pem"))
            .arg(format!("https://{}/healthz", gate.host));
        curl.output().unwrap().status.success()
    };
    assert!(trusted(&old) && !trusted(&new));
    std::fs::write(&cert, "no certificate\n").unwrap();
    served::until("the complaint", || gate.log().contains("is still shown").then_some(()));
    assert!(trusted(&old), "the one before is still shown");
    put(&new);
    served::until("the new certificate", || (trusted(&new) && !trusted(&old)).then_some(()));
}

#[test]
fn beyond_loopback_it_does_not_listen_without_tls_unless_told_to() {
    let place = support::Place::new();
    let said = place.run(&["gate", "--upstream", "docker.io", "--listen", "0.0.0.0:0"]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains("--cert") && said.err.contains("--insecure"), "{said:?}");
    let said = place.run(&["gate", "--upstream", "docker.io", "--cert", "x.pem"]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains("--key"), "{said:?}");
    std::fs::write(place.path("x.pem"), "nothing").unwrap();
    let said = place.run(&["gate", "--upstream", "docker.io", "--cert", "x.pem", "--key", "x.pem"]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains("x.pem") && said.err.contains("PEM"), "{said:?}");
}

#[test]
fn one_number_leads_from_the_answer_to_the_log_and_the_audit_log_and_no_secret_stands_there() {
    let field = Field::new();
    let audit = field.place.path("audit.jsonl");
    let gate = field.gate(&["--audit-log", audit.to_str().unwrap(), "--log-format", "json"]);
    // ana:s3cret-word
    let login = [("authorization", "Basic YW5hOnMzY3JldC13b3Jk")];
    let got = get(&format!("http://{}/v2/team/bad/manifests/1", gate.host), &login);
    assert_eq!(got.status, 403, "{}", got.text());
    let id = got.header("x-request-id").to_owned();
    assert_eq!(got.json()["errors"][0]["detail"]["request"], id.as_str());
    let other = get(&format!("http://{}/v2/%1b%5b31m/manifests/1", gate.host), &[]);
    assert_ne!(other.header("x-request-id"), id);
    let log =
        served::until("the log", || Some(gate.log()).filter(|log| log.matches("answered").count() >= 2));
    // A line that is half written is none yet.
    let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let of: Vec<&Value> = lines.iter().filter(|line| line["span"]["id"] == id.as_str()).collect();
    assert!(of.iter().any(|line| line["message"] == "refused" && line["verdict"] == "malicious"), "{log}");
    assert!(of.iter().any(|line| line["status"] == 403 && line["span"]["user"] == "ana"), "{log}");
    let written = std::fs::read_to_string(&audit).unwrap();
    assert!(written.contains(&format!("\"request\":\"{id}\"")), "{written}");
    for text in [&log, &written] {
        assert!(!text.contains("s3cret") && !text.contains("YW5hOn") && !text.contains('\u{1b}'), "{text}");
    }
}
