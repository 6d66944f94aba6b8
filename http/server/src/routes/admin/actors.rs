//! Actors: how many there are, the state of one, and what an administrator may do to it.

use actix_web::{HttpResponse, web::Data};
use serde::Serialize;
use stampede_kernel::ShardId;
use stampede_platform::runtime::ActorState;
use stampede_shop::services::{
    Services,
    administration::{self, ActorReport},
};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    extract::{Admin, Json, Path, Unversioned},
    problem::Problem,
    routes::wire::EmptyBody,
};

/// How many actors of a kind are known.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActorKind {
    pub kind: &'static str,
    pub live: usize,
}

/// How one actor is.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActorDetail {
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

impl ActorDetail {
    fn of(report: ActorReport) -> Self {
        let ActorReport { kind, id, state, shard, node } = report;
        let (state, waiting, idle_ms) = match state {
            ActorState::Live { waiting, idle_ms } => ("live", waiting, Some(idle_ms)),
            ActorState::Restarting => ("restarting", 0, None),
            ActorState::Quarantined => ("quarantined", 0, None),
            ActorState::Asleep => ("asleep", 0, None),
        };
        Self { kind, id, state, waiting, idle_ms, shard, node }
    }
}

/// Actors by kind.
#[utoipa::path(get, path = "/api/v1/admin/actors", operation_id = "listActors", tag = "admin",
    responses((status = 200, body = Vec<ActorKind>)))]
pub async fn actors(_: Admin, services: Data<Services>) -> HttpResponse {
    let kinds = administration::kinds(&services);
    let shown: Vec<ActorKind> =
        kinds.into_iter().map(|kind| ActorKind { kind: kind.kind, live: kind.live }).collect();
    HttpResponse::Ok().json(shown)
}

/// One actor: a SKU's stock, a user's orders or cart.
#[utoipa::path(get, path = "/api/v1/admin/actors/{kind}/{id}", operation_id = "getActor", tag = "admin",
    responses((status = 200, body = ActorDetail), (status = 404)))]
pub async fn actor(
    _: Admin,
    address: Path<(String, Uuid)>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let (kind, id) = &address.0;
    Ok(HttpResponse::Ok().json(ActorDetail::of(administration::actor(&services, kind, *id).await?)))
}

/// Ends the quarantine of an actor that panicked too often.
#[utoipa::path(post, path = "/api/v1/admin/actors/{kind}/{id}/reset", operation_id = "resetActor",
    tag = "admin",
    responses((status = 200, body = ActorDetail), (status = 409, description = "it is not quarantined")))]
pub async fn reset(
    admin: Admin,
    _: Unversioned,
    address: Path<(String, Uuid)>,
    _: Json<EmptyBody>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let (kind, id) = &address.0;
    let report = administration::reset(&services, kind, *id).await?;
    tracing::info!(admin = %admin.user_id, kind, actor = %id, "audit: a quarantine was ended");
    Ok(HttpResponse::Ok().json(ActorDetail::of(report)))
}

/// Makes an actor panic, to rehearse a failure. Only with `faults.enabled`.
#[utoipa::path(post, path = "/api/v1/admin/actors/{kind}/{id}/panic", operation_id = "panicActor",
    tag = "admin",
    responses((status = 202), (status = 404)))]
pub async fn panic(
    admin: Admin,
    _: Unversioned,
    address: Path<(String, Uuid)>,
    _: Json<EmptyBody>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let (kind, id) = &address.0;
    tracing::warn!(admin = %admin.user_id, kind, actor = %id, "audit: a panic is injected");
    administration::inject_panic(&services, kind, *id).await?;
    Ok(HttpResponse::Accepted().finish())
}
