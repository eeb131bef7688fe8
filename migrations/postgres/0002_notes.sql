-- What is kept of a series besides its history: the latest forecast, sums of the shadow policies, the tuner's choices, what
-- each day cost. kind: forecast | blocks (packed, see codec) | choice | day | decision (JSON in UTF-8:
-- convert_from(data, 'UTF8')::json).
CREATE TABLE notes (
    series_id BIGINT  NOT NULL REFERENCES series (id),
    kind      TEXT    NOT NULL,
    at        BIGINT  NOT NULL,             -- what it is about: origin, start or instant, epoch seconds
    codec     INTEGER NOT NULL,             -- layout of data
    data      BYTEA   NOT NULL,
    PRIMARY KEY (series_id, kind, at)
);

-- Retention asks for the old notes of one kind.
CREATE INDEX notes_by_age ON notes (kind, at);

-- Forecasts are overwritten all the time: clean up well before a fifth of the table is dead.
ALTER TABLE notes SET (autovacuum_vacuum_scale_factor = 0.05);

-- Which replica refits a series. A lease that was lost does no harm: both write the same.
CREATE TABLE leases (
    series_id BIGINT NOT NULL REFERENCES series (id) PRIMARY KEY,
    holder    TEXT   NOT NULL,
    ends      BIGINT NOT NULL               -- epoch seconds, by this database's clock
);
