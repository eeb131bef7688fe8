//! Lead time: how long before the need a replica must be asked for.
