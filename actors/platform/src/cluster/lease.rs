//! Leases: which nodes are alive, by the database's clock, and what the table of shards says.
//!
//! A lease goes over the journal's own connections: a crowd of readers must not starve it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use sqlx::Row;
use stampede_kernel::Timestamp;
use time::OffsetDateTime;
use uuid::Uuid;

use super::allocation::ClusterView;
use crate::{
    cluster::limits::{HEARTBEAT_MS, LEASE_ANSWER_MS, LEASE_MS},
    engine::{Database, column},
};

/// A node, and which life of it.
#[derive(Debug, Clone)]
pub(super) struct NodeLife {
    pub node: String,
    pub incarnation: Uuid,
}

/// Begins a life of a node. One that lives under the same name finds out at its next heartbeat.
pub(super) async fn begin(database: &Database, me: &NodeLife) -> Result<(), sqlx::Error> {
    let mut connection = database.journal_connection().await?;
    let begun = sqlx::query(
        "INSERT INTO node (id, lease_until, incarnation) VALUES ($1, now() + $2 * interval '1 millisecond', $3)
         ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until, leaving = false,
             incarnation = excluded.incarnation, started_at = now()",
    )
    .bind(&me.node)
    .bind(i64::try_from(LEASE_MS).unwrap_or(i64::MAX))
    .bind(me.incarnation)
    .execute(&mut *connection);
    database.within(LEASE_ANSWER_MS, begun).await.map(drop)
}

/// Renews the lease; whether this life still has it.
pub(super) async fn renew(database: &Database, me: &NodeLife, leaving: bool) -> Result<bool, sqlx::Error> {
    let mut connection = database.journal_connection().await?;
    let renewed = sqlx::query(
        "UPDATE node SET lease_until = now() + $2 * interval '1 millisecond', leaving = $4
         WHERE id = $1 AND incarnation = $3",
    )
    .bind(&me.node)
    .bind(i64::try_from(LEASE_MS).unwrap_or(i64::MAX))
    .bind(me.incarnation)
    .bind(leaving)
    .execute(&mut *connection);
    Ok(database.within(LEASE_ANSWER_MS, renewed).await?.rows_affected() == 1)
}

/// Ends the lease at once, so that nobody waits for it to lapse.
pub(super) async fn end(database: &Database, me: &NodeLife) -> Result<(), sqlx::Error> {
    let mut connection = database.journal_connection().await?;
    let ended = sqlx::query("DELETE FROM node WHERE id = $1 AND incarnation = $2")
        .bind(&me.node)
        .bind(me.incarnation)
        .execute(&mut *connection);
    database.within(LEASE_ANSWER_MS, ended).await.map(drop)
}

/// What the table of shards says, and the epochs by the shards' numbers.
pub(super) async fn look(database: &Database) -> Result<(ClusterView, Vec<i64>), sqlx::Error> {
    let mut connection = database.journal_connection().await?;
    let (alive, shards) = database
        .within(LEASE_ANSWER_MS, async {
            let alive = sqlx::query("SELECT id, leaving FROM node WHERE lease_until > now()")
                .fetch_all(&mut *connection)
                .await?;
            let shards =
                sqlx::query("SELECT owner, epoch FROM shard ORDER BY id").fetch_all(&mut *connection).await?;
            Ok::<_, sqlx::Error>((alive, shards))
        })
        .await?;
    let (mut nodes, mut leaving) = (BTreeSet::new(), BTreeSet::new());
    for row in &alive {
        let side = if row.try_get(1)? { &mut leaving } else { &mut nodes };
        side.insert(row.try_get::<String, _>(0)?);
    }
    let mut view = ClusterView { nodes, leaving, owners: Vec::with_capacity(shards.len()) };
    let mut epochs = Vec::with_capacity(shards.len());
    for row in &shards {
        view.owners.push(row.try_get(0)?);
        epochs.push(row.try_get(1)?);
    }
    Ok((view, epochs))
}

/// Until when each node's lease lasts, by the nodes' names.
pub async fn leases(database: &Database) -> Result<BTreeMap<String, Timestamp>, sqlx::Error> {
    let mut connection = database.connection().await?;
    let rows = sqlx::query("SELECT id, lease_until FROM node").fetch_all(&mut *connection).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, column::moment(row, "lease_until")?))).collect()
}

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
