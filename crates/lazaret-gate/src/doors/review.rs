//! Kubernetes' `AdmissionReview` (API reference, admission.k8s.io/v1), and the containers in the
//! objects that are reviewed.

use data_encoding::BASE64;
use lazaret_launch::Plan;
use lazaret_model::Launch;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The version that is spoken.
pub(crate) const VERSION: &str = "admission.k8s.io/v1";

/// The question of an API server.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Review {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) request: Request,
}

/// What it is about.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Request {
    pub(crate) uid: String,
    pub(crate) kind: Kind,
    #[serde(default)]
    pub(crate) namespace: String,
    #[serde(default)]
    pub(crate) name: String,
    pub(crate) operation: String,
    #[serde(default)]
    pub(crate) user_info: User,
    #[serde(default)]
    pub(crate) object: Value,
    #[serde(default)]
    pub(crate) old_object: Value,
    #[serde(default)]
    pub(crate) dry_run: Option<bool>,
}

/// The kind of an object.
#[derive(Debug, Deserialize)]
pub(crate) struct Kind {
    #[serde(default)]
    pub(crate) group: String,
    pub(crate) kind: String,
}

/// Who asks the API server.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct User {
    #[serde(default)]
    pub(crate) username: String,
}

/// An image in an object, and how it is run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Part {
    /// For people: `container web`.
    pub(crate) what: String,
    /// Where the image is written, as a JSON pointer (RFC 6901).
    pub(crate) pointer: String,
    /// The image as it is written.
    pub(crate) image: String,
    /// How it is run; None where it is mounted.
    pub(crate) launch: Option<Launch>,
}

/// One step of a JSON patch (RFC 6902).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Change {
    pub(crate) op: &'static str,
    pub(crate) path: String,
    pub(crate) value: String,
}

/// Where an object of a kind holds the specification of its pods.
fn pod_spec(kind: &Kind) -> Option<&'static str> {
    match (kind.group.as_str(), kind.kind.as_str()) {
        ("", "Pod") => Some("/spec"),
        ("", "ReplicationController")
        | ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
        | ("batch", "Job") => Some("/spec/template/spec"),
        ("batch", "CronJob") => Some("/spec/jobTemplate/spec/template/spec"),
        ("", "PodTemplate") => Some("/template/spec"),
        _ => None,
    }
}

/// The images of an object and how they are run.
///
/// # Errors
/// A sentence: an object that cannot be read whole may not come in.
pub(crate) fn parts(kind: &Kind, object: &Value) -> Result<Vec<Part>, String> {
    let base = pod_spec(kind).ok_or_else(|| {
        let kind = lazaret_model::one_line(&format!("{}/{}", kind.group, kind.kind), 100);
        format!(
            "lazaret does not know where {kind} holds its containers: leave it out of the webhook's rules"
        )
    })?;
    // A controller of old may have no template, and then makes no pods.
    let Some(spec) = object.pointer(base) else { return Ok(Vec::new()) };
    let plan = read(object);
    let mut launches = plan.containers.into_iter();
    let mut found = Vec::new();
    for (list, word) in [
        ("initContainers", "init container"),
        ("containers", "container"),
        ("ephemeralContainers", "ephemeral container"),
    ] {
        let containers = match spec.get(list) {
            None | Some(Value::Null) => continue,
            Some(Value::Array(containers)) => containers,
            Some(_) => return Err(format!("lazaret cannot read the {list} of this object")),
        };
        for (number, container) in containers.iter().enumerate() {
            let name = container["name"].as_str().unwrap_or("unnamed");
            let what = lazaret_model::one_line(&format!("{word} {name}"), 120);
            let image = match container.get("image") {
                Some(Value::String(image)) => image.as_str(),
                None | Some(Value::Null) if container.is_object() => "",
                _ => return Err(format!("lazaret cannot read what {what} is made of")),
            };
            let launch = launches.next().map(|planned| planned.launch);
            // What another reader does not see in the same way is not judged by guessing.
            let same = launch.as_ref().is_some_and(|launch| {
                launch.image.as_deref().unwrap_or_default() == image
                    && (launch.name == name || container["name"].is_null())
            });
            if !same {
                return Err(format!("lazaret cannot read how {what} is run"));
            }
            // Without an image a template makes pods that nothing can be run of.
            if !image.is_empty() {
                let pointer = format!("{base}/{list}/{number}/image");
                found.push(Part { what, pointer, image: image.to_owned(), launch });
            }
        }
    }
    for (number, volume) in spec["volumes"].as_array().into_iter().flatten().enumerate() {
        if let Some(image) = volume["image"]["reference"].as_str().filter(|image| !image.is_empty()) {
            let name = volume["name"].as_str().unwrap_or("unnamed");
            found.push(Part {
                what: lazaret_model::one_line(&format!("volume {name}"), 120),
                pointer: format!("{base}/volumes/{number}/image/reference"),
                image: image.to_owned(),
                launch: None,
            });
        }
    }
    Ok(found)
}

/// The object as the reader of manifests sees it. What is said where changes no launch.
fn read(object: &Value) -> Plan {
    // JSON is YAML, but for some characters: those are written as numbers.
    let mut text = String::new();
    for c in object.to_string().chars() {
        match c {
            ' '..='~' => text.push(c),
            c if u32::from(c) < 0x1_0000 => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => text.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    let mut plan = lazaret_launch::kubernetes(&text, "the object");
    for container in &mut plan.containers {
        container.launch.written.clear();
    }
    plan
}

/// The parts of an object that are new: at an update, those that were not there before.
pub(crate) fn changed(request: &Request) -> Result<Vec<Part>, String> {
    let new = parts(&request.kind, &request.object)?;
    if request.operation != "UPDATE" {
        return Ok(new);
    }
    let old = parts(&request.kind, &request.old_object).unwrap_or_default();
    let known = |part: &Part| old.iter().any(|old| old.image == part.image && old.launch == part.launch);
    Ok(new.into_iter().filter(|part| !known(part)).collect())
}

/// The answer to one question.
pub(crate) fn answer(version: &str, uid: &str, refused: Option<(u16, &str)>, warnings: &[String]) -> Value {
    let mut response = json!({ "uid": uid, "allowed": refused.is_none() });
    if let Some((code, message)) = refused {
        response["status"] = json!({ "code": code, "message": message });
    }
    if !warnings.is_empty() {
        response["warnings"] = json!(warnings);
    }
    json!({ "apiVersion": version, "kind": "AdmissionReview", "response": response })
}

/// The answer that changes the object.
pub(crate) fn patched(uid: &str, changes: &[Change]) -> Value {
    let mut review = answer(VERSION, uid, None, &[]);
    if !changes.is_empty() {
        review["response"]["patchType"] = json!("JSONPatch");
        review["response"]["patch"] = json!(BASE64.encode(json!(changes).to_string().as_bytes()));
    }
    review
}

/// The name of an image without tag and digest, as it was written. Some engines take no name with
/// both.
pub(crate) fn bare(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or(image);
    match name.rsplit_once(':') {
        Some((bare, tag)) if !tag.contains('/') => bare,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn kind(group: &str, kind: &str) -> Kind {
        Kind { group: group.into(), kind: kind.into() }
    }

    fn spec() -> Value {
        json!({
            "initContainers": [{"name": "i", "image": "init:1"}],
            "containers": [{"name": "c", "image": "app", "securityContext": {"privileged": true},
                "env": [{"name": "ODD", "value": "\u{85}\u{1f600}\u{7f}: - x # \" '\n"}]}],
            "ephemeralContainers": [{"name": "e", "image": "debug@sha256:00"}],
            "volumes": [{"name": "v", "image": {"reference": "data:2"}}],
        })
    }

    #[test]
    fn every_kind_that_makes_pods_shows_its_images() {
        for (group, name, object, base) in [
            ("", "Pod", json!({"kind": "Pod", "spec": spec()}), "/spec"),
            (
                "apps",
                "Deployment",
                json!({"kind": "Deployment", "spec": {"template": {"spec": spec()}}}),
                "/spec/template/spec",
            ),
            (
                "batch",
                "CronJob",
                json!({"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": {"spec": spec()}}}}}),
                "/spec/jobTemplate/spec/template/spec",
            ),
        ] {
            let parts = parts(&kind(group, name), &object).unwrap();
            let images: Vec<&str> = parts.iter().map(|part| part.image.as_str()).collect();
            assert_eq!(images, ["init:1", "app", "debug@sha256:00", "data:2"], "{name}");
            assert!(parts.iter().all(|part| part.pointer.starts_with(base)
                && object.pointer(&part.pointer).unwrap() == part.image.as_str()));
            let launch = parts[1].launch.as_ref().unwrap();
            assert_eq!(launch.privileged, Some(true));
            assert_eq!(launch.env[0].1.as_deref(), Some("\u{85}\u{1f600}\u{7f}: - x # \" '\n"));
        }
    }

    #[test]
    fn what_cannot_be_read_whole_is_refused() {
        assert!(parts(&kind("example.com", "Widget"), &json!({})).is_err());
        for containers in [json!({"a": 1}), json!("x"), json!([{"name": "c", "image": ["x"]}, 1])] {
            let object = json!({"kind": "Pod", "spec": {"containers": containers}});
            assert!(parts(&kind("", "Pod"), &object).is_err(), "{object}");
        }
        let hollow = json!({"kind": "ReplicationController", "spec": {}});
        assert_eq!(parts(&kind("", "ReplicationController"), &hollow), Ok(Vec::new()));
    }

    #[test]
    fn an_update_is_about_what_it_changes() {
        let pod = |image: &str, privileged: bool| {
            json!({"kind": "Pod", "metadata": {"labels": {"v": image}}, "spec": {"containers": [
                {"name": "a", "image": image, "securityContext": {"privileged": privileged}}, {"name": "b", "image": "same"}]}})
        };
        let asked = |old: Value, new: Value| Request {
            uid: "1".into(),
            kind: kind("", "Pod"),
            namespace: String::new(),
            name: String::new(),
            operation: "UPDATE".into(),
            user_info: User::default(),
            object: new,
            old_object: old,
            dry_run: None,
        };
        let images = |request: Request| -> Vec<String> {
            changed(&request).unwrap().into_iter().map(|part| part.image).collect()
        };
        assert_eq!(images(asked(pod("x", false), pod("y", false))), ["y"]);
        assert_eq!(images(asked(pod("x", false), pod("x", true))), ["x"]);
        assert!(images(asked(pod("x", false), pod("x", false))).is_empty());
        assert_eq!(images(asked(Value::Null, pod("x", false))), ["x", "same"], "nothing is known of before");
    }

    #[test]
    fn a_name_loses_its_tag_and_keeps_its_port() {
        for (image, name) in [
            ("nginx", "nginx"),
            ("nginx:1", "nginx"),
            ("h:5000/a/b", "h:5000/a/b"),
            ("h:5000/a/b:1@sha256:00", "h:5000/a/b"),
        ] {
            assert_eq!(bare(image), name);
        }
    }
}
