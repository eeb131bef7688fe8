-- Which replicas live: each says so every few seconds, for all its leases at once. A lease whose holder has stopped saying so is
-- free; one whose holder is not here (a version that did not say so) lasts until it ends.
CREATE TABLE replicas (
    holder TEXT   NOT NULL PRIMARY KEY,
    ends   BIGINT NOT NULL                  -- epoch seconds, by this database's clock
);
