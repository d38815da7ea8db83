use lazaret_model::{ImageReport, Outcome, Report, Verdict};

/// Sets the verdict of a report to the worst of its images. Where there is no image to judge,
/// nothing was scanned, and that is never a pass.
pub fn conclude(report: &mut Report) {
    report.verdict = worst(&report.images);
}

pub(crate) fn worst(images: &[ImageReport]) -> Verdict {
    let Some(worst) = images.iter().max_by_key(|i| (i.verdict.outcome.rank(), i.verdict.has_gaps)) else {
        return Verdict {
            outcome: Outcome::Inconclusive,
            why: "There is no image in it that could be judged.".to_owned(),
            would_change: "A reference that holds an image.".to_owned(),
            has_gaps: true,
        };
    };
    let mut verdict = worst.verdict.clone();
    verdict.has_gaps = images.iter().any(|i| i.verdict.has_gaps);
    if images.len() > 1
        && let Some(platform) = &worst.image.platform
        && images.iter().any(|i| i.verdict.outcome != worst.verdict.outcome)
    {
        verdict.why = format!("For {platform}: {}", verdict.why);
    }
    verdict
}
