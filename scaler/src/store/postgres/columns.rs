//! Rows of minutes, a batch at a time.

use prewarm_forecaster::Minute;
use sqlx::PgConnection;

use crate::store::{StoreError, sql};

/// Rows as one array a column: a batch is one statement, and so one transaction.
#[derive(Debug, Default)]
pub(super) struct Columns {
    series: Vec<i64>,
    minute: Vec<i64>,
    mean: Vec<f64>,
    max: Vec<f64>,
    backlog: Vec<Option<f64>>,
    samples: Vec<i32>,
}

impl Columns {
    pub(super) fn push(&mut self, series: i64, record: &Minute) {
        self.series.push(series);
        self.minute.push(record.start.as_second());
        self.mean.push(record.mean);
        self.max.push(record.max);
        self.backlog.push(record.backlog);
        self.samples.push(record.samples.into());
    }

    pub(super) async fn write(&self, connection: &mut PgConnection) -> Result<(), StoreError> {
        let insert = "INSERT INTO minutes (series_id, minute, mean, max, backlog, samples) \
             SELECT * FROM UNNEST($1::int8[], $2::int8[], $3::float8[], $4::float8[], $5::float8[], $6::int4[])";
        sqlx::query(sqlx::AssertSqlSafe(format!("{insert}{}", sql::FULLER_STAYS)))
            .bind(&self.series)
            .bind(&self.minute)
            .bind(&self.mean)
            .bind(&self.max)
            .bind(&self.backlog)
            .bind(&self.samples)
            .execute(connection)
            .await?;
        Ok(())
    }
}
