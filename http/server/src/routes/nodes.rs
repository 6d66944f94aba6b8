//! For administrators: which node owns which shards, and handing them over. Any node answers for all.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use actix_web::{HttpResponse, web::Data};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use stampede_kernel::{Code, ShardId};
use stampede_platform::{
    cluster::{HandoffError, NodeCommand, NodeCommandError, ShardRoute, leases, limits::NODE_REPORT_MS_MAX},
    engine::DatabaseError,
    runtime::Place,
};
use stampede_shop::projections;
use stampede_shop::services::Services;
use utoipa::ToSchema;

use super::wire::Nothing;
use crate::{
    extract::{Admin, Json, Path, Unversioned},
    problem::{Problem, ProblemShape},
};

/// One shard.
#[derive(Debug, Serialize, ToSchema)]
pub struct Shard {
    #[schema(value_type = u16)]
    pub id: ShardId,
    /// The node that owns it; none, if nobody has it.
    pub owner: Option<String>,
    pub epoch: i64,
    /// Whether the owner's lease has not lapsed.
    pub alive: bool,
    /// Until when the owner's lease lasts unless it is renewed: RFC 3339 in UTC, by the database's clock.
    pub lease_until: Option<String>,
    /// Whether the node that answers holds it.
    pub here: bool,
    /// Committed events.
    pub head: i64,
    /// Committed events that the tables have not taken in.
    pub lag: i64,
    /// Live actors; none, if the owner does not say in time.
    pub actors: Option<usize>,
}

/// Every shard.
#[derive(Debug, Serialize, ToSchema)]
pub struct Shards {
    /// The node that answers.
    pub node: String,
    /// How many shards each node owns.
    pub nodes: BTreeMap<String, usize>,
    pub shards: Vec<Shard>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HandoffTo {
    /// The node that shall have it; any other, if missing.
    pub to: Option<String>,
}

/// Which node owns which shards, and how they are.
#[utoipa::path(get, path = "/api/v1/admin/shards", tag = "admin", security(("bearer" = [])),
    responses((status = 200, body = Shards)))]
pub async fn shards(_: Admin, shop: Data<Services>) -> Result<HttpResponse, Problem> {
    let unavailable = |error: DatabaseError| Problem::unavailable(&error);
    let leases = leases(&shop.database).await.map_err(unavailable)?;
    let progress = projections::progress(&shop.database).await.map_err(unavailable)?;
    let table = shop.routing.table();
    let actors = live_actors(&shop, &table).await;
    let owned_shards = shop.journal.owned_shards();
    let shard = |(id, ShardRoute { owner, epoch, alive }): (ShardId, ShardRoute)| {
        let lease_until = owner.as_ref().and_then(|owner| leases.get(owner)).map(ToString::to_string);
        let reported = owner.as_ref().and_then(|owner| actors.get(owner));
        let actors = reported.map(|actors| actors.get(&id).copied().unwrap_or(0));
        let projections::Progress { head, lag } = progress.get(&id).copied().unwrap_or_default();
        Shard {
            id,
            owner,
            epoch,
            alive,
            lease_until,
            here: owned_shards.epoch(id).is_some(),
            head,
            lag,
            actors,
        }
    };
    let shards: Vec<Shard> = ShardId::from_zero().zip(table).map(shard).collect();
    let mut nodes = BTreeMap::new();
    for owner in shards.iter().filter_map(|shard| shard.owner.clone()) {
        *nodes.entry(owner).or_insert(0) += 1;
    }
    Ok(HttpResponse::Ok().json(Shards { node: shop.routing.me().to_owned(), nodes, shards }))
}

/// How many live actors each owner has of each shard, of the owners that say so in time.
async fn live_actors(shop: &Services, table: &[ShardRoute]) -> BTreeMap<String, BTreeMap<ShardId, usize>> {
    let living = table.iter().filter(|route| route.alive).filter_map(|route| route.owner.clone());
    let owners: BTreeSet<String> = living.collect();
    let reports = owners.into_iter().map(|owner| async {
        let actors = shop.nodes.live_actors(&owner).await.ok()?;
        Some((owner, actors))
    });
    join_all(reports).await.into_iter().flatten().collect()
}

/// Hands a shard to another node. Its callers wait meanwhile. Nodes that own more than their share give
/// some away again.
#[utoipa::path(post, path = "/api/v1/admin/shards/{id}/handoff", tag = "admin", request_body = HandoffTo,
    security(("bearer" = [])), responses((status = 200, description = "All shards, thereafter", body = Shards),
    (status = 404, description = "There is no such shard", body = ProblemShape),
    (status = 409, description = "There is no such other node to take it", body = ProblemShape),
    (status = 503, description = "Its owner cannot be reached, or did not manage in time", body = ProblemShape)))]
pub async fn hand_over(
    admin: Admin,
    _: Unversioned,
    id: Path<ShardId>,
    body: Json<HandoffTo>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let (shard, to) = (id.0, body.0.to);
    let table = shop.routing.table();
    let route = table.get(shard.index()).ok_or_else(|| Problem::new(Code::NotFound))?;
    tracing::info!(admin = %admin.user_id, shard = shard.get(), to, "audit: a shard is handed over");
    let nobodys = || Problem::new(Code::Unavailable).detail("Nobody owns the shard at the moment.");
    let owner = route.owner.as_ref().ok_or_else(nobodys)?;
    if to.as_ref() != Some(owner) {
        let from = vec![(shard, shop.routing.place(shard))];
        let handed_over = shop.nodes.command(owner, NodeCommand::HandOver { shard, to });
        handed_over.await.map_err(|error| not_done(&error))?;
        known_here(&shop, from).await;
    }
    shards(admin, shop).await
}

/// Hands all shards of a node to the others. It takes none until it resumes or starts again, or no other
/// node is left, and still answers requests.
#[utoipa::path(post, path = "/api/v1/admin/nodes/{name}/handoff", tag = "admin",
    security(("bearer" = [])), responses((status = 200, description = "All shards, thereafter", body = Shards),
    (status = 404, description = "There is no such node", body = ProblemShape),
    (status = 409, description = "There is no other node to take them", body = ProblemShape),
    (status = 503, description = "The node cannot be reached, or did not manage in time", body = ProblemShape)))]
pub async fn empty(
    admin: Admin,
    _: Unversioned,
    name: Path<String>,
    _: Json<Nothing>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    tracing::info!(admin = %admin.user_id, node = name.0, "audit: a node is emptied");
    let table = shop.routing.table();
    let owned = ShardId::from_zero().zip(&table).filter(|(_, route)| route.owner.as_ref() == Some(&name.0));
    let from = owned.map(|(shard, _)| (shard, shop.routing.place(shard))).collect();
    command(&shop, &name.0, NodeCommand::Empty).await?;
    known_here(&shop, from).await;
    shards(admin, shop).await
}

/// Lets a node that was emptied take its share of the shards again.
#[utoipa::path(post, path = "/api/v1/admin/nodes/{name}/resume", tag = "admin",
    security(("bearer" = [])), responses((status = 200, description = "All shards; its share follows", body = Shards),
    (status = 404, description = "There is no such node", body = ProblemShape),
    (status = 503, description = "The node cannot be reached", body = ProblemShape)))]
pub async fn resume(
    admin: Admin,
    _: Unversioned,
    name: Path<String>,
    _: Json<Nothing>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    tracing::info!(admin = %admin.user_id, node = name.0, "audit: a node that was emptied takes shards again");
    command(&shop, &name.0, NodeCommand::Resume).await?;
    shards(admin, shop).await
}

/// Has a node that there is do something.
async fn command(shop: &Services, node: &str, command: NodeCommand) -> Result<(), Problem> {
    let leases = leases(&shop.database).await.map_err(|error| Problem::unavailable(&error))?;
    if !leases.contains_key(node) {
        return Err(Problem::new(Code::NotFound).detail("There is no such node."));
    }
    shop.nodes.command(node, command).await.map_err(|error| not_done(&error))
}

/// Waits until this node knows that shards are not any more where they were, so that its answer is not
/// older than the deed. Should the news not reach it in time, the answer says where it knows them.
async fn known_here(shop: &Services, from: Vec<(ShardId, Place)>) {
    shop.routing.look();
    let left = from.into_iter().map(|(shard, place)| shop.routing.clone().left(shard, place));
    drop(tokio::time::timeout(Duration::from_millis(NODE_REPORT_MS_MAX), join_all(left)).await);
}

pub(super) fn not_done(error: &NodeCommandError) -> Problem {
    match error {
        NodeCommandError::Handoff(HandoffError::NobodyThere) => {
            Problem::new(Code::Conflict).detail(format!("The shards stay where they are: {error}."))
        }
        // It has just gone elsewhere, or its owner is not sure of it at the moment.
        NodeCommandError::Handoff(HandoffError::NotHeld) => {
            Problem::new(Code::Unavailable).detail("The shard is on its way; ask again.")
        }
        NodeCommandError::Unanswered => Problem::new(Code::OutcomeUnknown),
        NodeCommandError::Unreachable
        | NodeCommandError::Handoff(
            HandoffError::Busy | HandoffError::LeaseLost | HandoffError::Database(_),
        )
        | NodeCommandError::NotQuarantined
        | NodeCommandError::Failed => Problem::unavailable(error),
    }
}
