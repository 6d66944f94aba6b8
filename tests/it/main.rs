//! The integration tests: the whole program against real servers.
//!
//! One binary with a runner of its own, see `stampede_tests`. Every module names its tests in
//! `cases`; a test that is not named there is unused code, which the compiler reports.

mod architecture;
mod auth;
mod bad_input;
mod balancer;
mod cart;
mod catalog;
mod command_line;
mod connections;
mod crash;
mod crowd;
mod events;
mod flash_sales;
mod gomall;
mod hostile;
mod idempotency;
mod limits;
mod nodes;
mod operations;
mod ops;
mod orders;
mod panic;
mod roles;
mod sellers;
mod support;
mod unknown_outcome;

use std::process::ExitCode;

fn main() -> ExitCode {
    let modules = [
        architecture::cases(),
        auth::cases(),
        bad_input::cases(),
        balancer::cases(),
        cart::cases(),
        catalog::cases(),
        command_line::cases(),
        connections::cases(),
        crash::cases(),
        crowd::cases(),
        events::cases(),
        flash_sales::cases(),
        gomall::cases(),
        hostile::cases(),
        idempotency::cases(),
        limits::cases(),
        nodes::cases(),
        operations::cases(),
        ops::cases(),
        orders::cases(),
        panic::cases(),
        roles::cases(),
        sellers::cases(),
        support::cases(),
        unknown_outcome::cases(),
    ];
    stampede_tests::run(modules.concat())
}
