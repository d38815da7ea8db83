-- Form 7. The layer whose file a finding accuses, which need not be the one in which the indicator stands: -1 where
-- it accuses none, -2 of before, when that was not noted.
ALTER TABLE sightings ADD COLUMN accused INTEGER NOT NULL DEFAULT -2;
-- Holds all that the graph reads of an image: else each of its links costs a search of the table.
DROP INDEX sightings_by_image;
CREATE INDEX sightings_by_image ON sightings (image, indicator, layer, place, role, accused, rule);
