//! Campaigns, each under the name that it keeps, and which images are in it.

use lazaret_model::Campaign;

use crate::engine::{Turn, Value, indexed, sql};
use crate::{Store, StoreError, codec};

/// Rows in one statement.
const ROWS: usize = 500;

/// What a campaign is known by, in words of whoever computed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CampaignSign {
    /// The sign; other campaigns may have it too.
    pub sign: String,
    /// The campaign's name.
    pub campaign: String,
    /// What is to be said with it.
    pub note: String,
}

impl Store {
    /// Puts these campaigns, with the numbers of their images, and what they are known by in place of all
    /// that were there.
    ///
    /// # Errors
    ///
    /// If the store cannot be written; then nothing changed.
    pub async fn put_campaigns(
        &self,
        campaigns: &[(Campaign, Vec<i64>)],
        signs: &[CampaignSign],
    ) -> Result<(), StoreError> {
        let mut session = self.writer().await?;
        let mut work = session.begin(Turn::Campaigns).await?;
        let known: Vec<String> = sql("SELECT id FROM campaigns")
            .rows(&mut work)
            .await?
            .iter()
            .map(|row| row.get(0))
            .collect::<Result<_, _>>()?;
        for id in known.iter().filter(|id| campaigns.iter().all(|(campaign, _)| campaign.id != **id)) {
            sql("DELETE FROM campaigns WHERE id = $1").bind(id).run(&mut work).await?;
        }
        for (campaign, images) in campaigns {
            sql("INSERT INTO campaigns (id, body, created, changed) VALUES ($1, $2, @now, @now) \
                 ON CONFLICT (id) DO UPDATE SET body = excluded.body, changed = excluded.changed")
            .bind(&campaign.id)
            .bind(codec::to_named("a campaign", campaign)?)
            .run(&mut work)
            .await?;
            sql("DELETE FROM campaign_images WHERE campaign = $1").bind(&campaign.id).run(&mut work).await?;
            for some in images.chunks(ROWS) {
                // An image that went meanwhile is in no campaign.
                let mut insert = sql("INSERT INTO campaign_images (campaign, image) SELECT ");
                insert.value(&campaign.id).push(", id FROM images WHERE id IN (");
                insert.list(some.iter().copied()).push(")");
                insert.run(&mut work).await?;
            }
        }
        sql("DELETE FROM campaign_signs").run(&mut work).await?;
        for some in signs.chunks(ROWS) {
            let mut insert = sql("INSERT INTO campaign_signs (sign, campaign, note) VALUES ");
            for (at, sign) in some.iter().enumerate() {
                insert.push(if at > 0 { ", (" } else { "(" });
                insert.list::<Value>([
                    indexed(&sign.sign).into(),
                    sign.campaign.as_str().into(),
                    indexed(&sign.note).into(),
                ]);
                insert.push(")");
            }
            insert.run(&mut work).await?;
        }
        work.commit().await
    }

    /// Whether any campaign is known.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn has_campaigns(&self) -> Result<bool, StoreError> {
        let row = sql("SELECT 1 FROM campaign_signs LIMIT 1").first(&mut self.session().await?).await?;
        Ok(row.is_some())
    }

    /// The campaigns that are known by any of these signs, by sign and campaign.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn campaign_signs(&self, signs: &[&str]) -> Result<Vec<CampaignSign>, StoreError> {
        let mut session = self.session().await?;
        let mut all = Vec::new();
        for some in signs.chunks(ROWS) {
            let mut query = sql("SELECT sign, campaign, note FROM campaign_signs WHERE sign IN (");
            query.list::<Value>(some.iter().map(|sign| indexed(sign).into()));
            query.push(") ORDER BY sign, campaign LIMIT 1000");
            for row in query.rows(&mut session).await? {
                all.push(CampaignSign { sign: row.get(0)?, campaign: row.get(1)?, note: row.get(2)? });
            }
        }
        Ok(all)
    }

    /// A campaign by its name. None too where it was stored in a form that is not known.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn campaign(&self, id: &str) -> Result<Option<Campaign>, StoreError> {
        let row = sql("SELECT body FROM campaigns WHERE id = $1")
            .bind(id)
            .first(&mut self.session().await?)
            .await?;
        let body: Option<Vec<u8>> = row.map(|row| row.get(0)).transpose()?;
        Ok(body.and_then(|body| codec::from_named(&body)))
    }

    /// All campaigns, by name.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn campaigns(&self) -> Result<Vec<Campaign>, StoreError> {
        let rows = sql("SELECT body FROM campaigns ORDER BY id").rows(&mut self.session().await?).await?;
        let bodies: Vec<Vec<u8>> = rows.iter().map(|row| row.get(0)).collect::<Result<_, _>>()?;
        Ok(bodies.iter().filter_map(|body| codec::from_named(body)).collect())
    }

    /// Which images are in which campaign, by campaign and image.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn campaign_images(&self) -> Result<Vec<(String, i64)>, StoreError> {
        let rows = sql("SELECT campaign, image FROM campaign_images ORDER BY campaign, image")
            .rows(&mut self.session().await?)
            .await?;
        rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
    }
}
