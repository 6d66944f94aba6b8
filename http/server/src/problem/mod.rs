//! What a caller is told when a request is not done: problem details (RFC 9457).
//!
//! Owns the one table from a code to its status and texts. Nothing of a cause reaches the caller: an
//! internal error is logged here, once, with its chain.

mod refusal;
mod service;
mod table;

use std::{borrow::Cow, error::Error, fmt};

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{HeaderName, HeaderValue, RETRY_AFTER},
    },
};
use serde::{Serialize, ser::SerializeMap as _};
use serde_json::Value;
use stampede_kernel::Code;

use crate::{limits::FIELD_ERRORS_MAX, request_id};

pub use table::{Description, describe};

/// The media type of every error.
pub const MEDIA_TYPE: &str = "application/problem+json";
/// When to come back after a refusal that time alone will lift, unless something better is known.
const RETRY_AFTER_SECONDS: u32 = 1;

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// The field's path, such as `items[0].quantity`; empty for the whole body.
    pub field: String,
    /// Stable: `required`, `unknown`, `format`, `out_of_range`, `too_long`, and the like.
    #[schema(value_type = String)]
    pub code: Cow<'static, str>,
    /// For people.
    pub detail: String,
}

impl FieldError {
    pub fn new(
        field: impl Into<String>,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<String>,
    ) -> Self {
        Self { field: field.into(), code: code.into(), detail: detail.into() }
    }
}

/// Why a request was not done, as the caller is told. One word in size, so that results stay small.
pub struct Problem(Box<Parts>);

struct Parts {
    code: Code,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    members: Vec<(&'static str, Value)>,
    headers: Vec<(HeaderName, HeaderValue)>,
    retry_after_seconds: Option<u32>,
}

impl Problem {
    /// A problem with its code's own text.
    #[must_use]
    pub fn new(code: Code) -> Self {
        let retry_after_seconds = match code {
            Code::RateLimited | Code::Overloaded | Code::Unavailable | Code::OutcomeUnknown => {
                Some(RETRY_AFTER_SECONDS)
            }
            Code::Unauthenticated
            | Code::TokenExpired
            | Code::WrongCredentials
            | Code::Forbidden
            | Code::NotFound
            | Code::MethodNotAllowed
            | Code::RequestTimeout
            | Code::PayloadTooLarge
            | Code::UnsupportedMediaType
            | Code::InvalidRequest
            | Code::IdempotencyMismatch
            | Code::Malformed
            | Code::Paused
            | Code::Conflict
            | Code::VersionConflict
            | Code::SoldOut
            | Code::LimitReached
            | Code::NotStarted
            | Code::Ended
            | Code::InsufficientStock
            | Code::OrderState
            | Code::AmountMismatch
            | Code::CouponInvalid
            | Code::ReservationExpired
            | Code::Internal => None,
        };
        Self(Box::new(Parts {
            code,
            detail: Cow::Borrowed(""),
            errors: Vec::new(),
            members: Vec::new(),
            headers: Vec::new(),
            retry_after_seconds,
        }))
    }

    /// One field is not what it must be.
    #[must_use]
    pub fn field(
        field: impl Into<String>,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<String>,
    ) -> Self {
        Self::invalid(vec![FieldError::new(field, code, detail)])
    }

    /// Some fields are not what they must be.
    #[must_use]
    pub fn invalid(mut errors: Vec<FieldError>) -> Self {
        errors.truncate(FIELD_ERRORS_MAX);
        let mut problem = Self::new(Code::InvalidRequest);
        problem.0.errors = errors;
        problem
    }

    /// An error that is not the caller's; logged here with its chain, and nothing of it is told.
    #[must_use]
    pub fn internal(error: &(dyn Error + 'static)) -> Self {
        tracing::error!(error = chain(error), "request failed");
        Self::new(Code::Internal)
    }

    /// Something that the request needs is away; logged here with its chain.
    #[must_use]
    pub fn unavailable(error: &(dyn Error + 'static)) -> Self {
        tracing::warn!(error = chain(error), "request could not be served");
        Self::new(Code::Unavailable)
    }

    /// A sentence about this occurrence.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = detail.into();
        self
    }

    /// A member beside the standard ones, such as `starts_at`.
    #[must_use]
    pub fn with(mut self, member: &'static str, value: impl Into<Value>) -> Self {
        self.0.members.push((member, value.into()));
        self
    }

    /// A header beside the usual ones.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// When to come back.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after_seconds = Some(seconds.max(1));
        self
    }

    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The fields that are wrong.
    #[must_use]
    pub fn errors(&self) -> &[FieldError] {
        &self.0.errors
    }
}

/// A clause as a sentence: with a capital and a full stop.
#[must_use]
pub fn sentence(clause: &str) -> String {
    let mut characters = clause.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", characters.as_str())
}

/// An error and what caused it, on one line.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

impl From<stampede_kernel::FieldError> for FieldError {
    fn from(error: stampede_kernel::FieldError) -> Self {
        Self::new(error.field, error.code, sentence(&error.detail))
    }
}

/// What a room found wrong with the fields of a request.
impl From<Vec<stampede_kernel::FieldError>> for Problem {
    fn from(errors: Vec<stampede_kernel::FieldError>) -> Self {
        Self::invalid(errors.into_iter().map(FieldError::from).collect())
    }
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.code.as_str())
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Problem")
            .field("code", &self.0.code.as_str())
            .field("detail", &self.0.detail)
            .field("errors", &self.0.errors)
            .finish_non_exhaustive()
    }
}

impl Error for Problem {}

impl Serialize for Problem {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let parts = &self.0;
        let Description { status, title, help: _ } = describe(parts.code);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &format_args!("/problems/{}", parts.code))?;
        map.serialize_entry("title", title)?;
        map.serialize_entry("status", &status.as_u16())?;
        map.serialize_entry("code", parts.code.as_str())?;
        let detail = if parts.detail.is_empty() { title } else { parts.detail.as_ref() };
        map.serialize_entry("detail", detail)?;
        if let Some(id) = request_id::current() {
            map.serialize_entry("request_id", id.as_str())?;
        }
        if !parts.errors.is_empty() {
            map.serialize_entry("errors", &parts.errors)?;
        }
        for (member, value) in &parts.members {
            map.serialize_entry(member, value)?;
        }
        map.end()
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        describe(self.0.code).status
    }

    fn error_response(&self) -> HttpResponse {
        let mut body = Vec::with_capacity(256);
        // Texts and numbers only: writing them to memory cannot fail.
        let _written = serde_json::to_writer(&mut body, self);
        let mut response = HttpResponse::build(self.status_code());
        response.content_type(HeaderValue::from_static(MEDIA_TYPE));
        if let Some(seconds) = self.0.retry_after_seconds {
            response.insert_header((RETRY_AFTER, HeaderValue::from(seconds)));
        }
        for (name, value) in &self.0.headers {
            response.insert_header((name.clone(), value.clone()));
        }
        response.body(body)
    }
}

/// The shape of an error, for the documentation.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub struct ProblemShape {
    /// The page about this code.
    #[serde(rename = "type")]
    #[schema(example = "/problems/sold_out")]
    pub kind: String,
    #[schema(example = "Sold out")]
    pub title: String,
    #[schema(example = 409)]
    pub status: u16,
    /// Stable; what a program decides by.
    #[schema(example = "sold_out")]
    pub code: String,
    pub detail: String,
    pub request_id: String,
    /// What is wrong with which field, for `invalid_request`.
    pub errors: Option<Vec<FieldError>>,
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;

    use super::*;

    async fn body(problem: &Problem) -> Value {
        let bytes = to_bytes(problem.error_response().into_body()).await.unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn statuses_are_the_contract_s() {
        for (status, codes) in [
            (400, "malformed"),
            (401, "unauthenticated token_expired wrong_credentials"),
            (403, "forbidden"),
            (404, "not_found"),
            (405, "method_not_allowed"),
            (408, "request_timeout"),
            (
                409,
                "paused conflict sold_out limit_reached not_started ended insufficient_stock order_state \
                 amount_mismatch coupon_invalid",
            ),
            (410, "reservation_expired"),
            (412, "version_conflict"),
            (413, "payload_too_large"),
            (415, "unsupported_media_type"),
            (422, "invalid_request idempotency_mismatch"),
            (429, "rate_limited"),
            (500, "internal"),
            (503, "overloaded unavailable outcome_unknown"),
        ] {
            for text in codes.split_whitespace() {
                let code = Code::ALL.iter().find(|code| code.as_str() == text);
                assert_eq!(code.map(|code| describe(*code).status.as_u16()), Some(status), "{text}");
            }
        }
        let listed = 29;
        assert_eq!(Code::ALL.len(), listed, "a new code needs its line above");
    }

    #[actix_web::test]
    async fn a_problem_has_the_standard_members_and_its_own() {
        let problem = Problem::new(Code::NotStarted).with("starts_at", "2026-11-20T08:00:00.000Z");
        let response = problem.error_response();
        assert_eq!(response.headers().get("content-type").unwrap(), MEDIA_TYPE);
        assert_eq!(
            body(&problem).await,
            serde_json::json!({
                "type": "/problems/not_started", "title": "The flash sale has not started", "status": 409,
                "code": "not_started", "detail": "The flash sale has not started",
                "starts_at": "2026-11-20T08:00:00.000Z",
            })
        );
    }

    #[actix_web::test]
    async fn what_passes_says_when_to_come_back() {
        for code in Code::ALL {
            let response = Problem::new(*code).error_response();
            let passes =
                ["rate_limited", "overloaded", "unavailable", "outcome_unknown"].contains(&code.as_str());
            assert_eq!(response.headers().contains_key(RETRY_AFTER), passes, "{code}");
        }
    }

    #[test]
    fn what_a_room_found_is_told_in_sentences() {
        let found = stampede_kernel::FieldError {
            field: "skus[1].stock".to_owned(),
            code: "out_of_range",
            detail: "must be from 0 to 10".to_owned(),
        };
        let told = FieldError::new("skus[1].stock", "out_of_range", "Must be from 0 to 10.");
        assert_eq!(Problem::from(vec![found]).errors(), [told]);
    }

    #[actix_web::test]
    async fn nothing_of_a_cause_is_told() {
        let cause = std::io::Error::other("SELECT secret FROM vault");
        let problem = Problem::internal(&cause);
        assert!(!body(&problem).await.to_string().contains("vault"));
        assert!(!format!("{problem} {problem:?}").contains("vault"));
    }
}
