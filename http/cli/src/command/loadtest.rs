//! `stampede loadtest`: a crowd against a running server.

use std::process::ExitCode;

use stampede_loadtest::LoadtestArgs;

use super::{DONE, Failure};

/// Runs the load test to its end. Its threads are its own; this one only waits and asks.
pub fn run(args: LoadtestArgs) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(stampede_loadtest::run(args))?;
    Ok(DONE)
}
