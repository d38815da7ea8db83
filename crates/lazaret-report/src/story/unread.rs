//! What rules say that belongs to no step, and what could not be read.

use lazaret_model::{ImageReport, Severity};

use super::sentence::say;
use super::{Chapter, Mark, Step, Teller};

/// Findings told.
const FINDINGS: usize = 40;
/// Gaps told.
const GAPS: usize = 20;

/// Findings that stand beside no step of the story.
pub fn findings(teller: &Teller<'_>) -> Option<Chapter> {
    let image = teller.image;
    let rest: Vec<_> = image
        .findings
        .iter()
        .filter(|finding| finding.severity > Severity::Info)
        .filter(|finding| !teller.named.contains(&std::ptr::from_ref(*finding)))
        .collect();
    let mut steps: Vec<Step> = rest
        .iter()
        .take(FINDINGS)
        .map(|finding| {
            let mark = if finding.class == lazaret_model::Class::Malware { Mark::Alarm } else { Mark::Plain };
            let head = format!("{} {}: ", finding.severity.word(), crate::words::class_word(finding.class));
            let mut step = Step::new(mark, say(head).say(finding.message.clone())).at(finding.location());
            step = step
                .detail(say(crate::words::reach(finding.reach)).say(", rule ").code(finding.rule.id.clone()));
            step
        })
        .collect();
    if rest.len() > FINDINGS {
        steps.push(Step::new(Mark::Aside, say(format!("and {} more", rest.len() - FINDINGS))));
    }
    let info = image.findings.iter().filter(|finding| finding.severity == Severity::Info).count();
    if info > 0 {
        let count = crate::words::count(info as u64, "informational finding");
        steps.push(Step::new(
            Mark::Aside,
            say(format!("{count}, which accuse nobody (lazaret scan -v lists them)")),
        ));
    }
    (!steps.is_empty()).then_some(Chapter { title: "What the rules say besides", lead: None, steps })
}

/// What could not be read.
pub fn gaps(image: &ImageReport) -> Option<Chapter> {
    let mut gaps: Vec<_> = image.gaps.iter().collect();
    gaps.sort_by_key(|gap| std::cmp::Reverse(gap.matters));
    let mut steps: Vec<Step> = gaps
        .iter()
        .take(GAPS)
        .map(|gap| {
            let mark = if gap.matters { Mark::Unknown } else { Mark::Aside };
            Step::new(mark, say(gap.detail.clone())).at(&gap.location)
        })
        .collect();
    if gaps.len() > GAPS {
        steps.push(Step::new(Mark::Aside, say(format!("and {} more", gaps.len() - GAPS))));
    }
    (!steps.is_empty()).then_some(Chapter { title: "What could not be read", lead: None, steps })
}
