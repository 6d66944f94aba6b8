//! The spans of requests, and continuing a caller's trace (W3C `traceparent`).

use actix_web::http::{StatusCode, header::HeaderMap};
use opentelemetry::{
    Context,
    trace::{SpanContext, SpanId, Status, TraceContextExt as _, TraceFlags, TraceId, TraceState},
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::limits::TRACESTATE_BYTES_MAX;

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
}
