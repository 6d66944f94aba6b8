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
use stampede_kernel::Code;
use stampede_shop::{records::account::Role, services::Principal};

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

/// Somebody, or nobody in particular: what is public stays so for those whose token is over.
#[derive(Debug, Clone, Copy)]
pub struct MaybeCaller(Result<Option<Caller>, Code>);

impl MaybeCaller {
    /// Who calls, if that is known.
    pub fn known(&self) -> Option<&Caller> {
        self.0.as_ref().ok()?.as_ref()
    }

    /// On whose behalf a use case runs; none for the public.
    pub fn principal(&self) -> Option<Principal> {
        self.0.ok().flatten().map(|caller| caller.principal())
    }

    /// What is answered where nothing is shown: with a valid token there might be something.
    pub fn missing(&self, otherwise: Problem) -> Problem {
        self.0.err().map_or(otherwise, refused)
    }
}

/// Who calls: nobody without a token, else what is wrong with the token.
fn told(request: &HttpRequest) -> Result<Option<Caller>, Code> {
    request.extensions().get::<Context>().map_or(Ok(None), |context| context.caller)
}

/// Who calls; nobody is refused, and so is whose token is not valid.
pub(super) fn required(request: &HttpRequest) -> Result<Caller, Problem> {
    match told(request) {
        Ok(Some(caller)) => Ok(caller),
        Ok(None) => Err(challenged(Problem::new(Code::Unauthenticated), "Bearer")),
        Err(code) => Err(refused(code)),
    }
}

/// What is wrong with a token, as RFC 6750 tells it.
fn refused(code: Code) -> Problem {
    let mut problem = Problem::new(code);
    if code == Code::Unauthenticated {
        problem = problem.detail("The access token is not valid here, or its session is over.");
    }
    challenged(problem, "Bearer error=\"invalid_token\"")
}

fn challenged(problem: Problem, how: &'static str) -> Problem {
    problem.header(WWW_AUTHENTICATE, HeaderValue::from_static(how))
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
    MaybeCaller = |request| Ok(told(request)),
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
