//! Images that are to be judged, and who is at it.
//!
//! A worker claims a job for a while and says from time to time that it is still at it. A job whose
//! worker died is claimed by another when that time has passed. Time is the clock of the database.

use std::time::Duration;

use lazaret_model::Digest;
use serde::Serialize;

use crate::engine::{Row, indexed, milliseconds, sql};
use crate::{Store, StoreError};

/// A job that was claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Identifies it.
    pub id: i64,
    /// The image.
    pub reference: String,
    /// The digest that is meant, where it was known.
    pub digest: Option<Digest>,
    /// Version of the rules under which it was asked for.
    pub judges: String,
    /// How often it was claimed, this time included.
    pub attempts: u32,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// It waits for a worker.
    Pending,
    /// A worker is at it.
    Running,
    /// It was judged.
    Done,
    /// It was given up.
    Failed,
}

impl JobState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Running, Self::Done, Self::Failed];

    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// A job as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobRow {
    /// Identifies it.
    pub id: i64,
    /// The image.
    pub reference: String,
    /// The digest that is meant, where it was known.
    pub digest: Option<Digest>,
    /// Version of the rules under which it was asked for.
    pub judges: String,
    /// The higher, the sooner.
    pub priority: i64,
    /// Where it stands.
    pub state: JobState,
    /// How often it was claimed.
    pub attempts: u32,
    /// Who is at it, or was last; empty where nobody was.
    pub worker: String,
    /// The verdict, or what went wrong the last time.
    pub note: String,
    /// When it was asked for, milliseconds since 1970.
    pub added: i64,
    /// When its state last changed, milliseconds since 1970.
    pub changed: i64,
}

/// The queue at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Queue {
    /// How many wait.
    pub pending: u64,
    /// How many are being judged.
    pub running: u64,
    /// How many were judged.
    pub done: u64,
    /// How many were given up.
    pub failed: u64,
    /// The jobs: first those under way, then those that wait, in their order, then the others, the
    /// latest first.
    pub jobs: Vec<JobRow>,
}

impl Store {
    /// Asks for an image to be judged under these rules. False where that was asked for before:
    /// then nothing changes, whatever became of it. The same digest is the same image, whatever it
    /// is called.
    ///
    /// # Errors
    ///
    /// If the store cannot be written, or the reference is longer than any image's.
    pub async fn enqueue(
        &self,
        reference: &str,
        digest: Option<&Digest>,
        judges: &str,
        priority: i32,
    ) -> Result<bool, StoreError> {
        self.ask(reference, digest, judges, priority, false).await
    }

    /// As [`Store::enqueue`], and a job that is done or was given up is to be done again.
    ///
    /// # Errors
    ///
    /// As [`Store::enqueue`].
    pub async fn enqueue_again(
        &self,
        reference: &str,
        digest: Option<&Digest>,
        judges: &str,
        priority: i32,
    ) -> Result<bool, StoreError> {
        self.ask(reference, digest, judges, priority, true).await
    }

    async fn ask(
        &self,
        reference: &str,
        digest: Option<&Digest>,
        judges: &str,
        priority: i32,
        again: bool,
    ) -> Result<bool, StoreError> {
        let digest = digest.map(ToString::to_string);
        let subject = digest.clone().unwrap_or_else(|| indexed(reference).into_owned());
        let mut query = sql(
            "INSERT INTO jobs (subject, judges, reference, digest, priority, state, attempts, worker, due, \
             ends, note, added, changed) VALUES ($1, $2, $3, $4, $5, 'pending', 0, '', 0, 0, '', @now, @now) \
             ON CONFLICT (subject, judges) DO ",
        )
        .bind(subject)
        .bind(indexed(judges))
        .bind(reference)
        .bind(digest.as_deref())
        .bind(i64::from(priority));
        query.push(match again {
            false => "NOTHING",
            true => {
                "UPDATE SET state = 'pending', attempts = 0, due = 0, note = '', priority = excluded.priority, \
                 changed = excluded.changed WHERE jobs.state IN ('done', 'failed')"
            }
        });
        Ok(query.run(&mut self.session().await?).await? == 1)
    }

    /// Takes the job that is due next, for `lasts` from now: that of the highest priority, and
    /// among these the oldest. None where none is due. A job whose worker was silent for longer
    /// than it said is due again, unless it was claimed `most` times: then it is given up.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    pub async fn claim(&self, worker: &str, lasts: Duration, most: u32) -> Result<Option<Job>, StoreError> {
        let mut session = self.session().await?;
        sql("UPDATE jobs SET state = 'failed', changed = @now, \
             note = 'its workers ended without a word; the last was ' || worker \
             WHERE state = 'running' AND ends <= @now AND attempts >= $1")
        .bind(i64::from(most))
        .run(&mut session)
        .await?;
        let row = sql(
            "UPDATE jobs SET state = 'running', worker = $1, ends = @now + $2, attempts = attempts + 1, \
             changed = @now WHERE id = (SELECT id FROM jobs WHERE state IN ('pending', 'running') \
             AND ((state = 'pending' AND due <= @now) OR (state = 'running' AND ends <= @now)) \
             ORDER BY priority DESC, id LIMIT 1 @skip) \
             RETURNING id, reference, digest, judges, attempts",
        )
        .bind(worker)
        .bind(milliseconds(lasts))
        .first(&mut session)
        .await?;
        row.map(|row| {
            Ok(Job {
                id: row.get(0)?,
                reference: row.get(1)?,
                digest: row.get::<Option<String>>(2)?.map(|_| row.digest(2)).transpose()?,
                judges: row.get(3)?,
                attempts: u32::try_from(row.get::<i64>(4)?).unwrap_or(u32::MAX),
            })
        })
        .transpose()
    }

    /// Says that the worker is still at it, for `lasts` from now. False where it has lost the job,
    /// and must not go on.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    pub async fn extend(&self, job: &Job, worker: &str, lasts: Duration) -> Result<bool, StoreError> {
        let changed =
            sql("UPDATE jobs SET ends = @now + $1 WHERE id = $2 AND worker = $3 AND attempts = $4 \
             AND state = 'running'")
            .bind(milliseconds(lasts))
            .bind(job.id)
            .bind(worker)
            .bind(i64::from(job.attempts))
            .run(&mut self.session().await?)
            .await?;
        Ok(changed == 1)
    }

    /// The job is done; the note says how. False where the worker had lost it.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    pub async fn finish(&self, job: &Job, worker: &str, note: &str) -> Result<bool, StoreError> {
        self.leave(job, worker, "UPDATE jobs SET state = 'done', changed = @now, note = $1", note).await
    }

    /// The job was not done, for this reason. It is due again after `retry_in`, or given up where
    /// it was claimed `most` times. False where the worker had lost it.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    pub async fn fail(
        &self,
        job: &Job,
        worker: &str,
        error: &str,
        retry_in: Duration,
        most: u32,
    ) -> Result<bool, StoreError> {
        let changed =
            sql("UPDATE jobs SET state = CASE WHEN attempts >= $1 THEN 'failed' ELSE 'pending' END, \
             due = @now + $2, changed = @now, note = $3 \
             WHERE id = $4 AND worker = $5 AND attempts = $6 AND state = 'running'")
            .bind(i64::from(most))
            .bind(milliseconds(retry_in))
            .bind(error)
            .bind(job.id)
            .bind(worker)
            .bind(i64::from(job.attempts))
            .run(&mut self.session().await?)
            .await?;
        Ok(changed == 1)
    }

    /// Gives the job back as if it had not been claimed: the worker is told to end.
    ///
    /// # Errors
    ///
    /// If the store cannot be written; then it is due again when the worker's time has passed.
    pub async fn give_back(&self, job: &Job, worker: &str) -> Result<bool, StoreError> {
        let text =
            "UPDATE jobs SET state = 'pending', attempts = attempts - 1, due = 0, changed = @now, note = $1";
        self.leave(job, worker, text, "").await
    }

    async fn leave(
        &self,
        job: &Job,
        worker: &str,
        change: &'static str,
        note: &str,
    ) -> Result<bool, StoreError> {
        let mut query = sql(change).bind(note);
        query.push(" WHERE state = 'running' AND id = ").value(job.id);
        query.push(" AND worker = ").value(worker);
        query.push(" AND attempts = ").value(i64::from(job.attempts));
        Ok(query.run(&mut self.session().await?).await? == 1)
    }

    /// How many jobs stand where, and at most `limit` of them.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn queue(&self, limit: u32) -> Result<Queue, StoreError> {
        let mut session = self.session().await?;
        let mut queue = Queue { pending: 0, running: 0, done: 0, failed: 0, jobs: Vec::new() };
        for row in sql("SELECT state, count(*) FROM jobs GROUP BY state").rows(&mut session).await? {
            let count = row.count(1)?;
            match state(&row, 0)? {
                JobState::Pending => queue.pending = count,
                JobState::Running => queue.running = count,
                JobState::Done => queue.done = count,
                JobState::Failed => queue.failed = count,
            }
        }
        let rows = sql(
            "SELECT id, reference, digest, judges, priority, state, attempts, worker, note, added, changed \
             FROM jobs ORDER BY CASE state WHEN 'running' THEN 0 WHEN 'pending' THEN 1 ELSE 2 END, \
             CASE state WHEN 'pending' THEN -priority ELSE 0 END, \
             CASE state WHEN 'pending' THEN id ELSE -changed END, id LIMIT $1",
        )
        .bind(i64::from(limit))
        .rows(&mut session)
        .await?;
        queue.jobs = rows.iter().map(job_row).collect::<Result<_, _>>()?;
        Ok(queue)
    }

    /// Forgets jobs that were done or given up before a time (milliseconds since 1970), so that
    /// they can be asked for anew. Says how many.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    pub async fn prune_jobs(&self, before: i64) -> Result<u64, StoreError> {
        sql("DELETE FROM jobs WHERE state IN ('done', 'failed') AND changed < $1")
            .bind(before)
            .run(&mut self.session().await?)
            .await
    }
}

fn job_row(row: &Row) -> Result<JobRow, StoreError> {
    Ok(JobRow {
        id: row.get(0)?,
        reference: row.get(1)?,
        digest: row.get::<Option<String>>(2)?.map(|_| row.digest(2)).transpose()?,
        judges: row.get(3)?,
        priority: row.get(4)?,
        state: state(row, 5)?,
        attempts: u32::try_from(row.get::<i64>(6)?).unwrap_or(u32::MAX),
        worker: row.get(7)?,
        note: row.get(8)?,
        added: row.get(9)?,
        changed: row.get(10)?,
    })
}

fn state(row: &Row, column: usize) -> Result<JobState, StoreError> {
    let word: String = row.get(column)?;
    JobState::ALL
        .into_iter()
        .find(|state| state.word() == word)
        .ok_or_else(|| row.damaged("a job is in a state that is none"))
}
