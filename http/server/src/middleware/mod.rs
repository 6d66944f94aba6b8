//! What surrounds every handler, in one layer: the request's id, who calls, rate limits, cross-origin
//! rules, the time limit, security headers, compression, metrics, the access log and the trace.
//!
//! One layer and not many: each costs an allocation and a turn on the hot path. It wraps each route of
//! the table by itself, so that it knows the route's template and class without looking them up.

mod address;
mod cors;
mod edge;
mod headers;
pub mod limits;
pub mod metrics;
mod state;

pub use address::Network;
pub use cors::CorsRules;
pub use edge::{Context, Edge, client_address};
pub use limits::{Class, Limiter};
pub use state::{EdgeSettings, EdgeState};
