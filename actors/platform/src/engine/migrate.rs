//! The schema, brought up to date by plain SQL files that only go forward.

use sqlx::PgConnection;

use super::database::{Database, OpenError};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations");

/// One step of the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    pub version: i64,
    pub description: String,
}

impl Database {
    /// Applies what is missing, and answers what that was. Safe to run from several nodes at once.
    pub async fn migrate(&self) -> Result<Vec<Migration>, OpenError> {
        let mut connection = self.connection().await.map_err(OpenError::Connect)?;
        let before = applied(&mut connection).await.map_err(OpenError::Connect)?;
        MIGRATIONS.run(&mut *connection).await.map_err(OpenError::Migrate)?;
        let missing = MIGRATIONS.iter().filter(|migration| !before.contains(&migration.version));
        Ok(missing
            .map(|migration| Migration {
                version: migration.version,
                description: migration.description.to_string(),
            })
            .collect())
    }
}

/// The versions of every migration of this program.
pub fn versions() -> Vec<i64> {
    MIGRATIONS.iter().map(|migration| migration.version).collect()
}

async fn applied(connection: &mut PgConnection) -> Result<Vec<i64>, sqlx::Error> {
    let begun: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await?;
    if !begun {
        return Ok(Vec::new());
    }
    sqlx::query_scalar("SELECT version FROM _sqlx_migrations").fetch_all(connection).await
}
