//! refit.
