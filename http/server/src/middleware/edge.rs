//! The one layer around every route.

use std::{
    future::{Future, Ready, ready},
    net::IpAddr,
    pin::Pin,
    rc::Rc,
    time::{Duration, Instant},
};

use actix_http::encoding::Encoder;
use actix_web::{
    Error, HttpMessage as _, HttpRequest, ResponseError as _,
    body::{BodySize, BoxBody, MessageBody as _},
    dev::{Service, ServiceRequest, ServiceResponse, Transform},
    http::{
        ConnectionType, Method, StatusCode,
        header::{
            ACCEPT_ENCODING, AUTHORIZATION, AcceptEncoding, CONTENT_ENCODING, CONTENT_TYPE, ContentEncoding,
            Encoding, Header as _, HeaderMap, HeaderValue,
        },
    },
    web::Data,
};
use stampede_kernel::{Code, UserId};
use tracing::Instrument as _;

use super::{
    EdgeState, address, headers,
    limits::{Ask, Class},
    metrics::RouteMetrics,
};
use crate::{
    auth::Caller,
    limits::COMPRESS_BYTES_MIN,
    problem::Problem,
    request_id::{self, RequestId},
    trace,
};

/// What the layer knows about a request; extractors read it.
pub struct Context {
    pub shell: Data<EdgeState>,
    /// Who calls: nobody without a token, else what is wrong with the token.
    pub caller: Result<Option<Caller>, Code>,
}

/// Wraps one route of the table.
#[derive(Clone)]
pub struct Edge {
    shell: Data<EdgeState>,
    template: &'static str,
    class: Class,
    /// As in an `Allow` header.
    methods: &'static str,
}

impl Edge {
    /// For the route `template`, which answers `methods`.
    #[must_use]
    pub fn new(shell: Data<EdgeState>, template: &'static str, class: Class, methods: &'static str) -> Self {
        Self { shell, template, class, methods }
    }
}

impl<S> Transform<S, ServiceRequest> for Edge
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
    S::Future: 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Transform = EdgeService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        let metrics = RouteMetrics::new(self.template);
        let route = Rc::new(Route { edge: self.clone(), metrics });
        ready(Ok(EdgeService { inner: Rc::new(inner), route }))
    }
}

/// The layer around one route, in one worker.
pub struct EdgeService<S> {
    inner: Rc<S>,
    route: Rc<Route>,
}

struct Route {
    edge: Edge,
    metrics: RouteMetrics,
}

impl<S> Service<ServiceRequest> for EdgeService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
    S::Future: 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>>>>;

    actix_web::dev::forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let started = Instant::now();
        let route = Rc::clone(&self.route);
        let id = RequestId::take_or_make(request.headers().get(headers::X_REQUEST_ID));
        let caller = route.caller(request.headers());
        let span = route.span(&request, &id);
        let visit = Visit { route, id, caller, span, started };
        match visit.route.admit(&request, caller) {
            Ok(None) => visit.answer(&*self.inner, request, Ok(())),
            Err(refusal) => visit.answer(&*self.inner, request, Err(refusal)),
            Ok(Some(ask)) => {
                let inner = Rc::clone(&self.inner);
                Box::pin(async move {
                    let admitted = ask.answer().await.map_err(Refusal::Problem);
                    visit.answer(&*inner, request, admitted).await
                })
            }
        }
    }
}

/// One request on its way through the layer.
struct Visit {
    route: Rc<Route>,
    id: RequestId,
    caller: Result<Option<Caller>, Code>,
    span: Option<tracing::Span>,
    started: Instant,
}

impl Visit {
    /// Calls the handler if the request was admitted, and completes the answer.
    fn answer<S>(
        self,
        inner: &S,
        request: ServiceRequest,
        admitted: Result<(), Refusal>,
    ) -> Pin<Box<dyn Future<Output = Result<ServiceResponse<BoxBody>, Error>>>>
    where
        S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error>,
        S::Future: 'static,
    {
        let Self { route, id, caller, span, started } = self;
        let next = match admitted {
            Ok(()) => {
                // The route is chosen already: nothing below changes the request's path, so that a
                // second handle of it is harmless.
                let handle = request.request().clone();
                request.extensions_mut().insert(Context { shell: route.edge.shell.clone(), caller });
                Next::Handler(inner.call(request), handle)
            }
            Err(refusal) => Next::Refused(refusal, request),
        };
        let scope = id.clone();
        let work = request_id::scope(scope, async move {
            let mut response = match next {
                Next::Handler(handler, handle) => route.run(handler, handle).await?,
                Next::Refused(refusal, request) => request.into_response(refusal.into_response()),
            };
            route.finish(&mut response, &id, caller.ok().flatten().map(|caller| caller.user_id), started);
            Ok(route.compress(response))
        });
        match span {
            Some(span) => Box::pin(work.instrument(span)),
            None => Box::pin(work),
        }
    }
}

enum Next<F> {
    Handler(F, HttpRequest),
    Refused(Refusal, ServiceRequest),
}

/// Why the handler is not asked.
enum Refusal {
    Preflight(Box<actix_web::HttpResponse>),
    Problem(Problem),
}

impl Refusal {
    /// Within the request's scope, so that a problem shows its id.
    fn into_response(self) -> actix_web::HttpResponse {
        match self {
            Refusal::Preflight(response) => *response,
            Refusal::Problem(problem) => problem.error_response(),
        }
    }
}

impl Route {
    fn caller(&self, headers: &HeaderMap) -> Result<Option<Caller>, Code> {
        // What another scheme says is for others, such as a proxy on the way.
        let Some(token) = headers.get(AUTHORIZATION).and_then(bearer) else { return Ok(None) };
        let caller = self.edge.shell.signer.verify(token)?;
        if self.edge.shell.revocations.refuses(caller.user_id, caller.session_id) {
            return Err(Code::Unauthenticated);
        }
        Ok(Some(caller))
    }

    /// Whether the handler is asked at all; what this node cannot say alone is to be asked.
    fn admit(
        &self,
        request: &ServiceRequest,
        caller: Result<Option<Caller>, Code>,
    ) -> Result<Option<Box<Ask>>, Refusal> {
        let shell = &self.edge.shell;
        if shell.edge.cors.is_preflight(request.method(), request.headers()) {
            let origin = shell.edge.cors.allowed(request.headers());
            let answer = shell.edge.cors.preflight(origin.as_ref(), self.edge.methods);
            return Err(Refusal::Preflight(Box::new(answer)));
        }
        let user = caller.ok().flatten().map(|caller| caller.user_id);
        let address = || client_address(request.request(), shell);
        shell.limiter.check(self.edge.class, user, address).map_err(Refusal::Problem)
    }

    async fn run<F>(&self, handler: F, handle: HttpRequest) -> Result<ServiceResponse<BoxBody>, Error>
    where
        F: Future<Output = Result<ServiceResponse<BoxBody>, Error>>,
    {
        let limit = self.edge.shell.edge.handler_timeout;
        match tokio::time::timeout(limit, handler).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => {
                let response = error.error_response();
                Ok(ServiceResponse::new(handle, response))
            }
            Err(_) => {
                tracing::warn!(
                    route = self.edge.template,
                    limit_ms = limit.as_millis(),
                    "handler took too long"
                );
                let problem = match *handle.method() {
                    Method::GET | Method::HEAD | Method::OPTIONS => Problem::new(Code::Unavailable),
                    _ => Problem::new(Code::OutcomeUnknown),
                };
                let response = problem.error_response();
                Ok(ServiceResponse::new(handle, response))
            }
        }
    }

    /// Headers, metrics and the access log.
    fn finish(
        &self,
        response: &mut ServiceResponse<BoxBody>,
        id: &RequestId,
        user: Option<UserId>,
        started: Instant,
    ) {
        let shell = &self.edge.shell;
        let origin = shell.edge.cors.allowed(response.request().headers());
        let head = response.response_mut().head_mut();
        if shell.readiness.is_draining() {
            head.set_connection_type(ConnectionType::Close);
        }
        headers::secure(&mut head.headers, shell.edge.hsts);
        head.headers.insert(headers::X_REQUEST_ID, id.header());
        shell.edge.cors.mark(&mut head.headers, origin);

        let took = started.elapsed();
        let status = response.status();
        self.metrics.observe(response.request().method(), status, took);
        self.log(response.request(), status, user, took);
        if shell.edge.traced {
            trace::record_status(status);
        }
    }

    fn log(&self, request: &HttpRequest, status: StatusCode, user: Option<UserId>, took: Duration) {
        // The path and not the query: what people search for is theirs.
        macro_rules! access {
            ($level:ident) => {
                tracing::$level!(
                    target: "stampede::access",
                    method = request.method().as_str(),
                    path = request.path(),
                    route = self.edge.template,
                    status = status.as_u16(),
                    took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
                    user_id = user.map(tracing::field::display),
                    client = %client_address(request, &self.edge.shell),
                    "answered"
                )
            };
        }
        if status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE {
            access!(warn);
        } else {
            access!(debug);
        }
    }

    /// A span for the request, continuing the caller's trace, when traces are exported.
    fn span(&self, request: &ServiceRequest, id: &RequestId) -> Option<tracing::Span> {
        if !self.edge.shell.edge.traced || self.edge.class == Class::Free {
            return None;
        }
        let span = trace::request_span(request.method().as_str(), self.edge.template, id.as_str());
        trace::continue_trace(&span, request.headers());
        Some(span)
    }

    fn compress(&self, response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
        match compression(&response) {
            None => response,
            Some(encoding) => {
                response.map_body(|head, body| BoxBody::new(Encoder::response(encoding, head, body)))
            }
        }
    }
}

/// How an answer is to be compressed, if at all: neither small ones nor streams, whose events must
/// not wait for each other.
fn compression(response: &ServiceResponse<BoxBody>) -> Option<ContentEncoding> {
    let BodySize::Sized(bytes) = response.response().body().size() else { return None };
    if bytes < COMPRESS_BYTES_MIN || response.headers().contains_key(CONTENT_ENCODING) {
        return None;
    }
    let kind = response.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    let text = kind.starts_with("text/")
        || kind.contains("json")
        || kind.contains("javascript")
        || kind.contains("svg");
    if !text || !response.request().headers().contains_key(ACCEPT_ENCODING) {
        return None;
    }
    let accepted = AcceptEncoding::parse(response.request()).ok()?;
    let offered = [Encoding::brotli(), Encoding::zstd(), Encoding::gzip(), Encoding::identity()];
    match accepted.negotiate(offered.iter())? {
        Encoding::Known(ContentEncoding::Identity) | Encoding::Unknown(_) => None,
        Encoding::Known(encoding) => Some(encoding),
    }
}

/// The token of an `Authorization: Bearer` header.
fn bearer(value: &HeaderValue) -> Option<&str> {
    let text = value.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Where a request came from, as far as proxies are trusted.
#[must_use]
pub fn client_address(request: &HttpRequest, shell: &EdgeState) -> IpAddr {
    let peer = request.peer_addr().map(|socket| socket.ip());
    address::client(peer, request.headers(), &shell.edge.trusted_proxies)
}
