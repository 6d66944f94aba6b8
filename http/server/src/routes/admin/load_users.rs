//! Users and tokens for load tests.

use actix_web::{HttpResponse, web::Data};
use serde::{Deserialize, Serialize};
use stampede_platform::engine::clock;
use stampede_shop::{
    records::account::Role,
    services::{
        Services,
        accounts::{self, LoadUsersMade as Made},
    },
};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    extract::{Admin, Json, Unversioned},
    middleware::EdgeState,
    problem::Problem,
};

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
pub struct LoadUsersResult {
    pub users: Vec<LoadUser>,
}

/// Makes users `load-1 ...` with tokens, for load tests. Can be switched off (`admin.load_users`).
#[utoipa::path(post, path = "/api/v1/admin/load-users", operation_id = "createLoadUsers", tag = "admin",
    request_body = LoadUsers,
    responses((status = 200, body = LoadUsersResult), (status = 404)))]
pub async fn load_users(
    admin: Admin,
    _: Unversioned,
    body: Json<LoadUsers>,
    edge: Data<EdgeState>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let LoadUsers { from, count, role } = body.0;
    let Made { users, role, last } =
        accounts::load_users(&services, accounts::LoadUsers { from, count, role }).await?;
    tracing::info!(admin = %admin.user_id, from, last, role = role.as_str(), "audit: load users and their tokens");
    let now = clock::now();
    let made: Result<Vec<LoadUser>, Problem> = users
        .into_iter()
        .map(|(id, username)| {
            let issued = edge.signer.issue(id, role, Uuid::now_v7(), now);
            let access_token = issued.map_err(|error| Problem::internal(&error))?.access_token;
            Ok(LoadUser { id: id.0, username, access_token })
        })
        .collect();
    Ok(HttpResponse::Ok().json(LoadUsersResult { users: made? }))
}
