//! Counts and durations of requests, by the route's template. The handles of a route are looked up
//! once for each worker, so that a request costs a few atomic additions.

use std::{cell::RefCell, sync::LazyLock, time::Duration};

use actix_web::http::{Method, StatusCode};
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts};

const BUCKETS_SECONDS: [f64; 14] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

struct Families {
    requests: IntCounterVec,
    duration: HistogramVec,
}

/// In the process's registry, as everything that `/metrics` shows.
static FAMILIES: LazyLock<Families> = LazyLock::new(|| {
    let requests = Opts::new("stampede_http_requests_total", "Requests answered.");
    let duration = HistogramOpts::new("stampede_http_request_duration_seconds", "Time to the answer's head.")
        .buckets(BUCKETS_SECONDS.to_vec());
    Families {
        requests: register(IntCounterVec::new(requests, &["method", "route", "status"])),
        duration: register(HistogramVec::new(duration, &["method", "route"])),
    }
});

/// Puts a collector into the process's registry. Names are constants: a mistake shows in every test.
#[expect(clippy::panic, reason = "a metric with a bad or doubled name is a mistake in the program")]
fn register<C: prometheus::core::Collector + Clone + 'static>(made: prometheus::Result<C>) -> C {
    let registered = made.and_then(|metric| prometheus::register(Box::new(metric.clone())).map(|()| metric));
    match registered {
        Ok(metric) => metric,
        Err(error) => panic!("a metric's definition is wrong: {error}"),
    }
}

/// A counter in the process's registry.
#[must_use]
pub fn counter(name: &str, help: &str) -> IntCounter {
    register(IntCounter::new(name, help))
}

/// A gauge in the process's registry.
#[must_use]
pub fn gauge(name: &str, help: &str) -> IntGauge {
    register(IntGauge::new(name, help))
}

/// The methods that are told apart; others count as one, so that callers cannot make labels.
const METHODS: [&str; 8] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "other"];

fn method_index(method: &Method) -> usize {
    METHODS.iter().position(|known| *known == method.as_str()).unwrap_or(METHODS.len() - 1)
}

/// One worker's handles for one route.
pub struct RouteMetrics {
    route: &'static str,
    requests: RefCell<Vec<(usize, u16, IntCounter)>>,
    duration: [RefCell<Option<Histogram>>; METHODS.len()],
}

impl RouteMetrics {
    #[must_use]
    pub fn new(route: &'static str) -> Self {
        Self { route, requests: RefCell::new(Vec::new()), duration: Default::default() }
    }

    /// Counts one answer.
    pub fn observe(&self, method: &Method, status: StatusCode, took: Duration) {
        let method = method_index(method);
        let status = status.as_u16();
        let mut requests = self.requests.borrow_mut();
        match requests.iter().find(|(m, s, _)| (*m, *s) == (method, status)) {
            Some((_, _, counter)) => counter.inc(),
            None => {
                let labels = [METHODS[method], self.route, &status.to_string()];
                let counter = FAMILIES.requests.with_label_values(&labels);
                counter.inc();
                requests.push((method, status, counter));
            }
        }
        let mut duration = self.duration[method].borrow_mut();
        duration
            .get_or_insert_with(|| FAMILIES.duration.with_label_values(&[METHODS[method], self.route]))
            .observe(took.as_secs_f64());
    }
}

/// Everything in the process's registry, as Prometheus reads it.
#[must_use]
pub fn exposition() -> String {
    LazyLock::force(&FAMILIES);
    let mut text = String::with_capacity(16 * 1024);
    // Only a metric without samples or name cannot be written, and registration refuses those.
    let _written = prometheus::TextEncoder::new().encode_utf8(&prometheus::gather(), &mut text);
    text
}
