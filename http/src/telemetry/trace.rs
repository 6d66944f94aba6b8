//! Traces: continuing a caller's (W3C `traceparent`), and exporting by OTLP over HTTP.

use std::{pin::Pin, time::Duration};

use actix_web::http::{StatusCode, header::HeaderMap};
use opentelemetry::{
    Context, KeyValue,
    trace::{
        SpanContext, SpanId, Status, TraceContextExt as _, TraceFlags, TraceId, TraceState,
        TracerProvider as _,
    },
};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response, hyper::HyperClient};
use opentelemetry_otlp::{ExporterBuildError, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracerProvider, Tracer},
};
use tokio::runtime::Handle;
use tracing::Span;
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt as _};
use tracing_subscriber::registry::LookupSpan;

use crate::config::Telemetry;

/// How long one export may take.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// A longer `tracestate` is dropped.
const TRACESTATE_BYTES_MAX: usize = 512;

/// The provider of tracers, if traces are to be exported.
pub(super) fn provider(telemetry: &Telemetry) -> Result<Option<SdkTracerProvider>, ExporterBuildError> {
    if telemetry.otlp_endpoint.is_empty() {
        return Ok(None);
    }
    let endpoint = telemetry.otlp_endpoint.trim_end_matches('/');
    let endpoint =
        if endpoint.ends_with("/v1/traces") { endpoint.to_owned() } else { format!("{endpoint}/v1/traces") };
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(RuntimeClient::new(Handle::current()))
        .with_endpoint(endpoint)
        .with_timeout(EXPORT_TIMEOUT)
        .build()?;
    let resource = Resource::builder()
        .with_service_name("stampede")
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(telemetry.sample_ratio))))
        .with_resource(resource)
        .build();
    Ok(Some(provider))
}

/// The layer that turns spans into traces.
pub(super) fn layer<S>(provider: &SdkTracerProvider) -> OpenTelemetryLayer<S, Tracer>
where
    S: tracing::Subscriber + for<'span> LookupSpan<'span>,
{
    tracing_opentelemetry::layer().with_tracer(provider.tracer("stampede"))
}

/// A client that works from the exporter's own thread, where no runtime is: requests run on ours.
#[derive(Debug, Clone)]
struct RuntimeClient {
    client: HyperClient,
    runtime: Handle,
}

impl RuntimeClient {
    fn new(runtime: Handle) -> Self {
        Self { client: HyperClient::with_default_connector(EXPORT_TIMEOUT, None), runtime }
    }
}

impl HttpClient for RuntimeClient {
    fn send_bytes<'life, 'future>(
        &'life self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'future>>
    where
        'life: 'future,
        Self: 'future,
    {
        let client = self.client.clone();
        let sent = self.runtime.spawn(async move { client.send_bytes(request).await });
        Box::pin(async move { sent.await? })
    }
}

/// The span of one request.
#[must_use]
pub fn request_span(method: &str, route: &'static str, request_id: &str) -> Span {
    tracing::info_span!(
        "http.request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        request_id,
    )
}

/// Makes a span part of the caller's trace, if the request's headers name one.
pub fn continue_trace(span: &Span, headers: &HeaderMap) {
    let Some(parent) = parent(headers) else { return };
    // Fails only for a span that is not traced, or has begun to be; then there is nothing to continue.
    let _continued = span.set_parent(Context::new().with_remote_span_context(parent));
}

/// The W3C `traceparent` of a span, if it is traced.
#[must_use]
pub fn traceparent_of(span: &Span) -> Option<String> {
    let context = span.context();
    let span = context.span().span_context().clone();
    let flags = span.trace_flags().to_u8();
    span.is_valid().then(|| format!("00-{}-{}-{flags:02x}", span.trace_id(), span.span_id()))
}

/// Makes a span part of the trace that a message between nodes came with.
pub fn continue_traceparent(span: &Span, traceparent: &str) {
    let Some(parent) = parse_traceparent(traceparent, "") else { return };
    // As above.
    let _continued = span.set_parent(Context::new().with_remote_span_context(parent));
}

/// Notes the answer's status in the current span.
pub fn record_status(status: StatusCode) {
    let span = Span::current();
    span.set_attribute("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        span.set_status(Status::error(""));
    }
}

fn parent(headers: &HeaderMap) -> Option<SpanContext> {
    let state = headers.get("tracestate").and_then(|value| value.to_str().ok());
    let state = state.filter(|state| state.len() <= TRACESTATE_BYTES_MAX).unwrap_or_default();
    parse_traceparent(headers.get("traceparent")?.to_str().ok()?, state)
}

/// Reads `traceparent` (W3C Trace Context): version, trace, parent span and flags.
#[must_use]
pub fn parse_traceparent(text: &str, state: &str) -> Option<SpanContext> {
    let mut parts = text.trim().split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let lower_hex = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let sized = [(version, 2), (trace, 32), (span, 16), (flags, 2)];
    if sized.iter().any(|(part, length)| part.len() != *length || !lower_hex(part)) || version == "ff" {
        return None;
    }
    // Later versions may add parts; this one has none.
    if version == "00" && parts.next().is_some() {
        return None;
    }
    let trace = TraceId::from_hex(trace).ok()?;
    let span = SpanId::from_hex(span).ok()?;
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    let state = state.parse::<TraceState>().unwrap_or_default();
    Some(SpanContext::new(trace, span, flags, true, state)).filter(SpanContext::is_valid)
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn a_traceparent_is_read_strictly() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context = parse_traceparent(good, "vendor=1").unwrap();
        assert_eq!(context.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(context.span_id().to_string(), "00f067aa0ba902b7");
        assert!(context.is_sampled() && context.is_remote());
        assert_eq!(context.trace_state().get("vendor"), Some("1"));
        for bad in [
            "",
            "00",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        ] {
            assert!(parse_traceparent(bad, "").is_none(), "{bad:?}");
        }
    }

    /// Takes one request as a collector would, and gives back its bytes.
    async fn collect(listener: TcpListener) -> Vec<u8> {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut bytes = Vec::new();
        let mut chunk = [0_u8; 4096];
        loop {
            let read = socket.read(&mut chunk).await.unwrap();
            bytes.extend_from_slice(&chunk[..read]);
            let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
            let length = text.split("content-length: ").nth(1);
            let length = length.and_then(|rest| rest.lines().next()?.parse::<usize>().ok());
            let head = bytes.windows(4).position(|window| window == b"\r\n\r\n");
            if let (Some(head), Some(length)) = (head, length)
                && bytes.len() >= head + 4 + length
            {
                socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
                return bytes;
            }
            assert_ne!(read, 0, "the exporter hung up");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn spans_reach_the_collector_in_the_caller_s_trace() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let collected = tokio::spawn(collect(listener));
        let sources = crate::config::Sources { folder: "/nonexistent".into(), ..Default::default() };
        let mut telemetry = crate::config::Config::load(&sources).unwrap().telemetry;
        telemetry.otlp_endpoint = format!("http://{address}");
        let provider = provider(&telemetry).unwrap().unwrap();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer(&provider)), || {
            let span = request_span("POST", "/api/v1/orders", "r-1");
            let mut headers = HeaderMap::new();
            let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
            headers.insert(
                actix_web::http::header::HeaderName::from_static("traceparent"),
                actix_web::http::header::HeaderValue::from_static(parent),
            );
            continue_trace(&span, &headers);
            span.in_scope(|| record_status(StatusCode::CREATED));
        });
        tokio::task::spawn_blocking(move || provider.shutdown()).await.unwrap().unwrap();
        let bytes = collected.await.unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.starts_with("POST /v1/traces "), "{text}");
        assert!(text.contains("POST /api/v1/orders") && text.contains("stampede"), "{text}");
        let trace = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes();
        assert!(bytes.windows(16).any(|window| window == trace), "the span is in the caller's trace");
    }
}
