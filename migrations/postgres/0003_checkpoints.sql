-- What the answers of a series stood on at its last slot: a restart, or another replica, goes on from there. One row a series,
-- overwritten about once a minute and where the answer changed.
CREATE TABLE checkpoints (
    series_id BIGINT  NOT NULL REFERENCES series (id) PRIMARY KEY,
    at        BIGINT  NOT NULL,             -- the slot, epoch seconds
    codec     INTEGER NOT NULL,             -- layout of data
    data      BYTEA   NOT NULL
);

-- Overwritten in place: half of each page stays free for the next version of its rows, and no index holds what changes.
ALTER TABLE checkpoints SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
