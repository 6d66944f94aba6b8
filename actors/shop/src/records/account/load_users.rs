//! Many accounts at once, for load tests.

use sqlx::Row;
use stampede_kernel::UserId;
use stampede_platform::engine::Database;
use uuid::Uuid;

use super::{model::Role, validate::LOAD_DOMAIN};
use crate::records::account::limits::{LOAD_USERS_BATCH, LOAD_USERS_MAX};

/// Why there are no accounts for a load test.
#[derive(Debug, thiserror::Error)]
pub enum LoadUsersError {
    #[error("a load test has at most {LOAD_USERS_MAX} users")]
    TooMany,
    #[error("the database did not answer")]
    Database(#[from] sqlx::Error),
}

/// The accounts `load-1` to `load-n`, made where missing, all of that role. No password fits them:
/// they act by tokens only.
pub async fn ensure_load_users(
    db: &Database,
    n: u32,
    role: Role,
) -> Result<Vec<(UserId, String)>, LoadUsersError> {
    if n > LOAD_USERS_MAX {
        return Err(LoadUsersError::TooMany);
    }
    let mut users = Vec::with_capacity(n as usize);
    let mut first = 1;
    while first <= n {
        let last = n.min(first + LOAD_USERS_BATCH - 1);
        users.extend(ensure_batch(db, first, last, role).await?);
        first = last + 1;
    }
    Ok(users)
}

/// A statement does not see its own insert, so each account comes from one half of the union, and
/// those whose role changed from both.
async fn ensure_batch(
    db: &Database,
    first: u32,
    last: u32,
    role: Role,
) -> Result<Vec<(UserId, String)>, sqlx::Error> {
    let numbers: Vec<i64> = (first..=last).map(i64::from).collect();
    let ids: Vec<Uuid> = numbers.iter().map(|_| Uuid::now_v7()).collect();
    let mut connection = db.connection().await?;
    let rows = sqlx::query(
        "WITH wanted AS (
             SELECT id, n, 'load-' || n AS username FROM unnest($1::uuid[], $2::bigint[]) AS u (id, n)
         ), made AS (
             INSERT INTO account (id, username, email, password_hash, role)
             SELECT id, username, username || '@' || $3::text, '!', $4::text FROM wanted
             ON CONFLICT (lower(username)) DO UPDATE
                 SET role = excluded.role, version = account.version + 1, updated_at = now()
                 WHERE account.role <> excluded.role
             RETURNING id, username
         ), known AS (
             SELECT id, username FROM made
             UNION
             SELECT account.id, account.username FROM account
             JOIN wanted ON lower(account.username) = wanted.username
         )
         SELECT known.id, known.username FROM known JOIN wanted USING (username) ORDER BY wanted.n",
    )
    .bind(ids)
    .bind(numbers)
    .bind(LOAD_DOMAIN)
    .bind(role.as_str())
    .fetch_all(&mut *connection)
    .await?;
    rows.iter().map(|row| Ok((UserId(row.try_get("id")?), row.try_get("username")?))).collect()
}
