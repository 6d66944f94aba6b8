//! The integration tests: the whole program against real servers.
//!
//! One binary with a runner of its own, see `stampede_tests`. Every module names its tests in
//! `cases`; a test that is not named there is unused code, which the compiler reports.

mod architecture;
mod support;

use std::process::ExitCode;

fn main() -> ExitCode {
    stampede_tests::run([architecture::cases(), support::cases()].concat())
}
