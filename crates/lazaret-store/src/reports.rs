//! Reports by what was judged and what the judgement depended on.

use std::collections::HashSet;

use lazaret_model::{Digest, FACTS_VERSION, Report};

use crate::engine::{Turn, sql};
use crate::{Store, StoreError, codec, images, store};

/// Version of the stored form of a report. Raise it when a field of [`Report`] or of anything in
/// it changes its meaning without changing its name; a changed name is noticed by itself.
const REPORT_VERSION: u32 = 1;

/// Reports of that many judgements are kept for one digest.
const JUDGEMENTS: i64 = 4;

impl Store {
    /// The report on what `root` names (the digest that the reference was resolved to), if it was
    /// made under the same `judge`.
    ///
    /// `judge` must tell apart everything else that the report depends on: versions of rules,
    /// analyzers and policy, the platforms asked for, the ignore file, the budgets. What was
    /// typed, the repository and the tag in the answer are those of the first time.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn report(&self, root: &Digest, judge: &str) -> Result<Option<Report>, StoreError> {
        let row = sql("SELECT body FROM reports WHERE root = $1 AND judge = $2 AND form = $3")
            .bind(root.to_string())
            .bind(judge)
            .bind(form())
            .first(&mut self.session().await?)
            .await?;
        let stored: Option<Vec<u8>> = row.map(|row| row.get(0)).transpose()?;
        let report: Option<Report> = stored.and_then(|stored| codec::from_named(&stored));
        Ok(report.filter(|report| report.pinned.digest == *root))
    }

    /// The latest report on what `root` names, whatever it was judged by: for people who ask what was
    /// found. It decides nothing.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn latest_report(&self, root: &Digest) -> Result<Option<Report>, StoreError> {
        let row = sql("SELECT body FROM reports WHERE root = $1 AND form = $2 ORDER BY id DESC LIMIT 1")
            .bind(root.to_string())
            .bind(form())
            .first(&mut self.session().await?)
            .await?;
        let stored: Option<Vec<u8>> = row.map(|row| row.get(0)).transpose()?;
        let report: Option<Report> = stored.and_then(|stored| codec::from_named(&stored));
        Ok(report.filter(|report| report.pinned.digest == *root))
    }

    /// The same with the platforms that only earlier reports on it have: whoever asked for one platform
    /// last did not take back what was found on the others. The verdict is that of the worst of them.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn latest_of_all_platforms(&self, root: &Digest) -> Result<Option<Report>, StoreError> {
        let rows = sql("SELECT body FROM reports WHERE root = $1 AND form = $2 ORDER BY id DESC")
            .bind(root.to_string())
            .bind(form())
            .rows(&mut self.session().await?)
            .await?;
        let mut whole: Option<Report> = None;
        for row in rows {
            let stored: Vec<u8> = row.get(0)?;
            let Some(report) = codec::from_named::<Report>(&stored).filter(|one| one.pinned.digest == *root)
            else {
                continue;
            };
            let Some(whole) = &mut whole else {
                whole = Some(report);
                continue;
            };
            let known: HashSet<Digest> =
                whole.images.iter().map(|image| image.image.manifest.clone()).collect();
            for image in report.images {
                if !known.contains(&image.image.manifest) {
                    if image.verdict.outcome.rank() > whole.verdict.outcome.rank() {
                        whole.verdict = image.verdict.clone();
                    }
                    whole.images.push(image);
                }
            }
        }
        Ok(whole)
    }

    /// Stores a report, and notes its images and their indicators. Storing it again under another
    /// repository or tag notes that name too.
    ///
    /// # Errors
    ///
    /// If the store cannot be written; then nothing was stored.
    pub async fn put_report(&self, report: &Report, judge: &str) -> Result<(), StoreError> {
        let body = codec::to_named("a report", report)?;
        let root = report.pinned.digest.to_string();
        let now = store::now();
        let mut session = self.writer().await?;
        let mut work = session.begin(Turn::Reports).await?;
        // Not an update: the id grows, so the newest rows have the highest.
        sql("DELETE FROM reports WHERE root = $1 AND judge = $2")
            .bind(&root)
            .bind(judge)
            .run(&mut work)
            .await?;
        sql("INSERT INTO reports (root, judge, form, body, stored_at) VALUES ($1, $2, $3, $4, $5)")
            .bind(&root)
            .bind(judge)
            .bind(form())
            .bind(body)
            .bind(now)
            .run(&mut work)
            .await?;
        sql("DELETE FROM reports WHERE root = $1 AND id NOT IN \
             (SELECT id FROM reports WHERE root = $1 ORDER BY id DESC LIMIT $2)")
        .bind(&root)
        .bind(JUDGEMENTS)
        .run(&mut work)
        .await?;
        for image in &report.images {
            images::put(&mut work, report, image, now).await?;
        }
        work.commit().await
    }
}

/// The form in which reports are stored now.
pub(crate) fn form() -> String {
    format!("{REPORT_VERSION}.{FACTS_VERSION}")
}
