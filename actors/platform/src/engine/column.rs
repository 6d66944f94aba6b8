//! Reading columns as the kernel's words.

use std::{error::Error, str::FromStr};

use sqlx::{ColumnIndex, Row, postgres::PgRow};
use stampede_kernel::{ShardId, Timestamp};
use time::OffsetDateTime;

/// A text column as the word it spells. An amount is selected as `price::text`.
pub fn parsed<T>(row: &PgRow, column: &'static str) -> Result<T, sqlx::Error>
where
    T: FromStr<Err: Error + Send + Sync + 'static>,
{
    let text: &str = row.try_get(column)?;
    text.parse().map_err(|error| unreadable(column, error))
}

/// The same for a column that may be null.
pub fn parsed_opt<T>(row: &PgRow, column: &'static str) -> Result<Option<T>, sqlx::Error>
where
    T: FromStr<Err: Error + Send + Sync + 'static>,
{
    let text: Option<&str> = row.try_get(column)?;
    text.map(str::parse).transpose().map_err(|error| unreadable(column, error))
}

/// A `timestamptz`.
pub fn moment(row: &PgRow, column: &'static str) -> Result<Timestamp, sqlx::Error> {
    row.try_get::<OffsetDateTime, _>(column).map(Timestamp::from)
}

/// A `timestamptz` that may be null.
pub fn moment_opt(row: &PgRow, column: &'static str) -> Result<Option<Timestamp>, sqlx::Error> {
    Ok(row.try_get::<Option<OffsetDateTime>, _>(column)?.map(Timestamp::from))
}

/// A shard's number.
pub fn shard(row: &PgRow, column: impl ColumnIndex<PgRow>) -> Result<ShardId, sqlx::Error> {
    let number: i16 = row.try_get(column)?;
    ShardId::try_from(number).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

fn unreadable(column: &'static str, error: impl Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: Box::new(error) }
}
