//! A day of minutes becomes one row.

use sqlx::{Connection, PgConnection};

use crate::store::compaction::{self, Horizon, PackResult};
use crate::store::day::PackedDay;
use crate::store::records::DAY_S;
use crate::store::{Compacted, SeriesKey, StoreError, report, sql};

pub(super) async fn repack(
    connection: &mut PgConnection,
    series: i64,
    day: i64,
    horizon: Horizon,
) -> Result<Compacted, StoreError> {
    let mut tx = connection.begin().await?;
    // One replica packs a series at a time: two that took different late rows would each write a
    // day without the other's. NO KEY: appends, which only look at the key, go on meanwhile.
    let key = sqlx::query_as(
        "SELECT namespace, name, metric FROM series WHERE id = $1 FOR NO KEY UPDATE SKIP LOCKED",
    );
    let Some((namespace, name, metric)) = key.bind(series).fetch_optional(&mut *tx).await? else {
        return Ok(Compacted::default());
    };
    // Takes what is there: a row that changes in this moment is waited for, one that comes later
    // stays for the next run.
    let taken = "DELETE FROM minutes WHERE series_id = $1 AND minute >= $2 AND minute < $3 \
                 RETURNING minute, mean, max, backlog, samples";
    let mut hot: Vec<sql::HotRow> =
        sqlx::query_as(taken).bind(series).bind(day).bind(day + DAY_S).fetch_all(&mut *tx).await?;
    hot.sort_by_key(|row| row.0);
    let packed: Option<PackedDay> = sqlx::query_as(sql::DAYS)
        .bind(series)
        .bind(day)
        .bind(day + 1)
        .fetch_optional(&mut *tx)
        .await?;
    let hot = hot.into_iter().map(sql::record).collect();
    let (pack_result, done) = match compaction::pack_result(day, packed.as_ref(), hot, horizon) {
        Ok(pack_result) => pack_result,
        Err(error) => {
            report(&SeriesKey { namespace, name, metric }, day, &error);
            tx.rollback().await?;
            return Ok(Compacted::default());
        }
    };
    if let PackResult::Packed(packed) = pack_result {
        let PackedDay { day, step_s, n, codec, data } = packed;
        let put = sqlx::query(sql::PUT_DAY)
            .bind(series)
            .bind(day)
            .bind(step_s)
            .bind(n)
            .bind(codec)
            .bind(data);
        put.execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(done)
}
