//! Reading and changing an account.

use stampede_kernel::{FieldError, FieldErrors, UserId};
use stampede_platform::engine::Database;

use super::{
    model::{Account, Status},
    validate,
};

/// Why an account was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    #[error("the account's fields are not valid")]
    Invalid(Vec<FieldError>),
    #[error("there is no such account")]
    NotFound,
    #[error("the account has changed meanwhile")]
    VersionConflict,
    #[error("the e-mail address is taken")]
    EmailTaken,
    #[error("the database did not answer")]
    Database(#[source] sqlx::Error),
}

impl From<sqlx::Error> for ProfileError {
    fn from(error: sqlx::Error) -> Self {
        match error.as_database_error().and_then(|error| error.constraint()) {
            Some("account_email_key") => Self::EmailTaken,
            Some(_) | None => Self::Database(error),
        }
    }
}

/// What somebody changes of their own account; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct ProfileChange {
    pub email: Option<String>,
    /// `Some(None)` forgets the phone.
    pub phone: Option<Option<String>>,
}

impl ProfileChange {
    fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut errors = FieldErrors::new();
        if let Some(email) = &self.email {
            validate::email_of_stranger(&mut errors, email);
        }
        if let Some(Some(phone)) = &self.phone {
            validate::phone(&mut errors, phone);
        }
        errors.finish()
    }
}

/// The account of that id.
pub async fn by_id(db: &Database, id: UserId) -> Result<Option<Account>, sqlx::Error> {
    let mut connection = db.connection().await?;
    sqlx::query_as(
        "SELECT id, username, email, phone, role, status, version, created_at, updated_at, last_login_at
         FROM account WHERE id = $1",
    )
    .bind(id.0)
    .fetch_optional(&mut *connection)
    .await
}

/// The account of that username, in any case.
pub async fn by_username(db: &Database, username: &str) -> Result<Option<Account>, sqlx::Error> {
    let mut connection = db.connection().await?;
    sqlx::query_as(
        "SELECT id, username, email, phone, role, status, version, created_at, updated_at, last_login_at
         FROM account WHERE lower(username) = lower($1)",
    )
    .bind(username)
    .fetch_optional(&mut *connection)
    .await
}

/// Changes an account, if it is still at one of the expected versions.
pub async fn update_profile(
    db: &Database,
    id: UserId,
    change: &ProfileChange,
    expected_versions: Option<&[i64]>,
) -> Result<Account, ProfileError> {
    change.validate().map_err(ProfileError::Invalid)?;
    let mut connection = db.connection().await?;
    let account: Option<Account> = sqlx::query_as(
        "UPDATE account
         SET email = coalesce($2, email), phone = CASE WHEN $3 THEN $4 ELSE phone END,
             version = version + 1, updated_at = now()
         WHERE id = $1 AND ($5::bigint[] IS NULL OR version = ANY($5))
         RETURNING id, username, email, phone, role, status, version, created_at, updated_at, last_login_at",
    )
    .bind(id.0)
    .bind(&change.email)
    .bind(change.phone.is_some())
    .bind(change.phone.as_ref().and_then(Option::as_ref))
    .bind(expected_versions)
    .fetch_optional(&mut *connection)
    .await?;
    // The connection goes back before it is asked for again.
    drop(connection);
    match account {
        Some(account) => Ok(account),
        None if by_id(db, id).await?.is_some() => Err(ProfileError::VersionConflict),
        None => Err(ProfileError::NotFound),
    }
}

/// Suspends an account or lets it in again. `None` if there is no such account.
pub async fn set_status(db: &Database, id: UserId, status: Status) -> Result<Option<Account>, sqlx::Error> {
    let mut connection = db.connection().await?;
    sqlx::query_as(
        "UPDATE account SET status = $2, version = version + 1, updated_at = now() WHERE id = $1
         RETURNING id, username, email, phone, role, status, version, created_at, updated_at, last_login_at",
    )
    .bind(id.0)
    .bind(status.as_str())
    .fetch_optional(&mut *connection)
    .await
}
