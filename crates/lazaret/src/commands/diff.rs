use std::io::{self, IsTerminal};

use anyhow::{Result, bail};
use lazaret_model::Report;
use lazaret_report::{ChangeOutcome, DiffFormat, Difference, Options, compare, write_difference};

use super::scan::{self, Wanted};
use crate::args::{DiffArgs, FailOnChange};
use crate::exit::Exit;

/// `lazaret diff A B`.
pub fn run(args: &DiffArgs) -> Result<Exit> {
    // What is wrong with the arguments is said before anything is read.
    let format = args.format.parse::<DiffFormat>()?;
    let (Some(from), Some(to)) = (one(args, &args.from)?, one(args, &args.to)?) else {
        return Ok(Exit::Error);
    };
    let difference = compare(&from, &to);
    let terminal = args.output.is_none() && io::stdout().is_terminal();
    let options = Options {
        color: scan::color(args.look.color, args.look.no_color, terminal),
        width: scan::width(terminal),
        verbose: args.verbose,
        ..Options::default()
    };
    scan::put(args.output.as_deref(), |out| write_difference(format, &difference, &options, out))?;
    Ok(exit(&difference, args.fail_on))
}

/// The one report on what was named; None where reading failed, which was then told.
fn one(args: &DiffArgs, reference: &str) -> Result<Option<Report>> {
    let (mut reports, failed) = scan::read(&Wanted {
        references: &[reference.to_owned()],
        rules: &args.rules.rules,
        only_rules: args.rules.only_rules,
        source: &args.source,
        budget: &args.budget,
        quiet: args.look.quiet,
        no_progress: args.look.no_progress,
    })?;
    if failed {
        return Ok(None);
    }
    if reports.len() > 1 {
        bail!("`{reference}` holds {} images: name one of them", reports.len());
    }
    Ok(reports.pop())
}

/// A refusal stands over a gap, because what was not read cannot undo what was.
fn exit(difference: &Difference, fail_on: FailOnChange) -> Exit {
    let limit = match fail_on {
        FailOnChange::More => Some(ChangeOutcome::More),
        FailOnChange::Alarming => Some(ChangeOutcome::Alarming),
        FailOnChange::Never => None,
    };
    if limit.is_some_and(|limit| difference.outcome() >= limit) {
        return Exit::Refused(1);
    }
    if difference.has_gaps() { Exit::Inconclusive } else { Exit::Allowed }
}
