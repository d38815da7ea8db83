//! Hunts whose images a fleet judges: `lazaret worker`, on as many machines as there are.

use std::time::Duration;

use lazaret_model::{ImageRef, Outcome};
use lazaret_store::{HuntItem, ItemState};

use super::progress::HuntEvent;
use super::run::{Attempt, HuntError, Judging};

/// Between two looks at the queue.
const LOOK: Duration = Duration::from_secs(1);

impl Judging<'_> {
    /// Puts an image into the queue, by its digest: what the fleet judges is what was listed.
    pub(super) async fn ask_fleet(
        &self,
        item: &HuntItem,
        reference: &ImageRef,
        digest: String,
    ) -> Result<HuntItem, Attempt> {
        let ImageRef::Registry(image) = reference else {
            return Err(Attempt::Failed(
                "it is not in a registry, and a worker elsewhere could not read it: hunt it without --queue"
                    .to_owned(),
            ));
        };
        // Under its repository: another one with the same bytes is another repository's doing.
        let subject = format!("{}/{}@{digest}", image.registry, image.repository);
        self.store.enqueue_again(&subject, None, &self.standing, 0).await?;
        if let (Some(tag), Ok(digest)) = (&image.tag, digest.parse()) {
            let repository = format!("{}/{}", image.registry, image.repository);
            self.store.note_tag(&repository, tag, &digest).await?;
        }
        Ok(HuntItem {
            digest,
            judges: self.standing.clone(),
            subject,
            state: ItemState::Queued,
            note: String::new(),
            ..item.clone()
        })
    }

    /// Follows the fleet until it has judged all that it was asked for.
    pub(super) async fn follow(&self) -> Result<(), HuntError> {
        loop {
            let items = self.store.hunt_items(self.hunt.id).await?;
            let ended = self.store.hunt_jobs_ended(self.hunt.id).await?;
            let waiting = items.iter().filter(|item| item.state == ItemState::Queued).count();
            if waiting == 0 {
                return Ok(());
            }
            if ended.is_empty() {
                tokio::time::sleep(LOOK).await;
                continue;
            }
            for (reference, done, note) in ended {
                let Some(item) = items.iter().find(|item| item.reference == reference) else { continue };
                let (state, why) = match (done, verdict(&note)) {
                    (true, Some((state, why))) => (state, why.to_owned()),
                    _ => (ItemState::Failed, note.clone()),
                };
                let item = HuntItem { state, note: why.clone(), ..item.clone() };
                self.store.set_hunt_item(self.hunt.id, &item).await?;
                let tally = {
                    let mut tally = self.tally();
                    tally.count(ItemState::Queued, -1);
                    tally.count(state, 1);
                    tally.judged_now += 1;
                    *tally
                };
                match state {
                    ItemState::Judged(Outcome::Clean) | ItemState::NoImage => {}
                    ItemState::Judged(outcome) => {
                        self.tell(HuntEvent::Found { reference, outcome: Some(outcome), why });
                    }
                    _ => self.tell(HuntEvent::Found { reference, outcome: None, why }),
                }
                self.tell(HuntEvent::Tally(tally));
            }
        }
    }
}

/// What a worker noted: the verdict's word, or that there is no image, and why behind a colon.
fn verdict(note: &str) -> Option<(ItemState, &str)> {
    let (word, why) = note.split_once(": ").unwrap_or((note, ""));
    let state = ItemState::of_word(word)?;
    matches!(state, ItemState::Judged(_) | ItemState::NoImage).then_some((state, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workers_note_is_a_verdict_or_none() {
        assert_eq!(verdict("clean"), Some((ItemState::Judged(Outcome::Clean), "")));
        assert_eq!(
            verdict("malicious: it mines: now"),
            Some((ItemState::Judged(Outcome::Malicious), "it mines: now"))
        );
        assert_eq!(verdict("no image: a chart"), Some((ItemState::NoImage, "a chart")));
        assert_eq!(verdict("failed: x"), None);
        assert_eq!(verdict(""), None);
    }
}
