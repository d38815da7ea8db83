use std::io;
use std::path::PathBuf;

use lazaret_model::LeftOutRule;

use super::Source;

/// Why rules could not be loaded. Each message is one line: what, where, what to do.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A rule file or folder could not be read.
    #[error("cannot read rules at {}: {source}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A rule does not parse or compile, or says something impossible of itself.
    #[error("{file}:{line}: {reason}")]
    Rule {
        /// The rule file.
        file: String,
        /// Line in it, counted from 1.
        line: u32,
        /// What is wrong, and what is expected.
        reason: String,
    },
    /// No rule of a pack is left.
    #[error("{first}")]
    AllBroken {
        /// What is wrong with the first.
        first: String,
    },
    /// There is no rule where rules were promised.
    #[error("{place} holds no rule: expected files ending in .yar, .yara, .yml or .yaml")]
    Empty {
        /// The folder or file.
        place: String,
    },
    /// Two rules have one id, so that a finding could not say which one it is of.
    #[error("{second}: the rule id `{id}` is taken by {first}; rename one of the two files")]
    Duplicate {
        /// The id.
        id: String,
        /// The file that was loaded first.
        first: String,
        /// The other file.
        second: String,
    },
    /// The engine itself refused.
    #[error("the rule engine failed: {0}")]
    Engine(String),
}

impl PackError {
    /// The same as a remark on a pack whose other rules work.
    pub(crate) fn left_out(self, source: &Source) -> LeftOutRule {
        let (file, reason) = match self {
            Self::Rule { file, line, reason } => (format!("{file}:{line}"), reason),
            other => (source.origin.clone(), other.to_string()),
        };
        LeftOutRule { file, rule: String::new(), reason, broken: true }
    }
}
