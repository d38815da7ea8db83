//! Kubernetes manifests (the core API's PodSpec and everything that holds one).

mod container;
mod volumes;

use std::collections::BTreeMap;

use lazaret_model::{LaunchForm, Location};

use crate::yaml::{Node, documents};
use crate::{Plan, Statement};
use container::PodContext;

/// Objects of one file.
const OBJECTS: usize = 5_000;
/// Containers of one file.
const CONTAINERS: usize = 2_000;
/// Leaves of one object that are told to rules.
const LEAVES: usize = 500;

/// Where a pod's specification stands in the kinds that hold one, most specific first.
const POD_SPECS: &[&[&str]] = &[
    &["spec", "jobTemplate", "spec", "template", "spec"],
    &["spec", "template", "spec"],
    &["spec", "podTemplate", "spec"],
    &["spec", "workload", "template", "spec"],
    &["template", "spec"],
    &["spec"],
];

/// Texts by name of the object and key: what ConfigMaps and Secrets of the same file hold.
pub(crate) type Data = BTreeMap<String, Vec<(String, String)>>;

/// Reads a manifest of one or several documents. `file` is its name in places.
///
/// What is no YAML from some line on is a note; what stands before it is read. Templates of
/// package managers (`{{ … }}`) are taken for unknown values.
pub fn kubernetes(text: &str, file: &str) -> Plan {
    let mut plan = Plan::new(LaunchForm::Kubernetes);
    let (mut read, mut error) = documents(text);
    if error.is_some() && text.contains("{{") {
        let (again, worse) = documents(&without_templates(text));
        if again.len() >= read.len() {
            (read, error) = (again, worse);
            let line = text.lines().position(|line| line.contains("{{")).unwrap_or_default() + 1;
            let place = Location::Launch {
                file: Some(file.to_owned()),
                line: u32::try_from(line).ok(),
                key: "template".to_owned(),
            };
            plan.note(place, "a template that is not rendered: what its values are is not known", true);
        }
    }
    if let Some(error) = error {
        let place =
            Location::Launch { file: Some(file.to_owned()), line: Some(error.line), key: "YAML".to_owned() };
        plan.note(place, format!("from here on this is no YAML that can be read: {}", error.what), true);
    }
    let mut objects: Vec<&Node> = Vec::new();
    for document in &read {
        flatten(document, &mut objects, 0);
    }
    let maps = data_of(&objects, "ConfigMap");
    let secrets = data_of(&objects, "Secret");
    for object in objects {
        one(&mut plan, object, file, &maps, &secrets);
    }
    plan
}

/// The objects of a list, and of lists in it.
fn flatten<'n>(node: &'n Node, out: &mut Vec<&'n Node>, depth: u32) {
    if out.len() >= OBJECTS || depth > 4 {
        return;
    }
    let is_list = node.get("kind").and_then(Node::text).is_some_and(|kind| kind.ends_with("List"));
    match node.get("items").filter(|_| is_list) {
        Some(items) => items.items().iter().for_each(|item| flatten(item, out, depth + 1)),
        None => match node.items() {
            [] => out.push(node),
            items => items.iter().for_each(|item| flatten(item, out, depth + 1)),
        },
    }
}

fn data_of(objects: &[&Node], kind: &str) -> Data {
    let mut found = Data::new();
    for object in objects.iter().filter(|o| o.get("kind").and_then(Node::text) == Some(kind)) {
        let Some(name) = object.at(&["metadata", "name"]).and_then(Node::text) else { continue };
        let entry = found.entry(name.to_owned()).or_default();
        for (part, encoded) in [("data", kind == "Secret"), ("stringData", false), ("binaryData", true)] {
            for (key, value) in object.get(part).map(Node::pairs).unwrap_or_default() {
                let Some(text) = value.text() else { continue };
                let text = if encoded { decode(text).unwrap_or_default() } else { text.to_owned() };
                entry.push((key.clone(), text));
            }
        }
    }
    found
}

/// Base64 as Kubernetes writes it, where it holds a text.
fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in text.bytes().filter(|b| !b.is_ascii_whitespace()) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => break,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    String::from_utf8(out).ok()
}

fn one(plan: &mut Plan, object: &Node, file: &str, maps: &Data, secrets: &Data) {
    let Some(kind) = object.get("kind").and_then(Node::text) else {
        if !object.pairs().is_empty() && object.get("apiVersion").is_some() {
            plan.note(place(file, object, "kind"), "an object has no kind and was left out", false);
        }
        return;
    };
    let name = object.at(&["metadata", "name"]).or_else(|| object.at(&["metadata", "generateName"]));
    let name = name.and_then(Node::text).unwrap_or("unnamed").trim_end_matches('-');
    let spec = POD_SPECS.iter().find_map(|path| {
        object
            .at(path)
            .filter(|spec| spec.get("containers").is_some() || spec.get("initContainers").is_some())
            .map(|spec| (spec, &path[..path.len() - 1]))
    });
    let Some((spec, above)) = spec else {
        if plan.objects.len() < OBJECTS {
            plan.objects.push(statement(object, kind, name, file));
        }
        return;
    };
    // Annotations of the pod itself, which stand beside its specification.
    let annotations = object.at(above).unwrap_or(object).at(&["metadata", "annotations"]);
    let context = PodContext {
        kind,
        owner: name,
        namespace: object.at(&["metadata", "namespace"]).and_then(Node::text),
        spec,
        annotations: annotations.map(Node::pairs).unwrap_or_default(),
        file,
        maps,
        secrets,
    };
    for (list, role) in [("initContainers", "init"), ("containers", ""), ("ephemeralContainers", "ephemeral")]
    {
        for container in spec.get(list).map(Node::items).unwrap_or_default() {
            if plan.containers.len() >= CONTAINERS {
                plan.note(place(file, container, list), "the file holds more containers than are read", true);
                return;
            }
            context.container(plan, container, role);
        }
    }
    // An image can also be mounted as a volume.
    for volume in spec.get("volumes").map(Node::items).unwrap_or_default() {
        if let Some(image) = volume.at(&["image", "reference"]).and_then(Node::text) {
            let place = place(file, volume, "volumes.image");
            plan.name_image(image, "volumes.image", None, &place);
        }
    }
}

pub(crate) fn place(file: &str, node: &Node, key: &str) -> Location {
    Location::Launch { file: Some(file.to_owned()), line: Some(node.line), key: key.to_owned() }
}

/// An object that holds no container, for rules: roles, bindings, services, policies.
fn statement(object: &Node, kind: &str, name: &str, file: &str) -> Statement {
    let mut out = Statement::new(kind, place(file, object, kind)).with("Name", name);
    let text = |keys: &[&str]| object.at(keys).and_then(Node::text).unwrap_or_default().to_owned();
    out = out.with("Namespace", text(&["metadata", "namespace"]));
    for rule in object.get("rules").map(Node::items).unwrap_or_default() {
        let list = |key: &str| rule.get(key).map(Node::texts).unwrap_or_default().join(",");
        let named = list("resourceNames");
        // One line for each rule of a role, so that verbs and resources of one are seen together.
        let line = format!(
            "groups={} resources={} verbs={} names={named}",
            list("apiGroups"),
            list("resources"),
            list("verbs")
        );
        out = out.with("RoleRule", line);
    }
    if let Some(role) = object.get("roleRef") {
        out = out.with("RoleRef", role.get("name").and_then(Node::text).unwrap_or_default());
    }
    for subject in object.get("subjects").map(Node::items).unwrap_or_default() {
        let part = |key: &str| subject.get(key).and_then(Node::text).unwrap_or_default();
        out = out.with("Subject", format!("{}:{}", part("kind"), part("name")));
    }
    let mut leaves = Vec::new();
    leaves_of(object, "", &mut leaves);
    for leaf in leaves {
        out = out.with("Value", leaf);
    }
    out
}

/// `spec.type=NodePort`, positions in lists left out.
fn leaves_of(node: &Node, path: &str, out: &mut Vec<String>) {
    if out.len() >= LEAVES {
        return;
    }
    if let Some(text) = node.text() {
        out.push(format!("{path}={text}"));
    }
    for item in node.items() {
        leaves_of(item, path, out);
    }
    for (key, value) in node.pairs() {
        let deeper = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        leaves_of(value, &deeper, out);
    }
}

/// Templates of package managers taken out: a line that holds nothing else goes, a value becomes
/// a word.
fn without_templates(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        if line.trim_start().starts_with("{{") && line.trim_end().ends_with("}}") {
            out.push('\n');
            continue;
        }
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("{{") {
            out.push_str(before);
            let Some((_, behind)) = after.split_once("}}") else {
                rest = "";
                break;
            };
            out.push_str("template");
            rest = behind;
        }
        out.push_str(rest);
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests;
