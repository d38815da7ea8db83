-- Form 1. A later form is a file of its own that starts from this one. Written for SQLite;
-- schema.rs says how it is read for PostgreSQL.

CREATE TABLE layers (
    id INTEGER PRIMARY KEY,
    diff_id TEXT NOT NULL,
    version TEXT NOT NULL,
    facts BLOB NOT NULL,
    stored_at INTEGER NOT NULL,
    UNIQUE (diff_id, version)
);

CREATE TABLE byte_matches (
    id INTEGER PRIMARY KEY,
    diff_id TEXT NOT NULL,
    rules TEXT NOT NULL,
    matches BLOB NOT NULL,
    stored_at INTEGER NOT NULL,
    UNIQUE (diff_id, rules)
);

-- `data` is the last column, so that the others are read without it.
CREATE TABLE contents (
    id BLOB NOT NULL PRIMARY KEY,
    stored INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    data BLOB NOT NULL
);
CREATE INDEX contents_by_use ON contents (used_at, stored);

CREATE TABLE reports (
    id INTEGER PRIMARY KEY,
    root TEXT NOT NULL,
    judge TEXT NOT NULL,
    form TEXT NOT NULL,
    body BLOB NOT NULL,
    stored_at INTEGER NOT NULL,
    UNIQUE (root, judge)
);

-- One row for each name under which an image was seen. A tag that moved has two.
CREATE TABLE images (
    id INTEGER PRIMARY KEY,
    repository TEXT NOT NULL,
    tag TEXT NOT NULL,
    root TEXT NOT NULL,
    manifest TEXT NOT NULL,
    platform TEXT NOT NULL,
    outcome TEXT NOT NULL,
    why TEXT NOT NULL,
    findings INTEGER NOT NULL,
    layers INTEGER NOT NULL,
    compressed INTEGER NOT NULL,
    uncompressed INTEGER NOT NULL,
    rules_version TEXT NOT NULL,
    scanned_at INTEGER NOT NULL,
    UNIQUE (repository, tag, manifest)
);
CREATE INDEX images_by_manifest ON images (manifest);
CREATE INDEX images_by_time ON images (scanned_at);
CREATE INDEX images_by_outcome ON images (outcome, scanned_at);

CREATE TABLE indicators (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    UNIQUE (kind, value)
);

-- The links of the graph: which image holds which indicator, where, by which rule. Read from
-- either end, so it is ordered by one and has an index for the other.
CREATE TABLE sightings (
    indicator INTEGER NOT NULL REFERENCES indicators (id) ON DELETE CASCADE,
    image INTEGER NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    rule TEXT NOT NULL,
    location TEXT NOT NULL,
    PRIMARY KEY (indicator, image, rule, location)
) WITHOUT ROWID;
CREATE INDEX sightings_by_image ON sightings (image);

-- How many bytes the contents take, kept right by the triggers, so that nothing is ever summed.
CREATE TABLE totals (name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL);
INSERT INTO totals VALUES ('contents', 0);
