//! Versions of records: the `ETag` of an answer, and the `If-Match` of a change.

use std::future::{Ready, ready};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header::{ETAG, HeaderName, HeaderValue, IF_MATCH},
};
use stampede_kernel::Code;

use crate::problem::Problem;

/// The versions of which the caller expects one; `None` if any will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IfMatch(pub Option<Vec<i64>>);

/// A change of something that has no versions: whoever expects one is told that it is another.
#[derive(Debug, Clone, Copy)]
pub struct Unversioned;

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
        ready(given(request))
    }
}

impl FromRequest for Unversioned {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let detail = "This has no versions. Send the request without If-Match.";
        ready(match given(request) {
            Ok(IfMatch(None)) => Ok(Self),
            Ok(IfMatch(Some(_))) | Err(_) => Err(Problem::new(Code::VersionConflict).detail(detail)),
        })
    }
}

/// What all the lines of the header say.
fn given(request: &HttpRequest) -> Result<IfMatch, Problem> {
    let lines: Vec<&str> =
        request.headers().get_all(IF_MATCH).map(|line| line.to_str().unwrap_or_default()).collect();
    if lines.is_empty() { Ok(IfMatch(None)) } else { expected(&lines.join(",")) }
}

/// A tag that is none of ours matches nothing.
fn expected(text: &str) -> Result<IfMatch, Problem> {
    if text.trim() == "*" {
        return Ok(IfMatch(None));
    }
    let version = |tag: &str| tag.trim().strip_prefix('"')?.strip_suffix('"')?.parse().ok();
    let versions: Vec<i64> = text.split(',').filter_map(version).collect();
    if versions.is_empty() {
        return Err(Problem::new(Code::VersionConflict));
    }
    Ok(IfMatch(Some(versions)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_shows_can_be_expected() {
        let (_, tag) = etag(7);
        assert_eq!(expected(tag.to_str().unwrap()).unwrap(), IfMatch(Some(vec![7])));
        assert_eq!(expected("\"1\", W/\"2\",\"abc\" ,\"3\"").unwrap(), IfMatch(Some(vec![1, 3])));
        assert_eq!(expected("*").unwrap(), IfMatch(None));
        for foreign in ["7", "W/\"7\"", "\"abc\"", "", ",", "W/\"7\", 7"] {
            assert_eq!(expected(foreign).unwrap_err().code(), Code::VersionConflict, "{foreign}");
        }
    }
}
