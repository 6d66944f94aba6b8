//! A request's body: whole, within its limit and its time.

use std::{pin::Pin, time::Duration};

use actix_web::{
    HttpRequest,
    dev::Payload,
    http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap},
    web::{Bytes, BytesMut, Data},
};
use futures_util::StreamExt as _;
use stampede_kernel::Code;

use crate::{
    limits::{BODY_BYTES_MAX, BODY_MS_MAX},
    middleware::EdgeState,
    problem::Problem,
};

/// Reads a body that must be JSON, or empty.
pub(super) async fn json(request: HttpRequest, payload: Payload) -> Result<Bytes, Problem> {
    let (bytes_max, timeout) = match request.app_data::<Data<EdgeState>>() {
        Some(shell) => (shell.edge.body_bytes_max, shell.edge.body_timeout),
        None => (BODY_BYTES_MAX, Duration::from_millis(BODY_MS_MAX)),
    };
    let headers = request.headers();
    if announced(headers).is_some_and(|length| length > bytes_max as u64) {
        return Err(Problem::new(Code::PayloadTooLarge));
    }
    if headers
        .get(CONTENT_ENCODING)
        .is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        return Err(Problem::new(Code::UnsupportedMediaType));
    }
    let body = match tokio::time::timeout(timeout, read(payload, bytes_max)).await {
        Ok(body) => body?,
        Err(_) => return Err(Problem::new(Code::RequestTimeout)),
    };
    // Without a body there is nothing of a wrong type.
    if !body.is_empty() && !is_json(headers) {
        return Err(Problem::new(Code::UnsupportedMediaType));
    }
    Ok(body)
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn read(mut payload: Payload, bytes_max: usize) -> Result<Bytes, Problem> {
    let mut payload = Pin::new(&mut payload);
    // Most bodies come in one piece, which need not be copied.
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| {
            tracing::debug!(%error, "a request's body broke off");
            Problem::new(Code::Malformed).detail("The body broke off.")
        })?;
        if first.len() + rest.len() + chunk.len() > bytes_max {
            return Err(Problem::new(Code::PayloadTooLarge));
        }
        if first.is_empty() {
            first = chunk;
        } else {
            rest.extend_from_slice(&chunk);
        }
    }
    if rest.is_empty() {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(first.len() + rest.len());
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&rest);
    Ok(whole.freeze())
}

/// `application/json`, or something built on it, in UTF-8.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(Ok(value)) = headers.get(CONTENT_TYPE).map(|value| value.to_str()) else { return false };
    let mut parts = value.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
    let json = kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"));
    let utf8 = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, charset)) if name.trim().eq_ignore_ascii_case("charset") => {
            charset.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        Some(_) | None => true,
    });
    json && utf8
}
