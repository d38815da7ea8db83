//! The Kubernetes webhook, asked as an API server asks it, and the manifests that set it up.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/doors.rs"]
mod field;
#[path = "support/served.rs"]
mod served;
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use serde_json::{Value, json};

use field::{Field, silent};
use served::field::Process;
use served::field::registry::certificate;
use support::{PROGRAM, Place};

/// A webhook over TLS.
struct Webhook {
    process: Process,
    port: String,
    cert: PathBuf,
    key: PathBuf,
}

impl Webhook {
    fn new(field: &Field, policy: &str) -> Self {
        let folder = field.place.path("tls");
        std::fs::create_dir(&folder).unwrap();
        let (cert, key) = certificate(&folder, false);
        let policy = field.policy(policy);
        let audit = field.place.path("audit.jsonl").display().to_string();
        let words = [
            "admission",
            "--listen",
            "127.0.0.1:0",
            "--cert",
            cert.to_str().unwrap(),
            "--key",
            key.to_str().unwrap(),
            "--policy",
            &policy,
            "--audit-log",
            &audit,
        ];
        let process = field.door(&words, &[], "webhook listens on 127.0.0.1:");
        let log = std::fs::read_to_string(&process.log).unwrap();
        let port = log.split("listens on 127.0.0.1:").nth(1).unwrap();
        let port = port.split_whitespace().next().unwrap().to_owned();
        Self { process, port, cert, key }
    }

    /// Sends a review as an API server does, trusting the certificate that lies there now.
    fn ask(&self, path: &str, review: &Value) -> Value {
        let trusted = std::fs::read(&self.cert).unwrap();
        self.ask_trusting(&trusted, path, review).unwrap()
    }

    fn ask_trusting(&self, trusted: &[u8], path: &str, review: &Value) -> Option<Value> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
            let trusted = reqwest::Certificate::from_pem(trusted).unwrap();
            let client = reqwest::Client::builder().no_proxy().tls_certs_only([trusted]).build().unwrap();
            let request = client
                .post(format!("https://localhost:{}{path}", self.port))
                .header("content-type", "application/json")
                .body(review.to_string());
            let response = request.send().await.ok()?;
            let text = response.bytes().await.ok()?;
            Some(serde_json::from_slice(&text).unwrap_or_else(|_| json!(String::from_utf8_lossy(&text))))
        })
    }
}

fn review(operation: &str, object: Value, old: Value) -> Value {
    let kind = object["kind"].as_str().unwrap().to_owned();
    let group = match kind.as_str() {
        "Pod" => "",
        "CronJob" | "Job" => "batch",
        _ => "apps",
    };
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": group, "version": "v1", "kind": kind},
            "resource": {"group": group, "version": "v1", "resource": "things"},
            "namespace": "team", "name": "web", "operation": operation,
            "userInfo": {"username": "ana", "groups": ["dev"]},
            "object": object, "oldObject": old, "dryRun": false, "options": {}
        }
    })
}

fn pod(image: &str, privileged: bool) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": [
        {"name": "app", "image": image, "securityContext": {"privileged": privileged}}]}})
}

fn said(answer: &Value) -> String {
    answer["response"]["status"]["message"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn an_api_server_is_told_the_digest_and_whether_a_pod_may_run() {
    let field = Field::new();
    let rule = "[[rule]]\nname = \"no root\"\naction = \"refuse\"\nlaunch = { privileged = true }\n";
    let webhook = Webhook::new(&field, rule);
    let (good, bad) = (field.image("good"), field.image("bad"));

    let answer = webhook.ask("/validate?timeout=30s", &review("CREATE", pod(&good, false), Value::Null));
    assert_eq!(answer["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(answer["kind"], "AdmissionReview");
    assert_eq!(answer["response"]["uid"], "705ab4f5-6393-11e8-b7cc-42010a800002");
    assert_eq!(answer["response"]["allowed"], true, "{answer}");
    let answer = webhook.ask("/validate?timeout=30s", &review("CREATE", pod(&bad, false), Value::Null));
    assert_eq!(answer["response"]["allowed"], false);
    assert_eq!(answer["response"]["status"]["code"], 403);
    assert!(said(&answer).contains("container app: lazaret refuses team/bad: malicious"), "{answer}");
    let answer = webhook.ask("/validate", &review("CREATE", pod(&good, true), Value::Null));
    assert!(said(&answer).contains("no root"), "{answer}");

    // Every kind that makes pods, and every container in it.
    let spec = json!({"containers": [{"name": "a", "image": good}], "initContainers": [{"name": "i", "image": bad}]});
    for (kind, object) in [
        ("Deployment", json!({"template": {"spec": spec}})),
        ("Job", json!({"template": {"spec": spec}})),
        ("CronJob", json!({"jobTemplate": {"spec": {"template": {"spec": spec}}}})),
    ] {
        let object = json!({"kind": kind, "metadata": {"name": "x"}, "spec": object});
        let answer = webhook.ask("/validate", &review("CREATE", object.clone(), Value::Null));
        assert!(said(&answer).contains("init container i: lazaret refuses"), "{kind}: {answer}");
        let answer = webhook.ask("/mutate", &review("CREATE", object.clone(), Value::Null));
        let patch = BASE64.decode(answer["response"]["patch"].as_str().unwrap().as_bytes()).unwrap();
        let patch: Value = serde_json::from_slice(&patch).unwrap();
        assert_eq!(answer["response"]["patchType"], "JSONPatch");
        assert_eq!(patch.as_array().unwrap().len(), 2, "{patch}");
        for change in patch.as_array().unwrap() {
            let path = change["path"].as_str().unwrap();
            let name = if object.pointer(path).unwrap() == &json!(good) { "good" } else { "bad" };
            let pinned = format!("{}@{}", field.registry.name(&format!("team/{name}")), field.digest(name));
            assert_eq!(
                (change["op"].as_str(), change["value"].as_str()),
                (Some("replace"), Some(pinned.as_str()))
            );
        }
    }
    let pinned = format!("{}@{}", field.registry.name("team/good"), field.digest("good"));
    let answer = webhook.ask("/mutate", &review("CREATE", pod(&pinned, false), Value::Null));
    assert_eq!(
        (&answer["response"]["allowed"], answer["response"].get("patch")),
        (&json!(true), None),
        "{answer}"
    );

    // An update is judged where it changes what is run, and only there.
    let gone = field.registry.name("team/gone:1");
    let mut labelled = pod(&gone, false);
    labelled["metadata"]["labels"] = json!({"new": "label"});
    let answer = webhook.ask("/validate", &review("UPDATE", labelled, pod(&gone, false)));
    assert_eq!(answer["response"]["allowed"], true, "{answer}");
    let answer = webhook.ask("/validate", &review("UPDATE", pod(&bad, false), pod(&good, false)));
    assert_eq!(answer["response"]["allowed"], false, "{answer}");
    let answer = webhook.ask("/validate", &review("DELETE", json!({"kind": "Pod"}), pod(&bad, false)));
    assert_eq!(answer["response"]["allowed"], true, "{answer}");

    // What cannot be judged, read or understood.
    let answer = webhook.ask("/validate", &review("CREATE", pod(&gone, false), Value::Null));
    assert_eq!(answer["response"]["allowed"], false, "{answer}");
    for image in ["NO NAME", "../x", "a@sha256:00"] {
        let answer = webhook.ask("/mutate", &review("CREATE", pod(image, false), Value::Null));
        assert_eq!(answer["response"]["allowed"], false, "{answer}");
    }
    let mut old = review("CREATE", pod(&good, false), Value::Null);
    old["apiVersion"] = json!("admission.k8s.io/v1beta1");
    let answer = webhook.ask("/validate", &old);
    assert_eq!(answer["response"]["allowed"], false);
    assert!(said(&answer).contains("admissionReviewVersions"), "{answer}");
    assert!(webhook.ask("/validate", &json!({"kind": "Pod"})).is_string());

    // A question that is only asked leaves nothing behind.
    let lines = || std::fs::read_to_string(field.place.path("audit.jsonl")).unwrap().lines().count();
    let before = lines();
    let mut dry = review("CREATE", pod(&bad, false), Value::Null);
    dry["request"]["dryRun"] = json!(true);
    assert_eq!(webhook.ask("/validate", &dry)["response"]["allowed"], false);
    assert_eq!(lines(), before);

    field.new_policy(&webhook.process, "mode = \"audit\"\n");
    let answer = webhook.ask("/validate", &review("CREATE", pod(&bad, false), Value::Null));
    assert_eq!(answer["response"]["allowed"], true);
    assert!(answer["response"]["warnings"][0].as_str().unwrap().contains("refuses team/bad"), "{answer}");
    // Where it only watches, nothing is stopped for not being judged either.
    for image in [gone.as_str(), "NO NAME"] {
        for path in ["/validate", "/mutate"] {
            let answer = webhook.ask(path, &review("CREATE", pod(image, false), Value::Null));
            assert_eq!(answer["response"]["allowed"], true, "{answer}");
            assert!(answer["response"]["warnings"][0].is_string(), "{answer}");
        }
    }
    let log = std::fs::read_to_string(field.place.path("audit.jsonl")).unwrap();
    let last: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!((last["answer"].as_str(), last["image"].as_str()), (Some("audited"), Some("NO NAME")));
}

#[test]
fn a_list_of_images_that_a_feed_denies_runs_in_no_pod() {
    const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
    let field = Field::new();
    let layout = std::fs::read(field.place.path("good/index.json")).unwrap();
    let mut child = serde_json::from_slice::<Value>(&layout).unwrap()["manifests"][0].clone();
    child.as_object_mut().unwrap().remove("annotations");
    let list = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child]}).to_string();
    let put = field.registry.put_manifest("team/good", "list", OCI_INDEX, list.as_bytes());
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(put);

    let feed = |arguments: &[&str]| {
        let said = field.place.run(&[&["feed"], arguments].concat());
        assert_eq!(said.code, 0, "{said:?}");
        said.out
    };
    let key = feed(&["keygen", "-o", "team.pem"]).lines().next().unwrap().to_owned();
    feed(&["pin", "acme", &key]);
    let entries = format!("kind,value,reason\nimage,{},one of seventeen\n", support::sha256(list.as_bytes()));
    std::fs::write(field.place.path("entries.csv"), entries).unwrap();
    let export = "export -o acme.json --key team.pem --name acme --version 1 --expires 30d --issuer Acme --from entries.csv";
    feed(&export.split(' ').collect::<Vec<_>>());
    let store = format!("sqlite:{}", field.place.path("store.sqlite").display());
    feed(&["import", "acme.json", "--store", &store]);

    let webhook = Webhook::new(&field, "");
    let listed = field.registry.name("team/good:list");
    let answer = webhook.ask("/validate", &review("CREATE", pod(&listed, false), Value::Null));
    assert_eq!(answer["response"]["allowed"], false, "{answer}");
    assert!(said(&answer).contains("feed acme version 1 of Acme"), "{answer}");
    // What it lists is judged by itself.
    let answer = webhook.ask("/validate", &review("CREATE", pod(&field.image("good"), false), Value::Null));
    assert_eq!(answer["response"]["allowed"], true, "{answer}");
}

#[test]
fn a_webhook_answers_before_the_api_server_stops_waiting_and_shows_its_new_certificate() {
    let field = Field::new();
    let slow = silent();
    let webhook = Webhook::new(&field, "");
    let begun = Instant::now();
    let image = format!("{slow}/team/slow:1");
    let answer = webhook.ask("/validate?timeout=3s", &review("CREATE", pod(&image, false), Value::Null));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert!(said(&answer).contains("try again"), "{answer}");

    let before = std::fs::read(&webhook.cert).unwrap();
    let (cert, key) = certificate(webhook.cert.parent().unwrap(), false);
    assert_eq!((&cert, &key), (&webhook.cert, &webhook.key));
    let good = review("CREATE", pod(&field.image("good"), false), Value::Null);
    let after = std::fs::read(&webhook.cert).unwrap();
    served::until("the new certificate", || webhook.ask_trusting(&after, "/validate", &good));
    assert!(webhook.ask_trusting(&before, "/validate", &good).is_none());
}

/// The documents of a folder of manifests.
fn manifests(folder: &Path) -> Vec<Value> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let texts = files.iter().map(|file| std::fs::read_to_string(file).unwrap());
    texts
        .flat_map(|text| {
            let read = |document: &str| serde_yaml_ng::from_str(document).unwrap();
            text.split("\n---\n").map(read).collect::<Vec<Value>>()
        })
        .collect()
}

#[test]
fn the_manifests_fit_together_and_lead_to_what_the_program_answers() {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    let objects = manifests(&deploy.join("kubernetes"));
    let one = |kind: &str| {
        let found: Vec<&Value> = objects.iter().filter(|object| object["kind"] == kind).collect();
        assert_eq!(found.len(), 1, "{kind}");
        found[0].clone()
    };
    let (namespace, deployment, service) = (one("Namespace"), one("Deployment"), one("Service"));
    let name = &namespace["metadata"]["name"];
    for kind in ["Deployment", "Service", "ConfigMap"] {
        assert_eq!(&one(kind)["metadata"]["namespace"], name, "{kind}");
    }

    // The service finds the pods, and the port that the program listens on.
    let pod = &deployment["spec"]["template"];
    assert_eq!(service["spec"]["selector"], pod["metadata"]["labels"]);
    assert_eq!(deployment["spec"]["selector"]["matchLabels"], pod["metadata"]["labels"]);
    let container = &pod["spec"]["containers"][0];
    let port = &container["ports"][0];
    assert_eq!(service["spec"]["ports"][0]["targetPort"], port["name"]);
    let args: Vec<&str> =
        container["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert!(args.contains(&format!("--listen=0.0.0.0:{}", port["containerPort"]).as_str()), "{args:?}");

    // Every file that it is told of is mounted, and every volume has what it is made of.
    let mounts = container["volumeMounts"].as_array().unwrap();
    for file in
        args.iter().filter_map(|word| word.split_once("=/etc/")).map(|(_, rest)| format!("/etc/{rest}"))
    {
        assert!(mounts.iter().any(|mount| file.starts_with(mount["mountPath"].as_str().unwrap())), "{file}");
    }
    let volumes = pod["spec"]["volumes"].as_array().unwrap();
    for mount in mounts {
        assert!(volumes.iter().any(|volume| volume["name"] == mount["name"]), "{mount}");
    }
    let map = volumes.iter().find(|volume| volume["configMap"].is_object()).unwrap();
    assert_eq!(map["configMap"]["name"], one("ConfigMap")["metadata"]["name"]);

    // The words are those of the program, and the policy is one.
    let field = Place::new();
    let policy = field.path("policy.toml");
    std::fs::write(&policy, one("ConfigMap")["data"]["policy.toml"].as_str().unwrap()).unwrap();
    let mut words: Vec<String> = args.iter().map(|word| (*word).to_owned()).collect();
    for word in &mut words {
        if word.starts_with("--policy=") {
            *word = format!("--policy={}", policy.display());
        }
    }
    let (cert, key) = certificate(&field.path("").join("rules"), false);
    let local = [
        ("--listen=", "127.0.0.1:0".to_owned()),
        ("--cert=", cert.display().to_string()),
        ("--key=", key.display().to_string()),
    ];
    for word in &mut words {
        if let Some((option, value)) = local.iter().find(|(option, _)| word.starts_with(option)) {
            *word = format!("{option}{value}");
        }
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut command = Command::new(PROGRAM);
    field.scrub(&mut command, &words, &[]);
    let mut started = Process::start(&mut command, &field.path("door.log"));
    started.wait(|log| log.contains("webhook listens on").then_some(()));

    for (kind, path, effects) in [
        ("MutatingWebhookConfiguration", "/mutate", "None"),
        ("ValidatingWebhookConfiguration", "/validate", "NoneOnDryRun"),
    ] {
        let hook = &one(kind)["webhooks"][0];
        let to = &hook["clientConfig"]["service"];
        assert_eq!((&to["name"], &to["namespace"]), (&service["metadata"]["name"], name));
        assert_eq!((&to["path"], &to["port"]), (&json!(path), &service["spec"]["ports"][0]["port"]));
        assert_eq!(hook["failurePolicy"], "Fail");
        assert_eq!((&hook["sideEffects"], &hook["matchPolicy"]), (&json!(effects), &json!("Equivalent")));
        assert_eq!(hook["admissionReviewVersions"], json!(["v1"]));
        assert!(hook["timeoutSeconds"].as_u64().unwrap() <= 30);
        assert!(hook["name"].as_str().unwrap().split('.').count() >= 3);
        let exempt = &hook["namespaceSelector"]["matchExpressions"];
        let label = exempt[0]["key"].as_str().unwrap();
        assert_eq!(namespace["metadata"]["labels"][label], "true", "the webhook is not asked about itself");
        let resources: Vec<&str> = hook["rules"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|rule| rule["resources"].as_array().unwrap())
            .map(|resource| resource.as_str().unwrap())
            .collect();
        for kind in ["pods", "pods/ephemeralcontainers", "deployments", "cronjobs", "jobs", "daemonsets"] {
            assert!(resources.contains(&kind), "{kind}");
        }
    }

    // The chart's values are YAML, and each value that a template asks for is among them.
    let chart = deploy.join("helm/lazaret");
    let values: Value =
        serde_yaml_ng::from_str(&std::fs::read_to_string(chart.join("values.yaml")).unwrap()).unwrap();
    for file in std::fs::read_dir(chart.join("templates")).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for asked in text.split(".Values.").skip(1) {
            let path: String = asked.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '.').collect();
            let pointer = format!("/{}", path.trim_end_matches('.').replace('.', "/"));
            assert!(values.pointer(&pointer).is_some(), "{pointer}");
        }
    }

    // What is advised is what is practised.
    let checked = field.run(&[
        "check",
        "--no-store",
        deploy.join("kubernetes/30-deployment.yaml").to_str().unwrap(),
        "--no-images",
    ]);
    assert!(checked.code != 1, "{checked:?}");
}
