//! Bases that a person trusts: recorded once, compared with every image.

use std::collections::BTreeSet;

use lazaret_model::{Digest, ImageRef, TrustedBase};
use lazaret_oci::ResolvedImage;
use time::OffsetDateTime;

use crate::source::Source;
use crate::{ScanError, Scanner};

impl Scanner {
    /// Records what `reference` names as a trusted base, one for each platform, under its own name
    /// or `name`. Nothing but manifests and configurations is read.
    ///
    /// # Errors
    /// What keeps the reference from being resolved; a store that is not there or cannot be
    /// written; an image whose configuration does not name its layers.
    pub async fn record_base(
        &self,
        reference: &ImageRef,
        name: Option<&str>,
    ) -> Result<Vec<TrustedBase>, ScanError> {
        let store = self.store().ok_or(ScanError::NoStore)?;
        let (_, resolved) = self.open(reference).await?;
        let recorded = OffsetDateTime::now_utc().date().to_string();
        let mut bases = Vec::new();
        for one in resolved {
            let own = || match &one.pinned.tag {
                Some(tag) => format!("{}:{tag}", one.pinned.repository),
                None => one.pinned.repository.clone(),
            };
            for found in one.images {
                let image = found.image;
                let chain: Option<Vec<_>> = image.layers.iter().map(|layer| layer.diff_id.clone()).collect();
                let Some(diff_ids) = chain.filter(|chain| !chain.is_empty()) else {
                    return Err(ScanError::NoChain(own()));
                };
                let base = TrustedBase {
                    name: name.map_or_else(own, str::to_owned),
                    root: one.pinned.digest.clone(),
                    manifest: image.manifest,
                    platform: image.platform,
                    diff_ids,
                    recorded: recorded.clone(),
                };
                store.add_base(&base).await?;
                bases.push(base);
            }
        }
        Ok(bases)
    }

    /// The recorded bases; none where nothing is remembered.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub async fn bases(&self) -> Result<Vec<TrustedBase>, ScanError> {
        match self.store() {
            Some(store) => Ok(store.bases().await?),
            None => Ok(Vec::new()),
        }
    }

    /// What the store knows of the bases that these images name by digest.
    pub(crate) async fn seen_bases(&self, images: &[ResolvedImage]) -> Result<Vec<TrustedBase>, ScanError> {
        let Some(store) = self.store() else { return Ok(Vec::new()) };
        let claimed: BTreeSet<Digest> =
            images.iter().filter_map(|one| lazaret_detect::claimed_base(&one.image.config)).collect();
        let mut seen = Vec::new();
        for digest in &claimed {
            seen.extend(store.seen(digest).await?);
        }
        Ok(seen)
    }

    async fn open(&self, reference: &ImageRef) -> Result<(Source, Vec<lazaret_oci::Resolved>), ScanError> {
        let settings = self.settings();
        Source::open(reference, &settings.platforms, &settings.budget, &self.own()).await
    }
}
