//! Stampede's front: the HTTP server and the command line over the shop's actors and records.
//!
//! Requests enter through [`middleware`], are taken apart by [`extract`], routed by the table in
//! [`routes`], and answered by asking an actor or reading a projection. Nothing here decides about
//! stock or money.

pub mod auth;
pub mod client;
pub mod command;
pub mod config;
pub mod expected;
pub mod extract;
pub mod health;
pub mod loadtest;
pub mod middleware;
pub mod openapi;
pub mod problem;
pub mod routes;
pub mod server;
pub mod startup;
pub mod telemetry;
