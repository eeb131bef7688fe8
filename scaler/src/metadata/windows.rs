//! Windows and holidays as people write them (YAML) → [`Window`]s.

use jiff::civil::Date;
use prewarm_forecaster::Window;

use super::MetadataError;

/// Reads the `windows` key: a YAML list. Errors name `windows[i].field`.
pub fn parse_windows(_text: &str) -> Result<Vec<Window>, Vec<MetadataError>> {
    Ok(Vec::new())
}

/// Reads a list of dates (`2026-12-24, 2026-12-25` or a YAML list). Errors name `holidays`.
pub fn parse_dates(_text: &str) -> Result<Vec<Date>, Vec<MetadataError>> {
    Ok(Vec::new())
}
