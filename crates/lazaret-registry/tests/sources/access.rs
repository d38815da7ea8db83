//! Who gets in, and what is said to those who do not.

use std::process::Command;

use lazaret_registry::{Client, ClientOptions, Environment, Login};

use crate::support::fake::{Fake, OneImage, Reply};
use crate::support::registry::{Access, Registry, certificate};
use crate::support::{client, needed, options, run};
use crate::{refusal, resolve};

fn with_login(registry: &str, password: &str) -> Client {
    let login =
        Login { registry: registry.to_owned(), username: "ada".to_owned(), password: password.to_owned() };
    Client::new(ClientOptions { login: Some(login), ..options() }).unwrap()
}

/// Pushes the small image with skopeo, as the registry's user.
fn push(registry: &Registry, name: &str) {
    let shop = crate::support::images::Workshop::new();
    shop.build("localhost/it", "amd64");
    let layout = shop.layout("localhost/it");
    run(shop
        .skopeo()
        .args(["copy", "--dest-tls-verify=false", "--dest-creds", "ada:right"])
        .args([&format!("oci:{}:it", layout.display()), &registry.url(name)]));
}

#[tokio::test]
async fn a_registry_with_passwords_lets_in_the_right_one_and_says_what_is_wrong_with_others() {
    let registry = Registry::start(Access::Htpasswd { user: "ada", password: "right" });
    push(&registry, "team/app:1");
    let name = registry.name("team/app:1");

    resolve(&with_login(&registry.host, "right"), &name).await.unwrap();

    let text = refusal(&client(), &name).await;
    assert!(text.contains("wants credentials") && text.contains("docker login"), "{text}");
    let text = refusal(&with_login(&registry.host, "wrong"), &name).await;
    assert!(text.contains("refused the credentials from the command line"), "{text}");
    assert!(!text.contains("wrong"), "{text}");
    let text = refusal(&with_login("other.example", "right"), &name).await;
    assert!(text.contains("wants credentials"), "{text}");
    let text = refusal(&with_login(&registry.host, "right"), &registry.name("team/app:2")).await;
    assert!(text.contains("has no tag `2`; it has 1"), "{text}");
}

#[tokio::test]
async fn what_docker_login_wrote_is_used_and_named_when_it_is_refused() {
    let registry = Registry::start(Access::Htpasswd { user: "ada", password: "right" });
    push(&registry, "team/app:1");
    let dir = tempfile::tempdir().unwrap();
    // The real thing writes the file.
    run(Command::new(needed("skopeo", "skopeo"))
        .args(["login", "--tls-verify=false", "-u", "ada", "-p", "right", "--authfile"])
        .arg(dir.path().join("config.json"))
        .arg(&registry.host));
    let environment = Environment::from_pairs([("DOCKER_CONFIG", dir.path())]);
    let reader = Client::new(ClientOptions { environment, ..options() }).unwrap();
    resolve(&reader, &registry.name("team/app:1")).await.unwrap();

    let file = dir.path().join("auth.json");
    std::fs::write(&file, format!(r#"{{"auths":{{"{}/team":{{"auth":"YWRhOm9sZA=="}}}}}}"#, registry.host))
        .unwrap();
    let environment = Environment::from_pairs([("REGISTRY_AUTH_FILE", &file)]);
    let reader = Client::new(ClientOptions { environment, ..options() }).unwrap();
    let text = refusal(&reader, &registry.name("team/app:1")).await;
    assert!(text.contains(&file.display().to_string()), "{text}");
}

#[tokio::test]
async fn a_name_or_tag_or_digest_that_is_not_there_is_told_apart() {
    let (registry, image) = (Registry::start(Access::Open), OneImage::new());
    registry.put_blob("a/b", &image.config).await;
    registry.put_blob("a/b", &image.layer).await;
    for tag in ["1", "2"] {
        registry.put_manifest("a/b", tag, lazaret_oci::OCI_MANIFEST, &image.manifest).await;
    }
    let client = client();
    let text = refusal(&client, &registry.name("a/b:3")).await;
    assert!(text.contains("`a/b`") && text.contains("no tag `3`; it has 1, 2"), "{text}");
    let text = refusal(&client, &registry.name("a/c:1")).await;
    assert!(text.contains("has no repository `a/c`"), "{text}");
    let digest = format!("sha256:{}", "00".repeat(32));
    let text = refusal(&client, &format!("{}@{digest}", registry.name("a/b"))).await;
    assert!(text.contains("has no manifest sha256:0000"), "{text}");
}

#[tokio::test]
async fn something_else_than_a_registry_is_called_that() {
    for (status, kind) in [(404, "text/html"), (200, "text/html")] {
        let fake =
            Fake::start(move |_, _| Reply::new(status, "<html>hello</html>").header("Content-Type", kind))
                .await;
        let text = refusal(&client(), &format!("{}/a:1", fake.host)).await;
        assert!(text.contains("is not a container registry"), "{text}");
    }
}

#[tokio::test]
async fn nobody_at_the_address_is_said_after_a_few_tries() {
    // Bound and let go: nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let text = refusal(&client(), &format!("127.0.0.1:{port}/a:1")).await;
    assert!(text.contains("cannot reach") && text.contains("refused") && text.contains("4 times"), "{text}");
}

#[tokio::test]
async fn a_certificate_counts_only_when_its_authority_is_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = certificate(dir.path(), false);
    let registry = Registry::start(Access::Tls { certificate: &cert, key: &key });
    let name = registry.name("a:1");

    let text = refusal(&client(), &name).await;
    assert!(text.contains("cannot trust") && text.contains("--ca-file"), "{text}");

    let trusting = Client::new(ClientOptions { ca_file: Some(cert.clone()), ..options() }).unwrap();
    let text = refusal(&trusting, &name).await;
    assert!(text.contains("no repository `a`"), "{text}");

    let environment = Environment::from_pairs([("SSL_CERT_FILE", &cert)]);
    let trusting = Client::new(ClientOptions { environment, ..options() }).unwrap();
    let text = refusal(&trusting, &name).await;
    assert!(text.contains("no repository `a`"), "{text}");
}

#[tokio::test]
async fn a_server_that_shows_the_certificate_of_an_authority_is_told_how_to_make_another() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = certificate(dir.path(), true);
    let registry = Registry::start(Access::Tls { certificate: &cert, key: &key });
    let trusting = Client::new(ClientOptions { ca_file: Some(cert), ..options() }).unwrap();
    let text = refusal(&trusting, &registry.name("a:1")).await;
    assert!(text.contains("basicConstraints=critical,CA:FALSE"), "{text}");
}

#[test]
fn a_bundle_without_certificates_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("empty.pem");
    for make in [false, true] {
        if make {
            std::fs::write(&file, "no certificate here\n").unwrap();
        }
        let error =
            Client::new(ClientOptions { ca_file: Some(file.clone()), ..options() }).unwrap_err().to_string();
        assert!(error.contains("empty.pem"), "{error}");
    }
}
