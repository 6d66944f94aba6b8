//! What Stampede is held against: small honest servers with the same routes, token check and answers.
//!
//! `bare` answers every purchase with 409 and does nothing else: no server on actix-web can refuse
//! faster. `row-lock` is how such shops are usually built: each purchase is a transaction that takes a
//! unit with `UPDATE ... WHERE stock > 0` and inserts the order. Both run as processes of this same
//! program, and both show as much as the load test needs to check them.

use std::{
    path::Path,
    process::{Command, ExitCode},
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, http::StatusCode, web};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::json;
use stampede_tests::{
    Process, SIGNING_KEY, bound_command, eventually,
    sqlx::{self, PgPool, Row as _, postgres::PgPoolOptions},
};
use uuid::Uuid;

/// The baseline's one sale.
pub const SALE: &str = "0192f0c1-2b3c-7def-8123-456789abcdef";
/// Units in it: more than any load buys.
const STOCK: i64 = 1_000_000_000;
/// Seconds that the tokens are valid: longer than a benchmark takes.
const TOKEN_SECONDS: u64 = 6 * 3_600;
/// The names of the servers on the command line.
const BARE: &str = "serve-bare";
const ROW_LOCK: &str = "serve-row-lock";

const SCHEMA: &str = "
    CREATE TABLE stock_level (sale_id uuid PRIMARY KEY, quantity bigint NOT NULL, stock bigint NOT NULL CHECK (stock >= 0));
    CREATE TABLE purchase (order_no text PRIMARY KEY, user_id uuid NOT NULL, sale_id uuid NOT NULL, quantity int NOT NULL,
        unit_price numeric(12, 2) NOT NULL, status text NOT NULL, created_at timestamptz NOT NULL DEFAULT now());";

/// The claims that Stampede's own tokens have.
#[derive(Serialize, Deserialize)]
struct Claims {
    sub: Uuid,
    role: String,
    sid: Uuid,
    jti: Uuid,
    iat: u64,
    nbf: u64,
    exp: u64,
    iss: String,
    aud: String,
}

/// A running baseline; killed when dropped.
pub struct Baseline {
    pub url: String,
    _process: Process,
    _logs: tempfile::TempDir,
}

impl Baseline {
    /// The server that only refuses.
    pub async fn bare() -> Self {
        Self::start(&[BARE.to_owned()]).await
    }

    /// The transactional server, with so many connections to an empty database.
    pub async fn row_lock(database_url: &str, connections: u32) -> Self {
        Self::start(&[ROW_LOCK.to_owned(), database_url.to_owned(), connections.to_string()]).await
    }

    async fn start(arguments: &[String]) -> Self {
        let logs =
            tempfile::Builder::new().prefix("stampede-baseline-").tempdir().expect("a temporary folder");
        let own = std::env::current_exe().expect("this program has a path");
        let mut command: Command = bound_command(&own, "KILL");
        command.args(arguments);
        let mut process = Process::start("baseline", command, logs.path()).expect("the baseline starts");
        let ready = || {
            assert!(process.ended().is_none(), "the baseline ended: {}", process.log_tail());
            let line = process.stdout();
            std::future::ready(line.ends_with('\n').then(|| line.trim().to_owned()))
        };
        let url = eventually(ready, "the baseline listens").await;
        Self { url, _process: process, _logs: logs }
    }
}

/// Writes `count` buyers' tokens to `file`, one a line.
pub fn write_tokens(file: &Path, count: usize) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is right").as_secs();
    let key = EncodingKey::from_secret(SIGNING_KEY.as_bytes());
    let token = |_| {
        let claims = Claims {
            sub: Uuid::now_v7(),
            role: "user".to_owned(),
            sid: Uuid::now_v7(),
            jti: Uuid::now_v7(),
            iat: now,
            nbf: now,
            exp: now + TOKEN_SECONDS,
            iss: "stampede".to_owned(),
            aud: "stampede".to_owned(),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).expect("a token can be signed")
    };
    let tokens: Vec<String> = (0..count).map(token).collect();
    std::fs::write(file, tokens.join("\n")).expect("the tokens can be written");
}

/// Serves a baseline until it is killed, if the command line asks for one.
pub fn serve_if_asked(arguments: &[String]) -> Option<ExitCode> {
    let serve = |database: Option<(String, u32)>| {
        actix_web::rt::System::new().block_on(serve(database)).expect("the baseline serves");
        ExitCode::SUCCESS
    };
    match arguments {
        [name] if name == BARE => Some(serve(None)),
        [name, url, connections] if name == ROW_LOCK => {
            Some(serve(Some((url.clone(), connections.parse().expect("a number of connections")))))
        }
        _ => None,
    }
}

struct Shared {
    pool: Option<PgPool>,
    decoding: DecodingKey,
    validation: Validation,
    next_order: AtomicU64,
}

async fn serve(database: Option<(String, u32)>) -> std::io::Result<()> {
    // The pool lives on a runtime of its own, which outlives every worker's.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let pool = match database {
        Some((url, connections)) => {
            let opened = runtime.spawn(async move { open(&url, connections).await }).await;
            Some(opened.map_err(std::io::Error::other)?.map_err(std::io::Error::other)?)
        }
        None => None,
    };
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
    validation.set_issuer(&["stampede"]);
    validation.set_audience(&["stampede"]);
    validation.validate_nbf = true;
    let decoding = DecodingKey::from_secret(SIGNING_KEY.as_bytes());
    let next_order = AtomicU64::new(0);
    let shared = web::Data::new(Shared { pool, decoding, validation, next_order });
    let server = HttpServer::new(move || {
        App::new()
            .app_data(shared.clone())
            .route("/api/v1/flash-sales/{id}", web::get().to(sale))
            .route("/api/v1/flash-sales/{id}/purchase", web::post().to(buy))
            .route("/api/v1/orders/{order_no}", web::get().to(order))
    })
    .bind(("127.0.0.1", 0))?;
    let address = server.addrs()[0];
    let ready = format!("http://{address}\n");
    std::io::Write::write_all(&mut std::io::stdout(), ready.as_bytes())?;
    let served = server.run().await;
    runtime.shutdown_background();
    served
}

async fn open(url: &str, connections: u32) -> Result<PgPool, sqlx::Error> {
    let pool =
        PgPoolOptions::new().min_connections(connections).max_connections(connections).connect(url).await?;
    sqlx::raw_sql(SCHEMA).execute(&pool).await?;
    sqlx::query("INSERT INTO stock_level (sale_id, quantity, stock) VALUES ($1::text::uuid, $2, $2)")
        .bind(SALE)
        .bind(STOCK)
        .execute(&pool)
        .await?;
    Ok(pool)
}

impl Shared {
    /// Who asks; nobody without a token that holds.
    fn caller(&self, request: &HttpRequest) -> Option<Uuid> {
        let header = request.headers().get("authorization")?.to_str().ok()?;
        let token = header.strip_prefix("Bearer ")?;
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation).ok()?.claims;
        Some(claims.sub)
    }
}

fn problem(status: u16, code: &str, title: &str, detail: &str) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap_or_default();
    HttpResponse::build(status).content_type("application/problem+json").json(json!({
        "type": format!("/problems/{code}"), "title": title, "status": status.as_u16(), "code": code,
        "detail": detail, "request_id": Uuid::now_v7(),
    }))
}

fn unauthenticated() -> HttpResponse {
    problem(401, "unauthenticated", "Not signed in", "A valid access token is needed.")
}

fn broken(error: &sqlx::Error) -> HttpResponse {
    problem(500, "internal", "Broken", &error.to_string())
}

fn sold_out() -> HttpResponse {
    problem(409, "sold_out", "Sold out", "Nothing is left of this flash sale.")
}

async fn buy(request: HttpRequest, shared: web::Data<Shared>, body: web::Json<Purchase>) -> HttpResponse {
    let Some(user_id) = shared.caller(&request) else { return unauthenticated() };
    let Some(pool) = &shared.pool else { return sold_out() };
    let number = shared.next_order.fetch_add(1, Ordering::Relaxed);
    let order_no = format!("20260101{number:012}");
    match take(pool, &order_no, user_id, body.quantity).await {
        Ok(true) => HttpResponse::Created().json(json!({
            "order_no": order_no, "reservation_id": Uuid::now_v7(), "quantity": body.quantity,
            "unit_price": "59.00", "total": "59.00", "currency": "CNY", "status": "pending_payment",
            "pay_before": "2030-01-01T00:00:00.000Z",
        })),
        Ok(false) => sold_out(),
        Err(error) => broken(&error),
    }
}

#[derive(Deserialize)]
struct Purchase {
    quantity: i32,
}

/// Takes the units and makes the order in one transaction; false when too few are left.
async fn take(pool: &PgPool, order_no: &str, user_id: Uuid, quantity: i32) -> Result<bool, sqlx::Error> {
    const TAKE: &str =
        "UPDATE stock_level SET stock = stock - $2 WHERE sale_id = $1::text::uuid AND stock >= $2";
    const INSERT: &str = "INSERT INTO purchase (order_no, user_id, sale_id, quantity, unit_price, status) \
         VALUES ($1, $2::text::uuid, $3::text::uuid, $4, 59.00, 'pending_payment')";
    let mut transaction = pool.begin().await?;
    let taken = sqlx::query(TAKE).bind(SALE).bind(i64::from(quantity)).execute(&mut *transaction).await?;
    if taken.rows_affected() == 0 {
        transaction.rollback().await?;
        return Ok(false);
    }
    let insert = sqlx::query(INSERT).bind(order_no).bind(user_id.to_string()).bind(SALE).bind(quantity);
    insert.execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(true)
}

async fn sale(shared: web::Data<Shared>) -> HttpResponse {
    let (quantity, available) = match &shared.pool {
        None => (0, 0),
        Some(pool) => {
            let row = sqlx::query("SELECT quantity, stock FROM stock_level").fetch_one(pool).await;
            match row.and_then(|row| Ok((row.try_get(0)?, row.try_get(1)?))) {
                Ok(levels) => levels,
                Err(error) => return broken(&error),
            }
        }
    };
    let (quantity, available): (i64, i64) = (quantity, available);
    HttpResponse::Ok().json(json!({
        "id": SALE, "sku_id": SALE, "name": "Baseline", "quantity": quantity, "available": available,
        "per_user_limit": null, "state": "running",
    }))
}

async fn order(request: HttpRequest, shared: web::Data<Shared>, order_no: web::Path<String>) -> HttpResponse {
    const SELECT: &str =
        "SELECT quantity, status FROM purchase WHERE order_no = $1 AND user_id = $2::text::uuid";
    let Some(user_id) = shared.caller(&request) else { return unauthenticated() };
    let missing = || problem(404, "not_found", "Not found", "There is no such order.");
    let Some(pool) = &shared.pool else { return missing() };
    let found = sqlx::query(SELECT).bind(&*order_no).bind(user_id.to_string()).fetch_optional(pool).await;
    let parts = |row: sqlx::postgres::PgRow| Ok((row.try_get::<i32, _>(0)?, row.try_get::<String, _>(1)?));
    match found.and_then(|row| row.map(parts).transpose()) {
        Ok(Some((quantity, status))) => HttpResponse::Ok().json(json!({
            "order_no": *order_no, "status": status, "items": [{"quantity": quantity}], "flash_sale_id": SALE,
        })),
        Ok(None) => missing(),
        Err(error) => broken(&error),
    }
}
