//! Hunts: what was found in a target, what became of each image, and how far it came. Whatever ends
//! a hunt at whatever moment, the next one over the same target goes on from here.

use lazaret_model::Outcome;

use crate::engine::{Row, indexed, sql};
use crate::{Store, StoreError};

/// A hunt over one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hunt {
    /// Identifies it.
    pub id: i64,
    /// What was to be hunted.
    pub target: String,
    /// Where it stands.
    pub state: HuntState,
    /// How far the target was listed, in the hunter's own words.
    pub cursor: String,
    /// Why it does not go on, where it does not.
    pub note: String,
    /// When it began, milliseconds since 1970.
    pub started: i64,
    /// When its state last changed.
    pub changed: i64,
}

/// Where a hunt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HuntState {
    /// The target is being listed.
    Listing,
    /// What was listed is being judged.
    Judging,
    /// It broke off, and can go on.
    Paused,
    /// All that was listed was judged.
    Done,
}

/// Where an image of a hunt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemState {
    /// It is to be judged.
    Pending,
    /// A fleet was asked to judge it.
    Queued,
    /// It was judged.
    Judged(Outcome),
    /// There is nothing to run: a signature, an attestation, another artifact, another archive.
    NoImage,
    /// It could not be judged.
    Failed,
    /// It is listed no more.
    Gone,
}

/// An image of a hunt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HuntItem {
    /// Its name.
    pub reference: String,
    /// What the name stood for when it was judged; empty where it was not.
    pub digest: String,
    /// What judged it: with another, it is to be judged anew.
    pub judges: String,
    /// The job of the queue that is about it; empty where there is none.
    pub subject: String,
    /// Where it stands.
    pub state: ItemState,
    /// Why: of the verdict, or of the failure.
    pub note: String,
    /// When that was noted, milliseconds since 1970. Set by the store.
    pub changed: i64,
}

impl HuntState {
    const ALL: [Self; 4] = [Self::Listing, Self::Judging, Self::Paused, Self::Done];

    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Listing => "listing",
            Self::Judging => "judging",
            Self::Paused => "paused",
            Self::Done => "done",
        }
    }
}

impl ItemState {
    const ALL: [Self; 9] = [
        Self::Pending,
        Self::Queued,
        Self::Judged(Outcome::Malicious),
        Self::Judged(Outcome::Suspicious),
        Self::Judged(Outcome::Inconclusive),
        Self::Judged(Outcome::Clean),
        Self::NoImage,
        Self::Failed,
        Self::Gone,
    ];

    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Queued => "queued",
            Self::Judged(outcome) => outcome.word(),
            Self::NoImage => "no image",
            Self::Failed => "failed",
            Self::Gone => "gone",
        }
    }

    /// What a word means.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

impl Store {
    /// The hunt over a target, begun where there is none.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    pub async fn begin_hunt(&self, target: &str) -> Result<Hunt, StoreError> {
        let mut session = self.session().await?;
        sql("INSERT INTO hunts (target, state, cursor, note, started, changed) \
             VALUES ($1, 'listing', '', '', @now, @now) ON CONFLICT (target) DO NOTHING")
        .bind(indexed(target))
        .run(&mut session)
        .await?;
        let row =
            sql("SELECT id, target, state, cursor, note, started, changed FROM hunts WHERE target = $1")
                .bind(indexed(target))
                .first(&mut session)
                .await?;
        let gone = || StoreError::Damaged {
            store: self.address().to_owned(),
            reason: "a hunt that was just begun is not there".to_owned(),
        };
        hunt_row(&row.ok_or_else(gone)?)
    }

    /// Forgets a hunt with all its images; verdicts and facts stay.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    pub async fn forget_hunt(&self, target: &str) -> Result<(), StoreError> {
        sql("DELETE FROM hunts WHERE target = $1")
            .bind(indexed(target))
            .run(&mut self.session().await?)
            .await
            .map(drop)
    }

    /// Begins a new round of a hunt: what was judged before it is looked at again.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    pub async fn restart_hunt(&self, id: i64) -> Result<(), StoreError> {
        sql("UPDATE hunts SET state = 'listing', cursor = '', note = '', started = @now, changed = @now \
             WHERE id = $1")
        .bind(id)
        .run(&mut self.session().await?)
        .await
        .map(drop)
    }

    /// Notes where a hunt stands.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    pub async fn set_hunt(
        &self,
        id: i64,
        state: HuntState,
        cursor: &str,
        note: &str,
    ) -> Result<(), StoreError> {
        sql("UPDATE hunts SET state = $1, cursor = $2, note = $3, changed = @now WHERE id = $4")
            .bind(state.word())
            .bind(cursor)
            .bind(note)
            .bind(id)
            .run(&mut self.session().await?)
            .await
            .map(drop)
    }

    /// Adds images to a hunt, in one transaction with how far the listing came. What is in it already
    /// keeps what is known of it; what was gone is there again.
    ///
    /// # Errors
    ///
    /// If the store cannot be written; then nothing was added, and the listing has not come further.
    pub async fn add_hunt_items(
        &self,
        id: i64,
        references: &[String],
        cursor: &str,
    ) -> Result<(), StoreError> {
        let mut session = self.session().await?;
        let mut work = session.transaction().await?;
        for reference in references {
            sql("INSERT INTO hunt_items (hunt, reference, digest, judges, subject, state, attempts, note, changed) \
                 VALUES ($1, $2, '', '', '', 'pending', 0, '', @now) ON CONFLICT (hunt, reference) DO UPDATE SET \
                 state = CASE WHEN hunt_items.state = 'gone' THEN 'pending' ELSE hunt_items.state END")
            .bind(id)
            .bind(indexed(reference))
            .run(&mut work)
            .await?;
        }
        sql("UPDATE hunts SET cursor = $1, changed = @now WHERE id = $2")
            .bind(cursor)
            .bind(id)
            .run(&mut work)
            .await?;
        work.commit().await
    }

    /// Notes what became of an image of a hunt.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    pub async fn set_hunt_item(&self, id: i64, item: &HuntItem) -> Result<(), StoreError> {
        sql("UPDATE hunt_items SET digest = $1, judges = $2, subject = $3, state = $4, note = $5, \
             attempts = attempts + 1, changed = @now WHERE hunt = $6 AND reference = $7")
        .bind(&item.digest)
        .bind(&item.judges)
        .bind(indexed(&item.subject))
        .bind(item.state.word())
        .bind(&item.note)
        .bind(id)
        .bind(indexed(&item.reference))
        .run(&mut self.session().await?)
        .await
        .map(drop)
    }

    /// The images of a hunt, by name.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn hunt_items(&self, id: i64) -> Result<Vec<HuntItem>, StoreError> {
        let rows = sql("SELECT reference, digest, judges, subject, state, note, changed FROM hunt_items \
             WHERE hunt = $1 ORDER BY reference")
        .bind(id)
        .rows(&mut self.session().await?)
        .await?;
        rows.iter().map(item_row).collect()
    }

    /// The jobs that a fleet has done or given up for a hunt: reference, whether it was done, and the
    /// note that the worker left.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn hunt_jobs_ended(&self, id: i64) -> Result<Vec<(String, bool, String)>, StoreError> {
        let rows = sql("SELECT i.reference, j.state, j.note FROM hunt_items i \
             JOIN jobs j ON j.subject = i.subject AND j.judges = i.judges \
             WHERE i.hunt = $1 AND i.state = 'queued' AND j.state IN ('done', 'failed') ORDER BY i.reference")
        .bind(id)
        .rows(&mut self.session().await?)
        .await?;
        rows.iter().map(|row| Ok((row.get(0)?, row.get::<String>(1)? == "done", row.get(2)?))).collect()
    }
}

fn hunt_row(row: &Row) -> Result<Hunt, StoreError> {
    let word: String = row.get(2)?;
    let state = HuntState::ALL.into_iter().find(|state| state.word() == word);
    Ok(Hunt {
        id: row.get(0)?,
        target: row.get(1)?,
        state: state.ok_or_else(|| row.damaged("a hunt is in a state that is none"))?,
        cursor: row.get(3)?,
        note: row.get(4)?,
        started: row.get(5)?,
        changed: row.get(6)?,
    })
}

fn item_row(row: &Row) -> Result<HuntItem, StoreError> {
    let word: String = row.get(4)?;
    Ok(HuntItem {
        reference: row.get(0)?,
        digest: row.get(1)?,
        judges: row.get(2)?,
        subject: row.get(3)?,
        state: ItemState::of_word(&word)
            .ok_or_else(|| row.damaged("an image of a hunt is in a state that is none"))?,
        note: row.get(5)?,
        changed: row.get(6)?,
    })
}
