//! A body together with the caller's idempotency key.
//!
//! The key is hashed here with its scope, the user and the route, so that what travels in commands and
//! stands in the journal has a fixed size and says nothing about the caller. The body's hash is over
//! the bytes as they came; no body at all counts as `{}`.

use std::{future::Future, pin::Pin};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header::HeaderName};
use serde::de::DeserializeOwned;
use stampede_kernel::{Digest, IdempotencyKey, limits::KEY_BYTES_MAX};

use super::{body, caller, json};
use crate::{auth::Caller, problem::Problem};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The header's name, as answers write it.
const NAME: &str = "Idempotency-Key";

/// The request of a caller who is logged in: who, the key if one came, and the body.
#[derive(Debug, Clone, Copy)]
pub struct KeyedJson<T> {
    pub caller: Caller,
    pub key: Option<IdempotencyKey>,
    pub body: T,
}

impl<T: DeserializeOwned + 'static> FromRequest for KeyedJson<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = payload.take();
        Box::pin(async move {
            let caller = caller::required(&request)?;
            let key = given(&request)?.map(|key| scoped(&request, &caller, key));
            let sent = body::json(request, payload).await?;
            let hashed = if sent.is_empty() { json::EMPTY } else { sent.as_ref() };
            let key = key.map(|key| IdempotencyKey { key, body: Digest::of(&[hashed]) });
            Ok(Self { caller, key, body: json::read(&sent)? })
        })
    }
}

/// The key as the caller sent it. Only its hash goes on, so any bytes that a header can hold will do.
fn given(request: &HttpRequest) -> Result<Option<&[u8]>, Problem> {
    let mut values = request.headers().get_all(IDEMPOTENCY_KEY);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::field(NAME, "duplicate", "The header is given twice."));
    }
    let bytes = value.as_bytes();
    if !(1..=KEY_BYTES_MAX).contains(&bytes.len()) {
        return Err(Problem::field(NAME, "length", format!("A key has 1 to {KEY_BYTES_MAX} characters.")));
    }
    Ok(Some(bytes))
}

/// The key within its scope: the user and the route, with what stands in its path.
fn scoped(request: &HttpRequest, caller: &Caller, key: &[u8]) -> Digest {
    let user = caller.user_id.0.as_bytes();
    Digest::of(&[user, request.method().as_str().as_bytes(), request.path().as_bytes(), key])
}
