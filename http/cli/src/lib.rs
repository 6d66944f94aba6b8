//! The program: the command line, the configuration, telemetry, and the wiring of a node.

pub mod command;
pub mod config;
pub mod startup;
pub mod telemetry;
