use std::fmt;

use serde::{Deserialize, Serialize};

/// What became of a folder of rules that a user named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulePack {
    /// The folder or file, as it was named.
    pub name: String,
    /// How many rules of it judged.
    pub applied: u64,
    /// Those that did not, in the order of their files.
    pub left_out: Vec<LeftOutRule>,
}

impl RulePack {
    /// How many rules it holds.
    pub fn rules(&self) -> u64 {
        self.applied + self.left_out.len() as u64
    }
}

/// A rule of a user's that judges no image, and why.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LeftOutRule {
    /// Its file.
    pub file: String,
    /// What it calls itself; empty where it cannot be read.
    pub rule: String,
    /// Why, as the rest of a sentence that begins with the rule: `reads the log of sshd, …`.
    pub reason: String,
    /// Whether something is wrong with it; otherwise it asks for what only a running system has.
    pub broken: bool,
}

/// `FILE: RULE REASON`.
impl fmt::Display for LeftOutRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rule.as_str() {
            "" => write!(f, "{}: {}", self.file, self.reason),
            rule => write!(f, "{}: `{rule}` {}", self.file, self.reason),
        }
    }
}
