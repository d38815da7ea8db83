//! What ties images to each other: the links of the graph.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use lazaret_model::{Image, ImageReport, Indicator, Location, Role};

use crate::engine::{Value, Work, indexed, sql};
use crate::{Store, StoreError};

/// Rows that one statement writes: enough that the way to the engine no longer counts, and with eight
/// values each far from how many values either engine takes (32,766 in SQLite, 65,535 in PostgreSQL).
const ROWS: usize = 200;

/// One place where an indicator was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// Repository of the image.
    pub repository: String,
    /// Its tag, if it was named by one.
    pub tag: Option<String>,
    /// Digest of its manifest, as text.
    pub manifest: String,
    /// The rule whose finding holds it; empty where nothing speaks against it.
    pub rule: String,
    /// Where in the image, as text; of a very long one the beginning.
    pub location: String,
}

impl Store {
    /// Everywhere that `indicator` was seen, by image.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn sightings(&self, indicator: &Indicator) -> Result<Vec<Sighting>, StoreError> {
        let rows = sql("SELECT i.repository, i.tag, i.manifest, s.rule, s.location FROM indicators n \
             JOIN sightings s ON s.indicator = n.id JOIN images i ON i.id = s.image \
             WHERE n.kind = $1 AND n.value = $2 \
             ORDER BY i.repository, i.tag, i.manifest, s.rule, s.location")
        .bind(indicator.kind.name())
        .bind(indexed(&indicator.value))
        .rows(&mut self.session().await?)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Sighting {
                    repository: row.get(0)?,
                    tag: row.some(1)?,
                    manifest: row.get(2)?,
                    rule: row.get(3)?,
                    location: row.get(4)?,
                })
            })
            .collect()
    }
}

/// A row of `sightings`, before its indicator has a number.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Link<'a> {
    indicator: &'a Indicator,
    rule: &'a str,
    location: String,
    layer: i64,
    place: i64,
    /// See `schema/6.sql`; of two findings of one rule in one place the one that says more comes first, and
    /// stays.
    role: Reverse<i64>,
    /// See `schema/7.sql`.
    accused: i64,
}

/// Notes what an image may have in common with others, in place of what was noted before. What a
/// finding names is noted with its rule, once for each.
pub(crate) async fn put(work: &mut Work<'_>, image: i64, of: &ImageReport) -> Result<(), StoreError> {
    sql("DELETE FROM sightings WHERE image = $1").bind(image).run(work).await?;
    let links = links(of);
    let indicators: BTreeSet<&Indicator> = links.iter().map(|link| link.indicator).collect();
    let indicators: Vec<&Indicator> = indicators.into_iter().collect();
    for some in indicators.chunks(ROWS) {
        let mut insert = sql("INSERT INTO indicators (kind, value) VALUES ");
        for (at, indicator) in some.iter().enumerate() {
            insert.push(if at > 0 { ", (" } else { "(" });
            insert.value(indicator.kind.name()).push(", ").value(indexed(&indicator.value)).push(")");
        }
        insert.push(" ON CONFLICT DO NOTHING");
        insert.run(work).await?;
    }
    for some in links.chunks(ROWS) {
        // Both engines call the columns of a list of rows `column1`, `column2`, …; what is joined by
        // `CROSS JOIN` SQLite reads in this order.
        let mut insert = sql(
            "INSERT INTO sightings (image, indicator, rule, location, layer, place, role, accused) SELECT ",
        );
        insert
            .value(image)
            .push(", n.id, v.column3, v.column4, v.column5, v.column6, v.column7, v.column8 FROM (VALUES ");
        for (at, link) in some.iter().enumerate() {
            insert.push(if at > 0 { ", (" } else { "(" });
            insert.list::<Value>([
                link.indicator.kind.name().into(),
                indexed(&link.indicator.value).into(),
                indexed(link.rule).into(),
                indexed(&link.location).into(),
                link.layer.into(),
                link.place.into(),
                link.role.0.into(),
                link.accused.into(),
            ]);
            insert.push(")");
        }
        insert.push(
            ") AS v CROSS JOIN indicators n WHERE n.kind = v.column1 AND n.value = v.column2 \
             ON CONFLICT DO NOTHING",
        );
        insert.run(work).await?;
    }
    Ok(())
}

fn links(of: &ImageReport) -> Vec<Link<'_>> {
    let seen: BTreeMap<&Indicator, &lazaret_model::Sighting> =
        of.sightings.iter().map(|sighting| (&sighting.indicator, sighting)).collect();
    let mut links = BTreeSet::new();
    let mut named = BTreeSet::new();
    for finding in &of.findings {
        for indicator in &finding.indicators {
            // A finding stands where its first evidence is; the indicator may stand elsewhere.
            let sighting = seen.get(indicator);
            let place = sighting.map_or_else(|| finding.location(), |sighting| &sighting.location);
            // A shell's host is named by what is said of its port alone; what the image does with it is seen.
            let said = Role::of(finding).max(sighting.map_or(Role::Lies, |sighting| sighting.role));
            links.insert(Link {
                indicator,
                rule: &finding.rule.id,
                location: finding.location().to_string(),
                layer: layer(&of.image, place),
                place: hash(place),
                role: Reverse(role(said)),
                accused: match finding.location() {
                    file @ Location::File { .. } => layer(&of.image, file),
                    _ => -1,
                },
            });
            named.insert(indicator);
        }
    }
    for sighting in of.sightings.iter().filter(|sighting| !named.contains(&sighting.indicator)) {
        links.insert(Link {
            indicator: &sighting.indicator,
            rule: "",
            location: sighting.location.to_string(),
            layer: layer(&of.image, &sighting.location),
            place: hash(&sighting.location),
            role: Reverse(role(sighting.role)),
            accused: -1,
        });
    }
    links.into_iter().collect()
}

/// See `schema/6.sql`.
fn role(role: Role) -> i64 {
    match role {
        Role::Mentioned => -2,
        Role::Lies => 0,
        Role::Named => 1,
        Role::Acts => 2,
        Role::Suspected => 3,
        Role::Harms => 4,
    }
}

/// The number of the layer that a place comes with, -1 where there is none.
fn layer(image: &Image, place: &Location) -> i64 {
    image.layer_of(place).and_then(|number| i64::try_from(number).ok()).unwrap_or(-1)
}

/// A number for the file of a place, 0 outside of files.
fn hash(place: &Location) -> i64 {
    let Some(path) = place.path() else { return 0 };
    let hash = blake3::hash(path.as_bytes());
    hash.as_bytes().first_chunk::<8>().map_or(0, |first| i64::from_be_bytes(*first))
}
