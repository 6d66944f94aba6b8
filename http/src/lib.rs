//! The shop's HTTP front and its command line.

pub mod client;
pub mod loadtest;
