//! Which other origins' pages may call the shop from a browser. Tokens travel in a header and never in
//! a cookie, so no answer allows credentials.

use actix_web::{
    HttpResponse,
    http::{
        Method,
        header::{
            ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
            ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap,
            HeaderName, HeaderValue, ORIGIN, VARY,
        },
    },
};

use crate::settings::Cors;

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const PREFLIGHT_SECONDS: &str = "600";

/// The rules, from the settings.
#[derive(Debug, Clone, Default)]
pub struct CorsRules {
    any: bool,
    origins: Vec<HeaderValue>,
}

impl CorsRules {
    #[must_use]
    pub fn new(cors: &Cors) -> Self {
        let origins = cors.allowed_origins.iter();
        Self {
            any: origins.clone().any(|origin| origin == "*"),
            origins: origins.filter_map(|origin| HeaderValue::from_str(origin).ok()).collect(),
        }
    }

    /// Whether any origin but our own may call.
    fn enabled(&self) -> bool {
        self.any || !self.origins.is_empty()
    }

    /// The request's origin, if its page may call.
    #[must_use]
    pub fn allowed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        if !self.enabled() {
            return None;
        }
        let origin = headers.get(ORIGIN)?;
        if self.any {
            return Some(HeaderValue::from_static("*"));
        }
        self.origins.iter().find(|known| *known == origin).cloned()
    }

    /// Whether a browser asks beforehand what it may send.
    #[must_use]
    pub fn is_preflight(&self, method: &Method, headers: &HeaderMap) -> bool {
        self.enabled()
            && *method == Method::OPTIONS
            && headers.contains_key(ORIGIN)
            && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
    }

    /// The answer to such a question; without `origin` the browser will not send the request.
    #[must_use]
    pub fn preflight(&self, origin: Option<&HeaderValue>, methods: &'static str) -> HttpResponse {
        let mut response = HttpResponse::NoContent().finish();
        if origin.is_some() {
            let headers = response.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
            headers.insert(
                ACCESS_CONTROL_ALLOW_HEADERS,
                HeaderValue::from_static(
                    "authorization, content-type, idempotency-key, if-match, if-none-match, x-request-id, \
                     traceparent, tracestate",
                ),
            );
            headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(PREFLIGHT_SECONDS));
        }
        response
    }

    /// Marks an answer as one that the page at `origin` may read.
    pub fn mark(&self, headers: &mut HeaderMap, origin: Option<HeaderValue>) {
        if !self.enabled() {
            return;
        }
        if !self.any {
            headers.append(VARY, HeaderValue::from_static("Origin"));
        }
        if let Some(origin) = origin {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
            headers.insert(
                ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static(
                    "etag, idempotent-replayed, location, date, retry-after, ratelimit-limit, \
                     ratelimit-remaining, ratelimit-reset, x-request-id",
                ),
            );
        }
    }
}
