//! Registering, logging in and logging out.
//!
//! An access token is all there is: no refresh tokens. Its session can be ended early, and is then over
//! on every node.

use actix_web::{HttpResponse, web::Data};
use serde::{Deserialize, Serialize};
use stampede_platform::engine::clock;
use stampede_shop::{
    records::account::{Account, NewAccount},
    services::{
        Services,
        accounts::{self, OwnSession, Session},
    },
};
use utoipa::ToSchema;
use uuid::Uuid;

use super::wire::EmptyBody;
use crate::{
    auth::Caller,
    extract::{Auth, Json},
    limits::ACCESS_TOKEN_SECONDS_MAX,
    middleware::EdgeState,
    problem::{Problem, ProblemShape},
};

/// What a new user writes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterInput {
    #[schema(example = "lin.yao", min_length = 3, max_length = 32)]
    username: String,
    #[schema(example = "lin@example.com", max_length = 254)]
    email: String,
    #[schema(min_length = 8, max_length = 1024)]
    password: String,
    #[schema(example = "+86 138 0013 8000")]
    phone: Option<String>,
}

/// A username or e-mail address, and its password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginInput {
    login: String,
    password: String,
}

/// The same, as GoMall's clients write it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GomallCredentials {
    username: String,
    password: String,
}

/// An account, as its owner sees it.
#[derive(Debug, Serialize, ToSchema)]
pub struct User {
    id: Uuid,
    username: String,
    email: String,
    phone: Option<String>,
    #[schema(value_type = String, example = "user")]
    role: &'static str,
    #[schema(value_type = String, example = "active")]
    status: &'static str,
    /// RFC 3339 in UTC.
    created_at: String,
}

impl From<Account> for User {
    fn from(account: Account) -> Self {
        Self {
            id: account.id.0,
            username: account.username,
            email: account.email,
            phone: account.phone,
            role: account.role.as_str(),
            status: account.status.as_str(),
            created_at: account.created_at.to_string(),
        }
    }
}

/// Who has come in, and the token to act with.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuthTokens {
    user: User,
    access_token: String,
    #[schema(value_type = String, example = "Bearer")]
    token_type: &'static str,
    /// Seconds.
    expires_in: u32,
    /// The access token again, for GoMall's clients only.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

/// Makes an account and lets its owner in.
#[utoipa::path(post, path = "/api/v1/auth/register", operation_id = "register", tag = "accounts",
    request_body = RegisterInput,
    responses((status = 201, description = "The account and a token", body = AuthTokens),
        (status = 409, description = "The username or the address is taken", body = ProblemShape),
        (status = 422, description = "Some fields are not valid", body = ProblemShape)))]
pub async fn register(
    body: Json<RegisterInput>,
    edge: Data<EdgeState>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let Json(RegisterInput { username, email, password, phone }) = body;
    let new = NewAccount { username, email, password, phone };
    Ok(HttpResponse::Created().json(entered(&edge, accounts::register(&services, &new).await?)?))
}

/// Lets somebody in.
#[utoipa::path(post, path = "/api/v1/auth/login", operation_id = "login", tag = "accounts",
    request_body = LoginInput,
    responses((status = 200, description = "The account and a token", body = AuthTokens),
        (status = 401, description = "The login or the password is wrong", body = ProblemShape),
        (status = 403, description = "The account is suspended", body = ProblemShape),
        (status = 429, description = "Too many tries", body = ProblemShape)))]
pub async fn login(
    body: Json<LoginInput>,
    edge: Data<EdgeState>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(check_in(&edge, &services, &body.login, &body.password).await?))
}

/// Lets somebody in, as GoMall's clients ask for it.
#[utoipa::path(post, path = "/api/user/login", operation_id = "gomallLogin", tag = "gomall",
    request_body = GomallCredentials,
    responses(
        (status = 200, description = "The account and a token, which also stands in `token`", body = AuthTokens),
        (status = 401, description = "The username or the password is wrong", body = ProblemShape),
        (status = 403, description = "The account is suspended", body = ProblemShape)))]
pub async fn login_gomall(
    body: Json<GomallCredentials>,
    edge: Data<EdgeState>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let mut entered = check_in(&edge, &services, &body.username, &body.password).await?;
    entered.token = Some(entered.access_token.clone());
    Ok(HttpResponse::Ok().json(entered))
}

async fn check_in(
    edge: &EdgeState,
    services: &Services,
    login: &str,
    password: &str,
) -> Result<AuthTokens, Problem> {
    if edge.limiter.is_on() {
        let name = login.trim().to_lowercase();
        let known = accounts::find_by_login(services, &name).await?;
        edge.limiter.check_account(known, &name).await?;
    }
    entered(edge, accounts::login(services, login, password).await?)
}

/// Ends the session of the token that came along. Within a second no node takes the token any more.
#[utoipa::path(post, path = "/api/v1/auth/logout", operation_id = "logout", tag = "accounts",
    responses((status = 204, description = "The session is over"),
        (status = 401, description = "There is no such session, or it is over already", body = ProblemShape)))]
pub async fn logout(
    caller: Auth,
    _: Json<EmptyBody>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    accounts::logout(&services, own_session(&caller)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Ends every session of the caller, on all devices. Within a second no node takes their tokens any more.
#[utoipa::path(post, path = "/api/v1/auth/logout-all", operation_id = "logoutAll", tag = "accounts",
    responses((status = 204, description = "All sessions are over"),
        (status = 401, description = "The session is over already", body = ProblemShape)))]
pub async fn logout_all(
    caller: Auth,
    _: Json<EmptyBody>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    // The longest that any token may live, whatever the settings were when its session began.
    let tokens_expire_at = clock::now().plus(i64::from(ACCESS_TOKEN_SECONDS_MAX) * 1_000);
    accounts::logout_all(&services, own_session(&caller), tokens_expire_at).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn own_session(caller: &Caller) -> OwnSession {
    OwnSession { user: caller.user_id, session: caller.session_id, expires_at: caller.expires_at() }
}

/// A token for a session that has just begun.
fn entered(edge: &EdgeState, session: Session) -> Result<AuthTokens, Problem> {
    let Session { id, account } = session;
    let issued = edge.signer.issue(account.id, account.role, id, clock::now());
    let issued = issued.map_err(|error| Problem::internal(&error))?;
    Ok(AuthTokens {
        user: User::from(account),
        access_token: issued.access_token,
        token_type: "Bearer",
        expires_in: issued.expires_in_seconds,
        token: None,
    })
}
