//! What a verdict means at the door. A pure function of the file and the verdict.

mod explain;

use std::path::Path;

use lazaret_model::{Class, Launch, Outcome, RegistryRef, Severity};
use lazaret_scan::Glob;
use serde::{Deserialize, Serialize};
use time::{Date, OffsetDateTime};

use crate::judge::Judged;
use crate::privileges::Privileges;

/// A policy file, validated.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Policy {
    /// Whether a refusal refuses.
    pub mode: Mode,
    /// Which platforms of an index are judged.
    pub platforms: Platforms,
    /// How long a client waits for a verdict, in seconds, before it is told to try again.
    pub hold: u64,
    /// After how many hours an image is judged anew, whatever its verdict was.
    pub verdict_hours: u64,
    /// What a verdict means where no rule says otherwise.
    pub verdicts: Verdicts,
    /// What the Docker authorization plugin does with what it cannot judge beforehand.
    pub docker: DockerDoor,
    /// The first rule that fits decides.
    #[serde(rename = "rule")]
    pub rules: Vec<Rule>,
}

/// What the Docker authorization plugin does with requests by which images arrive or run unseen.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct DockerDoor {
    /// Builds: the daemon fetches what a `FROM` names by itself, and runs its steps.
    pub build: Action,
    /// Plugins of the engine, which run with rights of their own.
    pub plugins: Action,
    /// A swarm: its tasks start inside the daemon, without a request that the plugin sees.
    pub swarm: Action,
}

/// Whether a refusal refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// It does.
    Enforce,
    /// It is written down, and the image comes in.
    Audit,
}

/// Which platforms of an index are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Platforms {
    /// Each when it is asked for.
    Asked,
    /// All before the index is served.
    All,
}

/// What is done with an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It comes in.
    Allow,
    /// It does not.
    Refuse,
}

/// What each verdict means.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Verdicts {
    /// Clean.
    pub clean: Action,
    /// Something that could matter was not read.
    pub inconclusive: Action,
    /// Something speaks against it.
    pub suspicious: Action,
    /// Made to harm.
    pub malicious: Action,
}

/// An exception from the verdicts. What is absent fits everything.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Rule {
    /// Its name, for the audit log.
    pub name: String,
    /// Registry.
    pub registry: Option<Pattern>,
    /// Repository.
    pub repository: Option<Pattern>,
    /// One image and no other.
    pub digest: Option<String>,
    /// Only these verdicts.
    pub verdict: Vec<String>,
    /// Only where a finding of this class was made.
    pub class: Option<Class>,
    /// Only where a finding is at least as severe.
    pub severity: Option<Severity>,
    /// Only where it is known how the image is run, and it is run so.
    pub launch: Option<Privileges>,
    /// What is done. A rule without an action is an error.
    pub action: Option<Action>,
    /// Why: needed where something is let in.
    pub reason: String,
    /// Who decided: needed where something is let in.
    pub author: String,
    /// Until when, RFC 3339 date; the day itself still counts.
    pub expires: Option<String>,
}

/// A pattern for names, as in an ignore file: `*` stands for anything but a slash, `**` for
/// anything, `?` for one character.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern(Glob, String);

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Glob::new(&text).map(|glob| Self(glob, text))
    }
}

/// What was decided, and by what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// What is done.
    pub action: Action,
    /// The rule's name, or the verdict that decided.
    pub by: String,
    /// The rule's reason and author, where it has them.
    pub why: Option<String>,
}

pub use explain::{Explanation, Step};

/// What is wrong with a policy file.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// It cannot be read.
    #[error("the policy {file} cannot be read: {error}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// It is not what a policy is written in.
    #[error("the policy {file} is wrong: {reason}")]
    Wrong {
        /// The file.
        file: String,
        /// Where, and what.
        reason: String,
    },
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            mode: Mode::Enforce,
            platforms: Platforms::Asked,
            hold: 120,
            verdict_hours: 30 * 24,
            verdicts: Verdicts::default(),
            docker: DockerDoor::default(),
            rules: Vec::new(),
        }
    }
}

impl Default for DockerDoor {
    fn default() -> Self {
        Self { build: Action::Refuse, plugins: Action::Refuse, swarm: Action::Refuse }
    }
}

impl Default for Verdicts {
    fn default() -> Self {
        Self {
            clean: Action::Allow,
            inconclusive: Action::Refuse,
            // As on the command line, where `--fail-on` begins at malicious.
            suspicious: Action::Allow,
            malicious: Action::Refuse,
        }
    }
}

impl Policy {
    /// Reads and validates a file.
    ///
    /// # Errors
    /// Each says which file, where, and what is wrong.
    pub fn read(path: &Path) -> Result<Self, PolicyError> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| PolicyError::Unreadable { file: file.clone(), error })?;
        Self::parse(&text).map_err(|reason| PolicyError::Wrong { file, reason })
    }

    /// Reads and validates a text.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let policy: Self = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            format!("line {line}: {}", lazaret_model::one_line(error.message(), 300))
        })?;
        for (number, rule) in policy.rules.iter().enumerate() {
            let name = if rule.name.is_empty() { format!("rule {}", number + 1) } else { rule.name.clone() };
            let Some(action) = rule.action else {
                return Err(format!("{name} has no action: write `action = \"allow\"` or `\"refuse\"`"));
            };
            if action == Action::Allow && (rule.reason.is_empty() || rule.author.is_empty()) {
                return Err(format!("{name} lets something in: it needs a reason and an author"));
            }
            if let Some(expires) = &rule.expires
                && day(expires).is_none()
            {
                return Err(format!("{name}: `{expires}` is no date; write it as 2027-01-31"));
            }
            if let Some(wrong) = rule.launch.as_ref().and_then(Privileges::wrong) {
                return Err(format!("{name}: {wrong}"));
            }
            let known = |word: &String| Outcome::ALL.iter().any(|outcome| outcome.word() == word);
            if let Some(word) = rule.verdict.iter().find(|word| !known(word)) {
                return Err(format!(
                    "{name}: `{word}` is no verdict; there are clean, inconclusive, suspicious, malicious"
                ));
            }
        }
        Ok(policy)
    }

    /// What is done with an image that was judged, and run in this way, where that is known.
    pub fn decide(
        &self,
        image: &RegistryRef,
        judged: &Judged,
        launch: Option<&Launch>,
        now: OffsetDateTime,
    ) -> Decision {
        for (number, rule) in self.rules.iter().enumerate() {
            let fits = |_: &Action| rule.fits(image, judged, launch, now.date());
            let Some(action) = rule.action.filter(fits) else { continue };
            let by = if rule.name.is_empty() { format!("rule {}", number + 1) } else { rule.name.clone() };
            let why = (!rule.reason.is_empty()).then(|| match rule.author.as_str() {
                "" => rule.reason.clone(),
                author => format!("{} ({author})", rule.reason),
            });
            return Decision { action, by, why };
        }
        let action = match judged.outcome {
            Outcome::Clean => self.verdicts.clean,
            Outcome::Inconclusive => self.verdicts.inconclusive,
            Outcome::Suspicious => self.verdicts.suspicious,
            Outcome::Malicious => self.verdicts.malicious,
        };
        Decision { action, by: format!("verdict {}", judged.outcome.word()), why: None }
    }
}

impl Rule {
    fn fits(&self, image: &RegistryRef, judged: &Judged, launch: Option<&Launch>, today: Date) -> bool {
        let expired = self.expires.as_deref().and_then(day).is_some_and(|last| last < today);
        !expired
            && self.registry.as_ref().is_none_or(|pattern| pattern.0.is_match(&image.registry))
            && self.repository.as_ref().is_none_or(|pattern| pattern.0.is_match(&image.repository))
            && self.digest.as_ref().is_none_or(|digest| *digest == judged.digest.to_string())
            && (self.verdict.is_empty() || self.verdict.iter().any(|word| word == judged.outcome.word()))
            && self.class.is_none_or(|class| judged.findings.iter().any(|finding| finding.class == class))
            && self.severity.is_none_or(|severity| judged.findings.iter().any(|f| f.severity >= severity))
            && self.launch.as_ref().is_none_or(|wanted| launch.is_some_and(|launch| wanted.fit(launch)))
    }
}

fn day(text: &str) -> Option<Date> {
    Date::parse(text, time::macros::format_description!("[year]-[month]-[day]")).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::judge::Named;

    fn judged(outcome: Outcome) -> Judged {
        Judged {
            digest: format!("sha256:{}", "0".repeat(64)).parse().unwrap(),
            outcome,
            why: String::new(),
            findings: vec![Named { rule: "r".into(), class: Class::Exposure, severity: Severity::High }],
            judged_at: OffsetDateTime::UNIX_EPOCH,
            judges: String::new(),
        }
    }

    fn decide(policy: &str, image: &str, outcome: Outcome) -> (Action, String) {
        let now = time::macros::datetime!(2026-06-01 12:00 UTC);
        let decision =
            Policy::parse(policy).unwrap().decide(&image.parse().unwrap(), &judged(outcome), None, now);
        (decision.action, decision.by)
    }

    #[test]
    fn what_is_malicious_or_was_not_read_does_not_come_in_by_itself() {
        for outcome in Outcome::ALL {
            let comes_in = matches!(outcome, Outcome::Clean | Outcome::Suspicious);
            let wanted = if comes_in { Action::Allow } else { Action::Refuse };
            assert_eq!(decide("", "nginx", outcome), (wanted, format!("verdict {}", outcome.word())));
        }
    }

    #[test]
    fn the_first_rule_that_fits_decides_until_it_expires() {
        let policy = r#"
            [[rule]]
            name = "no strangers"
            registry = "docker.io"
            repository = "stranger/*"
            action = "refuse"
            [[rule]]
            name = "known miner"
            repository = "team/*-bench"
            verdict = ["suspicious"]
            action = "allow"
            reason = "our benchmark"
            author = "ana"
            expires = "2026-06-01"
            [[rule]]
            name = "too open"
            class = "exposure"
            severity = "critical"
            action = "refuse"
        "#;
        let decided = |image, outcome| decide(policy, image, outcome).1;
        assert_eq!(decided("stranger/x", Outcome::Clean), "no strangers");
        assert_eq!(decided("ghcr.io/stranger/x", Outcome::Clean), "verdict clean");
        assert_eq!(decided("stranger/a/b", Outcome::Clean), "verdict clean", "`**` would go deeper");
        assert_eq!(decided("team/cpu-bench", Outcome::Suspicious), "known miner");
        assert_eq!(decided("team/cpu-bench", Outcome::Malicious), "verdict malicious");
        let late = policy.replace("2026-06-01", "2026-05-31");
        assert_eq!(decide(&late, "team/cpu-bench", Outcome::Suspicious).1, "verdict suspicious");
        let open = policy.replace("critical", "high");
        assert_eq!(decide(&open, "nginx", Outcome::Clean).1, "too open");
    }

    #[test]
    fn a_rule_about_the_launch_fits_only_where_the_launch_is_known() {
        let policy = "[[rule]]\nname = \"no root\"\naction = \"refuse\"\nlaunch = { privileged = true }\n";
        let policy = Policy::parse(policy).unwrap();
        let now = time::macros::datetime!(2026-06-01 12:00 UTC);
        let by = |launch: Option<&Launch>| {
            policy.decide(&"nginx".parse().unwrap(), &judged(Outcome::Clean), launch, now).by
        };
        assert_eq!(by(None), "verdict clean");
        assert_eq!(by(Some(&Launch::default())), "verdict clean");
        assert_eq!(by(Some(&Launch { privileged: Some(true), ..Launch::default() })), "no root");
    }

    #[test]
    fn a_policy_that_is_wrong_says_where() {
        for (text, says) in [
            ("[[rule]]\nname = \"x\"\n", "has no action"),
            ("[[rule]]\naction = \"allow\"\n", "rule 1 lets something in"),
            ("[[rule]]\naction = \"refuse\"\nexpires = \"soon\"\n", "no date"),
            ("[[rule]]\naction = \"refuse\"\nverdict = [\"bad\"]\n", "no verdict"),
            ("[[rule]]\naction = \"refuse\"\nlaunch = { capability = [\"ROOT\"] }\n", "no capability"),
            ("[docker]\nbuild = \"maybe\"\n", "unknown variant"),
            ("mode = \"off\"\n", "unknown variant"),
            ("modus = \"audit\"\n", "unknown field"),
            ("mode = \"audit\"\n[verdicts\n", "line 2"),
        ] {
            let error = Policy::parse(text).unwrap_err();
            assert!(error.contains(says) && !error.contains('\n'), "{text}: {error}");
        }
    }
}
