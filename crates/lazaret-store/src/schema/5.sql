-- Form 5. What campaigns are known by, so that one image can be asked about without the graph: the number
-- of an indicator, the digest of a member, its layers, who published it. `note` is said with it.
CREATE TABLE campaign_signs (
    sign TEXT NOT NULL,
    campaign TEXT NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (sign, campaign)
) WITHOUT ROWID;
