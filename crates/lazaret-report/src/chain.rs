//! The chain of evidence: from the image's digest down to the bytes, one link after the other.

use lazaret_model::{Digest, Evidence, ImageReport, Location, one_line, visible};

/// Longest instruction and excerpt that is shown, in characters.
const MOST_INSTRUCTION: usize = 400;
const MOST_EXCERPT: usize = 400;

/// One link. The value is neutralised: one line that cannot act on a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// What kind of link it is.
    pub label: &'static str,
    /// What it says.
    pub value: String,
}

fn link(label: &'static str, value: impl Into<String>) -> Link {
    Link { label, value: value.into() }
}

/// The links from the layer (or the configuration) down to the place. The image itself comes
/// before them and is the same for all; the excerpt comes after them.
/// `full` writes whole digests of layers.
pub fn links(image: &ImageReport, evidence: &Evidence, full: bool) -> Vec<Link> {
    let mut out = Vec::new();
    match &evidence.location {
        Location::Image => {}
        Location::Manifest => out.push(link("manifest", digest(&image.image.manifest, full))),
        Location::Config(key) => {
            out.push(link("config", digest(&image.image.config_digest, full)));
            out.push(link("key", one_line(key, 200)));
        }
        Location::History(step) => {
            out.push(link("config", digest(&image.image.config_digest, full)));
            out.push(link("step", step.to_string()));
            if let Some(history) = image.image.config.history.get(*step) {
                out.push(link("made by", one_line(&history.created_by, MOST_INSTRUCTION)));
            }
        }
        Location::Layer(layer) => out.extend(layer_links(image, *layer, full)),
        Location::Launch { file, line, key } => {
            let place = match (file, line) {
                (Some(file), Some(line)) => format!("{}:{line}", visible(file)),
                (Some(file), None) => visible(file).into_owned(),
                (None, _) => "the words that start it".to_owned(),
            };
            out.push(link("launch", place));
            out.push(link("key", one_line(key, 200)));
        }
        Location::File { layer, path, inside, line, offset } => {
            out.extend(layer_links(image, *layer, full));
            let mut file = visible(&path.to_string()).into_owned();
            for member in inside {
                file.push('!');
                file.push_str(&visible(member));
            }
            out.push(link("file", file));
            if let Some(sha256) = &evidence.sha256 {
                out.push(link("sha256", sha256.hex()));
            }
            match (line, offset) {
                (Some(line), _) => out.push(link("at", format!("line {line}"))),
                (None, Some(offset)) => out.push(link("at", format!("offset {offset} (0x{offset:x})"))),
                (None, None) => {}
            }
        }
    }
    if !evidence.what.is_empty() {
        out.push(link("seen", visible(&evidence.what).into_owned()));
    }
    out
}

/// A digest as engines print it, or whole.
pub fn digest(digest: &Digest, full: bool) -> String {
    if full { digest.to_string() } else { format!("{}:{}", digest.algorithm().name(), digest.short()) }
}

/// The decoded excerpt, where there is one: neutralised and cut.
pub fn excerpt(evidence: &Evidence) -> Option<String> {
    evidence.excerpt.as_deref().map(|text| one_line(text.trim_end(), MOST_EXCERPT))
}

fn layer_links(image: &ImageReport, layer: usize, full: bool) -> Vec<Link> {
    let Some(described) = image.image.layers.get(layer) else {
        return vec![link("layer", layer.to_string())];
    };
    let mut out = vec![link("layer", format!("{layer}, {}", digest(&described.digest, full)))];
    if let Some(made_by) = image.image.instruction(layer) {
        out.push(link("made by", one_line(made_by, MOST_INSTRUCTION)));
    }
    out
}
