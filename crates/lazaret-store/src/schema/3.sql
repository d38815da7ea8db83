-- Form 3: what the gate and its workers share. Times are milliseconds since 1970.

-- Who does a thing that one shall do at a time, and until when.
CREATE TABLE leases (
    what TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    ends INTEGER NOT NULL
);

-- What the gate answered. Rows are only ever added, and go by age alone.
CREATE TABLE decisions (
    id INTEGER PRIMARY KEY,
    time INTEGER NOT NULL,
    door TEXT NOT NULL,
    client TEXT NOT NULL,
    account TEXT NOT NULL,
    image TEXT NOT NULL,
    digest TEXT,
    verdict TEXT,
    why TEXT NOT NULL,
    policy TEXT NOT NULL,
    author TEXT,
    reason TEXT,
    answer TEXT NOT NULL,
    request TEXT NOT NULL
);
CREATE INDEX decisions_by_time ON decisions (time);

-- Which manifests of a repository hold a blob.
CREATE TABLE holders (
    repository TEXT NOT NULL,
    blob TEXT NOT NULL,
    manifest TEXT NOT NULL,
    size INTEGER NOT NULL,
    image INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    PRIMARY KEY (repository, blob, manifest)
);
CREATE INDEX holders_by_age ON holders (seen);

-- Images to be judged. `subject` is the digest where there is one, else the reference.
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY,
    subject TEXT NOT NULL,
    judges TEXT NOT NULL,
    reference TEXT NOT NULL,
    digest TEXT,
    priority INTEGER NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    worker TEXT NOT NULL,
    due INTEGER NOT NULL,
    ends INTEGER NOT NULL,
    note TEXT NOT NULL,
    added INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    UNIQUE (subject, judges)
);
CREATE INDEX jobs_open ON jobs (priority DESC, id) WHERE state IN ('pending', 'running');
CREATE INDEX jobs_by_change ON jobs (changed);

-- One value for all that share the store.
CREATE TABLE secrets (
    name TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
);
