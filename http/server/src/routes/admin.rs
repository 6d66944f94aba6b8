//! For administrators: load users, actors, what sagas gave up, reconciliation.

use actix_web::{HttpResponse, web::Data};
use serde::{Deserialize, Serialize};
use stampede_kernel::{Code, ShardId, SkuId, UserId, shard_of};
use stampede_platform::{
    cluster::{NodeCommand, NodeCommandError},
    runtime::ActorState,
};
use stampede_shop::services::Services;
use stampede_shop::{
    projections::reconcile,
    records::account::{self, Role},
    sagas,
};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    nodes,
    wire::{Nothing, PAGE_SIZE_MAX},
};
use crate::{
    extract::{Admin, Json, Path, Unversioned},
    problem::Problem,
    state::EdgeState,
};

/// Users made by one request.
const LOAD_USERS_MAX: u32 = 5_000;
/// The highest number of a load user.
const LOAD_USER_NUMBER_MAX: u32 = 1_000_000;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadUsers {
    /// The first user's number; 1, if missing.
    pub from: Option<u32>,
    /// 1 to 5,000.
    pub count: u32,
    /// `user` or `seller`.
    #[schema(value_type = Option<String>)]
    pub role: Option<Role>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct LoadUser {
    pub id: Uuid,
    pub username: String,
    pub access_token: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct LoadUsersMade {
    pub users: Vec<LoadUser>,
}

/// How many actors of a kind are known.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActorKind {
    pub kind: &'static str,
    pub live: usize,
}

/// How one actor is.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActorShape {
    pub kind: &'static str,
    pub id: Uuid,
    /// `live`, `restarting`, `quarantined` or `asleep`.
    pub state: &'static str,
    /// Messages that wait for their answers.
    pub waiting: usize,
    pub idle_ms: Option<u64>,
    #[schema(value_type = u16)]
    pub shard: ShardId,
    /// The node that owns its shard.
    pub node: String,
}

/// A command that a saga gave up.
#[derive(Debug, Serialize, ToSchema)]
pub struct ParkedCommand {
    pub saga: String,
    pub shard: u16,
    pub seq: i64,
    pub target: String,
    pub cause: String,
    #[schema(value_type = Object)]
    pub command: serde_json::Value,
}

/// Makes users `load-1 ...` with tokens, for load tests. Can be switched off (`admin.load_users`).
#[utoipa::path(post, path = "/api/v1/admin/load-users", tag = "admin", request_body = LoadUsers,
    security(("bearer" = [])), responses((status = 200, body = LoadUsersMade), (status = 404)))]
pub async fn load_users(
    admin: Admin,
    _: Unversioned,
    body: Json<LoadUsers>,
    shell: Data<EdgeState>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    if !shop.settings.load_users {
        return Err(Problem::new(Code::NotFound).detail("Load users are switched off here."));
    }
    let from = body.from.unwrap_or(1);
    if !(1..=LOAD_USERS_MAX).contains(&body.count) {
        return Err(Problem::field("count", "out_of_range", format!("Must be from 1 to {LOAD_USERS_MAX}.")));
    }
    let last = from.saturating_add(body.count - 1);
    if from == 0 || last > LOAD_USER_NUMBER_MAX {
        return Err(Problem::field(
            "from",
            "out_of_range",
            format!("Numbers are from 1 to {LOAD_USER_NUMBER_MAX}."),
        ));
    }
    let role = body.role.unwrap_or(Role::User);
    if role != Role::User && role != Role::Seller {
        return Err(Problem::field("role", "format", "Load users are of the role user or seller."));
    }
    let users = account::ensure_load_users(&shop.database, last, role)
        .await
        .map_err(|error| Problem::unavailable(&error))?;
    tracing::info!(admin = %admin.user_id, from, last, role = role.as_str(), "audit: load users and their tokens");
    let now = shop.now();
    let made: Result<Vec<LoadUser>, Problem> = users
        .into_iter()
        .skip(usize::try_from(from - 1).unwrap_or(0))
        .map(|(id, username)| {
            let issued = shell.signer.issue(id, role, Uuid::now_v7(), now);
            let access_token = issued.map_err(|error| Problem::internal(&error))?.access_token;
            Ok(LoadUser { id: id.0, username, access_token })
        })
        .collect();
    Ok(HttpResponse::Ok().json(LoadUsersMade { users: made? }))
}

/// Actors by kind.
#[utoipa::path(get, path = "/api/v1/admin/actors", tag = "admin", security(("bearer" = [])),
    responses((status = 200, body = Vec<ActorKind>)))]
pub async fn actors(_: Admin, shop: Data<Services>) -> HttpResponse {
    let actors = &shop.actors;
    HttpResponse::Ok().json([
        ActorKind { kind: "stock", live: actors.stock.len() },
        ActorKind { kind: "order", live: actors.order.len() },
        ActorKind { kind: "cart", live: actors.cart.len() },
    ])
}

/// One actor: a SKU's stock, a user's orders or cart.
#[utoipa::path(get, path = "/api/v1/admin/actors/{kind}/{id}", tag = "admin", security(("bearer" = [])),
    responses((status = 200, body = ActorShape), (status = 404)))]
pub async fn actor(
    _: Admin,
    address: Path<(String, Uuid)>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let (kind, id) = &address.0;
    Ok(HttpResponse::Ok().json(shape(&shop, kind, *id).await?))
}

/// How an actor is, as the node says that owns it.
async fn shape(shop: &Services, kind: &str, id: Uuid) -> Result<ActorShape, Problem> {
    let (kind, shard, owner) = owner(shop, kind, id)?;
    let state = shop.nodes.state(&owner, kind, id).await.map_err(|error| nodes::not_done(&error))?;
    let (state, waiting, idle_ms) = match state {
        ActorState::Live { waiting, idle_ms } => ("live", waiting, Some(idle_ms)),
        ActorState::Restarting => ("restarting", 0, None),
        ActorState::Quarantined => ("quarantined", 0, None),
        ActorState::Asleep => ("asleep", 0, None),
    };
    Ok(ActorShape { kind, id, state, waiting, idle_ms, shard, node: owner })
}

/// The kind and the shard of an actor, and the node that owns it.
fn owner(shop: &Services, kind: &str, id: Uuid) -> Result<(&'static str, ShardId, String), Problem> {
    let unknown = || Problem::new(Code::NotFound).detail("Actors are of the kinds stock, order and cart.");
    let kind = ["stock", "order", "cart"].into_iter().find(|known| *known == kind).ok_or_else(unknown)?;
    let shard = shard_of(kind, id, shop.journal.owned_shards().count());
    let owner = shop.routing.table().into_iter().nth(shard.index()).and_then(|route| route.owner);
    let nobodys = || Problem::new(Code::Unavailable).detail("Nobody owns the actor's shard at the moment.");
    Ok((kind, shard, owner.ok_or_else(nobodys)?))
}

/// Ends the quarantine of an actor that panicked too often.
#[utoipa::path(post, path = "/api/v1/admin/actors/{kind}/{id}/reset", tag = "admin", security(("bearer" = [])),
    responses((status = 200, body = ActorShape), (status = 409, description = "it is not quarantined")))]
pub async fn reset(
    admin: Admin,
    _: Unversioned,
    address: Path<(String, Uuid)>,
    _: Json<Nothing>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let (kind, id) = &address.0;
    let (known, _, owner) = owner(&shop, kind, *id)?;
    let reset = NodeCommand::Reset { kind: known.to_owned(), actor: *id };
    match shop.nodes.command(&owner, reset).await {
        Ok(()) => {}
        Err(NodeCommandError::NotQuarantined) => {
            return Err(Problem::new(Code::Conflict).detail("This actor is not quarantined."));
        }
        Err(error) => return Err(nodes::not_done(&error)),
    }
    tracing::info!(admin = %admin.user_id, kind, actor = %id, "audit: a quarantine was ended");
    Ok(HttpResponse::Ok().json(shape(&shop, kind, *id).await?))
}

/// Makes an actor panic, to rehearse a failure. Only with `faults.enabled`.
#[utoipa::path(post, path = "/api/v1/admin/actors/{kind}/{id}/panic", tag = "admin", security(("bearer" = [])),
    responses((status = 202), (status = 404)))]
pub async fn panic(
    admin: Admin,
    _: Unversioned,
    address: Path<(String, Uuid)>,
    _: Json<Nothing>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    if !shop.settings.faults {
        return Err(Problem::new(Code::NotFound).detail("Fault injection is switched off here."));
    }
    let (kind, id) = &address.0;
    tracing::warn!(admin = %admin.user_id, kind, actor = %id, "audit: a panic is injected");
    match kind.as_str() {
        "stock" => shop.actors.stock.inject_panic(*id, SkuId(*id)).await,
        "cart" => shop.actors.cart.inject_panic(*id, UserId(*id)).await,
        _ => {
            return Err(
                Problem::new(Code::NotFound).detail("Panics are injected into stock and cart actors.")
            );
        }
    }
    Ok(HttpResponse::Accepted().finish())
}

/// Compares memory, tables and the folded journal. Reads the whole journal: for quiet hours.
#[utoipa::path(get, path = "/api/v1/admin/reconciliation", tag = "admin", security(("bearer" = [])),
    responses((status = 200, description = "The differences, if any")))]
pub async fn reconciliation(_: Admin, shop: Data<Services>) -> Result<HttpResponse, Problem> {
    let report = reconcile::reconcile(&shop.database, Some(&shop.actors.stock))
        .await
        .map_err(|error| Problem::unavailable(&error))?;
    Ok(HttpResponse::Ok().json(report))
}

/// Commands that sagas gave up, oldest first.
#[utoipa::path(get, path = "/api/v1/admin/parked", tag = "admin", security(("bearer" = [])),
    responses((status = 200, body = Vec<ParkedCommand>)))]
pub async fn parked(_: Admin, shop: Data<Services>) -> Result<HttpResponse, Problem> {
    let parked = sagas::parked(&shop.database, i64::from(PAGE_SIZE_MAX))
        .await
        .map_err(|error| Problem::unavailable(&error))?;
    let shown: Vec<ParkedCommand> = parked
        .into_iter()
        .map(|parked| ParkedCommand {
            saga: parked.saga,
            shard: parked.position.shard.get(),
            seq: parked.position.seq,
            target: parked.target,
            cause: parked.cause,
            command: serde_json::to_value(parked.command).unwrap_or_default(),
        })
        .collect();
    Ok(HttpResponse::Ok().json(shown))
}

/// Tries the parked commands once more; answers how many were done.
#[utoipa::path(post, path = "/api/v1/admin/parked/retry", tag = "admin", security(("bearer" = [])),
    responses((status = 200, description = "`done`: how many commands were done")))]
pub async fn retry_parked(
    admin: Admin,
    _: Unversioned,
    _: Json<Nothing>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let done = sagas::retry_parked(&shop.database, &shop.actors, i64::from(PAGE_SIZE_MAX))
        .await
        .map_err(|error| Problem::unavailable(&error))?;
    tracing::info!(admin = %admin.user_id, done, "audit: parked commands were tried again");
    Ok(HttpResponse::Ok().json(serde_json::json!({ "done": done })))
}
