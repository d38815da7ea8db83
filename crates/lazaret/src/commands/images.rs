use anyhow::{Result, bail};
use lazaret_model::one_line;
use lazaret_store::{ImageFilter, Store};

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
        let rows = store.images(&filter).await?;
        store.close().await?;
        anyhow::Ok(rows)
    })?;
    let text = match args.format.as_str() {
        "json" => {
            let rows: Vec<_> = rows
                .iter()
                .map(|row| {
                    serde_json::json!({
                        "name": row.repository,
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
            format!("{}\n", serde_json::to_string_pretty(&rows)?)
        }
        "table" if rows.is_empty() => "no image was judged yet\n".to_owned(),
        "table" => {
            let mut text = format!("{:<13} {:<20} {:<14} IMAGE\n", "VERDICT", "WHEN", "PLATFORM");
            for row in &rows {
                let name = match &row.tag {
                    Some(tag) => format!("{}:{tag}", row.repository),
                    None => row.repository.clone(),
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

/// Seconds since 1970 as people and programs read them (RFC 3339).
pub(super) fn when(seconds: i64) -> String {
    time::OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|t| t.format(&time::format_description::well_known::Rfc3339).ok())
        .unwrap_or_else(|| "-".to_owned())
}
