//! Which node owns which shards, and handing them over. Any node answers for all.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web::Data};
use serde::{Deserialize, Serialize};
use stampede_kernel::ShardId;
use stampede_shop::services::{Services, nodes};
use utoipa::ToSchema;

use crate::{
    extract::{Admin, Json, Path, Unversioned},
    problem::{Problem, ProblemShape},
    routes::wire::EmptyBody,
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
pub struct HandoffInput {
    /// The node that shall have it; any other, if missing.
    pub to: Option<String>,
}

impl Shard {
    fn of(shard: nodes::Shard) -> Self {
        Self {
            id: shard.id,
            owner: shard.route.owner,
            epoch: shard.route.epoch,
            alive: shard.route.alive,
            lease_until: shard.lease_until.map(|until| until.to_string()),
            here: shard.here,
            head: shard.progress.head,
            lag: shard.progress.lag,
            actors: shard.actors,
        }
    }
}

fn shown(shards: nodes::Shards) -> HttpResponse {
    let nodes::Shards { node, nodes, shards } = shards;
    HttpResponse::Ok().json(Shards { node, nodes, shards: shards.into_iter().map(Shard::of).collect() })
}

/// Which node owns which shards, and how they are.
#[utoipa::path(get, path = "/api/v1/admin/shards", operation_id = "listShards", tag = "admin",
    responses((status = 200, body = Shards)))]
pub async fn shards(_: Admin, services: Data<Services>) -> Result<HttpResponse, Problem> {
    Ok(shown(nodes::shards(&services).await?))
}

/// Hands a shard to another node. Its callers wait meanwhile. Nodes that own more than their share give
/// some away again.
#[utoipa::path(post, path = "/api/v1/admin/shards/{id}/handoff", operation_id = "handOffShard", tag = "admin",
    request_body = HandoffInput,
    responses((status = 200, description = "All shards, thereafter", body = Shards),
        (status = 404, description = "There is no such shard", body = ProblemShape),
        (status = 409, description = "There is no such other node to take it", body = ProblemShape),
        (status = 503, description = "Its owner cannot be reached, or did not manage in time", body = ProblemShape)))]
pub async fn hand_over(
    admin: Admin,
    _: Unversioned,
    id: Path<ShardId>,
    body: Json<HandoffInput>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let (shard, to) = (id.0, body.0.to);
    tracing::info!(admin = %admin.user_id, shard = shard.get(), to, "audit: a shard is handed over");
    Ok(shown(nodes::hand_over(&services, shard, to).await?))
}

/// Hands all shards of a node to the others. It takes none until it resumes or starts again, or no other
/// node is left, and still answers requests.
#[utoipa::path(post, path = "/api/v1/admin/nodes/{name}/handoff", operation_id = "handOffNode", tag = "admin",
    responses((status = 200, description = "All shards, thereafter", body = Shards),
        (status = 404, description = "There is no such node", body = ProblemShape),
        (status = 409, description = "There is no other node to take them", body = ProblemShape),
        (status = 503, description = "The node cannot be reached, or did not manage in time", body = ProblemShape)))]
pub async fn empty(
    admin: Admin,
    _: Unversioned,
    name: Path<String>,
    _: Json<EmptyBody>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    tracing::info!(admin = %admin.user_id, node = name.0, "audit: a node is emptied");
    Ok(shown(nodes::empty(&services, &name).await?))
}

/// Lets a node that was emptied take its share of the shards again.
#[utoipa::path(post, path = "/api/v1/admin/nodes/{name}/resume", operation_id = "resumeNode", tag = "admin",
    responses((status = 200, description = "All shards; its share follows", body = Shards),
        (status = 404, description = "There is no such node", body = ProblemShape),
        (status = 503, description = "The node cannot be reached", body = ProblemShape)))]
pub async fn resume(
    admin: Admin,
    _: Unversioned,
    name: Path<String>,
    _: Json<EmptyBody>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    tracing::info!(admin = %admin.user_id, node = name.0, "audit: a node that was emptied takes shards again");
    Ok(shown(nodes::resume(&services, &name).await?))
}
