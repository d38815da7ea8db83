//! What came in is judged again when what judges has changed: an image that was let in yesterday and
//! is malicious by today's rules is refused from then on, and told.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lazaret_model::RegistryRef;
use lazaret_scan::{Listener, ScanError, Scanner, Settings};
use lazaret_store::{Answer, Decision, DecisionFilter, Store};
use time::OffsetDateTime;

use crate::gate::Gate;
use crate::judge::Judged;
use crate::{Action, Credential};

/// How often the folders of rules and the feeds are looked at.
const RULES_LOOK: Duration = Duration::from_secs(5);
/// How long rules and feeds that could not be used are left alone while nothing of them changes.
const AGAIN: Duration = Duration::from_secs(10);
/// What came in so long ago is judged again when somebody asks for it.
const BACK: Duration = Duration::from_secs(30 * 24 * 3600);
/// Decisions that are looked at, the latest first.
const MOST: u32 = 20_000;
/// As what the gate stands in the list of decisions when nobody asked.
const DOOR: &str = "rejudge";

impl Gate {
    /// Looks at the folders of rules and at the feeds every few seconds. Those that can be read replace
    /// those before; others are told, and those before hold. Never ends.
    pub async fn watch_rules(self: Arc<Self>, settings: Settings, listener: Listener, tell: impl Fn(&str)) {
        self.judge_again(&tell).await;
        self.rules(settings, listener, &tell, true).await;
    }

    /// The same, without a look at what came in: for a door beside a gate, which does that.
    pub async fn follow_rules(self: Arc<Self>, settings: Settings, listener: Listener, tell: impl Fn(&str)) {
        self.rules(settings, listener, &tell, false).await;
    }

    async fn rules(&self, settings: Settings, listener: Listener, tell: &impl Fn(&str), again: bool) {
        if settings.worker.rules.is_empty() && settings.feeds.is_none() {
            return std::future::pending().await;
        }
        let mut told = String::new();
        // What could not be used, and when: what failed may pass without anything that lies there changing.
        let mut broken: Option<(String, Instant)> = None;
        loop {
            tokio::time::sleep(RULES_LOOK).await;
            let renewed = match self.judge.scanner().changed().await {
                Ok(None) => {
                    (broken, told) = (None, String::new());
                    continue;
                }
                Ok(Some(version)) => {
                    if broken.as_ref().is_some_and(|(known, at)| *known == version && at.elapsed() < AGAIN) {
                        continue;
                    }
                    broken = Some((version, Instant::now()));
                    renewed(settings.clone(), Arc::clone(&listener)).await
                }
                Err(error) => Err(error),
            };
            match renewed {
                Ok(scanner) => {
                    (broken, told) = (None, String::new());
                    tell("the rules were read again, and the feeds");
                    scanner.feeds().left_out().iter().for_each(|left| tell(&left.to_string()));
                    self.judge.replace(Arc::new(scanner));
                    if again {
                        self.judge_again(tell).await;
                    }
                }
                Err(error) => {
                    let text = format!("{error}; the rules before still hold");
                    // Once, not every few seconds.
                    if text != told {
                        tell(&text);
                        told = text;
                    }
                }
            }
        }
    }

    /// Judges anew what came in lately and was judged by others than those who judge now.
    async fn judge_again(&self, tell: &impl Fn(&str)) {
        let scanner = self.judge.scanner();
        let Some(store) = scanner.store() else { return };
        let since = OffsetDateTime::now_utc() - BACK;
        let filter = DecisionFilter {
            answers: vec![Answer::Served, Answer::Audited],
            since: i64::try_from(since.unix_timestamp_nanos() / 1_000_000).ok(),
            limit: Some(MOST),
            ..DecisionFilter::default()
        };
        let came_in = match store.decisions(&filter).await {
            Ok(came_in) => came_in,
            Err(error) => return tell(&format!("what came in is not judged again: {error}")),
        };
        let mut seen = HashSet::new();
        for decision in &came_in {
            let Some(digest) = &decision.digest else { continue };
            let Ok(image) = decision.image.parse::<RegistryRef>() else { continue };
            if !seen.insert((image.registry.clone(), image.repository.clone(), digest.clone())) {
                continue;
            }
            let image = RegistryRef { digest: Some(digest.clone()), ..image };
            // A list of images has no verdict unless a feed denies it, and what nobody judges has none.
            if decision.verdict.is_none() {
                if let Some(judged) = self.denied_list(digest) {
                    self.tell_change(store, decision, &image, &judged, tell).await;
                }
                continue;
            }
            // Whoever asked is not here, so only what anybody may see can be fetched again; what is
            // in the store needs no more than its manifest. The rest is judged when it is asked for.
            match self.judged(&Credential::Anonymous, &image, digest).await {
                Ok(judged) => self.tell_change(store, decision, &image, &judged, tell).await,
                Err(refusal) => tracing::info!(%image, why = refusal.message, "not judged again yet"),
            }
        }
    }

    async fn tell_change(
        &self,
        store: &Store,
        before: &Decision,
        image: &RegistryRef,
        judged: &Judged,
        tell: &impl Fn(&str),
    ) {
        let now = OffsetDateTime::now_utc();
        let decided = self.policy().decide(image, judged, None, now);
        if decided.action != Action::Refuse || before.verdict.as_deref() == Some(judged.outcome.word()) {
            return;
        }
        tell(&format!(
            "{image} came in and is refused from now on: {}: {}",
            judged.outcome.word(),
            judged.why
        ));
        let decision = Decision {
            time: i64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX),
            door: DOOR.to_owned(),
            client: String::new(),
            user: String::new(),
            verdict: Some(judged.outcome.word().to_owned()),
            why: judged.why.clone(),
            policy: decided.by,
            author: None,
            reason: decided.why,
            answer: Answer::Refused,
            request: String::new(),
            ..before.clone()
        };
        if let Err(error) = store.put_decision(&decision).await {
            tell(&format!("that {image} is refused now is not in the list: {error}"));
        }
    }
}

/// A scanner of the rules as they are now, if its worker can use them.
async fn renewed(settings: Settings, listener: Listener) -> Result<Scanner, ScanError> {
    let scanner = Scanner::new(settings, listener).await?;
    scanner.check().await?;
    Ok(scanner)
}
