//! What the gate answered, for people who ask later. Rows are only added, and go by age alone.

use lazaret_model::Digest;
use serde::{Deserialize, Serialize};

use crate::engine::{Row, sql};
use crate::{Store, StoreError};

/// Rows in one statement.
const AT_ONCE: usize = 100;

/// What became of a question to the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// It came in.
    Served,
    /// It did not.
    Refused,
    /// It came in although the policy is against it, which only watches.
    Audited,
    /// There was no verdict: it could not be fetched or judged. It did not come in.
    Failed,
    /// The verdict was not there in time. It did not come in yet.
    Pending,
}

impl Answer {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Served, Self::Refused, Self::Audited, Self::Failed, Self::Pending];

    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::Refused => "refused",
            Self::Audited => "audited",
            Self::Failed => "failed",
            Self::Pending => "pending",
        }
    }
}

impl std::str::FromStr for Answer {
    type Err = UnknownAnswer;

    fn from_str(text: &str) -> Result<Self, UnknownAnswer> {
        Self::ALL
            .into_iter()
            .find(|answer| answer.word() == text)
            .ok_or_else(|| UnknownAnswer(text.to_owned()))
    }
}

/// A word that is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no answer of the gate: served, refused, audited, failed or pending")]
pub struct UnknownAnswer(String);

/// One answer of the gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// When, milliseconds since 1970.
    pub time: i64,
    /// The door: `registry`, `docker-authz`, `containerd`, `kubernetes`, …
    pub door: String,
    /// Address of whoever asked.
    pub client: String,
    /// The account it asked as; empty where it named none.
    pub user: String,
    /// The image, as it was asked for.
    pub image: String,
    /// What that was resolved to.
    pub digest: Option<Digest>,
    /// The verdict, where there is one.
    pub verdict: Option<String>,
    /// Why, in one sentence.
    pub why: String,
    /// The rule of the policy that decided, or the verdict where none did.
    pub policy: String,
    /// Who overruled the verdict.
    pub author: Option<String>,
    /// Why they did.
    pub reason: Option<String>,
    /// What became of it.
    pub answer: Answer,
    /// Identifies the request, in the logs too.
    pub request: String,
}

/// Which decisions are asked for. The default asks for all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DecisionFilter {
    /// Only these answers; empty for any.
    pub answers: Vec<Answer>,
    /// Only those whose image contains this text.
    pub image: Option<String>,
    /// Only those at or after this time, milliseconds since 1970.
    pub since: Option<i64>,
    /// At most so many, the newest first.
    pub limit: Option<u32>,
}

impl Store {
    /// Writes one decision down.
    ///
    /// # Errors
    ///
    /// If the store cannot be written; then it is not written down.
    pub async fn put_decision(&self, decision: &Decision) -> Result<(), StoreError> {
        self.put_decisions(std::slice::from_ref(decision)).await
    }

    /// Writes decisions down, all of them or none. Many at once cost little more than one.
    ///
    /// # Errors
    ///
    /// If the store cannot be written; then none is written down.
    pub async fn put_decisions(&self, decisions: &[Decision]) -> Result<(), StoreError> {
        if decisions.is_empty() {
            return Ok(());
        }
        let mut session = self.session().await?;
        let mut work = session.transaction().await?;
        for some in decisions.chunks(AT_ONCE) {
            let mut query = sql(
                "INSERT INTO decisions (time, door, client, account, image, digest, verdict, why, policy, \
                 author, reason, answer, request) VALUES ",
            );
            for (at, of) in some.iter().enumerate() {
                let digest = of.digest.as_ref().map(ToString::to_string);
                query.push(if at == 0 { "(" } else { ", (" }).value(of.time).push(", ");
                query.list([&*of.door, &of.client, &of.user, &of.image]).push(", ");
                query.list([digest.as_deref(), of.verdict.as_deref()]).push(", ");
                query.list([&*of.why, &of.policy]).push(", ");
                query.list([of.author.as_deref(), of.reason.as_deref()]).push(", ");
                query.list([of.answer.word(), &*of.request]).push(")");
            }
            query.run(&mut work).await?;
        }
        work.commit().await
    }

    /// Decisions, the newest first.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn decisions(&self, filter: &DecisionFilter) -> Result<Vec<Decision>, StoreError> {
        let mut query =
            sql("SELECT time, door, client, account, image, digest, verdict, why, policy, author, reason, \
             answer, request FROM decisions WHERE TRUE");
        if !filter.answers.is_empty() {
            query.push(" AND answer IN (").list(filter.answers.iter().map(|answer| answer.word())).push(")");
        }
        if let Some(text) = filter.image.as_deref().filter(|text| !text.is_empty()) {
            query.push(" AND replace(image, ").value(text).push(", '') <> image");
        }
        if let Some(since) = filter.since {
            query.push(" AND time >= ").value(since);
        }
        query.push(" ORDER BY time DESC, id DESC");
        if let Some(limit) = filter.limit {
            query.push(" LIMIT ").value(i64::from(limit));
        }
        query.rows(&mut self.session().await?).await?.iter().map(decision).collect()
    }

    /// What came in since a time (milliseconds since 1970), each image and digest once, the latest
    /// first: what is to be judged again when rules change.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn admitted_digests(&self, since: i64) -> Result<Vec<(String, Digest)>, StoreError> {
        let rows =
            sql("SELECT image, digest FROM decisions WHERE time >= $1 AND answer IN ('served', 'audited') \
             AND digest IS NOT NULL GROUP BY image, digest ORDER BY max(time) DESC, image, digest")
            .bind(since)
            .rows(&mut self.session().await?)
            .await?;
        rows.iter().map(|row| Ok((row.get(0)?, row.digest(1)?))).collect()
    }

    /// Forgets decisions before a time (milliseconds since 1970). Says how many.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    pub async fn prune_decisions(&self, before: i64) -> Result<u64, StoreError> {
        sql("DELETE FROM decisions WHERE time < $1").bind(before).run(&mut self.session().await?).await
    }
}

fn decision(row: &Row) -> Result<Decision, StoreError> {
    let digest: Option<String> = row.get(5)?;
    let answer: String = row.get(11)?;
    Ok(Decision {
        time: row.get(0)?,
        door: row.get(1)?,
        client: row.get(2)?,
        user: row.get(3)?,
        image: row.get(4)?,
        digest: digest.map(|_| row.digest(5)).transpose()?,
        verdict: row.get(6)?,
        why: row.get(7)?,
        policy: row.get(8)?,
        author: row.get(9)?,
        reason: row.get(10)?,
        answer: answer.parse().map_err(|e: UnknownAnswer| row.damaged(e.to_string()))?,
        request: row.get(12)?,
    })
}
