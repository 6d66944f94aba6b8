//! For administrators: which node owns which shards, and handing them over.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web::Data};
use serde::{Deserialize, Serialize};
use stampede_actors::{
    cluster::{Handoff, HandoffError, Route},
    kernel::Code,
};
use utoipa::ToSchema;

use crate::{
    extract::{Admin, Json, Path},
    problem::Problem,
    startup::Shop,
};

/// One shard.
#[derive(Debug, Serialize, ToSchema)]
pub struct Shard {
    pub id: u16,
    /// The node that owns it; none, if nobody has it.
    pub owner: Option<String>,
    pub epoch: i64,
    /// Whether the owner's lease has not lapsed.
    pub alive: bool,
    /// Whether this node holds it.
    pub here: bool,
    /// Committed events, if this node holds it.
    pub head: Option<i64>,
}

/// Every shard, as this node knows them.
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

/// Which node owns which shards.
#[utoipa::path(get, path = "/api/v1/admin/shards", tag = "admin", security(("bearer" = [])),
    responses((status = 200, body = Shards)))]
pub async fn shards(_: Admin, shop: Data<Shop>) -> HttpResponse {
    let holdings = shop.journal.holdings();
    let shard = |(id, Route { owner, epoch, alive }): (u16, Route)| {
        let here = holdings.epoch(id).is_some();
        Shard { id, owner, epoch, alive, here, head: here.then(|| holdings.head(id)) }
    };
    let shards: Vec<Shard> = (0..).zip(shop.routes.table()).map(shard).collect();
    let mut nodes = BTreeMap::new();
    for owner in shards.iter().filter_map(|shard| shard.owner.clone()) {
        *nodes.entry(owner).or_insert(0) += 1;
    }
    HttpResponse::Ok().json(Shards { node: shop.routes.me().to_owned(), nodes, shards })
}

/// Hands a shard that this node owns to another node. Its callers wait meanwhile.
#[utoipa::path(post, path = "/api/v1/admin/shards/{id}/handoff", tag = "admin", request_body = HandoffTo,
    security(("bearer" = [])), responses((status = 200, body = Shards),
    (status = 409, description = "This node does not own the shard, or there is nobody to take it")))]
pub async fn hand_over(
    admin: Admin,
    id: Path<u16>,
    body: Json<HandoffTo>,
    shop: Data<Shop>,
) -> Result<HttpResponse, Problem> {
    let handoff = Handoff { shard: id.0, to: body.0.to };
    tracing::info!(admin = %admin.user_id, shard = handoff.shard, to = handoff.to, "audit: a shard is handed over");
    shop.ownership.hand_over(handoff).await.map_err(|error| match error {
        HandoffError::NotHeld | HandoffError::NobodyThere => {
            Problem::new(Code::Conflict).detail(format!("The shard stays where it is: {error}."))
        }
        HandoffError::Busy | HandoffError::Database(_) => Problem::unavailable(&error),
    })?;
    Ok(shards(admin, shop).await)
}
