//! Page, JSON API, metrics, probes.
