//! The command line: one file for each command.

mod admin;
mod config;
mod demo;
mod loadtest;
mod migrate;
mod offline;
mod openapi;
mod reconcile;
mod republish;
mod seed;
mod serve;
mod token;
mod transfer;

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use stampede_loadtest as load;
use stampede_loadtest::{LoadtestArgs, client::Endpoint};

use crate::{
    config::{Config, ConfigError, Sources},
    startup::ADMIN_PASSWORD,
};

/// Everything was done, and every check held.
pub const DONE: ExitCode = ExitCode::SUCCESS;

/// A shop's backend whose centre is the flash sale.
#[derive(Debug, Parser)]
#[command(name = "stampede", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Starts a shop, fills it and runs a flash sale against it
    Demo(demo::Demo),
    /// Runs the server
    Serve(serve::Serve),
    /// Puts a flash sale under load and proves that nothing was oversold, lost or doubled
    Loadtest(Box<LoadtestArgs>),
    /// Fills an empty catalog with products and stock to begin with
    Seed(seed::Seed),
    /// Makes users for load tests and writes a token for each
    Token(Box<token::Token>),
    /// Makes administrators, and gives them new passwords
    Admin(Box<admin::Admin>),
    /// Checks that memory, tables and journal agree
    Reconcile(Box<reconcile::Reconcile>),
    /// Writes the whole shop to a file, to back it up or to move it
    Export(transfer::Export),
    /// Fills an empty shop from a file that `export` wrote
    Import(transfer::Import),
    /// Publishes every event once more for subscribers
    Republish(republish::Republish),
    /// Brings the database's tables up to date
    Migrate(migrate::Migrate),
    /// Shows the settings in force, secrets masked
    Config(config::ShowConfig),
    /// Writes the contract as OpenAPI
    Openapi(openapi::Openapi),
}

/// Options of every command that needs the settings.
#[derive(Debug, Clone, Default, Args)]
pub struct Settings {
    /// A file with settings, over those of the environment
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The data folder of the embedded engine
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

impl Settings {
    /// Where the settings come from.
    #[must_use]
    pub fn sources(&self) -> Sources {
        let mut sources = Sources::of_process(self.config.clone());
        if let Some(data) = &self.data {
            sources.options.push(("--data", "data.dir", data.display().to_string()));
        }
        sources
    }

    /// The settings in force.
    pub fn load(&self) -> Result<Config, ConfigError> {
        Config::load(&self.sources())
    }
}

/// Why a command could not do its work.
pub type Failure = Box<dyn std::error::Error>;

/// Runs the command that the process was started with: 0 done, 1 failed, 2 wrong usage.
#[must_use]
pub fn run() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Demo(command) => command.run(),
        Command::Serve(command) => command.run(),
        Command::Loadtest(args) => loadtest::run(*args),
        Command::Seed(command) => command.run(),
        Command::Token(command) => command.run(),
        Command::Admin(command) => command.run(),
        Command::Reconcile(command) => command.run(),
        Command::Export(command) => command.run(),
        Command::Import(command) => command.run(),
        Command::Republish(command) => command.run(),
        Command::Migrate(command) => command.run(),
        Command::Config(command) => command.run(),
        Command::Openapi(command) => command.run(),
    };
    match outcome {
        Ok(code) => code,
        Err(failure) => {
            // Where stderr is closed there is nobody to tell.
            let _written = writeln!(io::stderr(), "stampede: {}", stampede_server::problem::chain(&*failure));
            ExitCode::FAILURE
        }
    }
}

/// Writes what a command has to say to stdout.
pub fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Writes how far a command is to stderr. Where that is closed there is nobody to tell.
pub fn tell(text: &str) {
    let _written = writeln!(io::stderr(), "{text}");
}

/// A running server, as its administrator.
fn administrator(url: Endpoint) -> Result<load::Shop, Failure> {
    match std::env::var(ADMIN_PASSWORD).ok().filter(|password| !password.is_empty()) {
        Some(password) => Ok(load::Shop::new(url, Some(password))?),
        None => Err(format!("set {ADMIN_PASSWORD} to the password of the server's user admin").into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
