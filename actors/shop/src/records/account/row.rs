//! An account as a row of the table.

use sqlx::{FromRow, Row, postgres::PgRow};
use stampede_kernel::UserId;
use stampede_platform::engine::column;

use super::Account;

impl FromRow<'_, PgRow> for Account {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: UserId(row.try_get("id")?),
            username: row.try_get("username")?,
            email: row.try_get("email")?,
            phone: row.try_get("phone")?,
            role: column::parsed(row, "role")?,
            status: column::parsed(row, "status")?,
            version: row.try_get("version")?,
            created_at: column::moment(row, "created_at")?,
            updated_at: column::moment(row, "updated_at")?,
            last_login_at: column::moment_opt(row, "last_login_at")?,
        })
    }
}
