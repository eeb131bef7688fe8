//! tracing set-up.
