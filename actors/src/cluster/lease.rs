//! Whether a node runs on this shop, for commands that want it stopped.

use std::time::Duration;

use sqlx::Row;
use time::OffsetDateTime;

use crate::{engine::Database, kernel::limits::HEARTBEAT_MS};

/// The node that runs on this shop, if one does. A lease that has not lapsed may be a dead node's, so
/// this waits until it is renewed or has lapsed: a lease's length at most.
pub async fn running_node(database: &Database) -> Result<Option<String>, sqlx::Error> {
    let Some((node, first)) = latest_lease(database).await? else { return Ok(None) };
    loop {
        tokio::time::sleep(Duration::from_millis(HEARTBEAT_MS / 2)).await;
        match latest_lease(database).await? {
            None => return Ok(None),
            Some((_, now)) if now == first => {}
            Some(_) => return Ok(Some(node)),
        }
    }
}

async fn latest_lease(database: &Database) -> Result<Option<(String, OffsetDateTime)>, sqlx::Error> {
    let mut connection = database.connection().await?;
    let row = sqlx::query(
        "SELECT id, lease_until FROM node WHERE lease_until > now() ORDER BY lease_until DESC LIMIT 1",
    )
    .fetch_optional(&mut *connection)
    .await?;
    row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
}
