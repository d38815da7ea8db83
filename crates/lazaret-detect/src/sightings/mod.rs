//! What an image may have in common with others of its maker, whether it speaks against it or not:
//! one file for each family of indicators.
//!
//! Nothing here accuses. What is stated is what a maker brings along from image to image; what a
//! package, a well-known base or a public service brings to everybody is left out as far as the image
//! itself tells, and the rest is weighed by whoever sees many images.

mod builder;
mod gathered;
mod layers;
mod named;
mod network;
mod own;
mod programs;
mod settings;
mod signed;
mod step;
mod told;

use lazaret_model::{Finding, Image, Inventory, Sighting};

use crate::case::Case;
use gathered::Gathered;
use own::Own;

/// Everything of an image that others may share, sorted, each indicator once.
///
/// `image` is the image as it is, without what a launch changes.
pub(crate) fn take(
    case: &Case<'_>,
    image: &Image,
    findings: &[Finding],
    inventory: &Inventory,
) -> Vec<Sighting> {
    let own = Own::new(case, findings);
    let mut gathered = Gathered::new(image);
    // Files come last: however much they hold, what acts is seen.
    named::of_findings(findings, &mut gathered);
    named::of_behaviours(case, &own, findings, &mut gathered);
    named::of_config(image, &mut gathered);
    named::of_files(case, &own, &mut gathered);
    let bringing = programs::of(case, &own, &mut gathered);
    layers::of(case, image, &own, inventory, bringing, &mut gathered);
    signed::of(case, &own, &mut gathered);
    let traced = builder::of(case, image, &mut gathered);
    settings::of(image, traced, &mut gathered);
    gathered.finish()
}
