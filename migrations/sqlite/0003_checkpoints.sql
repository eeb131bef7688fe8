-- What the answers of a series stood on at its last slot: a restart, or another replica, goes on from there. One row a series,
-- overwritten about once a minute and where the answer changed.
CREATE TABLE checkpoints (
    series_id INTEGER NOT NULL PRIMARY KEY REFERENCES series (id),
    at        INTEGER NOT NULL,             -- the slot, epoch seconds
    codec     INTEGER NOT NULL,             -- layout of data
    data      BLOB    NOT NULL
) STRICT;
