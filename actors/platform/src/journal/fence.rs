//! Ownership of shards in the database: the only statements that write `shop` and `shard`, but for
//! those that move a whole shop to another engine.
//!
//! An epoch grows whenever ownership is taken, even from oneself. Taking waits for the batches that
//! hold the rows `FOR SHARE`, so that what is read in a later statement includes them.

use sqlx::Row;

use stampede_kernel::{SHARD_HASH, ShardId};

use crate::engine::{Connection, Database, column};

/// Why the shop's shards cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FenceError {
    #[error("this shop has {found} shards, but the configuration says {wanted}; the number cannot change")]
    ShardCount { found: i32, wanted: u16 },
    #[error("this shop places its actors by {found}, but this version of stampede uses {wanted}")]
    ShardHash { found: String, wanted: &'static str },
    #[error("the database did not answer")]
    Database(#[from] sqlx::Error),
}

/// Writes the number of shards and the hash into a new shop, or checks them against an old one.
pub async fn initialize(database: &Database, shards: u16) -> Result<(), FenceError> {
    let mut connection = database.connection().await?;
    let wanted = i32::from(shards);
    sqlx::query("INSERT INTO shop (shards, shard_hash) VALUES ($1::integer, $2) ON CONFLICT DO NOTHING")
        .bind(wanted)
        .bind(SHARD_HASH)
        .execute(&mut *connection)
        .await?;
    let row = sqlx::query("SELECT shards::integer, shard_hash FROM shop").fetch_one(&mut *connection).await?;
    let (found, hash): (i32, String) = (row.try_get(0)?, row.try_get(1)?);
    if found != wanted {
        return Err(FenceError::ShardCount { found, wanted: shards });
    }
    if hash != SHARD_HASH {
        return Err(FenceError::ShardHash { found: hash, wanted: SHARD_HASH });
    }
    sqlx::query("INSERT INTO shard (id) SELECT generate_series(0, $1 - 1) ON CONFLICT DO NOTHING")
        .bind(wanted)
        .execute(&mut *connection)
        .await?;
    Ok(())
}

/// Which shards may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakeScope {
    /// Anybody's: a node on its own owns them all.
    Any,
    /// This node's own, so that a shard that another node has taken meanwhile stays with it.
    Own,
    /// This node's own, nobody's, and those of nodes whose lease has lapsed.
    Free,
}

/// A shard taken: its new epoch and the last position in its journal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    pub shard: ShardId,
    pub epoch: i64,
    pub head: i64,
}

/// Takes shards for `node`, as far as they are whose they have to be.
pub(super) async fn take(
    connection: &mut Connection,
    node: &str,
    shards: &[ShardId],
    scope: TakeScope,
) -> Result<Vec<Taken>, sqlx::Error> {
    let ids: Vec<i16> = shards.iter().map(|shard| shard.as_smallint()).collect();
    let rows = sqlx::query(
        "WITH wanted AS (
            SELECT id FROM shard
            WHERE id = ANY($2) AND (
                $3 OR owner = $1 OR $4 AND NOT EXISTS (
                    SELECT 1 FROM node WHERE node.id = shard.owner AND node.lease_until > now()
                )
            )
            ORDER BY id FOR UPDATE
         )
         UPDATE shard SET owner = $1, epoch = shard.epoch + 1 FROM wanted WHERE shard.id = wanted.id
         RETURNING shard.id, shard.epoch",
    )
    .bind(node)
    .bind(&ids)
    .bind(scope == TakeScope::Any)
    .bind(scope == TakeScope::Free)
    .fetch_all(&mut **connection)
    .await?;
    let mut taken = Vec::with_capacity(rows.len());
    for row in rows {
        taken.push((column::shard(&row, 0)?, row.try_get::<i64, _>(1)?));
    }
    // A later statement, so that it sees whatever the take has waited for.
    let ids: Vec<i16> = taken.iter().map(|(shard, _)| shard.as_smallint()).collect();
    let rows = sqlx::query(
        "SELECT wanted.id, coalesce((SELECT seq FROM journal WHERE shard = wanted.id ORDER BY seq DESC LIMIT 1), 0)
         FROM unnest($1::smallint[]) AS wanted (id)",
    )
    .bind(&ids)
    .fetch_all(&mut **connection)
    .await?;
    let mut heads = std::collections::HashMap::with_capacity(rows.len());
    for row in rows {
        heads.insert(column::shard(&row, 0)?, row.try_get::<i64, _>(1)?);
    }
    Ok(taken
        .into_iter()
        .map(|(shard, epoch)| Taken { shard, epoch, head: heads.get(&shard).copied().unwrap_or(0) })
        .collect())
}

/// Gives shards of `node` to another node, which takes them at an epoch of its own; answers which.
pub(super) async fn give(
    connection: &mut Connection,
    node: &str,
    shards: &[ShardId],
    to: &str,
) -> Result<Vec<ShardId>, sqlx::Error> {
    let ids: Vec<i16> = shards.iter().map(|shard| shard.as_smallint()).collect();
    let rows = sqlx::query(
        "WITH wanted AS (
            SELECT id FROM shard WHERE id = ANY($2) AND owner = $1 ORDER BY id FOR UPDATE
         )
         UPDATE shard SET owner = $3, epoch = shard.epoch + 1 FROM wanted WHERE shard.id = wanted.id
         RETURNING shard.id",
    )
    .bind(node)
    .bind(&ids)
    .bind(to)
    .fetch_all(&mut **connection)
    .await?;
    rows.iter().map(|row| column::shard(row, 0)).collect()
}
