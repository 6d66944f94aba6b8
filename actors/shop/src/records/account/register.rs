//! A new account.

use stampede_kernel::FieldError;
use stampede_platform::engine::Database;
use uuid::Uuid;

use super::{
    model::{Account, Role},
    password::{PasswordHasher, Unhashed},
    validate::NewAccount,
};

/// Why there is no new account.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    #[error("the account's fields are not valid: {}", told(.0))]
    Invalid(Vec<FieldError>),
    #[error("the username is taken")]
    UsernameTaken,
    #[error("the e-mail address is taken")]
    EmailTaken,
    #[error("too many passwords are being checked")]
    Busy,
    #[error("the password could not be hashed")]
    Hash(#[source] argon2::password_hash::Error),
    #[error("the database did not answer")]
    Database(#[source] sqlx::Error),
}

fn told(errors: &[FieldError]) -> String {
    let told: Vec<String> = errors.iter().map(|error| format!("{} {}", error.field, error.detail)).collect();
    told.join("; ")
}

impl From<Unhashed> for RegisterError {
    fn from(unhashed: Unhashed) -> Self {
        match unhashed {
            Unhashed::Busy => Self::Busy,
            Unhashed::Failed(error) => Self::Hash(error),
        }
    }
}

impl From<sqlx::Error> for RegisterError {
    fn from(error: sqlx::Error) -> Self {
        match error.as_database_error().and_then(|error| error.constraint()) {
            Some("account_username_key") => Self::UsernameTaken,
            Some("account_email_key") => Self::EmailTaken,
            Some(_) | None => Self::Database(error),
        }
    }
}

/// Makes an account of role `user`.
pub async fn register(
    db: &Database,
    hasher: &PasswordHasher,
    new: &NewAccount,
) -> Result<Account, RegisterError> {
    new.validate().map_err(RegisterError::Invalid)?;
    let hash = hasher.hash(&new.password).await?;
    insert(db, new, &hash, Role::User).await
}

pub(super) async fn insert(
    db: &Database,
    new: &NewAccount,
    password_hash: &str,
    role: Role,
) -> Result<Account, RegisterError> {
    let mut connection = db.connection().await?;
    let account = sqlx::query_as(
        "INSERT INTO account (id, username, email, phone, password_hash, role)
         VALUES ($1, $2, $3, $4, $5, $6)
         RETURNING id, username, email, phone, role, status, version, created_at, updated_at, last_login_at",
    )
    .bind(Uuid::now_v7())
    .bind(&new.username)
    .bind(&new.email)
    .bind(&new.phone)
    .bind(password_hash)
    .bind(role.as_str())
    .fetch_one(&mut *connection)
    .await?;
    Ok(account)
}
