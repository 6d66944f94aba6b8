//! Who calls, as the token says. The layer around every route has verified it already.

use std::{
    future::{Ready, ready},
    ops::Deref,
};

use actix_web::{
    FromRequest, HttpMessage as _, HttpRequest,
    dev::Payload,
    http::header::{HeaderValue, WWW_AUTHENTICATE},
};
use stampede_actors::{account::Role, kernel::Code};

use crate::{auth::Caller, middleware::Context, problem::Problem};

/// Somebody who is logged in.
#[derive(Debug, Clone, Copy)]
pub struct Auth(pub Caller);

/// A seller or an administrator.
#[derive(Debug, Clone, Copy)]
pub struct Seller(pub Caller);

/// An administrator.
#[derive(Debug, Clone, Copy)]
pub struct Admin(pub Caller);

/// Somebody, or nobody in particular. A token that came along must still be valid.
#[derive(Debug, Clone, Copy)]
pub struct MaybeCaller(pub Option<Caller>);

/// Who calls, if a token came along.
pub(super) fn maybe(request: &HttpRequest) -> Result<Option<Caller>, Problem> {
    let caller = match request.extensions().get::<Context>() {
        Some(context) => context.caller,
        None => Ok(None),
    };
    caller.map_err(challenge)
}

/// Who calls; nobody is refused.
pub(super) fn required(request: &HttpRequest) -> Result<Caller, Problem> {
    maybe(request)?.ok_or_else(|| challenge(Code::Unauthenticated))
}

fn challenge(code: Code) -> Problem {
    let how = if code == Code::Unauthenticated { "Bearer" } else { "Bearer error=\"invalid_token\"" };
    Problem::new(code).header(WWW_AUTHENTICATE, HeaderValue::from_static(how))
}

fn with_role(request: &HttpRequest, allowed: impl FnOnce(Role) -> bool) -> Result<Caller, Problem> {
    let caller = required(request)?;
    if allowed(caller.role) { Ok(caller) } else { Err(Problem::new(Code::Forbidden)) }
}

macro_rules! extractors {
    ($($name:ident = $take:expr),+ $(,)?) => {$(
        impl FromRequest for $name {
            type Error = Problem;
            type Future = Ready<Result<Self, Problem>>;

            fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
                let take: fn(&HttpRequest) -> Result<_, Problem> = $take;
                ready(take(request).map($name))
            }
        }
    )+};
}

extractors! {
    Auth = required,
    Seller = |request| with_role(request, |role| matches!(role, Role::Seller | Role::Admin)),
    Admin = |request| with_role(request, |role| role == Role::Admin),
    MaybeCaller = maybe,
}

macro_rules! derefs {
    ($($name:ident),+) => {$(
        impl Deref for $name {
            type Target = Caller;
            fn deref(&self) -> &Caller {
                &self.0
            }
        }
    )+};
}

derefs!(Auth, Seller, Admin);
