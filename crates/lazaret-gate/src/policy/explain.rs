//! Why a policy decides as it does.

use lazaret_model::{Launch, RegistryRef};
use serde::Serialize;
use time::{Date, OffsetDateTime};

use super::{Decision, Policy, Rule, day};
use crate::judge::Judged;

/// How a decision came about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The rules that were looked at, in their order; the last one decided, where one did.
    pub steps: Vec<Step>,
    /// What was decided.
    pub decision: Decision,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Its name, or its number.
    pub rule: String,
    /// Why it does not fit; nothing where it does.
    pub misfits: Vec<String>,
}

impl Policy {
    /// What is decided about an image that was judged, and why none of the rules before fits.
    pub fn explain(
        &self,
        image: &RegistryRef,
        judged: &Judged,
        launch: Option<&Launch>,
        now: OffsetDateTime,
    ) -> Explanation {
        let decision = self.decide(image, judged, launch, now);
        let mut steps = Vec::new();
        for (number, rule) in self.rules.iter().enumerate() {
            let misfits = rule.misfits(image, judged, launch, now.date());
            let fits = misfits.is_empty();
            steps.push(Step { rule: rule.called(number), misfits });
            if fits {
                break;
            }
        }
        Explanation { steps, decision }
    }

    /// The rules that have run out, and when.
    pub fn expired(&self, today: Date) -> Vec<String> {
        let rules = self.rules.iter().enumerate();
        rules
            .filter_map(|(number, rule)| {
                let last =
                    rule.expires.as_deref().filter(|text| day(text).is_some_and(|last| last < today))?;
                Some(format!("{} ran out on {last}", rule.called(number)))
            })
            .collect()
    }

    /// Rules that are never reached, because one before them fits every image.
    pub fn unreached(&self) -> Vec<String> {
        let Some(first) = self.rules.iter().position(Rule::fits_everything) else { return Vec::new() };
        let before = self.rules[first].called(first);
        let after = self.rules.iter().enumerate().skip(first + 1);
        after
            .map(|(number, rule)| {
                format!("{} is never reached: {before} fits every image", rule.called(number))
            })
            .collect()
    }
}

impl Rule {
    fn called(&self, number: usize) -> String {
        if self.name.is_empty() { format!("rule {}", number + 1) } else { self.name.clone() }
    }

    fn fits_everything(&self) -> bool {
        let Self { registry, repository, digest, verdict, class, severity, launch, expires, .. } = self;
        registry.is_none()
            && repository.is_none()
            && digest.is_none()
            && verdict.is_empty()
            && class.is_none()
            && severity.is_none()
            && launch.is_none()
            && expires.is_none()
    }

    /// Every condition that is not met, in words.
    fn misfits(
        &self,
        image: &RegistryRef,
        judged: &Judged,
        launch: Option<&Launch>,
        today: Date,
    ) -> Vec<String> {
        let mut misfits = Vec::new();
        if let Some(last) = self.expires.as_deref().filter(|text| day(text).is_some_and(|last| last < today))
        {
            misfits.push(format!("it ran out on {last}"));
        }
        if let Some(pattern) = self.registry.as_ref().filter(|pattern| !pattern.0.is_match(&image.registry)) {
            misfits.push(format!("the registry {} is not `{}`", image.registry, pattern.1));
        }
        if let Some(pattern) =
            self.repository.as_ref().filter(|pattern| !pattern.0.is_match(&image.repository))
        {
            misfits.push(format!("the repository {} is not `{}`", image.repository, pattern.1));
        }
        if let Some(digest) = self.digest.as_ref().filter(|digest| **digest != judged.digest.to_string()) {
            misfits.push(format!("the digest is not {digest}"));
        }
        let word = judged.outcome.word();
        if !self.verdict.is_empty() && !self.verdict.iter().any(|known| known == word) {
            misfits.push(format!("the verdict {word} is not {}", self.verdict.join(" or ")));
        }
        if let Some(class) = self.class.filter(|class| !judged.findings.iter().any(|f| f.class == *class)) {
            misfits.push(format!("no finding is of the class {class}"));
        }
        if let Some(least) =
            self.severity.filter(|least| !judged.findings.iter().any(|f| f.severity >= *least))
        {
            misfits.push(format!("no finding is {least} or worse"));
        }
        match (&self.launch, launch) {
            (Some(_), None) => {
                misfits.push("it is about how the image is run, which is not known".to_owned());
            }
            (Some(wanted), Some(launch)) if !wanted.fit(launch) => {
                misfits.push("the image is not run as it says".to_owned());
            }
            _ => {}
        }
        misfits
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use lazaret_model::{Class, Outcome, Severity};

    use super::*;
    use crate::judge::Named;

    #[test]
    fn an_explanation_ends_where_the_decision_is_made() {
        let rules = [
            "expires = \"2026-01-01\"",
            "registry = \"ghcr.io\"",
            "repository = \"other/**\"",
            "verdict = [\"clean\"]",
            "class = \"malware\"",
            "severity = \"critical\"",
            "digest = \"sha256:12\"",
            "launch = { privileged = true }",
        ];
        let head =
            |name: &str, rule: &str| format!("[[rule]]\nname = \"{name}\"\naction = \"refuse\"\n{rule}\n");
        let judged = Judged {
            digest: format!("sha256:{}", "0".repeat(64)).parse().unwrap(),
            outcome: Outcome::Suspicious,
            why: String::new(),
            findings: vec![Named { rule: "r".into(), class: Class::Exposure, severity: Severity::High }],
            judged_at: OffsetDateTime::UNIX_EPOCH,
            judges: String::new(),
        };
        let now = time::macros::datetime!(2026-06-01 12:00 UTC);
        let image = "docker.io/team/x:1".parse().unwrap();
        let text: String = rules.iter().enumerate().map(|(n, rule)| head(&format!("no {n}"), rule)).collect();
        let policy =
            Policy::parse(&(text + &head("yes", "severity = \"high\"") + &head("after", ""))).unwrap();
        let explained = policy.explain(&image, &judged, None, now);
        assert_eq!(explained.decision.by, "yes");
        assert_eq!(explained.steps.len(), rules.len() + 1);
        for step in &explained.steps[..rules.len()] {
            assert_eq!(step.misfits.len(), 1, "{step:?}");
        }
        assert!(explained.steps.last().unwrap().misfits.is_empty());
        assert_eq!(policy.expired(now.date()), ["no 0 ran out on 2026-01-01"]);
        let policy = Policy::parse(&(head("all", "") + &head("never", ""))).unwrap();
        assert_eq!(policy.unreached(), ["never is never reached: all fits every image"]);
        // Each rule by itself: what is said agrees with what is decided.
        for rule in rules.iter().chain(&["severity = \"high\"", "class = \"exposure\"", ""]) {
            let policy = Policy::parse(&head("one", rule)).unwrap();
            let explained = policy.explain(&image, &judged, None, now);
            assert_eq!(explained.steps[0].misfits.is_empty(), explained.decision.by == "one", "{rule}");
        }
    }
}
