//! For administrators: which node owns which shards, and handing them over. Any node answers for all.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::future::join_all;
use stampede_kernel::{ShardId, Timestamp};
use stampede_platform::{
    cluster::{NodeCommand, NodeCommandError, ShardRoute, leases, limits::NODE_REPORT_MS_MAX},
    runtime::Place,
};

use super::{Services, Unanswered};
use crate::projections;

/// One shard.
#[derive(Debug, Clone)]
pub struct Shard {
    pub id: ShardId,
    pub route: ShardRoute,
    /// Until when the owner's lease lasts unless it is renewed, by the database's clock.
    pub lease_until: Option<Timestamp>,
    /// Whether this node owns it.
    pub here: bool,
    /// Committed events, and those that the tables have not taken in.
    pub progress: projections::Progress,
    /// Live actors; none, if the owner does not report in time.
    pub actors: Option<usize>,
}

/// Every shard.
#[derive(Debug, Clone)]
pub struct Shards {
    /// This node.
    pub node: String,
    /// How many shards each node owns.
    pub nodes: BTreeMap<String, usize>,
    pub shards: Vec<Shard>,
}

/// Why shards were not shown or moved.
#[derive(Debug, thiserror::Error)]
pub enum NodesError {
    #[error("there is no such shard")]
    UnknownShard,
    #[error("there is no such node")]
    UnknownNode,
    #[error("no node owns the shard at the moment")]
    Unowned,
    #[error(transparent)]
    Command(#[from] NodeCommandError),
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
}

/// Which node owns which shards, and their state.
pub async fn shards(services: &Services) -> Result<Shards, Unanswered> {
    let leases = leases(&services.database).await?;
    let progress = projections::progress(&services.database).await?;
    let table = services.routing.table();
    let actors = live_actors(services, &table).await;
    let owned_shards = services.journal.owned_shards();
    let shard = |(id, route): (ShardId, ShardRoute)| {
        let owner = route.owner.as_ref();
        let reported = owner.and_then(|owner| actors.get(owner));
        Shard {
            id,
            lease_until: owner.and_then(|owner| leases.get(owner)).copied(),
            here: owned_shards.epoch(id).is_some(),
            progress: progress.get(&id).copied().unwrap_or_default(),
            actors: reported.map(|actors| actors.get(&id).copied().unwrap_or(0)),
            route,
        }
    };
    let shards: Vec<Shard> = ShardId::from_zero().zip(table).map(shard).collect();
    let mut nodes = BTreeMap::new();
    for owner in shards.iter().filter_map(|shard| shard.route.owner.clone()) {
        *nodes.entry(owner).or_insert(0) += 1;
    }
    Ok(Shards { node: services.routing.me().to_owned(), nodes, shards })
}

/// How many live actors each owner has of each shard, of the owners that report in time.
async fn live_actors(
    services: &Services,
    table: &[ShardRoute],
) -> BTreeMap<String, BTreeMap<ShardId, usize>> {
    let living = table.iter().filter(|route| route.alive).filter_map(|route| route.owner.clone());
    let owners: BTreeSet<String> = living.collect();
    let reports = owners.into_iter().map(|owner| async {
        let actors = services.nodes.live_actors(&owner).await.ok()?;
        Some((owner, actors))
    });
    join_all(reports).await.into_iter().flatten().collect()
}

/// Hands a shard to another node: to that one, or to any. Its callers wait meanwhile.
pub async fn hand_over(
    services: &Services,
    shard: ShardId,
    to: Option<String>,
) -> Result<Shards, NodesError> {
    let table = services.routing.table();
    let route = table.get(shard.index()).ok_or(NodesError::UnknownShard)?;
    let owner = route.owner.as_ref().ok_or(NodesError::Unowned)?;
    if to.as_ref() != Some(owner) {
        let from = vec![(shard, services.routing.place(shard))];
        services.nodes.command(owner, NodeCommand::HandOver { shard, to }).await?;
        until_known(services, from).await;
    }
    Ok(shards(services).await?)
}

/// Hands all shards of a node to the others. It takes none until it resumes or starts again, or no other
/// node is left, and still answers requests.
pub async fn empty(services: &Services, node: &str) -> Result<Shards, NodesError> {
    let table = services.routing.table();
    let owned = ShardId::from_zero().zip(&table).filter(|(_, route)| route.owner.as_deref() == Some(node));
    let from = owned.map(|(shard, _)| (shard, services.routing.place(shard))).collect();
    command(services, node, NodeCommand::Empty).await?;
    until_known(services, from).await;
    Ok(shards(services).await?)
}

/// Lets a node that was emptied take its share of the shards again.
pub async fn resume(services: &Services, node: &str) -> Result<Shards, NodesError> {
    command(services, node, NodeCommand::Resume).await?;
    Ok(shards(services).await?)
}

async fn command(services: &Services, node: &str, command: NodeCommand) -> Result<(), NodesError> {
    let leases = leases(&services.database).await.map_err(Unanswered::from)?;
    if !leases.contains_key(node) {
        return Err(NodesError::UnknownNode);
    }
    Ok(services.nodes.command(node, command).await?)
}

/// Waits until this node knows that shards have moved, so that its answer is not older than the command. If it
/// is not notified in time, the answer says where it knows them.
async fn until_known(services: &Services, from: Vec<(ShardId, Place)>) {
    services.routing.look();
    let left = from.into_iter().map(|(shard, place)| services.routing.clone().left(shard, place));
    drop(tokio::time::timeout(Duration::from_millis(NODE_REPORT_MS_MAX), join_all(left)).await);
}
