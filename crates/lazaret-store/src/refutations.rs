//! Links between images that a person refuted, with reason and author.

use lazaret_model::Indicator;

use crate::engine::{indexed, sql};
use crate::{Store, StoreError};

/// The word for two repositories, where an indicator's kind stands else.
const PAIR: &str = "pair";
/// The word for an account.
const ACCOUNT: &str = "account";

/// What ties nobody, by a person's decision.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refuted {
    /// This indicator, wherever it is.
    Indicator(Indicator),
    /// These two repositories, with each other; the lesser name first.
    Pair(String, String),
    /// That images are of this account: a mirror, or an organisation of many people.
    Account(String),
}

impl Refuted {
    /// Two repositories in either order.
    pub fn pair(a: &str, b: &str) -> Self {
        Self::Pair(a.min(b).to_owned(), a.max(b).to_owned())
    }

    fn columns(&self) -> (&str, String, String) {
        match self {
            Self::Indicator(indicator) => {
                (indicator.kind.name(), indexed(&indicator.value).into_owned(), String::new())
            }
            Self::Account(account) => (ACCOUNT, indexed(account).into_owned(), String::new()),
            Self::Pair(a, b) => (PAIR, indexed(a).into_owned(), indexed(b).into_owned()),
        }
    }
}

/// A refutation with who made it and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refutation {
    /// What ties nobody.
    pub what: Refuted,
    /// Why.
    pub reason: String,
    /// Who decided.
    pub author: String,
    /// When, milliseconds since 1970.
    pub made: i64,
}

impl Store {
    /// Remembers a refutation; one of the same thing gets this reason and author.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    pub async fn refute(&self, what: &Refuted, reason: &str, author: &str) -> Result<(), StoreError> {
        let (kind, a, b) = what.columns();
        sql("INSERT INTO refutations (kind, a, b, reason, author, made) VALUES ($1, $2, $3, $4, $5, @now) \
             ON CONFLICT (kind, a, b) DO UPDATE SET reason = excluded.reason, author = excluded.author, \
             made = excluded.made")
        .bind(kind)
        .bind(a)
        .bind(b)
        .bind(reason)
        .bind(author)
        .run(&mut self.session().await?)
        .await
        .map(drop)
    }

    /// Takes a refutation back; whether there was one.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    pub async fn take_back(&self, what: &Refuted) -> Result<bool, StoreError> {
        let (kind, a, b) = what.columns();
        let gone = sql("DELETE FROM refutations WHERE kind = $1 AND a = $2 AND b = $3")
            .bind(kind)
            .bind(a)
            .bind(b)
            .run(&mut self.session().await?)
            .await?;
        Ok(gone > 0)
    }

    /// All refutations, by kind and what they are about.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn refutations(&self) -> Result<Vec<Refutation>, StoreError> {
        let rows = sql("SELECT kind, a, b, reason, author, made FROM refutations ORDER BY kind, a, b")
            .rows(&mut self.session().await?)
            .await?;
        let mut all = Vec::with_capacity(rows.len());
        for row in &rows {
            let (kind, a, b): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let what = if kind == PAIR {
                Refuted::Pair(a, b)
            } else if kind == ACCOUNT {
                Refuted::Account(a)
            } else {
                let Ok(kind) = kind.parse() else { continue };
                Refuted::Indicator(Indicator::new(kind, a))
            };
            all.push(Refutation { what, reason: row.get(3)?, author: row.get(4)?, made: row.get(5)? });
        }
        Ok(all)
    }
}
