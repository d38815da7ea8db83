-- Form 6. What an indicator is to the image that holds it: -2 spoken of only, 0 it stands there, 1 a finding
-- names it, 2 it acts, 3 harm may be done with it, 4 harm surely is. -1 is of before: what `rule` says is all
-- that is known.
ALTER TABLE sightings ADD COLUMN role INTEGER NOT NULL DEFAULT -1;
