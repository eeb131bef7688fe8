//! Logs: tracing to standard error, as JSON for machines or as text for people.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::LogFormat;

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error("log.filter = \"{filter}\": {cause}; write it like info or info,prewarm=debug")]
    Filter {
        /// As given.
        filter: String,
        /// What is wrong.
        cause: String,
    },
    /// Somebody has set logging up before; theirs stays.
    #[error("logging is set up already")]
    Twice,
}

/// Sends logs of the process to standard error. `filter` is written as for `RUST_LOG`:
/// `info,prewarm=debug`. In JSON each line is one object, whose fields keep their dotted names at
/// the top level.
pub fn init(format: LogFormat, filter: &str) -> Result<(), TelemetryError> {
    let parsed = EnvFilter::try_new(filter).map_err(|cause| TelemetryError::Filter {
        filter: filter.to_owned(),
        cause: cause.to_string(),
    })?;
    let lines = fmt::fmt().with_env_filter(parsed).with_writer(stderr);
    let installed = match format {
        LogFormat::Json => lines.json().flatten_event(true).finish().try_init(),
        LogFormat::Text => lines.with_ansi(stderr().is_terminal()).finish().try_init(),
    };
    installed.map_err(|_| TelemetryError::Twice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_cannot_be_read_is_told_with_an_example() {
        let wrong = init(LogFormat::Json, "prewarm=loud").unwrap_err().to_string();
        assert!(wrong.contains("prewarm=loud") && wrong.contains("info,prewarm=debug"), "{wrong}");
    }

    #[test]
    fn the_second_time_is_an_error_and_harmless() {
        // Another test of this process may have been first.
        let _ = init(LogFormat::Text, "off");
        assert!(matches!(init(LogFormat::Json, "info"), Err(TelemetryError::Twice)));
    }
}
