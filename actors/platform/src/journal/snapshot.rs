//! Snapshots: an entity's state as of a committed version. They bound the time to rebuild it and
//! are never the truth.

use crate::engine::Database;
use stampede_kernel::ShardId;

/// A state as JSON, and the version it stands for.
#[derive(Debug)]
pub struct Snapshot {
    pub version: i64,
    pub state: String,
}

/// Keeps a snapshot, only over an older one, while the shard is this node's. That is not locked as for an
/// append, since a large state takes seconds: what is committed folds to the same state whoever does it.
pub async fn write_snapshot(
    database: &Database,
    (node, shard, epoch): (&str, ShardId, i64),
    kind: &str,
    id: &str,
    snapshot: &Snapshot,
) -> Result<(), sqlx::Error> {
    let mut connection = database.connection().await?;
    sqlx::query(
        "WITH held AS (
            SELECT id FROM shard WHERE id = $1 AND epoch = $2 AND owner = $3
         )
         INSERT INTO snapshot (actor_kind, actor_id, version, state)
         SELECT $4, $5, $6, $7 FROM held
         ON CONFLICT (actor_kind, actor_id)
         DO UPDATE SET version = excluded.version, state = excluded.state, taken_at = now()
         WHERE snapshot.version < excluded.version",
    )
    .bind(shard.as_smallint())
    .bind(epoch)
    .bind(node)
    .bind(kind)
    .bind(id)
    .bind(snapshot.version)
    .bind(&snapshot.state)
    .execute(&mut *connection)
    .await
    .map(drop)
}
