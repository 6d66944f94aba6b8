//! Claims: which body an idempotency key came with.
//!
//! Owns the table `claim`. An actor remembers the keys of what it accepted. That is enough where the
//! path leads to the actor; where the body names what to buy, the same key with another body would
//! reach another actor, which never saw it. There the key is claimed for its body first.
//!
//! Invariants:
//! - a key is held for one body at a time;
//! - a request that was accepted, or whose end is not known, holds its claim until it is swept;
//! - a request that was refused gives its hold back, so only acceptances are remembered.

pub mod limits;

use std::time::Duration;

use sqlx::PgConnection;
use stampede_kernel::{IdempotencyKey, SkuId, limits::FORGET_AFTER_MS};
use stampede_platform::engine::{Database, DatabaseError, limits::DATABASE_ANSWER_MS};
use tracing::warn;
use uuid::Uuid;

use crate::records::idempotency::limits::CLAIM_SWEEP_INTERVAL_MS;

/// Why a key could not be claimed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    #[error("the idempotency key came with another body before")]
    Mismatch,
    #[error("the database did not answer")]
    Database(#[from] DatabaseError),
}

/// Claims a key for its body, for as long as the request is under way, or accepted. Answers the SKU
/// that the request is about: what the body's words meant when it came first.
pub async fn take(database: &Database, key: IdempotencyKey, sku: SkuId) -> Result<SkuId, ClaimError> {
    let mut connection = database.connection().await?;
    let taken: Option<Uuid> = sqlx::query_scalar(
        "INSERT INTO claim (key, body, holders, target) VALUES ($1, $2, 1, $3)
         ON CONFLICT (key) DO UPDATE SET
             body = excluded.body, holders = claim.holders + 1, at = now(),
             target = CASE WHEN claim.holders = 0 THEN excluded.target ELSE claim.target END
         WHERE claim.body = excluded.body OR claim.holders = 0
         RETURNING target",
    )
    .bind(key.key.as_uuid())
    .bind(key.body.as_uuid())
    .bind(sku.0)
    .fetch_optional(&mut *connection)
    .await?;
    taken.map(SkuId).ok_or(ClaimError::Mismatch)
}

/// The SKU that the request of this key is about, if one is under way or was accepted.
pub async fn target(database: &Database, key: IdempotencyKey) -> Result<Option<SkuId>, ClaimError> {
    let mut connection = database.connection().await?;
    let held: Option<(Uuid, Uuid)> =
        sqlx::query_as("SELECT body, target FROM claim WHERE key = $1 AND holders > 0")
            .bind(key.key.as_uuid())
            .fetch_optional(&mut *connection)
            .await?;
    match held {
        Some((body, _)) if body != key.body.as_uuid() => Err(ClaimError::Mismatch),
        held => Ok(held.map(|(_, target)| SkuId(target))),
    }
}

/// Gives a hold back: the request was refused.
pub async fn give_back(database: &Database, key: IdempotencyKey) -> Result<(), DatabaseError> {
    let mut connection = database.connection().await?;
    sqlx::query("UPDATE claim SET holders = holders - 1 WHERE key = $1 AND body = $2 AND holders > 0")
        .bind(key.key.as_uuid())
        .bind(key.body.as_uuid())
        .execute(&mut *connection)
        .await
        .map(drop)
}

/// Claims a key for a record that the same transaction makes. One under way with the same key is
/// waited for; the record that it made is answered instead.
pub async fn for_record(
    transaction: &mut PgConnection,
    key: IdempotencyKey,
    record: Uuid,
) -> Result<Option<Uuid>, ClaimError> {
    let claimed = sqlx::query(
        "INSERT INTO claim (key, body, holders, target) VALUES ($1, $2, 1, $3) ON CONFLICT (key) DO NOTHING",
    )
    .bind(key.key.as_uuid())
    .bind(key.body.as_uuid())
    .bind(record)
    .execute(&mut *transaction)
    .await?;
    if claimed.rows_affected() == 1 {
        return Ok(None);
    }
    let same: Option<Uuid> = sqlx::query_scalar("SELECT target FROM claim WHERE key = $1 AND body = $2")
        .bind(key.key.as_uuid())
        .bind(key.body.as_uuid())
        .fetch_optional(transaction)
        .await?;
    same.map(Some).ok_or(ClaimError::Mismatch)
}

/// Forgets old claims from time to time, until the process ends.
pub async fn keep_swept(database: Database) {
    let mut interval = tokio::time::interval(Duration::from_millis(CLAIM_SWEEP_INTERVAL_MS));
    loop {
        interval.tick().await;
        if let Err(cause) = database.within(DATABASE_ANSWER_MS, sweep(&database)).await {
            warn!(%cause, "old idempotency keys are forgotten later");
        }
    }
}

/// As actors forget their keys.
async fn sweep(database: &Database) -> Result<(), DatabaseError> {
    let mut connection = database.connection().await?;
    sqlx::query("DELETE FROM claim WHERE at < now() - $1 * interval '1 millisecond'")
        .bind(FORGET_AFTER_MS)
        .execute(&mut *connection)
        .await
        .map(drop)
}
