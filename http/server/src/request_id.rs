//! The request's id: the caller's if it is sane, else a new one. Known to everything that runs on the
//! request's behalf in its own task, for log lines and problems.

use actix_web::http::header::HeaderValue;
use uuid::Uuid;

use crate::limits::REQUEST_ID_BYTES_MAX;

/// An id of 1 to 64 characters of `[A-Za-z0-9._-]`. Cloning is cheap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The caller's id if it is one, else a new one.
    #[must_use]
    pub fn take_or_make(given: Option<&HeaderValue>) -> Self {
        let sane = |value: &&HeaderValue| {
            let bytes = value.as_bytes();
            (1..=REQUEST_ID_BYTES_MAX).contains(&bytes.len())
                && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        };
        match given.filter(sane) {
            Some(value) => Self(value.clone()),
            None => Self::make(),
        }
    }

    fn make() -> Self {
        let mut buffer = Uuid::encode_buffer();
        let text = Uuid::now_v7().hyphenated().encode_lower(&mut buffer);
        // A UUID's text is a header's value.
        Self(HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("-")))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    #[must_use]
    pub fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

tokio::task_local! {
    static CURRENT: RequestId;
}

/// Runs `future` as part of the request `id`.
pub fn scope<F: Future>(id: RequestId, future: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(id, future)
}

/// The id of the request that this task is running, if it runs one.
#[must_use]
pub fn current() -> Option<RequestId> {
    CURRENT.try_with(Clone::clone).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sane_id_is_the_caller_s() {
        let sane = HeaderValue::from_static("order-42_a.B");
        assert_eq!(RequestId::take_or_make(Some(&sane)).as_str(), "order-42_a.B");
    }

    #[test]
    fn anything_else_gets_a_new_one() {
        let long = "a".repeat(REQUEST_ID_BYTES_MAX + 1);
        for bad in ["", "a b", "a\u{e9}", "<script>", "a=b", &long] {
            let given = HeaderValue::from_bytes(bad.as_bytes()).unwrap();
            let id = RequestId::take_or_make(Some(&given));
            assert_eq!(id.as_str().parse::<Uuid>().map(|id| id.get_version_num()), Ok(7), "{bad:?}");
        }
        assert_ne!(RequestId::take_or_make(None), RequestId::take_or_make(None));
    }
}
