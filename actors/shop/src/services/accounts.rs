//! Accounts: registering, logging in, ending sessions, the own profile, and users for load tests.
//!
//! Access tokens are the HTTP edge's: a session is numbered here, and signed there.

use stampede_kernel::{FieldError, Timestamp, UserId};
use uuid::Uuid;

use super::{Services, Unanswered, limits::LOAD_USERS_PER_REQUEST_MAX};
use crate::records::account::{
    self, Account, Ensured, LoginError, NewAccount, ProfileChange, ProfileError, RegisterError, Role,
    limits::LOAD_USERS_MAX,
};

/// Somebody who has just logged in or registered.
#[derive(Debug, Clone)]
pub struct Session {
    pub id: Uuid,
    pub account: Account,
}

impl Session {
    /// Numbered by the database's clock, by which all sessions of a user are ended.
    fn begin(account: Account) -> Self {
        let id = account::new_session(account.last_login_at.unwrap_or(account.created_at));
        Self { id, account }
    }
}

/// A session to end.
#[derive(Debug, Clone, Copy)]
pub struct OwnSession {
    pub user: UserId,
    pub session: Uuid,
    /// When its token expires.
    pub expires_at: Timestamp,
}

/// Which users for load tests to make.
#[derive(Debug, Clone, Copy)]
pub struct LoadUsers {
    /// The first user's number; 1, if missing.
    pub from: Option<u32>,
    pub count: u32,
    /// `user`, if missing.
    pub role: Option<Role>,
}

/// Users for load tests.
#[derive(Debug, Clone)]
pub struct LoadUsersMade {
    pub users: Vec<(UserId, String)>,
    pub role: Role,
    /// The last user's number.
    pub last: u32,
}

/// Why no users for load tests were made.
#[derive(Debug, thiserror::Error)]
pub enum LoadUsersError {
    #[error("load users are switched off")]
    SwitchedOff,
    #[error("some fields are not valid")]
    Invalid(FieldError),
    #[error("load users could not be made")]
    Failed(#[from] account::LoadUsersError),
}

/// Makes an account and begins a session of it.
pub async fn register(services: &Services, new: &NewAccount) -> Result<Session, RegisterError> {
    account::register(&services.database, &services.hasher, new).await.map(Session::begin)
}

/// Whose account a login name means; for the limits of logins by account.
pub async fn find_by_login(services: &Services, login: &str) -> Result<Option<UserId>, Unanswered> {
    Ok(account::id_by_login(&services.database, login).await?)
}

/// Begins a session, if the password is right.
pub async fn login(services: &Services, login: &str, password: &str) -> Result<Session, LoginError> {
    let account = account::login(&services.database, &services.hasher, login, password).await?;
    services.metrics.user_logins.inc();
    Ok(Session::begin(account))
}

/// Ends one session. Within a second no node accepts its token any more.
pub async fn logout(services: &Services, own: OwnSession) -> Result<(), Unanswered> {
    let OwnSession { user, session, expires_at } = own;
    Ok(services.revocations.end_session(&services.database, user, session, expires_at).await?)
}

/// Ends every session of a user. `tokens_expire_at` is the latest moment at which any token of them expires.
pub async fn logout_all(
    services: &Services,
    own: OwnSession,
    tokens_expire_at: Timestamp,
) -> Result<(), Unanswered> {
    services.revocations.end_all(&services.database, own.user, tokens_expire_at).await?;
    // A session whose number is ahead of the database's clock, such as a load test's, is ended by itself.
    logout(services, own).await
}

/// A user's own account; none, if the token outlived it.
pub async fn get(services: &Services, user: UserId) -> Result<Option<Account>, Unanswered> {
    Ok(account::by_id(&services.database, user).await?)
}

/// Changes a user's own account.
pub async fn change_profile(
    services: &Services,
    user: UserId,
    change: &ProfileChange,
    expected_versions: Option<&[i64]>,
) -> Result<Account, ProfileError> {
    account::update_profile(&services.database, user, change, expected_versions).await
}

/// Makes sure that there is an administrator; returns whether it was made just now.
pub async fn ensure_admin(services: &Services, password: &str) -> Result<bool, RegisterError> {
    match account::ensure_admin(&services.database, &services.hasher, password).await? {
        Ensured::Created(_) => Ok(true),
        Ensured::Existing(_) => Ok(false),
    }
}

/// The account of a username.
pub async fn by_username(services: &Services, username: &str) -> Result<Option<Account>, Unanswered> {
    Ok(account::by_username(&services.database, username).await?)
}

/// Makes users `load-1 ...` for load tests, as far as they are missing.
pub async fn load_users(services: &Services, wanted: LoadUsers) -> Result<LoadUsersMade, LoadUsersError> {
    if !services.settings.load_users {
        return Err(LoadUsersError::SwitchedOff);
    }
    let invalid = |field: &str, code, detail: String| {
        Err(LoadUsersError::Invalid(FieldError { field: field.to_owned(), code, detail }))
    };
    let from = wanted.from.unwrap_or(1);
    if !(1..=LOAD_USERS_PER_REQUEST_MAX).contains(&wanted.count) {
        let detail = format!("must be from 1 to {LOAD_USERS_PER_REQUEST_MAX}");
        return invalid("count", "out_of_range", detail);
    }
    let last = from.saturating_add(wanted.count - 1);
    if from == 0 || last > LOAD_USERS_MAX {
        return invalid("from", "out_of_range", format!("numbers are from 1 to {LOAD_USERS_MAX}"));
    }
    let role = wanted.role.unwrap_or(Role::User);
    if role != Role::User && role != Role::Seller {
        return invalid("role", "format", "load users are of the role user or seller".to_owned());
    }
    let users = account::ensure_load_users(&services.database, last, role).await?;
    let users = users.into_iter().skip(from as usize - 1).collect();
    Ok(LoadUsersMade { users, role, last })
}
