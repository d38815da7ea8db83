//! The Bearer scheme: a real registry with a token server of this test, and tokens that end.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use lazaret_registry::{Client, ClientOptions, Environment, Login};

use crate::support::fake::{Fake, OneImage, Reply, Request};
use crate::support::registry::{Access, Registry, certificate};
use crate::support::{client, needed, options, run};
use crate::{refusal, resolve};

/// A token as distribution's `auth: token` wants it (distribution, `docs/spec/auth/jwt.md`),
/// signed by openssl.
fn token(dir: &Path, cert: &Path, key: &Path, actions: &str) -> String {
    let openssl = needed("openssl", "openssl");
    let pem = std::fs::read_to_string(cert).unwrap();
    let der: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let header = format!(r#"{{"typ":"JWT","alg":"RS256","x5c":["{der}"]}}"#);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let claims = format!(
        r#"{{"iss":"lab-issuer","sub":"ada","aud":"lab","exp":{},"nbf":{},"iat":{now},"jti":"1","access":[{{"type":"repository","name":"team/app","actions":[{actions}]}}]}}"#,
        now + 300,
        now - 60
    );
    let text = format!(
        "{}.{}",
        BASE64URL_NOPAD.encode(header.as_bytes()),
        BASE64URL_NOPAD.encode(claims.as_bytes())
    );
    let (plain, signed) = (dir.join("jwt"), dir.join("jwt.sig"));
    std::fs::write(&plain, &text).unwrap();
    run(Command::new(openssl)
        .args(["dgst", "-sha256", "-sign"])
        .arg(key)
        .arg("-out")
        .arg(&signed)
        .arg(&plain));
    format!("{text}.{}", BASE64URL_NOPAD.encode(&std::fs::read(&signed).unwrap()))
}

// The tools below block this thread while the token server has to answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_registry_takes_the_token_that_its_token_server_gives() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = certificate(dir.path(), true);
    let (pull, push) =
        (token(dir.path(), &cert, &key, r#""pull""#), token(dir.path(), &cert, &key, r#""pull","push""#));
    let server = Fake::start(move |request, _| {
        let right = request.header("authorization") == format!("Basic {}", BASE64.encode(b"ada:right"));
        let token = if request.path.contains("push") { &push } else { &pull };
        match right {
            true => Reply::new(200, format!(r#"{{"token":"{token}","expires_in":300}}"#)),
            false => Reply::new(401, r#"{"details":"incorrect username or password"}"#),
        }
    })
    .await;
    let realm = format!("http://{}/token", server.host);
    let registry = Registry::start(Access::Token { realm: &realm, certificate: &cert });
    let shop = crate::support::images::Workshop::new();
    shop.build("localhost/it", "amd64");
    let layout = shop.layout("localhost/it");
    run(shop
        .skopeo()
        .args(["copy", "--dest-tls-verify=false", "--dest-creds", "ada:right"])
        .args([&format!("oci:{}:it", layout.display()), &registry.url("team/app:1")]));

    let login = |password: &str| {
        let login = Login {
            registry: registry.host.clone(),
            username: "ada".to_owned(),
            password: password.to_owned(),
        };
        Client::new(ClientOptions { login: Some(login), ..options() }).unwrap()
    };
    resolve(&login("right"), &registry.name("team/app:1")).await.unwrap();
    let asked = server.seen().last().unwrap().path.clone();
    assert!(
        asked.contains("scope=repository%3Ateam%2Fapp%3Apull") && asked.contains("service=lab"),
        "{asked}"
    );

    let text = refusal(&login("wrong"), &registry.name("team/app:1")).await;
    assert!(text.contains("refused the credentials") && text.contains("incorrect username"), "{text}");
    let text = refusal(&client(), &registry.name("team/app:1")).await;
    assert!(text.contains("wants credentials"), "{text}");
    // The token that this server gives is for another repository.
    let text = refusal(&login("right"), &registry.name("team/other:1")).await;
    assert!(text.contains("denies access to `team/other`"), "{text}");
}

/// A registry that wants the token `wanted`, and its token server.
async fn pair(
    wanted: impl Fn(usize) -> String + Send + Sync + 'static,
    serve: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static,
) -> (Fake, Fake) {
    let tokens = Fake::start(serve).await;
    let (image, realm) = (OneImage::new(), format!("http://{}/token", tokens.host));
    let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let registry = Fake::start(move |request, _| {
        if request.path == "/v2/" {
            return image.answer(request);
        }
        let number = asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        if request.header("authorization") == format!("Bearer {}", wanted(number)) {
            return image.answer(request);
        }
        Reply::new(401, r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#).header(
            "WWW-Authenticate",
            format!(r#"Bearer realm="{realm}",service="s",scope="repository:a:pull""#),
        )
    })
    .await;
    (registry, tokens)
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_again_when_it_ends() {
    let (registry, tokens) = pair(
        // After three requests the first token is worth nothing.
        |number| if number < 3 { "first" } else { "second" }.to_owned(),
        |_, before| {
            Reply::new(
                200,
                format!(r#"{{"access_token":"{}"}}"#, if before == 0 { "first" } else { "second" }),
            )
        },
    )
    .await;
    let client = client();
    let name = format!("{}/a:1", registry.host);
    resolve(&client, &name).await.unwrap();
    assert_eq!(tokens.seen().len(), 1);
    resolve(&client, &name).await.unwrap();
    resolve(&client, &name).await.unwrap();
    assert_eq!(tokens.seen().len(), 2);
    assert!(tokens.seen().iter().all(|request| request.header("authorization").is_empty()));
}

#[tokio::test]
async fn an_identity_token_is_posted_and_never_put_into_an_address() {
    let (registry, tokens) =
        pair(|_| "fresh".to_owned(), |_, _| Reply::new(200, r#"{"access_token":"fresh"}"#)).await;
    let dir = tempfile::tempdir().unwrap();
    let config = format!(r#"{{"auths":{{"{}":{{"identitytoken":"long-lived&="}}}}}}"#, registry.host);
    std::fs::write(dir.path().join("config.json"), config).unwrap();
    let environment = Environment::from_pairs([("DOCKER_CONFIG", dir.path())]);
    let client = Client::new(ClientOptions { environment, ..options() }).unwrap();
    resolve(&client, &format!("{}/a:1", registry.host)).await.unwrap();
    let seen = tokens.seen();
    assert_eq!((seen.len(), seen[0].method.as_str(), seen[0].path.as_str()), (1, "POST", "/token"));
    for part in [
        "grant_type=refresh_token",
        "refresh_token=long-lived%26%3D",
        "service=s",
        "scope=repository%3Aa%3Apull",
    ] {
        assert!(seen[0].body.contains(part), "{}", seen[0].body);
    }
    assert!(registry.seen().iter().all(|request| !request.header("authorization").contains("long-lived")));
}

#[tokio::test]
async fn a_token_server_that_answers_nonsense_is_named() {
    for (reply, said) in [
        (Reply::new(200, "<html>"), "no token in JSON"),
        (Reply::new(200, "{}"), "holds no token"),
        (Reply::new(404, ""), "answered 404"),
        (Reply::new(302, "").header("Location", "http://127.0.0.1:1/"), "answered 302"),
        (Reply::new(200, "").endless(), "larger than"),
    ] {
        let (registry, _tokens) = pair(|_| "x".to_owned(), move |_, _| reply.clone()).await;
        let text = refusal(&client(), &format!("{}/a:1", registry.host)).await;
        assert!(text.contains(said) && text.contains("token server"), "{text}");
    }
}

#[tokio::test]
async fn a_token_that_is_not_taken_is_a_denial_and_no_loop() {
    let (registry, tokens) =
        pair(|_| "never".to_owned(), |_, _| Reply::new(200, r#"{"token":"other"}"#)).await;
    let text = refusal(&client(), &format!("{}/a:1", registry.host)).await;
    assert!(text.contains("wants credentials") && text.contains("authentication required"), "{text}");
    assert_eq!(tokens.seen().len(), 1);
    assert_eq!(registry.seen().len(), 2);
}

#[tokio::test]
async fn an_unreadable_credential_file_is_told_only_when_access_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config.json"), "{ broken").unwrap();
    let environment = || Environment::from_pairs([("DOCKER_CONFIG", dir.path())]);
    let client = || Client::new(ClientOptions { environment: environment(), ..options() }).unwrap();
    let (open, _tokens) = pair(|_| "t".to_owned(), |_, _| Reply::new(200, r#"{"token":"t"}"#)).await;
    resolve(&client(), &format!("{}/a:1", open.host)).await.unwrap();
    let (closed, _tokens) = pair(|_| "t".to_owned(), |_, _| Reply::new(401, "")).await;
    let text = refusal(&client(), &format!("{}/a:1", closed.host)).await;
    assert!(text.contains("config.json") && text.contains("no valid JSON"), "{text}");
}
