//! The schema, brought up to date by plain SQL files that only go forward.

use super::database::{Database, OpenError};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../migrations");

impl Database {
    /// Applies what is missing. Safe to run from several nodes at once.
    pub async fn migrate(&self) -> Result<(), OpenError> {
        let mut connection = self.connection().await.map_err(OpenError::Connect)?;
        MIGRATIONS.run(&mut *connection).await.map_err(OpenError::Migrate)
    }
}
