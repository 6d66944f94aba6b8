//! `stampede republish`: every event once more for subscribers.

use std::process::ExitCode;

use clap::Args;
use stampede_platform::{cluster, engine::Database};

use super::{DONE, Failure, Settings, offline, say, serve::in_system};
use crate::{config::Config, startup::source};

/// What to do when the data folder is in use.
const OTHERWISE: &str = "with the embedded engine, stop its server first";

#[derive(Debug, Args)]
#[command(after_help = "\
The nodes publish the whole journal again to the stream STAMPEDE_EVENTS, in order; they notice by
themselves and need not be restarted. A subscriber knows an event that it had before by its ce-id. A
stream that was lost is noticed and filled again without this.")]
pub struct Republish {
    #[command(flatten)]
    settings: Settings,
}

impl Republish {
    pub fn run(&self) -> Result<ExitCode, Failure> {
        in_system(run(self.settings.load()?))?
    }
}

async fn run(config: Config) -> Result<ExitCode, Failure> {
    let opened = Database::open(&source(&config), config.database.connections_max).await;
    let database = opened.map_err(|error| offline::explained(error.into(), OTHERWISE))?;
    let republished = cluster::republish(&database).await;
    database.close().await;
    republished?;
    say("the nodes publish every event again\n")?;
    Ok(DONE)
}
