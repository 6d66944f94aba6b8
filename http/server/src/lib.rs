//! Stampede's front: the HTTP server over the shop's use cases.
//!
//! Requests enter through [`middleware`], are taken apart by [`extract`], routed by the table in
//! [`routes`], and answered by one call of a use case. Nothing here decides about stock or money.

pub mod auth;
pub mod decode_error;
pub mod extract;
pub mod health;
pub mod limits;
pub mod middleware;
pub mod openapi;
pub mod problem;
pub mod request_id;
pub mod routes;
pub mod server;
pub mod settings;
pub mod trace;
