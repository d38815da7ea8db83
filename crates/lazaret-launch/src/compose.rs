//! Compose files (compose-spec): services, their builds, configs and secrets.

mod service;

use std::collections::BTreeMap;

use lazaret_model::{LaunchForm, Location};

use crate::variables::substitute;
use crate::yaml::{Kind, Node, documents};
use crate::{Beside, Plan, PlannedContainer, PlannedImage};
use service::Service;

/// Services of one file.
const SERVICES: usize = 2_000;
/// Services that extend services.
const EXTENDS: usize = 16;

/// Reads a compose file. `file` is its name in places, `beside` the folder that it stands in:
/// `.env`, `env_file` and `extends` are looked for there.
///
/// What is no YAML from some line on is a note; what stands before it is read. Services of
/// profiles are read like the others: somebody may start them.
pub fn compose(text: &str, file: &str, beside: &dyn Beside) -> Plan {
    let mut plan = Plan::new(LaunchForm::Compose);
    let variables: BTreeMap<String, String> = beside
        .read(".env")
        .map(|bytes| crate::value::env_file(&String::from_utf8_lossy(&bytes)))
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
    let (read, error) = documents(text);
    if let Some(error) = error {
        let place =
            Location::Launch { file: Some(file.to_owned()), line: Some(error.line), key: "YAML".to_owned() };
        plan.note(place, format!("from here on this is no YAML that can be read: {}", error.what), true);
    }
    let root = read.iter().map(|document| filled(document, &variables)).reduce(over);
    let Some(root) = root else { return plan };
    let services = match root.get("services") {
        Some(services) => services.clone(),
        // The first form of the format had the services at the top.
        None => Node { line: root.line, kind: Kind::Map(old_services(&root)) },
    };
    for included in root.get("include").map(Node::items).unwrap_or_default() {
        let place = at(file, included, "include");
        plan.note(place, format!("the file {} is included and was not read", included.flat()), false);
    }
    for (name, own) in services.pairs().iter().take(SERVICES) {
        if matches!(own.kind, Kind::Scalar(..)) {
            continue;
        }
        let whole = extended(&mut plan, own, &services, file, beside, &variables);
        let service = Service { name, node: &whole, root: &root, file, beside };
        let launch = service.launch(&mut plan);
        let at_container = plan.containers.len();
        let image = service.image(&mut plan, at_container);
        plan.containers.push(PlannedContainer {
            name: name.clone(),
            image,
            launch,
            place: at(file, own, name),
        });
    }
    if services.pairs().len() > SERVICES {
        plan.note(at(file, &services, "services"), "the file holds more services than are read", true);
    }
    plan
}

pub(crate) fn at(file: &str, node: &Node, key: &str) -> Location {
    Location::Launch { file: Some(file.to_owned()), line: Some(node.line), key: key.to_owned() }
}

fn old_services(root: &Node) -> Vec<(String, Node)> {
    let is_service = |node: &Node| node.get("image").is_some() || node.get("build").is_some();
    root.pairs().iter().filter(|(_, node)| is_service(node)).cloned().collect()
}

/// The tree with its variables filled in.
fn filled(node: &Node, variables: &BTreeMap<String, String>) -> Node {
    let kind = match &node.kind {
        Kind::Scalar(text, plain) if text.contains('$') => {
            Kind::Scalar(substitute(text, true, &|name| variables.get(name).cloned()), *plain)
        }
        Kind::Scalar(..) => node.kind.clone(),
        Kind::List(items) => Kind::List(items.iter().map(|i| filled(i, variables)).collect()),
        Kind::Map(pairs) => Kind::Map(pairs.iter().map(|(k, v)| (k.clone(), filled(v, variables))).collect()),
    };
    Node { line: node.line, kind }
}

/// A later document, or a service over the one that it extends: maps are merged, lists joined,
/// everything else replaced.
fn over(base: Node, own: Node) -> Node {
    let line = own.line;
    let kind = match (base.kind, own.kind) {
        (Kind::Map(mut base), Kind::Map(own)) => {
            for (key, value) in own {
                match base.iter().position(|(k, _)| *k == key) {
                    // A new command replaces the old one; other lists are joined.
                    Some(at) if matches!(key.as_str(), "command" | "entrypoint") => base[at].1 = value,
                    Some(at) => {
                        let before =
                            std::mem::replace(&mut base[at].1, Node { line, kind: Kind::List(Vec::new()) });
                        base[at].1 = over(before, value);
                    }
                    None => base.push((key, value)),
                }
            }
            Kind::Map(base)
        }
        (Kind::List(mut base), Kind::List(own)) => {
            base.extend(own);
            Kind::List(base)
        }
        (_, own) => own,
    };
    Node { line, kind }
}

/// A service with what it extends below it, in this file or in another one of the folder.
fn extended(
    plan: &mut Plan,
    own: &Node,
    services: &Node,
    file: &str,
    beside: &dyn Beside,
    variables: &BTreeMap<String, String>,
) -> Node {
    let mut whole = own.clone();
    let mut next = own.get("extends").cloned();
    let mut from: Option<Node> = None;
    for _ in 0..EXTENDS {
        let Some(extends) = next.take() else { break };
        let named =
            extends.get("service").or(Some(&extends)).and_then(Node::text).unwrap_or_default().to_owned();
        if let Some(other) = extends.get("file").and_then(Node::text) {
            let text = beside.read(other).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            let Some(text) = text.filter(|t| t.len() <= crate::TEXT) else {
                let what = format!("the service extends {other}, which cannot be read");
                plan.note(at(file, &extends, "extends"), what, true);
                break;
            };
            from = documents(&text).0.first().map(|document| filled(document, variables));
        }
        let base = match &from {
            Some(root) => root.at(&["services", &named]),
            None => services.get(&named),
        };
        let Some(base) = base.cloned() else {
            plan.note(
                at(file, &extends, "extends"),
                format!("the service {named}, which it extends, is not there"),
                false,
            );
            break;
        };
        next = base.get("extends").cloned();
        whole = over(base, whole);
    }
    whole
}

impl Service<'_> {
    /// The image of a service, or how it is built.
    fn image(&self, plan: &mut Plan, container: usize) -> PlannedImage {
        let named = self.node.get("image");
        let name = named.and_then(Node::text).map(str::to_owned);
        let Some(build) = self.node.get("build") else {
            let Some((node, name)) = named.zip(name) else { return PlannedImage::Unknown };
            plan.name_image(&name, "image", Some(container), &at(self.file, node, "image"));
            return PlannedImage::Reference(name);
        };
        let text = |key: &str| build.get(key).and_then(Node::text).map(str::to_owned);
        let context =
            build.text().map(str::to_owned).or_else(|| text("context")).unwrap_or_else(|| ".".to_owned());
        for from in build.get("additional_contexts").map(Node::pairs).unwrap_or_default() {
            if let Some(image) = from.1.text().and_then(|t| t.strip_prefix("docker-image://")) {
                plan.name_image(
                    image,
                    "additional_contexts",
                    None,
                    &at(self.file, &from.1, "additional_contexts"),
                );
            }
        }
        PlannedImage::Build {
            context,
            dockerfile: text("dockerfile"),
            inline: text("dockerfile_inline"),
            target: text("target"),
            args: build
                .get("args")
                .map(service::assignments)
                .unwrap_or_default()
                .into_iter()
                .filter_map(|(name, value, _)| Some((name, value?)))
                .collect(),
            name,
        }
    }
}

#[cfg(test)]
mod tests;
