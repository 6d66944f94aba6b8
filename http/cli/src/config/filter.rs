//! Which log lines are shown.

use tracing_subscriber::{EnvFilter, filter::ParseError};

use super::Telemetry;

/// The HTTP library reports what is no HTTP as an error: anybody could fill the log with it.
const HUSHED: &str = "actix_http::h1=off";

impl Telemetry {
    /// The level and the directives that refine it.
    pub fn directives(&self) -> Result<EnvFilter, ParseError> {
        let (level, filter) = (self.level.as_str(), self.filter.trim());
        EnvFilter::builder().parse(format!("{level},{HUSHED},{filter}"))
    }
}
