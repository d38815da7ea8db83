//! What goes wrong on the way, or is done on purpose by a hostile server.

use std::io::Read;
use std::time::{Duration, Instant};

use lazaret_model::{Budget, Layer};
use lazaret_registry::{Client, ClientOptions, Pumped, pump};

use crate::support::fake::{Fake, OneImage, Reply, Request, Then, from};
use crate::support::{client, options, read_all, sha256};
use crate::{reference, refusal, resolve};

/// A registry whose answers for paths that contain `part` are made by `answer`; the others are honest.
async fn except(
    part: &'static str,
    answer: impl Fn(&OneImage, &Request, usize) -> Reply + Send + Sync + 'static,
) -> (Fake, OneImage, Layer) {
    let image = OneImage::new();
    let fake = Fake::start(move |request, before| {
        let image = OneImage::new();
        let is_layer = request.path.ends_with(&sha256(&image.layer));
        if (part == "layer" && is_layer) || (part != "layer" && request.path.contains(part)) {
            return answer(&image, request, before);
        }
        image.answer(request)
    })
    .await;
    let layer = Layer {
        index: 0,
        digest: sha256(&image.layer).parse().unwrap(),
        diff_id: None,
        media_type: "application/vnd.oci.image.layer.v1.tar".to_owned(),
        size: image.layer.len() as u64,
        history: None,
        foreign_urls: Vec::new(),
    };
    (fake, image, layer)
}

async fn read_layer(client: &Client, fake: &Fake, layer: &Layer) -> Result<(String, u64), String> {
    let stream = client
        .open_blob(&reference(&format!("{}/a:1", fake.host)), layer)
        .await
        .map_err(|e| e.to_string())?;
    read_all(stream).await.map_err(|e| e.to_string())
}

#[tokio::test]
async fn retry_after_is_obeyed_and_a_long_one_told() {
    let (fake, ..) = except("/manifests/", |image, request, before| match before {
        0 => Reply::new(429, "").header("Retry-After", "1"),
        _ => image.answer(request),
    })
    .await;
    let begun = Instant::now();
    resolve(&client(), &format!("{}/a:1", fake.host)).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());

    let (fake, ..) = except("/manifests/", |_, _, _| {
        Reply::new(429, r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"pull limit"}]}"#)
            .header("Retry-After", "3600")
    })
    .await;
    let text = refusal(&client(), &format!("{}/a:1", fake.host)).await;
    assert!(text.contains("429 (pull limit)") && text.contains("3600 seconds"), "{text}");
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn a_server_in_trouble_is_asked_again_but_not_for_ever() {
    let (fake, ..) = except("/manifests/", |image, request, before| match before {
        0 => Reply::new(503, ""),
        1 => Reply::new(502, "<html>"),
        _ => image.answer(request),
    })
    .await;
    resolve(&client(), &format!("{}/a:1", fake.host)).await.unwrap();

    let (fake, ..) = except("/manifests/", |_, _, _| Reply::new(500, "")).await;
    let text = refusal(&client(), &format!("{}/a:1", fake.host)).await;
    assert!(text.contains("answered 500 to 4 requests"), "{text}");
    assert_eq!(fake.seen().len(), 4);
}

#[tokio::test]
async fn a_tag_is_asked_for_once_with_every_type_in_one_header() {
    let (fake, image, _) = except("no such path", |image, request, _| image.answer(request)).await;
    let resolved = resolve(&client(), &format!("{}/a:1", fake.host)).await.unwrap();
    assert_eq!(fake.count("/manifests/1"), 1);
    assert_eq!(fake.count("/manifests/"), 1);
    assert_eq!(resolved.pinned.digest.to_string(), sha256(&image.manifest));
    let accept = fake.seen()[0].header("accept").to_owned();
    assert!(!accept.contains('|'), "several headers: {accept}");
    for kind in [
        lazaret_oci::OCI_INDEX,
        lazaret_oci::OCI_MANIFEST,
        lazaret_oci::DOCKER_LIST,
        lazaret_oci::DOCKER_MANIFEST,
    ] {
        assert!(accept.contains(kind), "{accept}");
    }
}

#[tokio::test]
async fn a_manifest_that_is_not_what_its_digest_says_ends_it() {
    let other = format!("sha256:{}", "11".repeat(32));
    let announced = other.clone();
    let (fake, image, _) = except("/manifests/", move |image, _, _| {
        Reply::new(200, image.manifest.clone())
            .header("Content-Type", lazaret_oci::OCI_MANIFEST)
            .header("Docker-Content-Digest", announced.clone())
    })
    .await;
    let text = refusal(&client(), &format!("{}/a:1", fake.host)).await;
    assert!(text.contains("does not match its digest") && text.contains(&sha256(&image.manifest)), "{text}");
    // The digest that was typed counts for more than what the server announces.
    let text = refusal(&client(), &format!("{}/a@{other}", fake.host)).await;
    assert!(text.contains(&format!("expected {other}")), "{text}");

    let (fake, ..) = except("/manifests/", |image, _, _| {
        Reply::new(200, image.manifest.clone()).header("Docker-Content-Digest", "sha256:nonsense")
    })
    .await;
    let text = refusal(&client(), &format!("{}/a:1", fake.host)).await;
    assert!(text.contains("announces a digest"), "{text}");
}

#[tokio::test]
async fn a_configuration_that_is_not_what_its_digest_says_ends_it() {
    let (fake, ..) = except("/blobs/", |image, _, _| {
        let mut changed = image.config.clone();
        *changed.last_mut().unwrap() = b' ';
        Reply::new(200, changed)
    })
    .await;
    let text = refusal(&client(), &format!("{}/a:1", fake.host)).await;
    assert!(text.contains("configuration") && text.contains("does not match its digest"), "{text}");
}

#[tokio::test]
async fn documents_that_never_end_or_claim_too_much_are_cut_off() {
    let budget = Budget { document_bytes: 100_000, ..Budget::default() };
    for reply in [Reply::new(200, "{").endless(), Reply::new(200, "{").cut(1 << 40, Then::Stall)] {
        let (fake, ..) = except("/manifests/", move |_, _, _| reply.clone()).await;
        let error =
            client().resolve(&reference(&format!("{}/a:1", fake.host)), &[], &budget).await.unwrap_err();
        assert!(error.to_string().contains("--max-document-bytes"), "{error}");
        assert_eq!(fake.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_manifest_whose_transfer_breaks_is_asked_for_again() {
    let (fake, ..) = except("/manifests/", |image, request, before| {
        let mut reply = image.answer(request);
        if before == 0 {
            reply = reply.cut(10_000, Then::Close);
        }
        reply
    })
    .await;
    resolve(&client(), &format!("{}/a:1", fake.host)).await.unwrap();
}

#[tokio::test]
async fn a_download_that_breaks_goes_on_where_it_broke() {
    let (fake, image, layer) = except("layer", |image, request, before| {
        let mut reply = image.ranged(request);
        if before < 6 {
            let whole = reply.body.len() as u64;
            reply.body.truncate(100_000);
            reply = reply.cut(whole, Then::Close);
        }
        reply
    })
    .await;
    let (digest, length) = read_layer(&client(), &fake, &layer).await.unwrap();
    assert_eq!((digest, length), (sha256(&image.layer), image.layer.len() as u64));
    let starts: Vec<usize> = fake.seen().iter().map(from).collect();
    assert_eq!(starts, [0, 100_000, 200_000, 300_000, 400_000, 500_000, 600_000]);
}

#[tokio::test]
async fn a_server_without_ranges_is_read_again_and_what_was_seen_left_out() {
    let (fake, image, layer) = except("layer", |image, _, before| {
        let reply = Reply::new(200, image.layer.clone());
        if before > 2 {
            return reply;
        }
        let mut reply = reply.cut(image.layer.len() as u64, Then::Close);
        reply.body.truncate(100_000 * (before + 1));
        reply
    })
    .await;
    let (digest, length) = read_layer(&client(), &fake, &layer).await.unwrap();
    assert_eq!((digest, length), (sha256(&image.layer), image.layer.len() as u64));
    assert_eq!(fake.seen().len(), 4);
}

#[tokio::test]
async fn a_range_that_begins_elsewhere_is_lined_up_or_refused() {
    for (shift, fine) in [(-5_000_i64, true), (5_000, false)] {
        let (fake, image, layer) = except("layer", move |image, request, before| {
            if before == 0 {
                let mut reply = image.ranged(request).cut(image.layer.len() as u64, Then::Close);
                reply.body.truncate(100_000);
                return reply;
            }
            let start = (100_000 + shift) as usize;
            Reply::new(206, image.layer[start..].to_vec())
                .header("Content-Range", format!("bytes {start}-{0}/{0}", image.layer.len()))
        })
        .await;
        match read_layer(&client(), &fake, &layer).await {
            Ok((digest, _)) => assert!(fine && digest == sha256(&image.layer)),
            Err(text) => assert!(!fine && text.contains("another range"), "{text}"),
        }
    }
}

#[tokio::test]
async fn a_download_that_always_breaks_ends_with_how_far_it_came() {
    let (fake, _, layer) = except("layer", |image, request, before| {
        let mut reply = image.ranged(request);
        let whole = reply.body.len() as u64;
        reply.body.truncate(if before == 0 { 1_000 } else { 0 });
        reply.cut(whole, Then::Close)
    })
    .await;
    let text = read_layer(&client(), &fake, &layer).await.unwrap_err();
    assert!(text.contains("only 1000 of 700000 bytes"), "{text}");
    assert_eq!(fake.seen().len(), 4);
}

#[tokio::test]
async fn a_body_that_simply_ends_early_is_not_taken_for_the_whole() {
    let (fake, _, layer) =
        except("layer", |image, _, _| Reply::new(200, image.layer[..1_000].to_vec())).await;
    let text = read_layer(&client(), &fake, &layer).await.unwrap_err();
    assert!(text.contains("ended early") && text.contains("1000 of 700000"), "{text}");
}

#[tokio::test]
async fn more_bytes_than_the_manifest_gives_are_refused() {
    let (fake, _, layer) =
        except("layer", |image, _, _| Reply::new(200, image.layer.clone()).endless()).await;
    let text = read_layer(&client(), &fake, &layer).await.unwrap_err();
    assert!(text.contains("more than the 700000 bytes"), "{text}");

    let (fake, _, layer) =
        except("layer", |image, _, _| Reply::new(200, [image.layer.as_slice(), b"!"].concat())).await;
    let text = read_layer(&client(), &fake, &layer).await.unwrap_err();
    assert!(text.contains("more than the 700000 bytes"), "{text}");
}

#[tokio::test]
async fn a_server_that_falls_silent_is_given_up() {
    let (fake, _, layer) = except("layer", |image, request, _| {
        let mut reply = image.ranged(request);
        let whole = reply.body.len() as u64;
        reply.body.truncate(0);
        reply.cut(whole, Then::Stall)
    })
    .await;
    let options = ClientOptions { stall_timeout: Duration::from_millis(100), ..options() };
    let text = read_layer(&Client::new(options).unwrap(), &fake, &layer).await.unwrap_err();
    assert!(text.contains("no more bytes within 100 ms"), "{text}");
}

#[tokio::test]
async fn the_addresses_of_a_foreign_layer_are_never_contacted() {
    let trap = Fake::start(|_, _| Reply::new(200, "trapped")).await;
    let (fake, _, mut layer) = except("layer", |_, _, _| {
        Reply::new(404, r#"{"errors":[{"code":"BLOB_UNKNOWN","message":"blob unknown to registry"}]}"#)
    })
    .await;
    let text = read_layer(&client(), &fake, &layer).await.unwrap_err();
    assert!(text.contains("has no layer sha256:"), "{text}");
    layer.foreign_urls = vec![format!("http://{}/layer", trap.host)];
    let text = read_layer(&client(), &fake, &layer).await.unwrap_err();
    assert!(text.contains("foreign layer") && text.contains("never contacted"), "{text}");
    assert!(trap.seen().is_empty());
}

#[tokio::test]
async fn a_blob_is_pumped_whole_through_a_pipe() {
    let (fake, image, layer) = except("layer", |image, request, _| image.ranged(request)).await;
    let stream = client().open_blob(&reference(&format!("{}/a:1", fake.host)), &layer).await.unwrap();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let read = std::thread::spawn(move || {
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        all
    });
    let pumped = pump(stream, writer.into(), None).await.unwrap();
    assert_eq!(pumped, Pumped::All { bytes: 700_000 });
    assert!(read.join().unwrap() == image.layer);
}

#[tokio::test]
async fn a_reader_that_leaves_ends_the_pump_without_an_error() {
    let (fake, _, mut layer) = except("layer", |_, _, _| Reply::new(200, "").endless()).await;
    layer.size = 1 << 40;
    let stream = client().open_blob(&reference(&format!("{}/a:1", fake.host)), &layer).await.unwrap();
    let (mut reader, writer) = std::io::pipe().unwrap();
    std::thread::spawn(move || {
        let mut some = [0; 100_000];
        reader.read_exact(&mut some).unwrap();
    });
    let pumped = tokio::time::timeout(Duration::from_secs(20), pump(stream, writer.into(), None))
        .await
        .unwrap()
        .unwrap();
    assert!(matches!(pumped, Pumped::ReaderLeft { bytes } if bytes < 16 << 20), "{pumped:?}");
}

#[tokio::test]
async fn a_download_that_fails_fails_the_pump() {
    let (fake, _, layer) = except("layer", |image, _, _| Reply::new(200, image.layer[..5].to_vec())).await;
    let stream = client().open_blob(&reference(&format!("{}/a:1", fake.host)), &layer).await.unwrap();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let read = std::thread::spawn(move || {
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap()
    });
    let error = pump(stream, writer.into(), None).await.unwrap_err().to_string();
    assert!(error.contains("5 of 700000"), "{error}");
    assert_eq!(read.join().unwrap(), 5);
}
