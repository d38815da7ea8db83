use std::collections::{HashMap, HashSet};

use anyhow::{Result, bail};
use lazaret_model::one_line;
use lazaret_store::{ImageFilter, ImageRow, Store};

use crate::args::ImagesArgs;
use crate::exit::Exit;

/// `lazaret images`.
pub fn run(args: &ImagesArgs) -> Result<Exit> {
    let url = super::scan::store(args.store.as_deref(), false)?;
    let filter = ImageFilter {
        repository: args.contains.clone(),
        outcome: None,
        limit: Some(u32::try_from(args.limit).unwrap_or(u32::MAX)),
    };
    let rows = super::runtime()?.block_on(async {
        let store = Store::open(url.as_deref().unwrap_or_default()).await?;
        let rows = named(&store, &filter).await?;
        store.close().await?;
        anyhow::Ok(rows)
    })?;
    let text = match args.format.as_str() {
        "json" => {
            let rows: Vec<_> = rows
                .iter()
                .map(|(row, listed)| {
                    serde_json::json!({
                        "name": row.repository,
                        "listedAs": listed,
                        "tag": row.tag,
                        "digest": row.root.to_string(),
                        "manifest": row.manifest.to_string(),
                        "platform": row.platform,
                        "verdict": row.outcome.word(),
                        "why": row.why,
                        "findings": row.findings,
                        "layers": row.layers,
                        "scannedAt": when(row.scanned_at),
                    })
                })
                .collect();
            lazaret_report::json_document(&rows)
        }
        "table" if rows.is_empty() => "no image was judged yet\n".to_owned(),
        "table" => {
            let mut text = format!("{:<13} {:<20} {:<14} IMAGE\n", "VERDICT", "WHEN", "PLATFORM");
            for (row, listed) in &rows {
                let name = match (listed, &row.tag) {
                    (Some(listed), _) => listed.clone(),
                    (None, Some(tag)) => format!("{}:{tag}", row.repository),
                    (None, None) => row.repository.clone(),
                };
                text.push_str(&format!(
                    "{:<13} {:<20} {:<14} {}@{}\n",
                    row.outcome.word(),
                    when(row.scanned_at),
                    one_line(row.platform.as_deref().unwrap_or("-"), 14),
                    one_line(&name, 120),
                    row.root.short(),
                ));
            }
            text
        }
        other => bail!("`{other}` is not a form: table or json"),
    };
    super::print(&text)?;
    Ok(Exit::Allowed)
}

/// Images, each with the name by which a site lists it where it was judged from disk; a part of either name
/// finds it.
async fn named(store: &Store, filter: &ImageFilter) -> Result<Vec<(ImageRow, Option<String>)>> {
    let listings = store.listings().await?;
    let listed: HashMap<String, String> =
        listings.into_iter().filter_map(|row| Some((row.listing.repository, row.listing.name?))).collect();
    let mut rows = store.images(filter).await?;
    if let Some(text) = filter.repository.as_deref().filter(|text| !text.is_empty()) {
        let found = listed.iter().filter(|(on_disk, name)| name.contains(text) && !on_disk.contains(text));
        let found: HashSet<&String> = found.map(|(on_disk, _)| on_disk).collect();
        if !found.is_empty() {
            let all = store.images(&ImageFilter { repository: None, limit: None, ..filter.clone() }).await?;
            rows.extend(all.into_iter().filter(|row| found.contains(&row.repository)));
            rows.sort_by_key(|row| std::cmp::Reverse(row.scanned_at));
            rows.truncate(filter.limit.map_or(usize::MAX, |limit| limit as usize));
        }
    }
    Ok(rows
        .into_iter()
        .map(|row| {
            let name = listed.get(&row.repository).map(|name| match &row.tag {
                Some(tag) if !name.rsplit('/').next().is_some_and(|last| last.contains(':')) => {
                    format!("{name}:{tag}")
                }
                _ => name.clone(),
            });
            (row, name)
        })
        .collect())
}

/// Seconds since 1970 as people and programs read them (RFC 3339).
pub(super) fn when(seconds: i64) -> String {
    time::OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|t| t.format(&time::format_description::well_known::Rfc3339).ok())
        .unwrap_or_else(|| "-".to_owned())
}
