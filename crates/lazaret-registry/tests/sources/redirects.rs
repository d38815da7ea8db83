//! Where a registry may send its clients, and what they take along.

use lazaret_registry::{Client, ClientOptions, Login};

use crate::support::fake::{Fake, OneImage, Reply};
use crate::support::{client, options, read_all, sha256};
use crate::{reference, refusal, resolve};

/// A registry that wants a password and keeps its layers elsewhere.
async fn with_storage(
    storage: impl Fn(&crate::support::fake::Request, usize) -> Reply + Send + Sync + 'static,
) -> (Fake, Fake) {
    let storage = Fake::start(storage).await;
    let (image, elsewhere) =
        (OneImage::new(), format!("http://{}/bucket/layer?signature=s3cret", storage.host));
    let layer = sha256(&image.layer);
    let registry = Fake::start(move |request, _| {
        if request.path == "/v2/" {
            return image.answer(request);
        }
        if request.header("authorization").is_empty() {
            return Reply::new(401, "").header("WWW-Authenticate", r#"Basic realm="lab""#);
        }
        if request.path.ends_with(&layer) {
            return Reply::new(307, "").header("Location", elsewhere.clone());
        }
        image.answer(request)
    })
    .await;
    (registry, storage)
}

fn logged_in(registry: &Fake) -> Client {
    let login =
        Login { registry: registry.host.clone(), username: "ada".to_owned(), password: "right".to_owned() };
    Client::new(ClientOptions { login: Some(login), ..options() }).unwrap()
}

#[tokio::test]
async fn credentials_do_not_follow_a_redirect_to_the_storage() {
    let (registry, storage) = with_storage(|request, _| OneImage::new().ranged(request)).await;
    let client = logged_in(&registry);
    let name = format!("{}/a:1", registry.host);
    let resolved = resolve(&client, &name).await.unwrap();
    let layer = &resolved.images[0].image.layers[0];
    let (digest, _) = read_all(client.open_blob(&reference(&name), layer).await.unwrap()).await.unwrap();
    assert_eq!(digest, layer.digest.to_string());
    assert!(registry.seen().iter().any(|request| request.header("authorization").starts_with("Basic ")));
    assert_eq!(storage.seen().len(), 1);
    for request in storage.seen() {
        for header in ["authorization", "cookie", "referer"] {
            assert_eq!(request.header(header), "", "{header}");
        }
    }
}

#[tokio::test]
async fn a_storage_that_asks_for_credentials_gets_none() {
    let (registry, storage) =
        with_storage(|_, _| Reply::new(401, "").header("WWW-Authenticate", r#"Basic realm="storage""#)).await;
    let client = logged_in(&registry);
    let name = format!("{}/a:1", registry.host);
    let resolved = resolve(&client, &name).await.unwrap();
    let error = client.open_blob(&reference(&name), &resolved.images[0].image.layers[0]).await.unwrap_err();
    assert!(error.to_string().contains("401"), "{error}");
    assert!(!error.to_string().contains("s3cret"), "{error}");
    assert!(storage.seen().iter().all(|request| request.header("authorization").is_empty()));
}

#[tokio::test]
async fn a_broken_download_from_the_storage_is_taken_up_through_the_registry() {
    let (registry, storage) = with_storage(|request, before| {
        let image = OneImage::new();
        let mut reply = image.ranged(request);
        if before == 0 {
            let whole = reply.body.len() as u64;
            reply.body.truncate(300_000);
            reply = reply.cut(whole, crate::support::fake::Then::Close);
        }
        reply
    })
    .await;
    let client = logged_in(&registry);
    let name = format!("{}/a:1", registry.host);
    let resolved = resolve(&client, &name).await.unwrap();
    let layer = &resolved.images[0].image.layers[0];
    let (digest, _) = read_all(client.open_blob(&reference(&name), layer).await.unwrap()).await.unwrap();
    assert_eq!(digest, layer.digest.to_string());
    assert_eq!(storage.seen().len(), 2);
    assert_eq!(registry.count(&layer.digest.to_string()), 2);
}

#[tokio::test]
async fn redirects_in_a_circle_end() {
    let fake = Fake::start(|request, _| {
        if request.path == "/v2/" {
            return Reply::new(200, "");
        }
        Reply::new(302, "").header("Location", format!("{}x", request.path))
    })
    .await;
    let text = refusal(&client(), &format!("{}/a:1", fake.host)).await;
    assert!(text.contains("more than 5 times"), "{text}");
    assert_eq!(fake.seen().len(), 6);
}

#[tokio::test]
async fn a_redirect_to_nowhere_or_to_another_scheme_is_not_followed() {
    for (location, said) in [
        ("ftp://127.0.0.1/x", "scheme `ftp`"),
        ("http://", "no URL"),
        ("file:///etc/passwd", "without a host"),
    ] {
        let fake = Fake::start(move |request, _| match request.path.as_str() {
            "/v2/" => Reply::new(200, ""),
            _ => Reply::new(302, "").header("Location", location),
        })
        .await;
        let text = refusal(&client(), &format!("{}/a:1", fake.host)).await;
        assert!(text.contains(said), "{text}");
    }
}
