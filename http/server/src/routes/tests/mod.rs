//! The whole edge through an app: table, layer, extractors and problems together.

mod edge;
mod extract;
mod ops;
mod table;

use actix_http::Payload;
use actix_web::{
    App, Error, HttpResponse, Route,
    body::{BoxBody, to_bytes},
    dev::{Service, ServiceResponse},
    http::{Method, header::HeaderMap},
    test::{TestRequest, init_service},
    web::{Bytes, Data},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stampede_kernel::{Code, IdempotencyKey, Timestamp, UserId};
use stampede_shop::records::account::Role;
use uuid::Uuid;

use super::{table::mount, *};
use crate::{
    auth::Signer,
    extract::{Admin, Auth, Json, KeyedJson, MaybeCaller, Path, Query, Seller},
    health::Health,
    middleware::{Class, EdgeState},
    problem::Problem,
    settings::{HttpSettings, shipped},
};

/// An edge without a database, with some settings changed.
fn shell(change: impl FnOnce(&mut HttpSettings)) -> Data<EdgeState> {
    let mut settings = shipped();
    change(&mut settings);
    let signer = Signer::new(b"0123456789abcdef0123456789abcdef", &settings.auth).unwrap();
    Data::new(EdgeState::new(&settings, signer, Health::default()))
}

fn token(shell: &EdgeState, user: UserId, role: Role) -> String {
    let now = Timestamp::from(time::OffsetDateTime::now_utc());
    format!("Bearer {}", shell.signer.issue(user, role, Uuid::now_v7(), now).unwrap().access_token)
}

fn somebody() -> UserId {
    UserId(Uuid::now_v7())
}

#[derive(Debug, Serialize, Deserialize)]
struct Purchase {
    quantity: Option<u32>,
}

#[derive(Debug, Deserialize)]
struct Page {
    page: u32,
}

fn shown(key: Option<IdempotencyKey>) -> HttpResponse {
    HttpResponse::Ok().json(key.map(|key| (key.key.to_string(), key.body.to_string())))
}

/// Handlers that stand for the shop's.
fn rows() -> Vec<Row> {
    let row = |method, path, class, handler: fn() -> Route| {
        let mut row = Row::undocumented(path, handler);
        (row.method, row.class) = (method, class);
        row
    };
    let mut rows = vec![
        row(Method::POST, "/t/json", Class::Api, || {
            web::to(|body: Json<Purchase>| async move { HttpResponse::Created().json(&body.0) })
        }),
        row(Method::POST, "/t/keyed", Class::Flash, || {
            web::to(|keyed: KeyedJson<Purchase>| async move { shown(keyed.key) })
        }),
        row(Method::POST, "/t/keyed/{id}", Class::Flash, || {
            web::to(|keyed: KeyedJson<Purchase>| async move { shown(keyed.key) })
        }),
        row(Method::GET, "/t/query", Class::Api, || {
            web::to(|query: Query<Page>| async move { query.page.to_string() })
        }),
        row(Method::GET, "/t/path/{id}", Class::Api, || {
            web::to(|id: Path<Uuid>| async move { id.to_string() })
        }),
        row(Method::GET, "/t/user", Class::Api, || {
            web::to(|caller: Auth| async move { caller.user_id.to_string() })
        }),
        row(Method::GET, "/t/seller", Class::Api, || web::to(|_: Seller| async { "seller" })),
        row(Method::GET, "/t/admin", Class::Api, || web::to(|_: Admin| async { "admin" })),
        row(Method::GET, "/t/maybe", Class::Api, || {
            web::to(|caller: MaybeCaller| async move {
                if caller.known().is_some() { "known" } else { "unknown" }
            })
        }),
        row(Method::GET, "/t/large", Class::Free, || {
            web::to(|| async {
                HttpResponse::Ok().content_type("application/json").body("[1,2,3,4]".repeat(1_000))
            })
        }),
        row(Method::POST, "/t/slow", Class::Free, || {
            web::to(|| async { std::future::pending::<HttpResponse>().await })
        }),
        row(Method::GET, "/t/slow", Class::Free, || {
            web::to(|| async { std::future::pending::<HttpResponse>().await })
        }),
        row(Method::GET, "/t/broken", Class::Free, || {
            web::to(|| async {
                Err::<HttpResponse, Problem>(Problem::internal(&std::io::Error::other("SELECT hunter2")))
            })
        }),
    ];
    rows.extend_from_slice(table());
    rows
}

async fn app(
    shell: &Data<EdgeState>,
) -> impl Service<actix_http::Request, Response = ServiceResponse<BoxBody>, Error = Error> + use<> {
    let shell = shell.clone();
    init_service(App::new().configure(move |app| {
        mount(app, &shell, rows().iter().collect());
        configure(shell)(app);
    }))
    .await
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    fn code(&self) -> (u16, String) {
        (self.status, self.json()["code"].as_str().unwrap_or_default().to_owned())
    }

    /// Path and code of the first field that is wrong.
    fn field(&self) -> (String, String) {
        let error = &self.json()["errors"][0];
        let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        (text("field"), text("code"))
    }
}

async fn send<S>(app: &S, request: TestRequest) -> Answer
where
    S: Service<actix_http::Request, Response = ServiceResponse<BoxBody>, Error = Error>,
{
    let peer = "192.0.2.1:1234".parse().unwrap();
    let response = app.call(request.peer_addr(peer).to_request()).await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, body: to_bytes(response.into_body()).await.unwrap() }
}

fn get(path: &str) -> TestRequest {
    TestRequest::get().uri(path)
}

fn post(path: &str, body: &'static str) -> TestRequest {
    TestRequest::post().uri(path).insert_header(("content-type", "application/json")).set_payload(body)
}

fn code(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}
