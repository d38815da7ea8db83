//! A comparison as Markdown, for a comment on a change.

use lazaret_model::visible;

use crate::diff::Difference;
use crate::explain::markdown_step;
use crate::markdown::{code, escape};

/// The whole.
pub fn render(difference: &Difference) -> String {
    let mut out =
        format!("### {}: {} → {}\n", difference.outcome(), code(&difference.from.0), code(&difference.to.0));
    for one in &difference.comparisons {
        if difference.comparisons.len() > 1 {
            out.push_str(&format!("\n#### {}: {}\n", escape(&one.platform), one.outcome));
        }
        out.push_str(&format!("\n{}\n", escape(&visible(&one.why))));
        if one.verdicts.0 != one.verdicts.1 {
            out.push_str(&format!(
                "\nThe verdict was **{}** and is **{}**.\n",
                one.verdicts.0, one.verdicts.1
            ));
        }
        if one.has_gaps {
            out.push_str("\nSomething that could matter was not read in one of them: what is new there is not in this list.\n");
        }
        let mut area = None;
        for change in &one.changes {
            if area != Some(change.area) {
                out.push_str(&format!("\n**{}**\n\n", change.area.title()));
                area = Some(change.area);
            }
            markdown_step(&mut out, &change.step, 0);
        }
    }
    for (platforms, words) in
        [(&difference.added, "Only in the second"), (&difference.gone, "Only in the first")]
    {
        if !platforms.is_empty() {
            out.push_str(&format!("\n{words}: {}\n", escape(&platforms.join(", "))));
        }
    }
    out.push_str(&format!("\n{} → {}\n", code(&difference.from.1), code(&difference.to.1)));
    out
}
