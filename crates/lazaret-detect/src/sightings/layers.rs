//! Layers that bring more than packages.

use std::collections::BTreeSet;

use lazaret_model::{EntryPath, FactKind, FileKind, Image, IndicatorKind, Inventory, Location};

use super::gathered::{Gathered, Weight};
use super::own::Own;
use crate::case::Case;

/// Notes the diff ids of layers with a program, script, schedule, key, service or configuration that
/// no package brought. `bringing` are those of which that is known.
///
/// The lowest layer of several is the base's, as a rule a distribution.
pub(super) fn of(
    case: &Case<'_>,
    image: &Image,
    own: &Own<'_>,
    inventory: &Inventory,
    mut bringing: BTreeSet<usize>,
    gathered: &mut Gathered<'_>,
) {
    for (layer, path, facts) in own.files() {
        if !bringing.contains(&layer)
            && facts
                .iter()
                .any(|fact| matches!(fact.kind, FactKind::Indicator(_) | FactKind::ByteMatch { .. }))
            && own.is_own(layer, path)
        {
            bringing.insert(layer);
        }
    }
    let lowest = usize::from(image.layers.len() > 1);
    for layer in image.layers.iter().skip(lowest) {
        let Some(diff_id) = &layer.diff_id else { continue };
        let notable = || inventory.layers.get(layer.index).is_some_and(|brought| !brought.notable.is_empty());
        if bringing.contains(&layer.index) || notable() || configures(case, own, layer.index) {
            let location = Location::Layer(layer.index);
            gathered.see(IndicatorKind::Layer, &diff_id.to_string(), Weight::Lies, location);
        }
    }
}

fn configures(case: &Case<'_>, own: &Own<'_>, layer: usize) -> bool {
    let entries = case.view.layers().get(layer).map_or(&[][..], |facts| facts.entries.as_slice());
    entries.iter().any(|entry| {
        entry.kind == FileKind::File
            && entry.whiteout.is_none()
            && entry.size > 0
            && is_configuration(&entry.path)
            && own.is_own(layer, &entry.path)
    })
}

/// Files below `/etc` that somebody wrote; what every installation writes anew says nothing.
fn is_configuration(path: &EntryPath) -> bool {
    const ANEW: [&[u8]; 18] = [
        b"etc/passwd",
        b"etc/group",
        b"etc/shadow",
        b"etc/gshadow",
        b"etc/subuid",
        b"etc/subgid",
        b"etc/shells",
        b"etc/ld.so.cache",
        b"etc/machine-id",
        b"etc/hostname",
        b"etc/hosts",
        b"etc/resolv.conf",
        b"etc/mtab",
        b"etc/localtime",
        b"etc/timezone",
        b"etc/mailname",
        b"etc/ca-certificates.conf",
        b"etc/.pwd.lock",
    ];
    const DIRS: [&[u8]; 8] = [
        b"etc/ssl/",
        b"etc/pki/",
        b"etc/ca-certificates/",
        b"etc/alternatives/",
        b"etc/apk/",
        b"etc/apt/",
        b"etc/fonts/",
        b"etc/rc",
    ];
    let raw = path.as_bytes();
    raw.starts_with(b"etc/")
        && !raw.ends_with(b"-")
        && !raw.ends_with(b"~")
        && !ANEW.contains(&raw)
        && !DIRS.iter().any(|dir| raw.starts_with(dir))
}
