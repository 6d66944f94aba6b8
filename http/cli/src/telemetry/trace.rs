//! Traces, exported by OTLP over HTTP.

use std::{pin::Pin, time::Duration};

use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response, hyper::HyperClient};
use opentelemetry_otlp::{ExporterBuildError, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracerProvider, Tracer},
};
use tokio::runtime::Handle;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::registry::LookupSpan;

use crate::config::Telemetry;

/// How long one export may take.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

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

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };
    use tracing_subscriber::layer::SubscriberExt as _;

    use actix_web::http::{StatusCode, header::HeaderMap};
    use stampede_server::trace::{continue_trace, record_status, request_span};

    use super::*;

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
