//! Versions of records: the `ETag` of an answer, and the `If-Match` of a change.

use std::future::{Ready, ready};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header::{ETAG, HeaderName, HeaderValue, IF_MATCH},
};
use stampede_actors::kernel::Code;

use crate::problem::Problem;

/// The version that the caller expects; `None` if any will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IfMatch(pub Option<i64>);

/// The header that says which version of a record an answer shows.
#[must_use]
pub fn etag(version: i64) -> (HeaderName, HeaderValue) {
    let value = HeaderValue::from_str(&format!("\"{version}\""));
    // A number in quotes is a header's value.
    (ETAG, value.unwrap_or(HeaderValue::from_static("\"\"")))
}

impl FromRequest for IfMatch {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(match request.headers().get(IF_MATCH) {
            None => Ok(Self(None)),
            Some(value) => expected(value.to_str().unwrap_or_default()),
        })
    }
}

/// A tag that is none of ours matches nothing.
fn expected(text: &str) -> Result<IfMatch, Problem> {
    if text.trim() == "*" {
        return Ok(IfMatch(None));
    }
    let quoted = text.trim().strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match quoted.and_then(|version| version.parse().ok()) {
        Some(version) => Ok(IfMatch(Some(version))),
        None => Err(Problem::new(Code::VersionConflict)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_shows_can_be_expected() {
        let (_, tag) = etag(7);
        assert_eq!(expected(tag.to_str().unwrap()).unwrap(), IfMatch(Some(7)));
        assert_eq!(expected("*").unwrap(), IfMatch(None));
        for foreign in ["7", "W/\"7\"", "\"abc\"", ""] {
            assert_eq!(expected(foreign).unwrap_err().code(), Code::VersionConflict, "{foreign}");
        }
    }
}
