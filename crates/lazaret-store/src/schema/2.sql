-- Form 2: bases that a person trusts. `diff_ids` are separated by blanks, lowest first.

CREATE TABLE bases (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    root TEXT NOT NULL,
    manifest TEXT NOT NULL,
    platform TEXT NOT NULL,
    diff_ids TEXT NOT NULL,
    recorded TEXT NOT NULL,
    UNIQUE (name, root, manifest)
);
