use std::process::ExitCode;

use lazaret_model::{Outcome, Report};

use crate::args::FailOn;

/// The exit codes that docs/EXIT-CODES.md promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: every image may come in.
    Allowed,
    /// 1, or what `--exit-code` says: a verdict is at or over `--fail-on`.
    Refused(u8),
    /// 2: wrong use, or the tool failed. Nothing may be concluded.
    Error,
    /// 3: something that could matter was not read.
    Inconclusive,
}

impl Exit {
    /// The exit code for reports: the worst of them. A refusal stands over a gap, because what
    /// was not read cannot undo what was.
    pub fn of_reports(reports: &[Report], fail_on: FailOn, refused: u8) -> Self {
        let over = |outcome: Outcome| match fail_on {
            FailOn::Never => false,
            FailOn::Malicious => outcome == Outcome::Malicious,
            FailOn::Suspicious => matches!(outcome, Outcome::Malicious | Outcome::Suspicious),
        };
        let images = || reports.iter().flat_map(|r| r.images.iter().map(|i| &i.verdict).chain([&r.verdict]));
        if images().any(|v| over(v.outcome)) {
            return Self::Refused(refused);
        }
        if images().any(|v| v.outcome == Outcome::Inconclusive || v.has_gaps) {
            return Self::Inconclusive;
        }
        Self::Allowed
    }

    /// The exit code for an error. All of them mean that nothing may be concluded.
    pub fn of_error(_: &anyhow::Error) -> Self {
        Self::Error
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Allowed => 0,
            Exit::Refused(code) => code,
            Exit::Error => 2,
            Exit::Inconclusive => 3,
        })
    }
}
