//! tracing set-up: JSON or text on standard error.

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
    /// Somebody has set logging up before.
    #[error("logging is set up already")]
    Twice,
}

/// Sends logs to standard error. `filter` is written like `info,prewarm=debug`.
pub fn init(format: LogFormat, filter: &str) -> Result<(), TelemetryError> {
    let parsed = EnvFilter::try_new(filter)
        .map_err(|cause| TelemetryError::Filter { filter: filter.to_owned(), cause: cause.to_string() })?;
    let lines = fmt::fmt().with_env_filter(parsed).with_writer(std::io::stderr);
    let installed = match format {
        LogFormat::Json => lines.json().flatten_event(true).with_target(false).finish().try_init(),
        LogFormat::Text => lines.with_target(false).compact().finish().try_init(),
    };
    installed.map_err(|_| TelemetryError::Twice)
}
