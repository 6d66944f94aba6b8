//! Log lines and traces: how they look, where they go, and what never stands in them.

mod log;
mod mask;
mod panic;
mod trace;

use std::io;

use tracing_subscriber::{
    EnvFilter, Layer as _, Registry,
    filter::{FilterExt as _, LevelFilter, ParseError, filter_fn},
    layer::SubscriberExt as _,
    reload,
    util::{SubscriberInitExt as _, TryInitError},
};

use crate::config::{Config, Telemetry};

pub use log::LogLayer;
pub use mask::mask;

/// Why there is no telemetry.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("telemetry.filter is not a list of directives")]
    Filter(#[source] ParseError),
    #[error("the exporter of traces could not be made")]
    Exporter(#[source] opentelemetry_otlp::ExporterBuildError),
    #[error("telemetry is set up already")]
    Installed(#[source] TryInitError),
}

/// The telemetry of this process.
pub struct Handle {
    filter: reload::Handle<EnvFilter, Registry>,
    traces: Option<opentelemetry_sdk::trace::SdkTracerProvider>,
}

/// Sets up log lines to stderr, also for panics, and, with an endpoint, traces; must be called within the runtime that
/// shall export them.
pub fn install(config: &Config) -> Result<Handle, TelemetryError> {
    let telemetry = &config.telemetry;
    let (filter, handle) = reload::Layer::new(telemetry.directives().map_err(TelemetryError::Filter)?);
    // Spans are for traces; without this every span of ours would cost, traced or not.
    let events = filter_fn(|metadata| metadata.is_event());
    let lines = LogLayer::new(telemetry.format, io::stderr).with_filter(filter.and(events));
    let traces = trace::provider(telemetry).map_err(TelemetryError::Exporter)?;
    let subscriber = tracing_subscriber::registry().with(lines);
    // Without an endpoint there must be no second layer at all: an absent one would count as one that
    // wants every span.
    match &traces {
        Some(provider) => {
            let spans = filter_fn(|metadata| metadata.is_span() && *metadata.level() <= tracing::Level::INFO);
            subscriber.with(trace::layer(provider).with_filter(spans.and(LevelFilter::INFO))).try_init()
        }
        None => subscriber.try_init(),
    }
    .map_err(TelemetryError::Installed)?;
    panic::install();
    Ok(Handle { filter: handle, traces })
}

impl Handle {
    /// Takes up another level or filter; a bad one changes nothing.
    pub fn reload(&self, telemetry: &Telemetry) {
        match telemetry.directives() {
            Ok(filter) => {
                if self.filter.reload(filter).is_err() {
                    tracing::error!("the log filter could not be changed");
                }
            }
            Err(error) => tracing::error!(%error, "the log filter is not a list of directives"),
        }
    }

    /// Sends what is left of the traces; waits for it, so not to be called on the runtime itself.
    pub fn shut_down(&self) {
        if let Some(Err(error)) =
            self.traces.as_ref().map(opentelemetry_sdk::trace::SdkTracerProvider::shutdown)
        {
            tracing::warn!(%error, "the last traces were not exported");
        }
    }
}
