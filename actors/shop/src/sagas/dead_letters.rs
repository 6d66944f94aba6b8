//! Dead letters: commands that sagas gave up, kept for the administrator.
//!
//! Owns the table `parked`.

use sqlx::Row;
use stampede_platform::{
    engine::{Database, column, limits::DATABASE_ANSWER_MS},
    journal::Position,
};
use tracing::warn;

use super::NextCommand;
use crate::actors::Actors;

/// Keeps a command; returns whether that was possible.
pub(super) async fn keep(
    database: &Database,
    saga: &str,
    position: Position,
    command: &NextCommand,
    cause: &str,
) -> bool {
    let target = match command {
        NextCommand::Stock { sku, .. } => format!("stock {sku}"),
        NextCommand::Order { order_no, .. } => format!("order {order_no}"),
    };
    let kept = async {
        let mut connection = database.connection().await?;
        sqlx::query(
            "INSERT INTO parked (shard, seq, saga, target, command, cause) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (saga, shard, seq, target) DO UPDATE SET cause = excluded.cause",
        )
        .bind(position.shard.as_smallint())
        .bind(position.seq)
        .bind(saga)
        .bind(target)
        .bind(sqlx::types::Json(command))
        .bind(cause)
        .execute(&mut *connection)
        .await
    };
    match database.within(DATABASE_ANSWER_MS, kept).await {
        Ok(_) => true,
        Err(cause) => {
            warn!(%cause, "a dead letter could not be written; the command is tried again");
            false
        }
    }
}

/// A command that its receiver refused, or that kept failing.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    pub saga: String,
    pub position: Position,
    pub target: String,
    pub cause: String,
    pub command: NextCommand,
}

/// The dead letters, oldest first, at most `limit`.
pub async fn dead_letters(database: &Database, limit: i64) -> Result<Vec<DeadLetter>, sqlx::Error> {
    let mut connection = database.connection().await?;
    let rows = sqlx::query(
        "SELECT saga, shard, seq, target, cause, command FROM parked ORDER BY parked_at, shard, seq LIMIT $1",
    )
    .bind(limit)
    .fetch_all(&mut *connection)
    .await?;
    rows.iter()
        .map(|row| {
            let shard = column::shard(row, 1)?;
            Ok(DeadLetter {
                saga: row.try_get(0)?,
                position: Position { shard, seq: row.try_get(2)? },
                target: row.try_get(3)?,
                cause: row.try_get(4)?,
                command: row.try_get::<sqlx::types::Json<NextCommand>, _>(5)?.0,
            })
        })
        .collect()
}

/// Tries the oldest dead letters once more; returns how many were done.
pub async fn retry_dead_letters(
    database: &Database,
    actors: &Actors,
    limit: i64,
) -> Result<usize, sqlx::Error> {
    let mut done = 0;
    for letter in dead_letters(database, limit).await? {
        if actors.begin(letter.command).await.is_ok() {
            let mut connection = database.connection().await?;
            sqlx::query("DELETE FROM parked WHERE saga = $1 AND shard = $2 AND seq = $3 AND target = $4")
                .bind(&letter.saga)
                .bind(letter.position.shard.as_smallint())
                .bind(letter.position.seq)
                .bind(&letter.target)
                .execute(&mut *connection)
                .await?;
            done += 1;
        }
    }
    Ok(done)
}
