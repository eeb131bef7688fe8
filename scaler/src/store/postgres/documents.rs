//! Notes and leases.

use jiff::{SignedDuration, Timestamp};
use sqlx::{Connection, PgConnection};

use super::connections::Connections;
use super::{ANSWER, assign};
use crate::store::document::{Document, Kind};
use crate::store::failure::within;
use crate::store::{SeriesKey, StoreError, records, sql};

/// Writes notes about a series in one transaction.
pub(super) async fn write(
    home: &Connections,
    key: &SeriesKey,
    notes: &[Document],
) -> Result<(), StoreError> {
    records::check_key(key)?;
    let mut lease = home.lease().await?;
    within(ANSWER, async {
        let connection = lease.connection()?;
        let id = known(home, connection, key).await?;
        let mut tx = connection.begin().await?;
        for Document { kind, at, codec, data } in notes {
            let put = sqlx::query(sql::PUT_NOTE)
                .bind(id)
                .bind(kind.as_str())
                .bind(at.as_second())
                .bind(codec);
            put.bind(data).execute(&mut *tx).await?;
            if let Some(kept) = kind.kept() {
                let drop = sqlx::query(sql::DROP_EARLIER).bind(id).bind(kind.as_str());
                drop.bind(i64::from(kept) - 1).execute(&mut *tx).await?;
            }
        }
        Ok(tx.commit().await?)
    })
    .await?;
    lease.give_back();
    Ok(())
}

/// Notes of one kind in `[from, to)`, oldest first.
pub(super) async fn read(
    connection: &mut PgConnection,
    id: i64,
    kind: Kind,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<Document>, StoreError> {
    let found = sqlx::query_as(sql::NOTES)
        .bind(id)
        .bind(kind.as_str())
        .bind(from.as_second())
        .bind(to.as_second());
    let found: Vec<sql::DocumentRow> = found.fetch_all(connection).await?;
    Ok(found.into_iter().map(|row| sql::document(kind, row)).collect())
}

/// The latest notes of one kind, oldest first.
pub(super) async fn latest(
    connection: &mut PgConnection,
    id: i64,
    kind: Kind,
    most: u32,
) -> Result<Vec<Document>, StoreError> {
    let found =
        sqlx::query_as(sql::LATEST_NOTES).bind(id).bind(kind.as_str()).bind(i64::from(most));
    let found: Vec<sql::DocumentRow> = found.fetch_all(connection).await?;
    Ok(found.into_iter().rev().map(|row| sql::document(kind, row)).collect())
}

/// Takes or renews a lease; `false` while somebody else holds it.
pub(super) async fn lease(
    home: &Connections,
    key: &SeriesKey,
    holder: &str,
    span: SignedDuration,
) -> Result<bool, StoreError> {
    records::check_key(key)?;
    let mut lease = home.lease().await?;
    let granted = within(ANSWER, async {
        let connection = lease.connection()?;
        let id = known(home, connection, key).await?;
        let take = sqlx::query(LEASE).bind(id).bind(holder).bind(span.as_secs());
        Ok(take.execute(connection).await?.rows_affected() > 0)
    })
    .await?;
    lease.give_back();
    Ok(granted)
}

/// Renews the life of `holder`; answers which others live.
pub(super) async fn heartbeat(
    home: &Connections,
    holder: &str,
    span: SignedDuration,
) -> Result<Vec<String>, StoreError> {
    let mut lease = home.lease().await?;
    let others = within(ANSWER, async {
        let connection = lease.connection()?;
        sqlx::query(LIVES).bind(holder).bind(span.as_secs()).execute(&mut *connection).await?;
        sqlx::query(FORGET_REPLICAS).execute(&mut *connection).await?;
        Ok(sqlx::query_scalar(OTHERS).bind(holder).fetch_all(connection).await?)
    })
    .await?;
    lease.give_back();
    Ok(others)
}

/// The id of a series, assigned where it has none yet.
async fn known(
    home: &Connections,
    connection: &mut PgConnection,
    key: &SeriesKey,
) -> Result<i64, StoreError> {
    if let Some(id) = home.ids.find(key) {
        return Ok(id);
    }
    let assigned = assign(connection, &[key].into()).await?;
    home.ids.learn(assigned);
    // Forgotten in this very moment, because another connection was opened.
    home.ids
        .find(key)
        .ok_or_else(|| StoreError::Unavailable("series ids are being read again".into()))
}

/// Takes or renews a lease of `$3` seconds unless somebody else holds it who lives as far as is
/// known; touches one row where it is granted.
const LEASE: &str = "INSERT INTO leases (series_id, holder, ends) \
     VALUES ($1, $2, extract(epoch FROM now())::bigint + $3) \
     ON CONFLICT (series_id) DO UPDATE SET holder = excluded.holder, ends = excluded.ends \
     WHERE leases.holder = excluded.holder OR leases.ends <= extract(epoch FROM now())::bigint \
     OR EXISTS (SELECT FROM replicas WHERE replicas.holder = leases.holder \
     AND replicas.ends <= extract(epoch FROM now())::bigint)";

/// `$1` lives for another `$2` seconds.
const LIVES: &str = "INSERT INTO replicas (holder, ends) VALUES ($1, extract(epoch FROM now())::bigint + $2) \
     ON CONFLICT (holder) DO UPDATE SET ends = excluded.ends";

/// Drops replicas that ended an hour ago: so have their leases.
const FORGET_REPLICAS: &str =
    "DELETE FROM replicas WHERE ends <= extract(epoch FROM now())::bigint - 3600";

/// Who lives besides `$1`.
const OTHERS: &str =
    "SELECT holder FROM replicas WHERE holder <> $1 AND ends > extract(epoch FROM now())::bigint";
