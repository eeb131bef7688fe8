//! Statements that both databases understand.

use prewarm_forecaster::Minute;

use super::document::{Document, Kind};
use super::records::instant;

/// Hot rows of a series in `[$2, $3)`.
pub(super) const HOT: &str = "SELECT minute, mean, max, backlog, samples FROM minutes \
     WHERE series_id = $1 AND minute >= $2 AND minute < $3 ORDER BY minute";

/// Packed days of a series in `[$2, $3)`.
pub(super) const DAYS: &str = "SELECT day, step_s, n, codec, data FROM days WHERE series_id = $1 AND day >= $2 AND day < $3 ORDER BY day";

/// Id of a series.
pub(super) const SERIES: &str =
    "SELECT id FROM series WHERE namespace = $1 AND name = $2 AND metric = $3";

/// What happens to a hot row that is there already: the fuller stays, of equals the newer. Nothing
/// is written where nothing changes, which is the rule where a second replica sees the same
/// numbers.
pub(super) const FULLER_STAYS: &str = " ON CONFLICT (series_id, minute) DO UPDATE SET mean = excluded.mean, \
     max = excluded.max, backlog = excluded.backlog, samples = excluded.samples WHERE excluded.samples >= minutes.samples \
     AND (excluded.mean, excluded.max, excluded.backlog, excluded.samples) \
     IS DISTINCT FROM (minutes.mean, minutes.max, minutes.backlog, minutes.samples)";

/// The next `$2` series after `$1`, each with its first hot minute.
pub(super) const SERIES_AFTER: &str = "SELECT s.id, (SELECT min(minute) FROM minutes WHERE series_id = s.id) \
     FROM series AS s WHERE s.id > $1 ORDER BY s.id LIMIT $2";

/// Days before `$2` for which a series has hot rows.
pub(super) const HOT_DAYS: &str = "SELECT DISTINCT minute / 86400 * 86400 AS day FROM minutes WHERE series_id = $1 AND minute < $2 ORDER BY day";

/// The next `$4` days of minutes before `$1`, after day `$2` of series `$3`.
pub(super) const DAYS_TO_THIN: &str = "SELECT day, series_id FROM days WHERE step_s = 60 AND day < $1 \
     AND (day, series_id) > ($2, $3) ORDER BY day, series_id LIMIT $4";

/// Drops `$2` packed days before `$1`.
pub(super) const DROP_DAYS: &str = "DELETE FROM days WHERE (series_id, day) IN \
     (SELECT series_id, day FROM days WHERE step_s IN (60, 300) AND day < $1 LIMIT $2)";

/// Writes a packed day, in place of what was there.
pub(super) const PUT_DAY: &str = "INSERT INTO days (series_id, day, step_s, n, codec, data) VALUES ($1, $2, $3, $4, $5, $6) \
     ON CONFLICT (series_id, day) DO UPDATE SET step_s = excluded.step_s, n = excluded.n, codec = excluded.codec, \
     data = excluded.data";

/// Names of a series, for the log.
pub(super) const NAMES: &str = "SELECT namespace, name, metric FROM series WHERE id = $1";

/// Writes a note, in place of what was there.
pub(super) const PUT_NOTE: &str = "INSERT INTO notes (series_id, kind, at, codec, data) VALUES ($1, $2, $3, $4, $5) \
     ON CONFLICT (series_id, kind, at) DO UPDATE SET codec = excluded.codec, data = excluded.data \
     WHERE (excluded.codec, excluded.data) IS DISTINCT FROM (notes.codec, notes.data)";

/// Drops all notes of a kind but the latest ones; `$3`: how many but one.
pub(super) const DROP_EARLIER: &str = "DELETE FROM notes WHERE series_id = $1 AND kind = $2 AND at < \
     (SELECT at FROM notes WHERE series_id = $1 AND kind = $2 ORDER BY at DESC LIMIT 1 OFFSET $3)";

/// Notes of a series in `[$3, $4)`.
pub(super) const NOTES: &str = "SELECT at, codec, data FROM notes WHERE series_id = $1 AND kind = $2 AND at >= $3 AND at < $4 ORDER BY at";

/// The latest `$3` notes of a kind, the latest first.
pub(super) const LATEST_NOTES: &str = "SELECT at, codec, data FROM notes WHERE series_id = $1 AND kind = $2 ORDER BY at DESC LIMIT $3";

/// What happens to a checkpoint that is there already: the younger stays, of equals the first, so
/// that a second replica writes nothing. One that is younger by more than ten minutes is of a clock
/// that was wrong.
pub(super) const YOUNGER_STAYS: &str = " ON CONFLICT (series_id) DO UPDATE SET at = excluded.at, \
     codec = excluded.codec, data = excluded.data \
     WHERE excluded.at > checkpoints.at OR checkpoints.at > excluded.at + 600";

/// The checkpoint of a series.
pub(super) const CHECKPOINT: &str = "SELECT at, codec, data FROM checkpoints WHERE series_id = $1";

/// Drops checkpoints before `$1`.
pub(super) const DROP_CHECKPOINTS: &str = "DELETE FROM checkpoints WHERE at < $1";

/// Drops `$3` notes of a kind before `$2`.
pub(super) const DROP_NOTES: &str = "DELETE FROM notes WHERE (series_id, kind, at) IN \
     (SELECT series_id, kind, at FROM notes WHERE kind = $1 AND at < $2 LIMIT $3)";

/// A note of a kind: at, codec, data.
pub(super) type DocumentRow = (i64, i32, Vec<u8>);

/// The note that a row holds.
pub(super) fn document(kind: Kind, (at, codec, data): DocumentRow) -> Document {
    Document { kind, at: instant(at), codec, data }
}

/// A hot row: minute, mean, max, backlog, samples.
pub(super) type HotRow = (i64, f64, f64, Option<f64>, i32);

/// The record that a hot row holds.
pub(super) fn record((minute, mean, max, backlog, samples): HotRow) -> Minute {
    let samples = samples.clamp(0, i32::from(u16::MAX)) as u16;
    Minute { start: instant(minute), mean, max, backlog, samples }
}
