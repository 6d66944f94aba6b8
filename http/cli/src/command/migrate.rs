//! `stampede migrate`: the tables, brought up to date.

use std::process::ExitCode;

use clap::Args;
use stampede_platform::engine::Database;

use super::{DONE, Failure, Settings, offline, say, serve::in_system};
use crate::{config::Config, startup::source};

/// What to do when the data folder is in use.
const OTHERWISE: &str = "its server has applied them when it started";

#[derive(Debug, Args)]
#[command(after_help = "\
Every command that opens the database does this as well; use it to change the tables at a time of
your choice. Migrations only go forward, and several at once do no harm.")]
pub struct Migrate {
    #[command(flatten)]
    settings: Settings,
}

impl Migrate {
    pub fn run(&self) -> Result<ExitCode, Failure> {
        in_system(run(self.settings.load()?))?
    }
}

async fn run(config: Config) -> Result<ExitCode, Failure> {
    let opened = Database::open(&source(&config), config.database.connections_max).await;
    let database = opened.map_err(|error| offline::explained(error.into(), OTHERWISE))?;
    let applied = database.migrate().await;
    database.close().await;
    let applied = applied?;
    if applied.is_empty() {
        say("the tables are up to date; nothing was missing\n")?;
    }
    for migration in applied {
        say(&format!("applied {:04} {}\n", migration.version, migration.description))?;
    }
    Ok(DONE)
}
