//! The integration tests: the whole program against real servers.
//!
//! One binary with a runner of its own, see `stampede_tests`. Every module names its tests in
//! `cases`; a test that is not named there is unused code, which the compiler reports.

mod architecture;
mod cli;
mod cluster;
mod faults;
mod limits;
mod routes;
mod support;

use std::process::ExitCode;

fn main() -> ExitCode {
    let cases = [
        architecture::cases(),
        cli::cases(),
        cluster::cases(),
        faults::cases(),
        limits::cases(),
        routes::cases(),
        support::cases(),
    ];
    stampede_tests::run(cases.concat())
}
