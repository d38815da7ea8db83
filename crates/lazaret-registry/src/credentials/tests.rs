#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;

fn shown(lookup: Lookup) -> String {
    let credential = match lookup.found.map(|f| f.credential) {
        Some(Credential::Basic { username, password }) => format!("{username}/{password}"),
        Some(Credential::Identity(token)) => format!("identity {token}"),
        Some(Credential::Registry(token)) => format!("registry {token}"),
        None => "none".to_owned(),
    };
    if lookup.troubles.is_empty() {
        credential
    } else {
        format!("{credential}, {}", lookup.troubles.join("; "))
    }
}

async fn asked(directory: &Path, config: &str, registry: &str, repository: &str) -> String {
    std::fs::write(directory.join("config.json"), config).unwrap();
    let path = std::env::join_paths([directory, Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
    let environment =
        Environment::from_pairs([("DOCKER_CONFIG", directory.as_os_str().to_owned()), ("PATH", path)]);
    shown(look_up(registry, repository, None, CredentialFiles::Read, &environment).await)
}

fn helper(directory: &Path, name: &str, script: &str) {
    let path = directory.join(format!("docker-credential-{name}"));
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn basic(text: &str) -> String {
    BASE64.encode(text.as_bytes())
}

#[tokio::test]
async fn the_most_specific_entry_of_auths_wins() {
    let dir = tempfile::tempdir().unwrap();
    let config = format!(
        r#"{{"auths":{{"reg.example":{{"auth":"{}"}},"reg.example/team":{{"auth":"{}"}},
            "reg.example/team/app":{{"auth":"{}"}},"reg.example:5000":{{"auth":"{}"}}}}}}"#,
        basic("host:1"),
        basic("team:2"),
        basic("app:3"),
        basic("port:4"),
    );
    for (registry, repository, wanted) in [
        ("reg.example", "team/app", "app/3"),
        ("reg.example", "team/other/deep", "team/2"),
        ("reg.example", "teamster/app", "host/1"),
        ("reg.example:5000", "team/app", "port/4"),
        ("reg.example:5001", "team/app", "none"),
        ("sub.reg.example", "team/app", "none"),
    ] {
        assert_eq!(asked(dir.path(), &config, registry, repository).await, wanted, "{registry}/{repository}");
    }
}

#[tokio::test]
async fn a_namespaced_entry_is_not_lent_to_its_neighbours() {
    let dir = tempfile::tempdir().unwrap();
    let config = format!(r#"{{"auths":{{"reg.example/team":{{"auth":"{}"}}}}}}"#, basic("team:2"));
    assert_eq!(asked(dir.path(), &config, "reg.example", "other/app").await, "none");
}

#[tokio::test]
async fn the_keys_of_docker_hub_and_keys_that_are_urls_are_understood() {
    let dir = tempfile::tempdir().unwrap();
    for key in ["https://index.docker.io/v1/", "docker.io", "index.docker.io", "https://docker.io/v1/"] {
        let config = format!(r#"{{"auths":{{"{key}":{{"auth":"{}"}}}}}}"#, basic("hub:1"));
        assert_eq!(asked(dir.path(), &config, "docker.io", "library/x").await, "hub/1", "{key}");
        assert_eq!(asked(dir.path(), &config, "quay.io", "library/x").await, "none", "{key}");
    }
    let config = format!(r#"{{"auths":{{"https://reg.example/v2/":{{"auth":"{}"}}}}}}"#, basic("url:1"));
    assert_eq!(asked(dir.path(), &config, "reg.example", "x").await, "url/1");
}

#[tokio::test]
async fn identity_tokens_passwords_with_colons_and_plain_fields_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let config = format!(
        r#"{{"auths":{{"a.example":{{"auth":"{}","identitytoken":"t"}},"b.example":{{"auth":"{}"}},
            "c.example":{{"username":"u","password":"p"}},"d.example":{{"registrytoken":"r"}},"e.example":{{}},"f.example":null}}}}"#,
        basic("x:y"),
        basic("u:p:q"),
    );
    for (registry, wanted) in [
        ("a.example", "identity t"),
        ("b.example", "u/p:q"),
        ("c.example", "u/p"),
        ("d.example", "registry r"),
        ("e.example", "none"),
        ("f.example", "none"),
    ] {
        assert_eq!(asked(dir.path(), &config, registry, "x").await, wanted, "{registry}");
    }
}

#[tokio::test]
async fn a_helper_is_asked_for_its_host_and_the_store_for_the_others() {
    let dir = tempfile::tempdir().unwrap();
    helper(
        dir.path(),
        "one",
        r#"read -r s; printf '{"ServerURL":"%s","Username":"one","Secret":"%s"}' "$s" "$s""#,
    );
    helper(dir.path(), "all", r#"printf '{"Username":"<token>","Secret":"tok"}'"#);
    let config = r#"{"credsStore":"all","credHelpers":{"reg.example":"one"}}"#;
    assert_eq!(asked(dir.path(), config, "reg.example", "x").await, "one/reg.example");
    assert_eq!(asked(dir.path(), config, "other.example", "x").await, "identity tok");
    let hub = r#"{"credsStore":"one"}"#;
    assert_eq!(asked(dir.path(), hub, "docker.io", "x").await, "one/https://index.docker.io/v1/");
}

#[tokio::test]
async fn a_helper_without_an_entry_leaves_the_file_its_say() {
    let dir = tempfile::tempdir().unwrap();
    helper(dir.path(), "none", "echo 'credentials not found in native keychain'; exit 1");
    let config =
        format!(r#"{{"credsStore":"none","auths":{{"reg.example":{{"auth":"{}"}}}}}}"#, basic("f:1"));
    assert_eq!(asked(dir.path(), &config, "reg.example", "x").await, "f/1");
    assert_eq!(asked(dir.path(), &config, "other.example", "x").await, "none");
}

#[tokio::test]
async fn a_helper_that_fails_or_is_missing_is_told_without_its_secret() {
    let dir = tempfile::tempdir().unwrap();
    helper(dir.path(), "broken", "echo 'keychain is locked'; exit 3");
    helper(dir.path(), "garbled", "echo 'hunter2'");
    let answer = asked(dir.path(), r#"{"credsStore":"broken"}"#, "reg.example", "x").await;
    assert!(answer.starts_with("none, ") && answer.contains("keychain is locked"), "{answer}");
    let answer = asked(dir.path(), r#"{"credsStore":"garbled"}"#, "reg.example", "x").await;
    assert!(answer.contains("JSON") && !answer.contains("hunter2"), "{answer}");
    let answer = asked(dir.path(), r#"{"credsStore":"absent"}"#, "reg.example", "x").await;
    assert!(answer.contains("docker-credential-absent: it is not installed"), "{answer}");
    let answer = asked(dir.path(), r#"{"credsStore":"../evil"}"#, "reg.example", "x").await;
    assert!(answer.contains("no name of a credential helper"), "{answer}");
}

#[tokio::test]
async fn a_damaged_file_is_named_and_the_next_one_still_read() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = dir.path().join("containers");
    std::fs::create_dir(&runtime).unwrap();
    std::fs::write(runtime.join("auth.json"), "{ not json").unwrap();
    std::fs::write(
        dir.path().join("config.json"),
        format!(r#"{{"auths":{{"r.example":{{"auth":"{}"}}}}}}"#, basic("u:p")),
    )
    .unwrap();
    let environment =
        Environment::from_pairs([("XDG_RUNTIME_DIR", dir.path()), ("DOCKER_CONFIG", dir.path())]);
    let answer = shown(look_up("r.example", "x", None, CredentialFiles::Read, &environment).await);
    assert!(answer.starts_with("u/p, ") && answer.contains("containers/auth.json"), "{answer}");
}

#[tokio::test]
async fn registry_auth_file_replaces_the_other_files_and_must_exist() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("config.json"),
        format!(r#"{{"auths":{{"r.example":{{"auth":"{}"}}}}}}"#, basic("u:p")),
    )
    .unwrap();
    let environment = Environment::from_pairs([
        ("REGISTRY_AUTH_FILE", dir.path().join("missing.json")),
        ("DOCKER_CONFIG", dir.path().to_owned()),
    ]);
    let answer = shown(look_up("r.example", "x", None, CredentialFiles::Read, &environment).await);
    assert!(answer.starts_with("none, ") && answer.contains("missing.json"), "{answer}");
}

#[tokio::test]
async fn an_explicit_login_is_for_its_registry_only() {
    let login =
        Login { registry: "r.example".to_owned(), username: "u".to_owned(), password: "p".to_owned() };
    let none = Environment::default();
    for (registry, wanted) in [("r.example", "u/p"), ("r.example:5000", "none"), ("evil.example", "none")] {
        let answer = look_up(registry, "x", Some(&login), CredentialFiles::Read, &none).await;
        assert_eq!(shown(answer), wanted, "{registry}");
    }
    assert!(!format!("{login:?}").contains("\"p\""));
}
