//! The integration tests: the whole program against real servers.
//!
//! One binary with a runner of its own, see `stampede_tests`. Every module names its tests in
//! `cases`; a test that is not named there is unused code, which the compiler reports.

mod architecture;
mod auth;
mod bad_input;
mod cart;
mod catalog;
mod gomall;
mod ops;
mod orders;
mod support;

use std::process::ExitCode;

fn main() -> ExitCode {
    let modules = [
        architecture::cases(),
        auth::cases(),
        bad_input::cases(),
        cart::cases(),
        catalog::cases(),
        gomall::cases(),
        ops::cases(),
        orders::cases(),
        support::cases(),
    ];
    stampede_tests::run(modules.concat())
}
