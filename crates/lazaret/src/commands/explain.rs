use std::io::{self, IsTerminal};

use anyhow::Result;
use lazaret_report::{Format, Options, StoryFormat};

use super::scan::{self, Wanted};
use crate::args::ExplainArgs;
use crate::exit::Exit;

/// `lazaret explain REF…`: the story. The exit code says whether the story is whole, not whether
/// the image is good.
pub fn run(args: &ExplainArgs) -> Result<Exit> {
    // What is wrong with the arguments is said before anything is read.
    let page = args.format == "html";
    let format = if page { StoryFormat::Text } else { args.format.parse::<StoryFormat>()? };
    let launch = args.run_as.as_deref().map(scan::launch).transpose()?;
    let references = scan::meant(&args.references, launch.as_ref());
    let wanted = Wanted {
        references: &references,
        rules: &args.rules.rules,
        only_rules: args.rules.only_rules,
        source: &args.source,
        budget: &args.budget,
        quiet: args.look.quiet,
        no_progress: args.look.no_progress,
    };
    let (reports, failed) = scan::read_as(&wanted, launch.as_ref())?;
    let terminal = args.output.is_none() && io::stdout().is_terminal();
    let options = Options {
        color: scan::color(args.look.color, args.look.no_color, terminal),
        width: scan::width(terminal),
        verbose: args.verbose,
        ..Options::default()
    };
    if !reports.is_empty() {
        scan::put(args.output.as_deref(), |out| match page {
            true => lazaret_report::render(Format::Html, &reports, &options, out),
            false => lazaret_report::explain(format, &reports, &options, out),
        })?;
    }
    if failed {
        return Ok(Exit::Error);
    }
    let gaps = reports.iter().flat_map(|report| &report.images).any(|image| image.coverage.gaps > 0);
    Ok(if gaps { Exit::Inconclusive } else { Exit::Allowed })
}
