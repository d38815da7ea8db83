//! Facts and rules: analyzers read formats and state facts, the start path is followed on
//! paper and states behaviours, rules judge both, the policy gives the verdict.
//!
//! Nothing here opens a file or a connection: content comes in as bytes, and what is missing is
//! asked for.

mod analyzer;
mod analyzers;
mod bytes;
mod case;
mod checks;
mod claims;
mod code;
mod contents;
mod deception;
mod examiner;
mod example;
mod flow;
mod hash;
mod inspect;
mod inventory;
mod judge;
mod keep;
mod launch;
mod memo;
mod ownership;
mod pack;
mod planned;
mod policy;
mod reads;
mod shell;
mod sightings;
mod sigma;
mod subject;
mod traces;
mod trial;
mod unpack;
mod unread;
mod view;

pub use analyzer::Analyzer;
pub use analyzers::{TextContent, indicators_in_text, is_dynamic_dns, text_content};
pub use bytes::ByteScanner;
pub use case::{Case, LayerInput};
pub use checks::{CHECKS, Check};
pub use claims::Claims;
pub use contents::Contents;
pub use deception::{claimed_base, compare_base, compare_platforms};
pub use examiner::{ByteScan, Examined, Examiner};
pub use example::{ExampleProblem, check_examples};
pub use inspect::{Inspected, Inspection, Inspector};
pub use judge::{Beside, Judgement, judge, judge_started};
pub use launch::{
    DeepStackError, FileReach, Given, LaunchLimits, Missing, StartPath, follow, follow_given, on_deep_stack,
};
pub use ownership::{Manager, Owner, Ownership, Replaced, Rewrite, State};
pub use pack::{
    Example, Examples, Language, Pack, PackError, PackRule, RulesVersion, load_rules, rules_version,
};
pub use planned::{judge_plan, judge_planned};
pub use policy::{Weight, sort as sort_findings, verdict, weight};
pub use sigma::{Event, Hit, HitPlace, SigmaRules};
pub use subject::Subject;
pub use traces::{Trace, Traced};
pub use trial::try_recipe;
pub use unpack::open_program;
pub use view::{Found, Removal, Removed, View};

/// Changes with every line of this crate: what was judged by other code may be judged otherwise.
pub const CODE_VERSION: &str = env!("LAZARET_DETECT_CODE");
