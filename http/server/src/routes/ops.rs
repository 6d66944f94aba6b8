//! For operators and their tools: probes, metrics, documentation. No prefix, no limits, no token.

use std::{
    borrow::Cow,
    fmt::Write as _,
    sync::{Arc, LazyLock},
};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{
        CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ContentType, HeaderValue, LOCATION,
    },
    web::Data,
};
use stampede_kernel::Code;
use utoipa::OpenApi as _;

use crate::{
    extract::Path,
    health::{HealthReport, HealthStatus},
    middleware::{EdgeState, metrics},
    openapi::ApiDoc,
    problem::{self, Problem},
};

/// The documentation's scripts come from this server; its styles are partly set from them.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                           img-src 'self' data:; font-src 'self' data:; connect-src 'self'; \
                           frame-ancestors 'none'; base-uri 'none'; form-action 'self'";
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/// Whether the process runs.
#[utoipa::path(get, path = "/live", operation_id = "getLiveness", tag = "operations",
    responses((status = 200, description = "The process runs")))]
pub async fn live() -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::plaintext()).body("live\n")
}

/// Whether the node may be sent requests.
#[utoipa::path(get, path = "/ready", operation_id = "getReadiness", tag = "operations",
    responses((status = 200, description = "Requests are welcome"),
        (status = 503, description = "Starting, going away, or without its database", body = crate::problem::ProblemShape)))]
pub async fn ready(shell: Data<EdgeState>) -> Result<HttpResponse, Problem> {
    if shell.readiness.is_ready() && shell.health.is_up().await {
        Ok(HttpResponse::Ok().content_type(ContentType::plaintext()).body("ready\n"))
    } else {
        Err(Problem::new(Code::Unavailable)
            .detail("The node is starting or going away, or lacks what it cannot do without."))
    }
}

/// How every part of the node is.
#[utoipa::path(get, path = "/health", operation_id = "getHealth", tag = "operations",
    responses((status = 200, description = "The node works, perhaps with less", body = HealthReport),
        (status = 503, description = "A part that the node cannot do without is down", body = HealthReport)))]
pub async fn health(shell: Data<EdgeState>) -> HttpResponse {
    let report = shell.health.report().await;
    match report.status {
        HealthStatus::Up | HealthStatus::Degraded => HttpResponse::Ok().json(report),
        HealthStatus::Down => HttpResponse::ServiceUnavailable().json(report),
    }
}

/// Metrics in Prometheus's text format.
#[utoipa::path(get, path = "/metrics", operation_id = "getMetrics", tag = "operations",
    responses((status = 200, description = "Metrics", content_type = "text/plain")))]
pub async fn metrics() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(metrics::exposition())
}

static OPENAPI: LazyLock<String> = LazyLock::new(|| ApiDoc::openapi().to_json().unwrap_or_default());

/// This documentation, for programs.
#[utoipa::path(get, path = "/openapi.json", operation_id = "getOpenApi", tag = "operations",
    responses((status = 200, description = "OpenAPI 3.1")))]
pub async fn openapi_json() -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::json()).body(OPENAPI.as_str())
}

/// Whoever opens the server in a browser comes to its documentation.
pub async fn front_door() -> HttpResponse {
    HttpResponse::Found().insert_header((LOCATION, "/docs/")).finish()
}

/// `/docs` and `/swagger`: on to the page, whose links are relative.
pub async fn docs_root(request: HttpRequest) -> HttpResponse {
    let mut response = HttpResponse::PermanentRedirect();
    match HeaderValue::from_str(&format!("{}/", request.path())) {
        Ok(page) => response.insert_header((LOCATION, page)).finish(),
        Err(_) => HttpResponse::NotFound().finish(),
    }
}

/// The documentation for people, and its scripts and styles.
pub async fn docs(file: Path<String>) -> Result<HttpResponse, Problem> {
    static CONFIG: LazyLock<Arc<utoipa_swagger_ui::Config<'static>>> =
        LazyLock::new(|| Arc::new(utoipa_swagger_ui::Config::from("/openapi.json")));
    let found = utoipa_swagger_ui::serve(&file, CONFIG.clone()).map_err(|error| {
        tracing::error!(%error, "a file of the documentation could not be served");
        Problem::new(Code::Internal)
    })?;
    let found = found.ok_or_else(|| Problem::new(Code::NotFound))?;
    let mut response = HttpResponse::Ok();
    response.content_type(found.content_type);
    response.insert_header((CONTENT_SECURITY_POLICY, DOCS_POLICY));
    response.insert_header((CACHE_CONTROL, "public, max-age=3600"));
    if found.gzpipped {
        response.insert_header((CONTENT_ENCODING, "gzip"));
    }
    Ok(match found.bytes {
        Cow::Borrowed(bytes) => response.body(bytes),
        Cow::Owned(bytes) => response.body(bytes),
    })
}

/// What a code means and what can be done about it.
#[utoipa::path(get, path = "/problems/{code}", operation_id = "getProblem", tag = "operations",
    params(("code" = String, Path)),
    responses((status = 200, description = "A page about the code", content_type = "text/html"),
        (status = 404, description = "There is no such code", body = crate::problem::ProblemShape)))]
pub async fn problem_page(code: Path<String>) -> Result<HttpResponse, Problem> {
    let found = Code::ALL.iter().find(|known| known.as_str() == code.as_str());
    let code = *found.ok_or_else(|| Problem::new(Code::NotFound))?;
    let problem::Description { status, title, help } = problem::describe(code);
    let mut page = String::with_capacity(1_024);
    // Every part is a constant without markup, and writing to a String cannot fail.
    let _written = write!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <style>body{{font:1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:4rem auto;padding:0 1rem}}\
         code{{background:#eee;padding:.1rem .3rem}}</style></head>\n\
         <body><h1>{title}</h1><p><code>{code}</code>, HTTP status {}</p><p>{help}</p></body></html>\n",
        status.as_u16(),
    );
    Ok(HttpResponse::Ok()
        .content_type(ContentType::html())
        .insert_header((CONTENT_SECURITY_POLICY, PAGE_POLICY))
        .insert_header((CACHE_CONTROL, "public, max-age=3600"))
        .body(page))
}
