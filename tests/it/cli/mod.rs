//! The program: its commands, its configuration and its log.

mod command;
mod config;
mod serve;
mod telemetry;
mod transfer;

use stampede_tests::Case;

/// The tests of this folder.
pub fn cases() -> Vec<Case> {
    [command::cases(), config::cases(), serve::cases(), telemetry::cases(), transfer::cases()].concat()
}
