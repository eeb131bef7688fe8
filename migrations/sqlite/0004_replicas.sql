-- A file has one process that serves from it: no leases and no replicas, which PostgreSQL has from here on.
SELECT 1;
