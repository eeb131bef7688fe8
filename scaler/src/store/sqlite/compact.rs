//! Packing, thinning and dropping of days.

use super::{LIMIT, SqliteStore};
use crate::store::compaction::{self, CompactionBackend, FirstHot, Horizon, PackResult};
use crate::store::day::PackedDay;
use crate::store::document::Kind;
use crate::store::failure::within;
use crate::store::records::DAY_S;
use crate::store::{Compacted, SeriesKey, StoreError, report, sql};

impl CompactionBackend for SqliteStore {
    async fn drop_days(&self, before: i64, limit: i64) -> Result<u64, StoreError> {
        let deleted = sqlx::query(sql::DROP_DAYS).bind(before).bind(limit).execute(&self.writer);
        within(LIMIT, async { Ok(deleted.await?.rows_affected()) }).await
    }

    async fn drop_documents(&self, kind: Kind, before: i64, limit: i64) -> Result<u64, StoreError> {
        let deleted = sqlx::query(sql::DROP_NOTES)
            .bind(kind.as_str())
            .bind(before)
            .bind(limit)
            .execute(&self.writer);
        within(LIMIT, async { Ok(deleted.await?.rows_affected()) }).await
    }

    async fn drop_checkpoints(&self, before: i64) -> Result<(), StoreError> {
        let deleted = sqlx::query(sql::DROP_CHECKPOINTS).bind(before).execute(&self.writer);
        within(LIMIT, async { Ok(deleted.await.map(drop)?) }).await
    }

    async fn series(&self, after: i64, limit: i64) -> Result<Vec<FirstHot>, StoreError> {
        let found =
            sqlx::query_as(sql::SERIES_AFTER).bind(after).bind(limit).fetch_all(&self.readers);
        within(LIMIT, async { Ok(found.await?) }).await
    }

    async fn hot_days(&self, series: i64, before: i64) -> Result<Vec<i64>, StoreError> {
        let found =
            sqlx::query_scalar(sql::HOT_DAYS).bind(series).bind(before).fetch_all(&self.readers);
        within(LIMIT, async { Ok(found.await?) }).await
    }

    async fn days_to_thin(
        &self,
        before: i64,
        after: (i64, i64),
        limit: i64,
    ) -> Result<Vec<(i64, i64)>, StoreError> {
        let found =
            sqlx::query_as(sql::DAYS_TO_THIN).bind(before).bind(after.0).bind(after.1).bind(limit);
        within(LIMIT, async { Ok(found.fetch_all(&self.readers).await?) }).await
    }

    async fn repack(
        &self,
        series: i64,
        day: i64,
        horizon: Horizon,
    ) -> Result<Compacted, StoreError> {
        within(LIMIT, async {
            let mut tx = self.writer.begin_with("BEGIN IMMEDIATE").await?;
            let hot: Vec<sql::HotRow> = sqlx::query_as(sql::HOT)
                .bind(series)
                .bind(day)
                .bind(day + DAY_S)
                .fetch_all(&mut *tx)
                .await?;
            let packed: Option<PackedDay> = sqlx::query_as(sql::DAYS)
                .bind(series)
                .bind(day)
                .bind(day + 1)
                .fetch_optional(&mut *tx)
                .await?;
            let hot = hot.into_iter().map(sql::record).collect();
            let (pack_result, done) =
                match compaction::pack_result(day, packed.as_ref(), hot, horizon) {
                    Ok(pack_result) => pack_result,
                    Err(error) => {
                        let (namespace, name, metric) =
                            sqlx::query_as(sql::NAMES).bind(series).fetch_one(&mut *tx).await?;
                        report(&SeriesKey { namespace, name, metric }, day, &error);
                        return Ok(Compacted::default());
                    }
                };
            if let PackResult::Packed(packed) = &pack_result {
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
            if !matches!(pack_result, PackResult::Stays) {
                let clear = sqlx::query(
                    "DELETE FROM minutes WHERE series_id = $1 AND minute >= $2 AND minute < $3",
                );
                clear.bind(series).bind(day).bind(day + DAY_S).execute(&mut *tx).await?;
            }
            tx.commit().await?;
            Ok(done)
        })
        .await
    }
}
