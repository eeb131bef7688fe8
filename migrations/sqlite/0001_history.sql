-- A series is one trigger of one ScaledObject. Never deleted: a few bytes, and ids may be cached.
CREATE TABLE series (
    id        INTEGER PRIMARY KEY,
    namespace TEXT    NOT NULL,
    name      TEXT    NOT NULL,
    metric    TEXT    NOT NULL,
    UNIQUE (namespace, name, metric)
) STRICT;

-- Hot rows: minutes of days not yet packed, and minutes that came late for a packed day.
CREATE TABLE minutes (
    series_id INTEGER NOT NULL REFERENCES series (id),
    minute    INTEGER NOT NULL,             -- start, epoch seconds
    mean      REAL    NOT NULL,
    max       REAL    NOT NULL,
    backlog   REAL,                         -- NULL = not observed
    samples   INTEGER NOT NULL,             -- slots sampled within the minute
    PRIMARY KEY (series_id, minute)
) STRICT, WITHOUT ROWID;

-- Packed days: all records of one series and UTC day in one row.
CREATE TABLE days (
    series_id INTEGER NOT NULL REFERENCES series (id),
    day       INTEGER NOT NULL,             -- midnight UTC, epoch seconds
    step_s    INTEGER NOT NULL,             -- 60, later 300
    n         INTEGER NOT NULL,             -- records within
    codec     INTEGER NOT NULL,             -- layout of data
    data      BLOB    NOT NULL,
    PRIMARY KEY (series_id, day)
) STRICT;

-- Retention asks for the old days of one step.
CREATE INDEX days_by_age ON days (step_s, day, series_id);
