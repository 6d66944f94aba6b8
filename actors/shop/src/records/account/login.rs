//! Signing in.

use sqlx::{FromRow, Row, postgres::PgRow};
use stampede_kernel::UserId;
use stampede_platform::engine::Database;
use uuid::Uuid;

use super::{
    model::{Account, Status},
    password::{PasswordHasher, Unhashed},
};
use crate::records::account::limits::PASSWORD_BYTES_MAX;

/// Why somebody did not get in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Says nothing of whether the account exists.
    #[error("the login name or the password is wrong")]
    WrongCredentials,
    /// Said only to somebody who knows the password.
    #[error("the account is suspended")]
    Suspended,
    #[error("too many passwords are being checked")]
    Busy,
    #[error("the password could not be checked")]
    Hash(#[source] argon2::password_hash::Error),
    #[error("the database did not answer")]
    Database(#[from] sqlx::Error),
}

impl From<Unhashed> for LoginError {
    fn from(unhashed: Unhashed) -> Self {
        match unhashed {
            Unhashed::Busy => Self::Busy,
            Unhashed::Failed(error) => Self::Hash(error),
        }
    }
}

/// The account of that username or e-mail address, if the password is its own. Notes the moment.
pub async fn login(
    db: &Database,
    hasher: &PasswordHasher,
    login: &str,
    password: &str,
) -> Result<Account, LoginError> {
    // Nobody has such a password or name, and Postgres cannot be asked for a text with U+0000.
    if password.len() > PASSWORD_BYTES_MAX || login.contains('\0') {
        return Err(LoginError::WrongCredentials);
    }
    let found = by_login(db, login).await?;
    let (account, hash) =
        found.map_or((None, None), |known| (Some(known.account), Some(known.password_hash)));
    let fits = hasher.verify(password, hash).await?;
    let account = account.filter(|_| fits).ok_or(LoginError::WrongCredentials)?;
    match account.status {
        Status::Active => note_login(db, account.id).await,
        Status::Suspended => Err(LoginError::Suspended),
    }
}

struct Known {
    account: Account,
    password_hash: String,
}

impl FromRow<'_, PgRow> for Known {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self { account: Account::from_row(row)?, password_hash: row.try_get("password_hash")? })
    }
}

async fn by_login(db: &Database, login: &str) -> Result<Option<Known>, sqlx::Error> {
    let mut connection = db.connection().await?;
    sqlx::query_as(
        "SELECT id, username, email, phone, role, status, version, created_at, updated_at, last_login_at,
                password_hash
         FROM account WHERE lower(username) = lower($1) OR lower(email) = lower($1)",
    )
    .bind(login)
    .fetch_optional(&mut *connection)
    .await
}

/// Whom a username or an e-mail address names: one account has many spellings.
pub async fn id_by_login(db: &Database, login: &str) -> Result<Option<UserId>, sqlx::Error> {
    if login.contains('\0') {
        return Ok(None);
    }
    let mut connection = db.connection().await?;
    let id: Option<Uuid> = sqlx::query_scalar(
        "SELECT id FROM account WHERE lower(username) = lower($1) OR lower(email) = lower($1)",
    )
    .bind(login)
    .fetch_optional(&mut *connection)
    .await?;
    Ok(id.map(UserId))
}

/// A suspension between the check and this moment still counts.
async fn note_login(db: &Database, id: UserId) -> Result<Account, LoginError> {
    let mut connection = db.connection().await?;
    let account: Option<Account> = sqlx::query_as(
        "UPDATE account SET last_login_at = now() WHERE id = $1 AND status = 'active'
         RETURNING id, username, email, phone, role, status, version, created_at, updated_at, last_login_at",
    )
    .bind(id.0)
    .fetch_optional(&mut *connection)
    .await?;
    account.ok_or(LoginError::Suspended)
}
