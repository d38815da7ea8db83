//! What lies beside images and is none: signatures, charts, other archives.

use super::*;
use crate::support::{Tar, put, sha256};

const COSIGN: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// A signature in the clothes of an image, as cosign writes it: one layer of this content.
fn signature(place: &Path, content: &[u8]) {
    let mut image = RawImage::default();
    image.blob(content.to_vec(), sha256(content), COSIGN);
    image.write(place);
}

/// A chart, of which no part is an image's.
fn chart(place: &Path) {
    let descriptor = |kind: &str, bytes: &[u8]| json!({"mediaType": format!("application/vnd.cncf.helm.{kind}"), "digest": put(place, bytes), "size": bytes.len()});
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest =
        json!({"schemaVersion": 2, "mediaType": kind, "config": descriptor("config.v1+json", b"{}"),
        "layers": [descriptor("chart.content.v1.tar+gzip", b"x")]})
        .to_string();
    let named = json!({"mediaType": kind, "digest": put(place, manifest.as_bytes()), "size": manifest.len()});
    fs::write(place.join("oci-layout"), r#"{"imageLayoutVersion": "1.0.0"}"#).unwrap();
    fs::write(place.join("index.json"), json!({"schemaVersion": 2, "manifests": [named]}).to_string())
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_and_charts_are_no_images_and_what_only_says_that_it_is_one_is_read() {
    let place = Place::new();
    let mut library = Library::default();
    library.add("team/app", "1", &image(&place.path("app"), 1, false).0);
    signature(&place.path("signature"), br#"{"critical": {"type": "cosign container image signature"}}"#);
    library.add("team/app", &format!("sha256-{}.sig", "a".repeat(64)), &place.path("signature"));
    chart(&place.path("chart"));
    library.add("team/chart", "1", &place.path("chart"));
    let answers = library.clone();
    let fake = Fake::start(move |request, _| answers.answer(request)).await;
    let target = format!("registry:{}", fake.host);
    let (said, summary) = tokio::task::block_in_place(|| hunt(&place, &[&target]));
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(numbers(&summary, ["total", "clean", "noImage", "judgedNow"]), [3, 1, 2, 1], "{summary}");
    // Nothing is asked for again.
    let (said, summary) = tokio::task::block_in_place(|| hunt(&place, &[&target]));
    assert_eq!((said.code, numbers(&summary, ["noImage", "judgedNow"])), (0, [2, 0]), "{said:?}");
    let said = tokio::task::block_in_place(|| hunt_in(&place, &store(&place), &[&target]));
    assert!(said.out.contains("1 of 1 judged") && said.out.contains("2 are nothing that runs"), "{said:?}");

    let lies = place.path("lies");
    let script = format!("#!/bin/sh\n# {} 1\n", support::MARKER);
    signature(&lies, &Tar::default().file("start.sh", script.as_bytes()).end());
    let (said, summary) = tokio::task::block_in_place(|| hunt(&place, &[&format!("oci:{}", lies.display())]));
    // What it holds is judged, and nothing starts it.
    assert_eq!((said.code, number(&summary, "suspicious")), (0, 1), "{said:?}");
}

#[test]
fn archives_are_known_by_what_they_hold() {
    let place = Place::new();
    let folder = place.path("images");
    let layout = image(&place.path("layout"), 1, true).0;
    fs::create_dir_all(&folder).unwrap();
    let tar = |arguments: &[&str]| {
        assert!(Command::new("tar").args(arguments).status().unwrap().success(), "{arguments:?}");
    };
    let (layout, named) = (layout.to_str().unwrap(), folder.join("without-an-end"));
    tar(&["-C", layout, "-cf", named.to_str().unwrap(), "oci-layout", "blobs", "index.json"]);
    let sources = folder.join("sources.tar.gz");
    tar(&["-C", layout, "-czf", sources.to_str().unwrap(), "oci-layout"]);
    fs::write(folder.join("notes.txt"), "no archive").unwrap();
    let target = folder.display().to_string();
    let (said, summary) = hunt(&place, &[&target]);
    assert_eq!(said.code, 1, "{said:?}");
    assert_eq!(numbers(&summary, ["total", "malicious", "noImage"]), [2, 1, 1], "{summary}");

    // Where nothing is an image, it is not what was meant; what is cut off could not be looked at.
    fs::remove_file(&named).unwrap();
    let (said, summary) = hunt(&place, &[&target]);
    assert_eq!((said.code, numbers(&summary, ["total", "noImage"])), (2, [1, 1]), "{said:?}");
    let whole = place.path("whole.tar");
    tar(&["-C", layout, "-cf", whole.to_str().unwrap(), "blobs", "index.json"]);
    let bytes = fs::read(whole).unwrap();
    fs::write(folder.join("cut.tar"), &bytes[..bytes.len() / 2]).unwrap();
    fs::write(folder.join("none.tar"), "no archive").unwrap();
    let (said, summary) = hunt(&place, &[&target]);
    assert_eq!((said.code, numbers(&summary, ["total", "failed", "noImage"])), (2, [2, 1, 1]), "{said:?}");
    assert!(summary["troubles"][0].as_str().unwrap().contains("none.tar: it has the name"), "{summary}");
}
