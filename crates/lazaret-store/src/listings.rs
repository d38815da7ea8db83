//! What registries' sites say of repositories, and which of those without an image are a lure.

use lazaret_model::{Listing, Outcome};

use crate::engine::{Row, Statement, indexed, sql};
use crate::{Store, StoreError, codec};

/// A listing as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListingRow {
    /// What the site says.
    pub listing: Listing,
    /// The verdict on the repository itself and why, where its page and not an image is the lure.
    pub lure: Option<(Outcome, String)>,
    /// When it was last seen, milliseconds since 1970.
    pub seen: i64,
}

const COLUMNS: &str = "SELECT verdict, why, body, seen FROM listings";

impl Store {
    /// Notes a listing in place of the one before, with the verdict on it where it is a lure.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    pub async fn put_listing(
        &self,
        listing: &Listing,
        lure: Option<&(Outcome, String)>,
    ) -> Result<(), StoreError> {
        let body = codec::to_named("a listing", listing)?;
        sql("INSERT INTO listings (repository, account, has_image, verdict, why, body, seen) \
             VALUES ($1, $2, $3, $4, $5, $6, @now) ON CONFLICT (repository) DO UPDATE SET \
             account = excluded.account, has_image = excluded.has_image, verdict = excluded.verdict, \
             why = excluded.why, body = excluded.body, seen = excluded.seen")
        .bind(indexed(&listing.repository))
        .bind(indexed(listing.account.as_deref().unwrap_or_default()))
        .bind(i64::from(!listing.tags.is_empty()))
        .bind(lure.map_or("", |(outcome, _)| outcome.word()))
        .bind(lure.map_or("", |(_, why)| why.as_str()))
        .bind(body)
        .run(&mut self.session().await?)
        .await
        .map(drop)
    }

    /// What is known of a repository. None too where it was stored in a form that is not known.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn listing(&self, repository: &str) -> Result<Option<ListingRow>, StoreError> {
        let mut query = sql(COLUMNS);
        query.push(" WHERE repository = ").value(indexed(repository));
        Ok(self.listing_rows(query).await?.pop())
    }

    /// All listings, by repository.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn listings(&self) -> Result<Vec<ListingRow>, StoreError> {
        let mut query = sql(COLUMNS);
        query.push(" ORDER BY repository");
        self.listing_rows(query).await
    }

    /// The listings of an account, by repository.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn listings_of(&self, account: &str) -> Result<Vec<ListingRow>, StoreError> {
        let mut query = sql(COLUMNS);
        query.push(" WHERE account = ").value(indexed(account)).push(" ORDER BY repository");
        self.listing_rows(query).await
    }

    /// The repositories that are a lure by themselves, by name.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn lures(&self) -> Result<Vec<ListingRow>, StoreError> {
        let mut query = sql(COLUMNS);
        query.push(" WHERE verdict <> '' ORDER BY repository");
        self.listing_rows(query).await
    }

    async fn listing_rows(&self, query: Statement) -> Result<Vec<ListingRow>, StoreError> {
        let rows = query.rows(&mut self.session().await?).await?;
        Ok(rows.iter().map(listing_row).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }
}

fn listing_row(row: &Row) -> Result<Option<ListingRow>, StoreError> {
    let (verdict, why, body): (String, String, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let Some(listing) = codec::from_named::<Listing>(&body) else { return Ok(None) };
    let outcome = [Outcome::Suspicious, Outcome::Malicious].into_iter().find(|known| known.word() == verdict);
    Ok(Some(ListingRow { listing, lure: outcome.map(|outcome| (outcome, why)), seen: row.get(3)? }))
}
