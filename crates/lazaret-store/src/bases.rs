//! Bases that a person trusts, with the chains of their layers.

use lazaret_model::{Digest, ImageReport, Report, TrustedBase};
use time::OffsetDateTime;

use crate::engine::{Row, sql};
use crate::reports::form;
use crate::{Store, StoreError, codec};

impl Store {
    /// Records a base. One that is recorded already keeps the day of its first time.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    pub async fn add_base(&self, base: &TrustedBase) -> Result<(), StoreError> {
        let chain: Vec<String> = base.diff_ids.iter().map(ToString::to_string).collect();
        sql("INSERT INTO bases (name, root, manifest, platform, diff_ids, recorded) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING")
        .bind(&base.name)
        .bind(base.root.to_string())
        .bind(base.manifest.to_string())
        .bind(base.platform.as_ref().map_or_else(String::new, ToString::to_string))
        .bind(chain.join(" "))
        .bind(&base.recorded)
        .run(&mut self.session().await?)
        .await?;
        Ok(())
    }

    /// All recorded bases, by name, digest and platform.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn bases(&self) -> Result<Vec<TrustedBase>, StoreError> {
        let rows = sql("SELECT name, root, manifest, platform, diff_ids, recorded FROM bases \
             ORDER BY name, recorded, root, platform, manifest")
        .rows(&mut self.session().await?)
        .await?;
        rows.iter().map(base).collect()
    }

    /// The images with this digest, of the index or of a platform's manifest, that were judged with
    /// all their layers read: what a digest stands for is a fact, whoever names it.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn seen(&self, digest: &Digest) -> Result<Vec<TrustedBase>, StoreError> {
        let wanted = digest.to_string();
        let found = sql("SELECT body, stored_at FROM reports WHERE form = $1 AND \
             (root = $2 OR root IN (SELECT root FROM images WHERE manifest = $2)) ORDER BY id DESC LIMIT 1")
        .bind(form())
        .bind(wanted)
        .first(&mut self.session().await?)
        .await?;
        let Some(row) = found else { return Ok(Vec::new()) };
        let (body, at): (Vec<u8>, i64) = (row.get(0)?, row.get(1)?);
        let Some(report) = codec::from_named::<Report>(&body) else { return Ok(Vec::new()) };
        let recorded = OffsetDateTime::from_unix_timestamp(at).map(|time| time.date().to_string());
        let recorded = recorded.unwrap_or_default();
        let name = match &report.pinned.tag {
            Some(tag) => format!("{}:{tag}", report.pinned.repository),
            None => report.pinned.repository.clone(),
        };
        let one = |image: ImageReport| {
            let meant = report.pinned.digest == *digest || image.image.manifest == *digest;
            let whole = image.coverage.layers_read >= image.coverage.layers;
            let chain: Option<Vec<Digest>> =
                image.image.layers.into_iter().map(|layer| layer.diff_id).collect();
            let diff_ids = chain.filter(|chain| meant && whole && !chain.is_empty())?;
            Some(TrustedBase {
                name: name.clone(),
                root: report.pinned.digest.clone(),
                manifest: image.image.manifest,
                platform: image.image.platform,
                diff_ids,
                recorded: recorded.clone(),
            })
        };
        Ok(report.images.into_iter().filter_map(one).collect())
    }

    /// Forgets every base of this name. Says how many there were.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    pub async fn remove_base(&self, name: &str) -> Result<u64, StoreError> {
        sql("DELETE FROM bases WHERE name = $1").bind(name).run(&mut self.session().await?).await
    }
}

fn base(row: &Row) -> Result<TrustedBase, StoreError> {
    let chain: String = row.get(4)?;
    let platform: String = row.get(3)?;
    let digest =
        |text: &str| text.parse::<Digest>().map_err(|_| row.damaged("a base has a digest that is none"));
    Ok(TrustedBase {
        name: row.get(0)?,
        root: row.digest(1)?,
        manifest: row.digest(2)?,
        platform: platform.parse().ok(),
        diff_ids: chain.split(' ').map(digest).collect::<Result<_, _>>()?,
        recorded: row.get(5)?,
    })
}
