//! `stampede config`: the settings in force, secrets masked.

use std::process::ExitCode;

use clap::Args;

use super::{DONE, Failure, Settings, say};

#[derive(Debug, Args)]
pub struct ShowConfig {
    #[command(flatten)]
    settings: Settings,
}

impl ShowConfig {
    pub fn run(&self) -> Result<ExitCode, Failure> {
        say(&self.settings.load()?.masked())?;
        Ok(DONE)
    }
}
