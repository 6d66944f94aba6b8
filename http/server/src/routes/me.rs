//! The caller's own account.

use actix_web::{HttpResponse, web::Data};
use serde::Deserialize;
use stampede_kernel::Code;
use stampede_shop::{
    records::account::{Account, ProfileChange},
    services::{Services, accounts},
};
use utoipa::ToSchema;

use super::{auth::User, wire};
use crate::{
    extract::{Auth, IfMatch, Json, etag},
    problem::{Problem, ProblemShape},
};

/// What somebody changes of their account; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfilePatch {
    email: Option<String>,
    /// `null` forgets the phone.
    #[serde(default, deserialize_with = "wire::given")]
    #[schema(value_type = Option<String>)]
    phone: Option<Option<String>>,
}

/// The caller's account.
#[utoipa::path(get, path = "/api/v1/me", operation_id = "getProfile", tag = "accounts",
    responses((status = 200, description = "The account", body = User),
        (status = 401, description = "Nobody is logged in", body = ProblemShape)))]
pub async fn read(caller: Auth, services: Data<Services>) -> Result<HttpResponse, Problem> {
    // The token may have outlived the account.
    let account = accounts::get(&services, caller.user_id).await?;
    account.map(shown).ok_or(Problem::new(Code::Unauthenticated))
}

/// Changes the caller's account.
#[utoipa::path(put, path = "/api/v1/me", operation_id = "updateProfile", tag = "accounts",
    request_body = ProfilePatch, params(("If-Match" = Option<String>, Header)),
    responses((status = 200, description = "The account as it is now", body = User),
        (status = 409, description = "The address is taken", body = ProblemShape),
        (status = 412, description = "The account has changed meanwhile", body = ProblemShape),
        (status = 422, description = "Some fields are not valid", body = ProblemShape)))]
pub async fn change(
    caller: Auth,
    version: IfMatch,
    body: Json<ProfilePatch>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let Json(ProfilePatch { email, phone }) = body;
    let (change, versions) = (ProfileChange { email, phone }, version.0.as_deref());
    Ok(shown(accounts::change_profile(&services, caller.user_id, &change, versions).await?))
}

fn shown(account: Account) -> HttpResponse {
    HttpResponse::Ok().insert_header(etag(account.version)).json(User::from(account))
}
