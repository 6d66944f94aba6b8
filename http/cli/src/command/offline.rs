//! Commands without a server: the database itself, and what to say when it is not to be had.

use stampede_platform::{
    cluster,
    engine::{Database, OpenError, Source},
};

use super::Failure;
use crate::{
    config::Config,
    startup::{ShopError, open_database, source},
};

/// Whether a command may make the shop that it works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// A data folder without a shop in it is taken for a mistake.
    Refuse,
    /// The data folder is made.
    Make,
}

/// Opens the shop's database. `otherwise` says what to do when a server uses the data folder.
pub async fn open(config: &Config, missing: Missing, otherwise: &str) -> Result<Database, Failure> {
    check(config, missing)?;
    open_database(config).await.map_err(|error| explained(error, otherwise))
}

/// Opens the database and brings its tables up to date, without making a shop in it.
pub async fn open_bare(config: &Config, missing: Missing, otherwise: &str) -> Result<Database, Failure> {
    check(config, missing)?;
    let opened = Database::open(&source(config), config.database.connections_max).await;
    let database = opened.map_err(|error| explained(error.into(), otherwise))?;
    database.migrate().await?;
    Ok(database)
}

/// Refuses while a node runs on this database.
pub async fn refuse_if_running(database: &Database, otherwise: &str) -> Result<(), Failure> {
    match cluster::running_node(database).await? {
        None => Ok(()),
        Some(node) => Err(format!("a server runs on this database ({node}); {otherwise}").into()),
    }
}

/// A failure to open the shop, with what to do about it where that is known.
pub fn explained(error: ShopError, otherwise: &str) -> Failure {
    if let ShopError::Open(OpenError::InUse { path }) = &error {
        return format!("the data folder {} is in use by another process; {otherwise}", path.display())
            .into();
    }
    Box::new(error)
}

fn check(config: &Config, missing: Missing) -> Result<(), Failure> {
    match (source(config), missing) {
        (Source::Embedded(path), Missing::Refuse) if !path.join("postgres").is_dir() => {
            let folder = path.display();
            Err(format!("there is no shop in {folder}; name its folder by --data, or set DATABASE_URL")
                .into())
        }
        (Source::Embedded(_) | Source::Url(_), Missing::Refuse | Missing::Make) => Ok(()),
    }
}
