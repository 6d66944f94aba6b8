//! Dead letters: commands that sagas gave up.

use actix_web::{HttpResponse, web::Data};
use serde::Serialize;
use stampede_shop::{
    sagas,
    services::{Services, administration},
};
use utoipa::ToSchema;

use crate::{
    extract::{Admin, Json, Unversioned},
    problem::Problem,
    routes::wire::EmptyBody,
};

/// A command that a saga gave up.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeadLetter {
    pub saga: String,
    pub shard: u16,
    pub seq: i64,
    pub target: String,
    pub cause: String,
    #[schema(value_type = Object)]
    pub command: serde_json::Value,
}

impl DeadLetter {
    fn of(letter: sagas::DeadLetter) -> Self {
        Self {
            saga: letter.saga,
            shard: letter.position.shard.get(),
            seq: letter.position.seq,
            target: letter.target,
            cause: letter.cause,
            command: serde_json::to_value(letter.command).unwrap_or_default(),
        }
    }
}

/// Commands that sagas gave up, oldest first.
#[utoipa::path(get, path = "/api/v1/admin/dead-letters", operation_id = "listDeadLetters", tag = "admin",
    responses((status = 200, body = Vec<DeadLetter>)))]
pub async fn list(_: Admin, services: Data<Services>) -> Result<HttpResponse, Problem> {
    let letters = administration::dead_letters(&services).await?;
    Ok(HttpResponse::Ok().json(letters.into_iter().map(DeadLetter::of).collect::<Vec<_>>()))
}

/// Tries the oldest dead letters once more; answers how many were done.
#[utoipa::path(post, path = "/api/v1/admin/dead-letters/retry", operation_id = "retryDeadLetters",
    tag = "admin",
    responses((status = 200, description = "`done`: how many commands were done")))]
pub async fn retry(
    admin: Admin,
    _: Unversioned,
    _: Json<EmptyBody>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let done = administration::retry_dead_letters(&services).await?;
    tracing::info!(admin = %admin.user_id, done, "audit: dead letters were retried");
    Ok(HttpResponse::Ok().json(serde_json::json!({ "done": done })))
}
