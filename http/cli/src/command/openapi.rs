//! `stampede openapi`: the contract, for tools that generate clients.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use stampede_loadtest::output::Output;
use stampede_server::openapi::ApiDoc;
use utoipa::OpenApi as _;

use super::{DONE, Failure, say};

#[derive(Debug, Args)]
pub struct Openapi {
    /// The file to write; stdout without it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Openapi {
    pub fn run(&self) -> Result<ExitCode, Failure> {
        let mut document = ApiDoc::openapi().to_pretty_json()?;
        document.push('\n');
        match &self.out {
            Some(path) => Output::open(path)?.whole(document.as_bytes())?,
            None => say(&document)?,
        }
        Ok(DONE)
    }
}
