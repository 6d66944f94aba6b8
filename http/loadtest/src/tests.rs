//! The load test against a small shop on a loopback port: an honest one, and ones that lie. Every
//! lie must be found out.

use std::{
    collections::HashMap,
    net::TcpListener,
    sync::{Mutex, PoisonError, mpsc},
    time::Duration,
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, dev::ServerHandle, web};
use clap::Parser;
use serde_json::{Value, json};
use stampede_kernel::{OrderNo, Timestamp};

use super::{LoadtestArgs, LoadtestError, Report, run_as};

const PASSWORD: &str = "correct horse battery staple";
const SALE: &str = "0192f0c1-2b3c-7def-8123-456789abcdef";
const SKU: &str = "0192f0c1-2b3c-7def-8123-456789abcde0";

/// What a shop does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    None,
    /// Sells ten units that it does not have, and hides them in its ledger.
    Oversells,
    /// Counts a unit as sold that nobody bought.
    SellsToNobody,
    /// Gives one order number to two buyers.
    DoublesOrderNumber,
    /// Accepts a purchase and forgets its order.
    LosesOrder,
    /// Lets a buyer buy twice.
    ForgetsLimit,
    /// Its ledger does not add up.
    MiscountsReceived,
    /// Its list has fewer orders than it accepted.
    ListsTooFew,
    /// Accepts twice for one key.
    IgnoresKeys,
    /// Refuses for a reason that is none of a sale's.
    Breaks,
}

/// A shop with one sale of one SKU, in memory.
struct Small {
    lie: Lie,
    stock: i64,
    sold: i64,
    /// By key: buyer and order number.
    keys: HashMap<String, OrderNo>,
    orders: HashMap<OrderNo, String>,
    units: HashMap<String, i64>,
    purchases: u64,
}

type Shared = web::Data<Mutex<Small>>;

fn header<'a>(request: &'a HttpRequest, name: &str) -> &'a str {
    request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn is_admin(request: &HttpRequest) -> bool {
    header(request, "authorization") == "Bearer admin-token"
}

fn problem(status: u16, code: &str) -> HttpResponse {
    let status = actix_web::http::StatusCode::from_u16(status).unwrap_or_default();
    HttpResponse::build(status)
        .content_type("application/problem+json")
        .json(json!({"code": code, "status": status.as_u16()}))
}

async fn log_in(body: web::Json<Value>) -> HttpResponse {
    if body["login"] == "admin" && body["password"] == PASSWORD {
        HttpResponse::Ok().json(json!({"access_token": "admin-token"}))
    } else {
        problem(401, "wrong_credentials")
    }
}

async fn load_users(request: HttpRequest, body: web::Json<Value>) -> HttpResponse {
    if !is_admin(&request) {
        return problem(403, "forbidden");
    }
    let (from, count) = (body["from"].as_u64().unwrap_or(1), body["count"].as_u64().unwrap_or(0));
    let users: Vec<_> = (from..from + count)
        .map(|number| json!({"id": SKU, "username": format!("load-{number}"), "access_token": format!("user-{number}")}))
        .collect();
    HttpResponse::Ok().json(json!({ "users": users }))
}

async fn make_product(shop: Shared, body: web::Json<Value>) -> HttpResponse {
    shop.lock().unwrap_or_else(PoisonError::into_inner).stock = body["stock"].as_i64().unwrap_or(0);
    HttpResponse::Created().json(json!({"id": SKU, "default_sku_id": SKU}))
}

async fn make_sale() -> HttpResponse {
    HttpResponse::Created().json(json!({"id": SALE}))
}

async fn sale(shop: Shared) -> HttpResponse {
    let shop = shop.lock().unwrap_or_else(PoisonError::into_inner);
    HttpResponse::Ok().json(json!({
        "id": SALE, "sku_id": SKU, "name": "Small", "quantity": shop.stock, "available": shop.stock - shop.visibly_sold(),
        "per_user_limit": 1, "state": "running",
    }))
}

async fn stock(request: HttpRequest, shop: Shared) -> HttpResponse {
    if !is_admin(&request) {
        return problem(403, "forbidden");
    }
    let shop = shop.lock().unwrap_or_else(PoisonError::into_inner);
    let held = shop.visibly_sold();
    let available = shop.stock - held;
    let received = shop.stock + i64::from(shop.lie == Lie::MiscountsReceived);
    HttpResponse::Ok().json(json!({
        "sku_id": SKU, "received": received, "on_hand": shop.stock, "available": available, "held": held, "sold": 0,
        "pools": [{"kind": "flash_sale", "flash_sale_id": SALE, "allotted": shop.stock, "available": available, "held": held, "sold": 0}],
    }))
}

async fn buy(request: HttpRequest, shop: Shared) -> HttpResponse {
    let mut shop = shop.lock().unwrap_or_else(PoisonError::into_inner);
    let buyer = header(&request, "authorization").trim_start_matches("Bearer ").to_owned();
    let key = header(&request, "idempotency-key").to_owned();
    shop.buy(buyer, key)
}

async fn order(request: HttpRequest, shop: Shared, order_no: web::Path<OrderNo>) -> HttpResponse {
    let shop = shop.lock().unwrap_or_else(PoisonError::into_inner);
    let buyer = header(&request, "authorization").trim_start_matches("Bearer ");
    match shop.orders.get(&order_no) {
        Some(owner) if owner == buyer => HttpResponse::Ok().json(json!({
            "order_no": *order_no, "status": "pending_payment", "items": [{"quantity": 1}], "flash_sale_id": SALE,
        })),
        Some(_) | None => problem(404, "not_found"),
    }
}

async fn orders(request: HttpRequest, shop: Shared) -> HttpResponse {
    if !is_admin(&request) {
        return problem(403, "forbidden");
    }
    let shop = shop.lock().unwrap_or_else(PoisonError::into_inner);
    let total = shop.orders.len() - usize::from(shop.lie == Lie::ListsTooFew && !shop.orders.is_empty());
    HttpResponse::Ok().json(json!({"total": total, "data": []}))
}

impl Small {
    /// The units that the shop admits to have sold.
    fn visibly_sold(&self) -> i64 {
        self.sold.min(self.stock) + i64::from(self.lie == Lie::SellsToNobody && self.sold > 0)
    }

    fn buy(&mut self, buyer: String, key: String) -> HttpResponse {
        self.purchases += 1;
        if self.lie == Lie::Breaks && self.purchases == 5 {
            return problem(500, "internal");
        }
        if let Some(order_no) = self.keys.get(&key).filter(|_| self.lie != Lie::IgnoresKeys) {
            let answer = json!({"order_no": order_no, "status": "pending_payment"});
            return HttpResponse::Created().insert_header(("Idempotent-Replayed", "true")).json(answer);
        }
        if self.units.get(&buyer).is_some_and(|units| *units >= 1)
            && !matches!(self.lie, Lie::ForgetsLimit | Lie::IgnoresKeys)
        {
            return problem(409, "limit_reached");
        }
        let extra = if self.lie == Lie::Oversells { 10 } else { 0 };
        if self.sold >= self.stock + extra {
            return problem(409, "sold_out");
        }
        self.sold += 1;
        let number = if self.lie == Lie::DoublesOrderNumber && self.sold == 2 { 1 } else { self.sold };
        let order_no = OrderNo::new(Timestamp::from_millis(1_795_161_600_000), number.unsigned_abs());
        if self.lie != Lie::LosesOrder || self.sold != 3 {
            self.orders.insert(order_no, buyer.clone());
        }
        *self.units.entry(buyer).or_default() += 1;
        self.keys.insert(key, order_no);
        // Every seventh answer is lost after the purchase was made.
        if self.sold % 7 == 0 {
            return problem(503, "outcome_unknown");
        }
        HttpResponse::Created().json(json!({"order_no": order_no, "reservation_id": SKU, "quantity": 1}))
    }
}

/// A running shop; it stops when dropped.
struct Running {
    url: String,
    handle: ServerHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

fn start(lie: Lie) -> Result<Running, Box<dyn std::error::Error>> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let url = format!("http://{}", listener.local_addr()?);
    let (ready, started) = mpsc::channel();
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let shop = Small {
                lie,
                stock: 0,
                sold: 0,
                keys: HashMap::new(),
                orders: HashMap::new(),
                units: HashMap::new(),
                purchases: 0,
            };
            let shop = web::Data::new(Mutex::new(shop));
            let server = HttpServer::new(move || {
                App::new()
                    .app_data(shop.clone())
                    .route("/api/v1/auth/login", web::post().to(log_in))
                    .route("/api/v1/admin/load-users", web::post().to(load_users))
                    .route("/api/v1/admin/orders", web::get().to(orders))
                    .route("/api/v1/products", web::post().to(make_product))
                    .route("/api/v1/flash-sales", web::post().to(make_sale))
                    .route("/api/v1/flash-sales/{id}", web::get().to(sale))
                    .route("/api/v1/flash-sales/{id}/purchase", web::post().to(buy))
                    .route("/api/v1/skus/{id}/stock", web::get().to(stock))
                    .route("/api/v1/orders/{order_no}", web::get().to(order))
            })
            .workers(1)
            .disable_signals()
            .listen(listener)?
            .run();
            drop(ready.send(server.handle()));
            server.await
        })
    });
    Ok(Running { url, handle: started.recv_timeout(Duration::from_secs(10))? })
}

#[derive(Debug, Parser)]
struct Command {
    #[command(flatten)]
    args: LoadtestArgs,
}

fn parse(url: &str, flags: &str) -> Result<LoadtestArgs, clap::Error> {
    let words = ["loadtest", "--url", url].into_iter().chain(flags.split_whitespace());
    Command::try_parse_from(words).map(|command| command.args)
}

async fn load(shop: &Running, flags: &str) -> Result<Report, LoadtestError> {
    let args = parse(&shop.url, flags).expect("the flags are right");
    run_as(args, Some(PASSWORD.to_owned())).await
}

type Done = Result<(), Box<dyn std::error::Error>>;

#[tokio::test]
async fn an_honest_shop_holds_what_it_promised() -> Done {
    let shop = start(Lie::None)?;
    let report = load(&shop, "--setup --stock 50 --users 200 --connections 16 --tries 2").await?;
    assert_eq!(report.accepted.total, 50);
    assert_eq!(report.attempts, 400);
    assert_eq!(report.refused.total, 350);
    assert_eq!(report.refused_by_code.get("sold_out") + report.refused_by_code.get("limit_reached"), 350);
    assert_eq!((report.retries, report.replayed, report.unknown), (7, 7, 0), "every seventh answer was lost");
    assert!(report.held && report.proof.orders_read_all && report.proof.drain_seconds.is_some());
    assert!(report.proof.checks.iter().all(|check| check.verdict == super::proof::Verdict::Held), "{report}");
    Ok(())
}

#[tokio::test]
async fn an_open_loop_keeps_its_schedule() -> Done {
    let shop = start(Lie::None)?;
    let flags = "--setup --stock 1000 --users 500 --connections 8 --rate 1000 --seconds 0.5 --threads 2";
    let report = load(&shop, flags).await?;
    assert_eq!(report.attempts + report.unsent, 500, "rate x seconds, sent or told");
    assert_eq!(report.mode, "open");
    Ok(())
}

#[tokio::test]
async fn without_retries_an_unknown_outcome_leaves_a_range() -> Done {
    let shop = start(Lie::None)?;
    let report = load(&shop, "--setup --stock 50 --users 200 --connections 16 --retries 0").await?;
    assert_eq!((report.accepted.total, report.unknown), (43, 7));
    assert!(report.held, "{report}");
    Ok(())
}

#[tokio::test]
async fn every_lie_is_found_out() -> Done {
    for (lie, users, check) in [
        (Lie::Oversells, 40, "units_accepted"),
        (Lie::SellsToNobody, 40, "units_accepted"),
        (Lie::DoublesOrderNumber, 40, "order_numbers_unique"),
        (Lie::LosesOrder, 40, "orders_exist"),
        (Lie::ForgetsLimit, 20, "per_user_limit"),
        (Lie::MiscountsReceived, 40, "ledger"),
        (Lie::ListsTooFew, 40, "orders_total"),
        (Lie::IgnoresKeys, 40, "units_accepted"),
        (Lie::Breaks, 40, "answers"),
    ] {
        let shop = start(lie)?;
        let flags = format!("--setup --stock 30 --users {users} --connections 4 --tries 2 --drain 0.3");
        match load(&shop, &flags).await {
            Err(LoadtestError::NotHeld(report)) => {
                assert!(report.proof.failed().any(|failed| failed.name == check), "{lie:?}: {report}");
            }
            Err(error) => panic!("{lie:?}: {error}"),
            Ok(report) => panic!("{lie:?} was believed:\n{report}"),
        }
    }
    Ok(())
}

#[tokio::test]
async fn without_a_password_what_is_visible_is_proved_and_the_rest_is_named() -> Done {
    let folder = std::env::temp_dir().join(format!("stampede-loadtest-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let (tokens, json) = (folder.join("tokens"), folder.join("report.json"));
    std::fs::write(&tokens, "user-1\nuser-2\n\nuser-3\n")?;
    for (lie, held) in [(Lie::None, true), (Lie::LosesOrder, false)] {
        let shop = start(lie)?;
        load(&shop, "--setup --stock 5 --users 1 --drain 0.3").await?;
        let flags = format!(
            "--flash-sale {SALE} --tokens {} --json {} --drain 0.3",
            tokens.display(),
            json.display()
        );
        let report = match run_as(parse(&shop.url, &flags)?, None).await {
            Ok(report) => report,
            Err(LoadtestError::NotHeld(report)) => *report,
            Err(error) => return Err(error.into()),
        };
        // The first of the three has bought before.
        assert_eq!((report.accepted.total, report.refused_by_code.get("limit_reached")), (2, 1));
        let written: Value = serde_json::from_slice(&std::fs::read(&json)?)?;
        assert_eq!(written["accepted"]["total"], 2);
        assert_eq!(written["checks"].as_array().map(Vec::len), Some(report.proof.checks.len()));
        let unchecked =
            report.proof.checks.iter().filter(|check| check.verdict == super::proof::Verdict::Unchecked);
        assert_eq!(unchecked.map(|check| check.name).collect::<Vec<_>>(), ["orders_total", "ledger"]);
        assert_eq!(report.held, held, "{report}");
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_done_is_said() -> Done {
    let shop = start(Lie::None)?;
    let told = |result: Result<Report, LoadtestError>| {
        result.map_or_else(|error| error.to_string(), |_| String::new())
    };
    let setup = parse(&shop.url, "--setup --stock 1")?;
    let no_password = told(run_as(setup.clone(), None).await);
    assert!(no_password.contains("STAMPEDE_ADMIN_PASSWORD"), "{no_password}");
    let wrong = told(run_as(setup, Some("guess".to_owned())).await);
    assert!(wrong.contains("wrong_credentials") && !wrong.contains("guess"), "{wrong}");
    let closed = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
    let nobody =
        told(run_as(parse(&format!("http://{closed}"), "--setup --stock 1")?, Some(PASSWORD.into())).await);
    assert!(nobody.contains(&closed.to_string()), "{nobody}");
    let no_tokens = told(run_as(parse(&shop.url, &format!("--flash-sale {SALE}"))?, None).await);
    assert!(no_tokens.contains("--tokens"), "{no_tokens}");
    Ok(())
}

#[test]
fn wrong_flags_are_refused_with_a_hint() {
    for (flags, hint) in [
        ("", "--flash-sale"),
        ("--flash-sale nonsense", "--flash-sale"),
        ("--setup", "--stock"),
        ("--stock 5 --flash-sale 0192f0c1-2b3c-7def-8123-456789abcdef", "cannot be used with"),
        ("--setup --stock 5 --flash-sale 0192f0c1-2b3c-7def-8123-456789abcdef", "cannot be used with"),
        ("--setup --stock 0", "--stock"),
        ("--setup --stock 5 --rate 0", "above 0"),
        ("--setup --stock 5 --rate NaN", "above 0"),
        ("--setup --stock 5 --seconds=-1", "--seconds"),
        ("--setup --stock 5 --connections 0", "1 to 60000"),
        ("--setup --stock 5 --users x", "whole number"),
        ("--setup --stock 5 --quantity 0", "--quantity"),
    ] {
        let message =
            parse("http://127.0.0.1:1", flags).map_or_else(|error| error.to_string(), |_| String::new());
        assert!(message.contains(hint), "{flags}: {message}");
    }
    let message =
        parse("shop.example", "--setup --stock 1").map_or_else(|error| error.to_string(), |_| String::new());
    assert!(message.contains("http://"), "{message}");
}
