//! Seasons in local time.
