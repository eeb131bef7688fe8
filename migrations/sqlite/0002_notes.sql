-- What is kept of a series besides its history: the latest forecast, sums of the shadow policies, the tuner's choices, what
-- each day cost. kind: forecast | blocks (packed, see codec) | choice | day | decision (JSON in UTF-8: CAST(data AS TEXT)).
CREATE TABLE notes (
    series_id INTEGER NOT NULL REFERENCES series (id),
    kind      TEXT    NOT NULL,
    at        INTEGER NOT NULL,             -- what it is about: origin, start or instant, epoch seconds
    codec     INTEGER NOT NULL,             -- layout of data
    data      BLOB    NOT NULL,
    PRIMARY KEY (series_id, kind, at)
) STRICT;

-- Retention asks for the old notes of one kind.
CREATE INDEX notes_by_age ON notes (kind, at);

-- A file has one process that serves from it: no leases, which PostgreSQL has from here on.
