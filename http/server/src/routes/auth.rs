//! Registering, logging in and logging out.
//!
//! An access token is all there is: no refresh tokens. Its session can be ended early, and is then over
//! on every node.

use actix_web::{HttpResponse, web::Data};
use serde::{Deserialize, Serialize};
use stampede_kernel::{Code, Timestamp};
use stampede_platform::engine::DatabaseError;
use stampede_shop::records::account::{self, Account, LoginError, NewAccount, RegisterError};

use crate::limits::ACCESS_TOKEN_SECONDS_MAX;
use utoipa::ToSchema;
use uuid::Uuid;

use stampede_shop::services::Services;

use super::wire::Nothing;
use crate::{
    extract::{Auth, Json},
    problem::{Problem, ProblemShape},
    state::EdgeState,
};

/// What a new user writes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Registration {
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
pub struct Credentials {
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
pub struct Entered {
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
#[utoipa::path(post, path = "/api/v1/auth/register", tag = "accounts", request_body = Registration, responses(
    (status = 201, description = "The account and a token", body = Entered),
    (status = 409, description = "The username or the address is taken", body = ProblemShape),
    (status = 422, description = "Some fields are not valid", body = ProblemShape)))]
pub async fn register(
    body: Json<Registration>,
    shell: Data<EdgeState>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let Json(Registration { username, email, password, phone }) = body;
    let new = NewAccount { username, email, password, phone };
    let account = account::register(&shop.database, &shop.hasher, &new).await.map_err(not_registered)?;
    Ok(HttpResponse::Created().json(enter(&shell, account)?))
}

/// Lets somebody in.
#[utoipa::path(post, path = "/api/v1/auth/login", tag = "accounts", request_body = Credentials, responses(
    (status = 200, description = "The account and a token", body = Entered),
    (status = 401, description = "The login or the password is wrong", body = ProblemShape),
    (status = 403, description = "The account is suspended", body = ProblemShape),
    (status = 429, description = "Too many tries", body = ProblemShape)))]
pub async fn login(
    body: Json<Credentials>,
    shell: Data<EdgeState>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(check_in(&shell, &shop, &body.login, &body.password).await?))
}

/// Lets somebody in, as GoMall's clients ask for it.
#[utoipa::path(post, path = "/api/user/login", tag = "gomall", request_body = GomallCredentials, responses(
    (status = 200, description = "The account and a token, which also stands in `token`", body = Entered),
    (status = 401, description = "The username or the password is wrong", body = ProblemShape),
    (status = 403, description = "The account is suspended", body = ProblemShape)))]
pub async fn login_gomall(
    body: Json<GomallCredentials>,
    shell: Data<EdgeState>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let mut entered = check_in(&shell, &shop, &body.username, &body.password).await?;
    entered.token = Some(entered.access_token.clone());
    Ok(HttpResponse::Ok().json(entered))
}

async fn check_in(
    shell: &EdgeState,
    shop: &Services,
    login: &str,
    password: &str,
) -> Result<Entered, Problem> {
    if shell.limiter.is_on() {
        let name = login.trim().to_lowercase();
        let known = account::id_by_login(&shop.database, &name).await;
        shell.limiter.check_account(known.map_err(|error| Problem::unavailable(&error))?, &name).await?;
    }
    let account =
        account::login(&shop.database, &shop.hasher, login, password).await.map_err(not_logged_in)?;
    shop.metrics.user_logins.inc();
    enter(shell, account)
}

/// Ends the session of the token that came along. Within a second no node takes the token any more.
#[utoipa::path(post, path = "/api/v1/auth/logout", tag = "accounts", security(("bearer" = [])), responses(
    (status = 204, description = "The session is over"),
    (status = 401, description = "There is no such session, or it is over already", body = ProblemShape)))]
pub async fn logout(caller: Auth, _: Json<Nothing>, shop: Data<Services>) -> Result<HttpResponse, Problem> {
    let ended =
        shop.revocations.end_session(&shop.database, caller.user_id, caller.session_id, caller.expires_at());
    ended.await.map_err(|error| Problem::unavailable(&error))?;
    Ok(HttpResponse::NoContent().finish())
}

/// Ends every session of the caller, on all devices. Within a second no node takes their tokens any more.
#[utoipa::path(post, path = "/api/v1/auth/logout-all", tag = "accounts", security(("bearer" = [])), responses(
    (status = 204, description = "All sessions are over"),
    (status = 401, description = "The session is over already", body = ProblemShape)))]
pub async fn logout_all(
    caller: Auth,
    _: Json<Nothing>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    // The longest that any of them may live, whatever the settings were when it began.
    let expires_at = shop.now().plus(i64::from(ACCESS_TOKEN_SECONDS_MAX) * 1_000);
    let unavailable = |error: DatabaseError| Problem::unavailable(&error);
    shop.revocations.end_all(&shop.database, caller.user_id, expires_at).await.map_err(unavailable)?;
    // One whose number is ahead of the database's clock, such as a load test's.
    let (user, session) = (caller.user_id, caller.session_id);
    let ended = shop.revocations.end_session(&shop.database, user, session, caller.expires_at());
    ended.await.map_err(unavailable)?;
    Ok(HttpResponse::NoContent().finish())
}

/// A token for a session of its own, which began when the database noted that somebody came in.
fn enter(shell: &EdgeState, account: Account) -> Result<Entered, Problem> {
    let now = Timestamp::from(time::OffsetDateTime::now_utc());
    let session = account::new_session(account.last_login_at.unwrap_or(account.created_at));
    let issued = shell.signer.issue(account.id, account.role, session, now);
    let issued = issued.map_err(|error| Problem::internal(&error))?;
    Ok(Entered {
        user: User::from(account),
        access_token: issued.access_token,
        token_type: "Bearer",
        expires_in: issued.expires_in_seconds,
        token: None,
    })
}

fn not_registered(error: RegisterError) -> Problem {
    match error {
        RegisterError::Invalid(errors) => Problem::from(errors),
        RegisterError::UsernameTaken => Problem::new(Code::Conflict).detail("The username is taken."),
        RegisterError::EmailTaken => Problem::new(Code::Conflict).detail("The e-mail address is taken."),
        RegisterError::Busy => Problem::new(Code::Overloaded),
        RegisterError::Hash(_) => Problem::internal(&error),
        RegisterError::Database(_) => Problem::unavailable(&error),
    }
}

fn not_logged_in(error: LoginError) -> Problem {
    match error {
        LoginError::WrongCredentials => Problem::new(Code::WrongCredentials),
        LoginError::Suspended => Problem::new(Code::Forbidden).detail("The account is suspended."),
        LoginError::Busy => Problem::new(Code::Overloaded),
        LoginError::Hash(_) => Problem::internal(&error),
        LoginError::Database(_) => Problem::unavailable(&error),
    }
}
