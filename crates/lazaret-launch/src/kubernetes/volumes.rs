//! Volumes and where a container mounts them.

use lazaret_model::{Launch, LaunchFile, Mount, MountKind};

use super::container::PodContext;
use crate::value::wrote;
use crate::yaml::Node;

/// Files that one volume brings.
const FILES: usize = 200;

/// A volume of the pod: what stands behind it, and the files that it is known to hold.
struct Volume {
    kind: MountKind,
    source: String,
    read_only: bool,
    /// Name in the volume, content, permission bits.
    files: Vec<(String, String, u32)>,
}

pub(super) fn mounts(pod: &PodContext<'_>, launch: &mut Launch, container: &Node) {
    for mount in container.get("volumeMounts").map(Node::items).unwrap_or_default() {
        let text = |key: &str| mount.get(key).and_then(Node::text);
        let (Some(name), Some(target)) = (text("name"), text("mountPath")) else { continue };
        let named = pod.spec.get("volumes").map(Node::items).unwrap_or_default();
        let volume = named.iter().find(|v| v.get("name").and_then(Node::text) == Some(name));
        let volume = volume.map_or_else(|| of_unknown(name), |node| of(pod, node, name));
        let below = text("subPath").or_else(|| text("subPathExpr")).unwrap_or_default().trim_matches('/');
        for (file, content, mode) in &volume.files {
            // With a sub-path the mount is that one file, or what stands below that folder.
            let path = if below.is_empty() {
                format!("{}/{file}", target.trim_end_matches('/'))
            } else if file == below {
                target.to_owned()
            } else if let Some(rest) = file.strip_prefix(below).filter(|r| r.starts_with('/')) {
                format!("{}{rest}", target.trim_end_matches('/'))
            } else {
                continue;
            };
            wrote(launch, format!("files[{}]", launch.files.len()), &pod.at(mount, "volumeMounts"));
            launch.files.push(LaunchFile { target: path, content: content.clone(), mode: *mode });
        }
        let source = match (volume.source.as_str(), below) {
            (source, "") => source.to_owned(),
            (source, below) => format!("{}/{below}", source.trim_end_matches('/')),
        };
        wrote(launch, format!("mounts[{}]", launch.mounts.len()), &pod.at(mount, "volumeMounts"));
        launch.mounts.push(Mount {
            kind: volume.kind,
            source,
            target: target.to_owned(),
            read_only: volume.read_only || mount.get("readOnly").and_then(Node::truth) == Some(true),
            propagation: text("mountPropagation").map(str::to_owned),
        });
    }
    // A whole device of a volume.
    for device in container.get("volumeDevices").map(Node::items).unwrap_or_default() {
        if let Some(path) = device.get("devicePath").and_then(Node::text) {
            launch.devices.push(path.to_owned());
        }
    }
}

fn of_unknown(name: &str) -> Volume {
    // A template of a set (`volumeClaimTemplates`), or nothing at all.
    Volume { kind: MountKind::Volume, source: name.to_owned(), read_only: false, files: Vec::new() }
}

fn of(pod: &PodContext<'_>, node: &Node, name: &str) -> Volume {
    let mut volume = of_unknown(name);
    if let Some(path) = node.at(&["hostPath", "path"]).and_then(Node::text) {
        volume.kind = MountKind::Bind;
        path.clone_into(&mut volume.source);
    } else if let Some(map) = node.get("configMap") {
        volume.kind = MountKind::Provided;
        let name = map.get("name").and_then(Node::text).unwrap_or_default();
        volume.source = format!("configMap:{name}");
        volume.files = files(pod.maps.get(name), map);
    } else if let Some(secret) = node.get("secret") {
        volume.kind = MountKind::Provided;
        let name = secret.get("secretName").and_then(Node::text).unwrap_or_default();
        volume.source = format!("secret:{name}");
        volume.files = files(pod.secrets.get(name), secret);
    } else if let Some(projected) = node.get("projected") {
        volume.kind = MountKind::Provided;
        "projected".clone_into(&mut volume.source);
        for source in projected.get("sources").map(Node::items).unwrap_or_default() {
            for (key, data) in [("configMap", pod.maps), ("secret", pod.secrets)] {
                if let Some(part) = source.get(key) {
                    let name = part.get("name").and_then(Node::text).unwrap_or_default();
                    volume.files.extend(files(data.get(name), part));
                }
            }
        }
    } else if node.get("emptyDir").is_some() {
        volume.kind = MountKind::Tmpfs;
        volume.source.clear();
    } else if let Some(path) = node.at(&["local", "path"]).and_then(Node::text) {
        volume.kind = MountKind::Bind;
        path.clone_into(&mut volume.source);
    } else if let Some(image) = node.get("image") {
        volume.kind = MountKind::Provided;
        volume.read_only = true;
        volume.source = format!("image:{}", image.get("reference").and_then(Node::text).unwrap_or_default());
    } else if node.get("downwardAPI").is_some() || node.get("csi").is_some() {
        volume.kind = MountKind::Provided;
    }
    volume
}

/// The files of a ConfigMap or Secret as its volume names them.
fn files(data: Option<&Vec<(String, String)>>, volume: &Node) -> Vec<(String, String, u32)> {
    let mode_of = |node: &Node, key: &str| {
        let text = node.get(key)?.text()?;
        match text.strip_prefix("0o").or_else(|| text.strip_prefix('0')) {
            Some(octal) if !octal.is_empty() => u32::from_str_radix(octal, 8).ok(),
            _ => text.parse().ok(),
        }
    };
    let mode = mode_of(volume, "defaultMode").unwrap_or(0o644);
    let data = data.map(Vec::as_slice).unwrap_or_default();
    let items = volume.get("items").map(Node::items).unwrap_or_default();
    if items.is_empty() {
        return data.iter().take(FILES).map(|(k, v)| (k.clone(), v.clone(), mode)).collect();
    }
    items
        .iter()
        .take(FILES)
        .filter_map(|item| {
            let key = item.get("key").and_then(Node::text)?;
            let path = item.get("path").and_then(Node::text).unwrap_or(key);
            let (_, content) = data.iter().find(|(k, _)| k == key)?;
            Some((path.to_owned(), content.clone(), mode_of(item, "mode").unwrap_or(mode)))
        })
        .collect()
}
