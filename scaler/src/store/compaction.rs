//! What is packed, thinned and dropped when. Small steps, each a transaction of its own: a step
//! that is killed has not happened, and the next run finds its work again.

use jiff::Timestamp;
use prewarm_forecaster::Minute;

use super::day::{DayError, PackedDay};
use super::document::Kind;
use super::records::{self, DAY_S, FIVE_MINUTES_S, MINUTE_S};
use super::{Compacted, StoreError};

/// Runs every step that is due at `now`.
pub(super) async fn compact(
    backend: &impl CompactionBackend,
    now: Timestamp,
) -> Result<Compacted, StoreError> {
    let horizon = Horizon::at(now);
    let mut done = Compacted::default();
    loop {
        let dropped = backend.drop_days(horizon.all, BATCH).await?;
        done.days_dropped += dropped;
        if dropped == 0 {
            break;
        }
    }
    for kind in Kind::ALL {
        while backend.drop_documents(kind, kind.kept_from(now), BATCH).await? > 0 {}
    }
    backend.drop_checkpoints(now.as_second() - CHECKPOINT_DAYS * DAY_S).await?;
    let mut after = i64::MIN;
    loop {
        let series = backend.series(after, BATCH).await?;
        let Some(&(last, _)) = series.last() else { break };
        after = last;
        for (series, first) in series {
            if first.is_some_and(|first| first < horizon.finished) {
                for day in backend.hot_days(series, horizon.finished).await? {
                    done.add(backend.repack(series, day, horizon).await?);
                }
            }
        }
    }
    let mut after = (i64::MIN, i64::MIN);
    loop {
        let days = backend.days_to_thin(horizon.minutes, after, BATCH).await?;
        let Some(&last) = days.last() else { break };
        after = last;
        for (day, series) in days {
            done.add(backend.repack(series, day, horizon).await?);
        }
    }
    Ok(done)
}

/// The steps, as a database does them. Each is bounded in time, and idempotent.
pub(super) trait CompactionBackend: Sync {
    /// Drops at most `limit` packed days before `before`; answers how many.
    fn drop_days(
        &self,
        before: i64,
        limit: i64,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Drops at most `limit` notes of a kind before `before`; answers how many.
    fn drop_documents(
        &self,
        kind: Kind,
        before: i64,
        limit: i64,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Drops checkpoints before `before`.
    fn drop_checkpoints(&self, before: i64) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The next `limit` series after that id, each with its first hot minute.
    fn series(
        &self,
        after: i64,
        limit: i64,
    ) -> impl Future<Output = Result<Vec<FirstHot>, StoreError>> + Send;

    /// Days before `before` for which a series has hot rows.
    fn hot_days(
        &self,
        series: i64,
        before: i64,
    ) -> impl Future<Output = Result<Vec<i64>, StoreError>> + Send;

    /// The next `limit` (day, series) after that one which hold minutes and lie before `before`.
    fn days_to_thin(
        &self,
        before: i64,
        after: (i64, i64),
        limit: i64,
    ) -> impl Future<Output = Result<Vec<(i64, i64)>, StoreError>> + Send;

    /// In one transaction: reads hot rows and packed row of a series' day, asks [`pack_result`],
    /// writes, deletes the hot rows.
    fn repack(
        &self,
        series: i64,
        day: i64,
        horizon: Horizon,
    ) -> impl Future<Output = Result<Compacted, StoreError>> + Send;
}

/// Id of a series and its first hot minute.
pub(super) type FirstHot = (i64, Option<i64>);

/// What becomes of a series' day.
#[derive(Debug)]
pub(super) enum PackResult {
    /// It is as it should be.
    Stays,
    /// Its hot rows go with nothing to show for it: they came later than retention.
    Dropped,
    /// It is written anew, and its hot rows go.
    Packed(PackedDay),
}

/// Decides about a day from its packed row and its hot rows (ordered by time), and says what that
/// amounts to.
pub(super) fn pack_result(
    day: i64,
    packed: Option<&PackedDay>,
    hot: Vec<Minute>,
    horizon: Horizon,
) -> Result<(PackResult, Compacted), DayError> {
    let rows = hot.len() as u64;
    if day < horizon.all && rows > 0 {
        return Ok((PackResult::Dropped, Compacted { days_dropped: 1, ..Compacted::default() }));
    }
    let thins = day < horizon.minutes && packed.is_some_and(|p| i64::from(p.step_s) == MINUTE_S);
    if rows == 0 && !thins {
        return Ok((PackResult::Stays, Compacted::default()));
    }
    let anew = match packed {
        Some(packed) if i64::from(packed.step_s) == FIVE_MINUTES_S => {
            let late = records::five_minutes(&hot);
            PackedDay::pack(day, FIVE_MINUTES_S, &records::merge(packed.unpack()?, late))?
        }
        _ => {
            let minutes = records::merge(packed.map_or(Ok(Vec::new()), PackedDay::unpack)?, hot);
            if day < horizon.minutes {
                PackedDay::pack(day, FIVE_MINUTES_S, &records::five_minutes(&minutes))?
            } else {
                PackedDay::pack(day, MINUTE_S, &minutes)?
            }
        }
    };
    let done = Compacted {
        days_packed: u64::from(rows > 0),
        rows_packed: rows,
        days_thinned: u64::from(thins),
        days_dropped: 0,
    };
    Ok((PackResult::Packed(anew), done))
}

/// First days (midnight UTC, epoch seconds) of each stage of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Horizon {
    /// Days before this one are finished: packed.
    pub(super) finished: i64,
    /// Days before this one are thinned to five minutes.
    pub(super) minutes: i64,
    /// Days before this one are dropped.
    pub(super) all: i64,
}

impl Horizon {
    /// The horizon at `now`.
    pub(super) fn at(now: Timestamp) -> Self {
        let today = now.as_second().div_euclid(DAY_S) * DAY_S;
        let finished = (now.as_second() - PACK_AFTER_S).div_euclid(DAY_S) * DAY_S;
        Self {
            finished,
            minutes: today - DAYS_OF_MINUTES * DAY_S,
            all: today - DAYS_OF_FIVE_MINUTES * DAY_S,
        }
    }
}

impl Compacted {
    fn add(&mut self, other: Self) {
        self.days_packed += other.days_packed;
        self.rows_packed += other.rows_packed;
        self.days_thinned += other.days_thinned;
        self.days_dropped += other.days_dropped;
    }
}

/// A day is packed so long after it ended: rows of another replica, or of a queue that waited, come
/// mostly earlier.
const PACK_AFTER_S: i64 = 2 * 3_600;
/// Days that keep a record a minute: four weeks of history for the models and a week to spare.
const DAYS_OF_MINUTES: i64 = 35;
/// Days that keep a record every five minutes: 13 months, so that the same season of last year is
/// there.
const DAYS_OF_FIVE_MINUTES: i64 = 400;
/// Days that a checkpoint is kept: nothing lasts longer in a planner but a `keepWarm` of weeks.
const CHECKPOINT_DAYS: i64 = 30;
/// Look-ups and deletions at once: some milliseconds.
const BATCH: i64 = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yesterday_is_finished_two_hours_after_midnight() {
        let at = |text: &str| Horizon::at(text.parse().unwrap());
        let day = |text: &str| text.parse::<Timestamp>().unwrap().as_second();

        assert_eq!(at("2026-11-24T01:59:59Z").finished, day("2026-11-23T00:00:00Z"));
        assert_eq!(at("2026-11-24T02:00:00Z").finished, day("2026-11-24T00:00:00Z"));
        assert_eq!(at("2026-11-24T12:00:00Z").minutes, day("2026-10-20T00:00:00Z"));
        assert_eq!(at("2026-11-24T12:00:00Z").all, day("2025-10-20T00:00:00Z"));
    }
}
