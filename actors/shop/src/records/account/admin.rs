//! Administrators, made and repaired by the operator.

use stampede_kernel::{FieldError, FieldErrors};
use stampede_platform::engine::Database;

use super::{
    model::{Account, Role},
    password::{PasswordHasher, Unhashed},
    register::{RegisterError, insert},
    validate::{self, ADMIN_NAME, NewAccount},
};

/// Nobody can receive mail there; the operator gives a real address later.
const ADMIN_EMAIL: &str = "admin@stampede.invalid";

/// The first administrator, and whether this call made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ensured {
    /// It has the password that was given.
    Created(Account),
    /// It was there; its password is unchanged.
    Existing(Account),
}

/// Makes the user `admin` unless it is there. An existing one costs no hashing.
pub async fn ensure_admin(
    db: &Database,
    hasher: &PasswordHasher,
    password: &str,
) -> Result<Ensured, RegisterError> {
    if let Some(account) = by_username(db, ADMIN_NAME).await? {
        return Ok(Ensured::Existing(account));
    }
    match create_admin(db, hasher, ADMIN_NAME, ADMIN_EMAIL, password).await {
        Ok(account) => Ok(Ensured::Created(account)),
        // Another node was faster.
        Err(RegisterError::UsernameTaken) => match by_username(db, ADMIN_NAME).await? {
            Some(account) => Ok(Ensured::Existing(account)),
            None => Err(RegisterError::UsernameTaken),
        },
        Err(error) => Err(error),
    }
}

/// Makes an administrator.
pub async fn create_admin(
    db: &Database,
    hasher: &PasswordHasher,
    username: &str,
    email: &str,
    password: &str,
) -> Result<Account, RegisterError> {
    let mut errors = FieldErrors::new();
    validate::username(&mut errors, username);
    validate::email(&mut errors, email);
    validate::password(&mut errors, password);
    errors.finish().map_err(RegisterError::Invalid)?;
    let new = NewAccount {
        username: username.to_owned(),
        email: email.to_owned(),
        password: password.to_owned(),
        phone: None,
    };
    let hash = hasher.hash(password).await?;
    insert(db, &new, &hash, Role::Admin).await
}

/// Why an administrator has no new password.
#[derive(Debug, thiserror::Error)]
pub enum ResetPasswordError {
    #[error("the password is not valid")]
    Invalid(Vec<FieldError>),
    #[error("there is no such administrator")]
    NotFound,
    #[error("too many passwords are being checked")]
    Busy,
    #[error("the password could not be hashed")]
    Hash(#[source] argon2::password_hash::Error),
    #[error("the database did not answer")]
    Database(#[from] sqlx::Error),
}

impl From<Unhashed> for ResetPasswordError {
    fn from(unhashed: Unhashed) -> Self {
        match unhashed {
            Unhashed::Busy => Self::Busy,
            Unhashed::Failed(error) => Self::Hash(error),
        }
    }
}

/// Gives an existing administrator a new password.
pub async fn reset_password(
    db: &Database,
    hasher: &PasswordHasher,
    username: &str,
    password: &str,
) -> Result<Account, ResetPasswordError> {
    let mut errors = FieldErrors::new();
    validate::username(&mut errors, username);
    validate::password(&mut errors, password);
    errors.finish().map_err(ResetPasswordError::Invalid)?;
    let hash = hasher.hash(password).await?;
    let mut connection = db.connection().await?;
    let account: Option<Account> = sqlx::query_as(
        "UPDATE account SET password_hash = $2, version = version + 1, updated_at = now()
         WHERE lower(username) = lower($1) AND role = 'admin'
         RETURNING id, username, email, phone, role, status, version, created_at, updated_at, last_login_at",
    )
    .bind(username)
    .bind(hash)
    .fetch_optional(&mut *connection)
    .await?;
    account.ok_or(ResetPasswordError::NotFound)
}

async fn by_username(db: &Database, username: &str) -> Result<Option<Account>, sqlx::Error> {
    let mut connection = db.connection().await?;
    sqlx::query_as(
        "SELECT id, username, email, phone, role, status, version, created_at, updated_at, last_login_at
         FROM account WHERE lower(username) = lower($1)",
    )
    .bind(username)
    .fetch_optional(&mut *connection)
    .await
}
