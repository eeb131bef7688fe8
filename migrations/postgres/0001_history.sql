-- A series is one trigger of one ScaledObject. Never deleted: a few bytes, and ids may be cached.
CREATE TABLE series (
    id        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    namespace TEXT   NOT NULL,
    name      TEXT   NOT NULL,
    metric    TEXT   NOT NULL,
    UNIQUE (namespace, name, metric)
);

-- Hot rows: minutes of days not yet packed, and minutes that came late for a packed day.
CREATE TABLE minutes (
    series_id BIGINT           NOT NULL REFERENCES series (id),
    minute    BIGINT           NOT NULL,    -- start, epoch seconds
    mean      DOUBLE PRECISION NOT NULL,
    max       DOUBLE PRECISION NOT NULL,
    backlog   DOUBLE PRECISION,             -- NULL = not observed
    samples   INTEGER          NOT NULL,    -- slots sampled within the minute
    PRIMARY KEY (series_id, minute)
);

-- Packed days: all records of one series and UTC day in one row.
CREATE TABLE days (
    series_id BIGINT  NOT NULL REFERENCES series (id),
    day       BIGINT  NOT NULL,             -- midnight UTC, epoch seconds
    step_s    INTEGER NOT NULL,             -- 60, later 300
    n         INTEGER NOT NULL,             -- records within
    codec     INTEGER NOT NULL,             -- layout of data
    data      BYTEA   NOT NULL,
    PRIMARY KEY (series_id, day)
);

-- The data is compressed already: do not try again.
ALTER TABLE days ALTER COLUMN data SET STORAGE EXTERNAL;

-- Retention asks for the old days of one step.
CREATE INDEX days_by_age ON days (step_s, day, series_id);

-- Each row is written once and deleted two days later: clean up well before a fifth of the table is dead.
ALTER TABLE minutes SET (autovacuum_vacuum_scale_factor = 0.05);
