//! Checkpoints: a batch is one statement.

use std::collections::BTreeSet;

use sqlx::PgConnection;

use super::connections::Connections;
use super::{ANSWER, assign};
use crate::store::checkpoint::{CheckpointRow, PackedCheckpoint, SeriesCheckpoint};
use crate::store::failure::within;
use crate::store::{SeriesKey, StoreError, records, sql};

/// Writes checkpoints of different series.
pub(super) async fn write(
    home: &Connections,
    checkpoints: &[SeriesCheckpoint],
) -> Result<(), StoreError> {
    if checkpoints.is_empty() {
        return Ok(());
    }
    for (key, _) in checkpoints {
        records::check_key(key)?;
    }
    let mut lease = home.lease().await?;
    within(ANSWER, async {
        let connection = lease.connection()?;
        let keys = checkpoints.iter().map(|(key, _)| &**key);
        let unknown: BTreeSet<&SeriesKey> =
            keys.filter(|key| home.ids.find(key).is_none()).collect();
        if !unknown.is_empty() {
            home.ids.learn(assign(connection, &unknown).await?);
        }
        let mut rows = Vec::with_capacity(checkpoints.len());
        for (key, packed) in checkpoints {
            let id = home.ids.find(key);
            // Forgotten in this very moment, because another connection was opened.
            let id = id
                .ok_or_else(|| StoreError::Unavailable("series ids are being read again".into()))?;
            rows.push((id, packed));
        }
        // Two replicas that write at once lock rows in the same order.
        rows.sort_by_key(|(id, _)| *id);
        put(connection, &rows).await
    })
    .await?;
    lease.give_back();
    Ok(())
}

async fn put(
    connection: &mut PgConnection,
    rows: &[(i64, &PackedCheckpoint)],
) -> Result<(), StoreError> {
    let ids: Vec<i64> = rows.iter().map(|(id, _)| *id).collect();
    let at: Vec<i64> = rows.iter().map(|(_, packed)| packed.at.as_second()).collect();
    let codec: Vec<i32> = rows.iter().map(|(_, packed)| packed.codec).collect();
    let data: Vec<&[u8]> = rows.iter().map(|(_, packed)| &*packed.data).collect();
    let insert = "INSERT INTO checkpoints (series_id, at, codec, data) \
         SELECT * FROM UNNEST($1::int8[], $2::int8[], $3::int4[], $4::bytea[])";
    let put = sqlx::query(sqlx::AssertSqlSafe(format!("{insert}{}", sql::YOUNGER_STAYS)));
    put.bind(&ids).bind(&at).bind(&codec).bind(&data).execute(connection).await?;
    Ok(())
}

/// The checkpoint of a series.
pub(super) async fn read(
    connection: &mut PgConnection,
    id: i64,
) -> Result<Option<PackedCheckpoint>, StoreError> {
    let found: Option<CheckpointRow> =
        sqlx::query_as(sql::CHECKPOINT).bind(id).fetch_optional(connection).await?;
    Ok(found.map(PackedCheckpoint::of_row))
}
