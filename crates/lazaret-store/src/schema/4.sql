-- Form 4: campaigns. What images have in common, what registries say of them, who hunts, what was
-- found. Times are milliseconds since 1970.

-- Where an indicator stands, for all of them and not only for what findings name (else `rule` is empty):
-- the layer (-1: none; of a step of the history the layer that it made, or the first after it), and a hash of the
-- file's path (0: no file), so that what lies in one file counts once.
ALTER TABLE sightings ADD COLUMN layer INTEGER NOT NULL DEFAULT -1;
ALTER TABLE sightings ADD COLUMN place INTEGER NOT NULL DEFAULT 0;

-- The layers of an image, lowest first: what is built on what.
CREATE TABLE image_layers (
    image INTEGER NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    diff_id TEXT NOT NULL,
    PRIMARY KEY (image, position)
) WITHOUT ROWID;
CREATE INDEX image_layers_by_diff_id ON image_layers (diff_id);

-- What a registry's site says of a repository; `body` is all of it, the columns are for asking. A
-- repository without an image may be a lure: `verdict` and `why` are empty where it is none.
CREATE TABLE listings (
    repository TEXT NOT NULL PRIMARY KEY,
    account TEXT NOT NULL,
    has_image INTEGER NOT NULL,
    verdict TEXT NOT NULL,
    why TEXT NOT NULL,
    body BLOB NOT NULL,
    seen INTEGER NOT NULL
);
CREATE INDEX listings_by_account ON listings (account);

-- What a tag stood for, and from when to when that was seen.
CREATE TABLE tags (
    repository TEXT NOT NULL,
    tag TEXT NOT NULL,
    digest TEXT NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    PRIMARY KEY (repository, tag, digest)
);

-- A hunt over one target, and how far its list was read (`cursor`, the hunter's own words).
CREATE TABLE hunts (
    id INTEGER PRIMARY KEY,
    target TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    cursor TEXT NOT NULL,
    note TEXT NOT NULL,
    started INTEGER NOT NULL,
    changed INTEGER NOT NULL
);

-- What it found there, and what became of it: `pending`, `queued`, a verdict, `failed` or `gone`.
-- `subject` is the job that a fleet was given for it.
CREATE TABLE hunt_items (
    hunt INTEGER NOT NULL REFERENCES hunts (id) ON DELETE CASCADE,
    reference TEXT NOT NULL,
    digest TEXT NOT NULL,
    judges TEXT NOT NULL,
    subject TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    note TEXT NOT NULL,
    changed INTEGER NOT NULL,
    PRIMARY KEY (hunt, reference)
);
CREATE INDEX hunt_items_by_state ON hunt_items (hunt, state);

-- Campaigns, each under the name that it keeps, and the manifests in it.
CREATE TABLE campaigns (
    id TEXT NOT NULL PRIMARY KEY,
    body BLOB NOT NULL,
    created INTEGER NOT NULL,
    changed INTEGER NOT NULL
);
CREATE TABLE campaign_images (
    campaign TEXT NOT NULL REFERENCES campaigns (id) ON DELETE CASCADE,
    image INTEGER NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    PRIMARY KEY (campaign, image)
);
CREATE INDEX campaign_images_by_image ON campaign_images (image);

-- Links that a person refuted: an indicator everywhere or an account (`b` is empty), or two repositories.
CREATE TABLE refutations (
    kind TEXT NOT NULL,
    a TEXT NOT NULL,
    b TEXT NOT NULL,
    reason TEXT NOT NULL,
    author TEXT NOT NULL,
    made INTEGER NOT NULL,
    PRIMARY KEY (kind, a, b)
);

-- Signed packs of indicators: the newest of each name, which no older one replaces. Of one that was
-- removed the version and its digest stay, so that an older one cannot come back.
CREATE TABLE feeds (
    name TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    digest TEXT NOT NULL,
    signer TEXT NOT NULL,
    expires INTEGER NOT NULL,
    body BLOB NOT NULL,
    installed INTEGER NOT NULL,
    removed INTEGER NOT NULL
);
