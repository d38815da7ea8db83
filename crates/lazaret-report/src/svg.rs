//! The layers of an image, drawn to size.

use lazaret_model::{ImageReport, Outcome, Severity};
use maud::{Markup, PreEscaped, html};

use crate::words;

/// Least share of the width, in percent, so that an empty layer can still be seen and hit.
const LEAST: f64 = 0.7;
/// A segment narrower than this has no room for its number.
const ROOM: f64 = 3.2;
/// Pins stand at least this far apart, in percent; in one row, twice as far.
const PIN: f64 = 3.4;
/// The two rows of pins.
const HIGH: u8 = 12;
const LOW: u8 = 34;
/// More layers than this make one bar unreadable; registries and engines stop at 127.
const MOST_LAYERS: usize = 200;

/// What stands on one layer.
#[derive(Debug, Clone, Default)]
pub struct Marks {
    /// Fragment of the worst finding on it, and how many there are.
    pub findings: Vec<(String, Severity)>,
    /// Whether a part of it that could matter was not read.
    pub unread: bool,
}

impl Marks {
    /// Severity of the worst finding.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|(_, severity)| *severity).max()
    }
}

/// The size of a layer: unpacked where it is known, else as stored.
pub fn size(image: &ImageReport, layer: usize) -> u64 {
    let unpacked = image.layer_sizes.get(layer).copied().filter(|&size| size > 0);
    unpacked.unwrap_or_else(|| image.image.layers.get(layer).map_or(0, |layer| layer.size))
}

/// A bar with one segment for each layer, lowest at the left, with a pin on each that holds
/// findings. Positions are percentages, so that it fits any width without distorting its text.
pub fn layers(image: &ImageReport, marks: &[Marks]) -> Markup {
    let count = image.image.layers.len().min(MOST_LAYERS);
    let total: f64 = (0..count).map(|layer| size(image, layer) as f64).sum::<f64>().max(1.0);
    let shares: Vec<f64> =
        (0..count).map(|layer| (size(image, layer) as f64 / total * 100.0).max(LEAST)).collect();
    let scale = 100.0 / shares.iter().sum::<f64>().max(1.0);
    let mut at = 0.0;
    let mut segments = Vec::new();
    for (layer, share) in shares.iter().enumerate() {
        let width = share * scale;
        segments.push((layer, at, width, at + width / 2.0));
        at += width;
    }
    let pins = pins(&segments, marks);
    // Without pins there is nothing above the bar.
    let top: u8 = if pins.is_empty() { 1 } else { 52 };
    let label = format!("{} drawn to size", words::count(image.image.layers.len() as u64, "layer"));
    html! {
        svg class=(if pins.is_empty() { "bar flat" } else { "bar" }) role="img" aria-label=(label) {
            @for (layer, at, width, middle) in &segments {
                @let worst = marks.get(*layer).and_then(Marks::worst);
                @let class = match worst {
                    Some(worst) => format!("hit {}", worst.word()),
                    None => if layer % 2 == 0 { "a".to_owned() } else { "b".to_owned() },
                };
                g {
                    title { "layer " (layer) ": " (words::bytes(size(image, *layer))) }
                    rect class=(class) x=(percent(*at)) y=(top) width=(percent(*width)) height="44" rx="3" {}
                    @if marks.get(*layer).is_some_and(|mark| mark.unread) {
                        rect.unread x=(percent(*at)) y=(top) width=(percent(*width)) height="44" rx="3" {}
                    }
                    @if *width >= ROOM {
                        text class=[worst.map(|_| "hit-text")] x=(percent(*middle)) y=(top + 26) { (layer) }
                    }
                }
            }
            @for pin in &pins {
                @let x = percent(pin.at);
                a href={ "#" (pin.mark.findings[0].0) } {
                    g class={ "pin " (pin.mark.worst().map_or("", Severity::word)) } {
                        line x1=(percent(pin.middle)) y1=(top) x2=(x) y2=(pin.height) {}
                        circle cx=(x) cy=(pin.height) r="11" {}
                        text x=(x) y=(pin.height + 4) { (pin.mark.findings.len()) }
                    }
                }
            }
        }
    }
}

/// A pin on a layer that holds findings.
struct Pin<'a> {
    mark: &'a Marks,
    /// Middle of its layer.
    middle: f64,
    /// Where its head stands.
    at: f64,
    height: u8,
}

/// Pins from left to right, pushed apart so that none hides another, in two rows.
fn pins<'a>(segments: &[(usize, f64, f64, f64)], marks: &'a [Marks]) -> Vec<Pin<'a>> {
    let mut pins: Vec<Pin<'a>> = Vec::new();
    for (layer, _, _, middle) in segments {
        if let Some(mark) = marks.get(*layer).filter(|mark| !mark.findings.is_empty()) {
            pins.push(Pin { mark, middle: *middle, at: *middle, height: HIGH });
        }
    }
    // With more pins than fit, they come as near as they must.
    let apart = PIN.min(96.0 / pins.len().max(1) as f64);
    let mut least: f64 = 1.5;
    for pin in &mut pins {
        pin.at = pin.at.max(least);
        least = pin.at + apart;
    }
    let mut most: f64 = 98.5;
    for pin in pins.iter_mut().rev() {
        pin.at = pin.at.min(most);
        most = pin.at - apart;
    }
    for number in 1..pins.len() {
        let near = pins[number].at - pins[number - 1].at < 2.0 * PIN;
        if near && pins[number - 1].height == HIGH {
            pins[number].height = LOW;
        }
    }
    pins
}

fn percent(value: f64) -> String {
    format!("{value:.3}%")
}

/// The mark of an outcome, drawn, because a font may lack it.
pub fn symbol(outcome: Outcome) -> Markup {
    let path = match outcome {
        Outcome::Malicious => "M13 4h14l9 9v14l-9 9H13l-9-9V13z M14 14l12 12 M26 14L14 26",
        Outcome::Suspicious => "M20 5L37 35H3z M20 16v9 M20 29.5v.5",
        Outcome::Inconclusive => {
            "M20 4a16 16 0 1 0 .01 0z M15 16a5 5 0 1 1 7 4.6c-1.6.8-2 1.700-2 3.400 M20 28.500v.5"
        }
        Outcome::Clean => "M20 4a16 16 0 1 0 .01 0z M12.500 20.500l5.500 5.500 10-11",
    };
    PreEscaped(format!(
        "<svg width=\"40\" height=\"40\" viewBox=\"0 0 40 40\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"3\" stroke-linecap=\"round\" stroke-linejoin=\"round\" aria-hidden=\"true\"><path d=\"{path}\"/></svg>"
    ))
}
