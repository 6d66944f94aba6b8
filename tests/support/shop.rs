//! A shop ready to be bought from, and builders for what stands in it, all through the public API.

use std::{fmt, sync::Arc};

use serde_json::{Value, json};
use tempfile::TempDir;
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    client::Client,
    eventually::eventually,
    postgres::Postgres,
    stampede::{Launch, Stampede},
};

/// The administrator's password in every test.
pub const ADMIN_PASSWORD: &str = "the keys of the whole shop";
/// Every buyer's password.
const PASSWORD: &str = "eleven lamps over the river";
/// What signs every shop's tokens, so that a test can forge them.
pub const SIGNING_KEY: &str = "a signing key for tests alone, 32 bytes and more";

/// Users made by one request.
const USERS_AT_ONCE: usize = 5_000;

/// Where a shop keeps its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// The PostgreSQL inside the process.
    Embedded,
    /// A PostgreSQL server, by its URL.
    Postgres,
}

impl Engine {
    /// Both.
    pub const ALL: [Engine; 2] = [Engine::Embedded, Engine::Postgres];
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Engine::Embedded => "embedded",
            Engine::Postgres => "postgres",
        })
    }
}

/// How a shop is to be set up.
pub struct ShopSetup {
    engine: Engine,
    environment: Vec<(String, String)>,
    arguments: Vec<String>,
    database_url: Option<String>,
    data: TempDir,
}

/// A running shop with its administrator logged in. Stops when dropped.
pub struct Shop {
    /// The server.
    pub server: Stampede,
    /// The administrator.
    pub admin: Client,
    /// Where the data lives.
    pub engine: Engine,
    /// The name of its database on the shared server; `None` on the embedded engine, or when the
    /// test brought a URL of its own.
    pub database: Option<String>,
    _postgres: Option<Arc<Postgres>>,
    data: TempDir,
}

/// A registered user.
pub struct Buyer {
    /// Sends the user's token.
    pub client: Client,
    /// The user's id.
    pub id: String,
    /// The name to log in with.
    pub username: String,
    /// The password to log in with.
    pub password: &'static str,
}

/// A product with one SKU.
#[derive(Debug, Clone)]
pub struct Product {
    /// The product's id.
    pub id: String,
    /// The id of its default SKU.
    pub sku_id: String,
}

/// A flash sale to be made: running for an hour, limit 1, unless the test says otherwise.
#[derive(Debug, Clone)]
pub struct FlashSale {
    /// Units to sell.
    pub quantity: u64,
    /// Price of one.
    pub price: &'static str,
    /// Units that one user may have.
    pub per_user_limit: u64,
    /// Seconds from now.
    pub starts_in: i64,
    /// Seconds from now.
    pub ends_in: i64,
    /// Seconds that a buyer has to pay.
    pub pay_within: u64,
}

impl FlashSale {
    /// A running sale of so many units.
    #[must_use]
    pub fn of(quantity: u64) -> Self {
        Self { quantity, price: "9.90", per_user_limit: 1, starts_in: -1, ends_in: 3_600, pay_within: 900 }
    }
}

impl ShopSetup {
    /// On this engine, with rate limits off.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        let data = tempfile::Builder::new().prefix("stampede-data-").tempdir().expect("a temporary folder");
        let setup = Self { engine, environment: Vec::new(), arguments: Vec::new(), database_url: None, data };
        setup
            .env("STAMPEDE_ADMIN_PASSWORD", ADMIN_PASSWORD)
            .env("STAMPEDE_AUTH__SIGNING_KEY", SIGNING_KEY)
            .env("STAMPEDE_LIMITS__ENABLED", "false")
    }

    /// Adds an environment variable; a later one of the same name wins.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds an argument of `serve`.
    #[must_use]
    pub fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Uses this database, such as one behind a proxy, instead of a fresh one.
    #[must_use]
    pub fn database_url(mut self, url: &str) -> Self {
        self.database_url = Some(url.to_owned());
        self
    }

    /// The data folder that it will have.
    #[must_use]
    pub fn data(&self) -> &std::path::Path {
        self.data.path()
    }

    /// Starts the shop.
    pub async fn start(self) -> Shop {
        let mut launch = Launch::new(self.data.path());
        let (mut postgres, mut database) = (None, None);
        match (self.engine, &self.database_url) {
            (Engine::Embedded, _) => {}
            (Engine::Postgres, Some(url)) => launch = launch.env("DATABASE_URL", url),
            (Engine::Postgres, None) => {
                let shared = Postgres::shared().await;
                let name = shared.create_database().await;
                launch = launch.env("DATABASE_URL", &shared.url(&name));
                (postgres, database) = (Some(shared), Some(name));
            }
        }
        for (name, value) in &self.environment {
            launch = launch.env(name, value);
        }
        for argument in &self.arguments {
            launch = launch.arg(argument);
        }
        let server = launch.start().await;
        let admin = login(&server.client(), "admin", ADMIN_PASSWORD).await;
        Shop { server, admin, engine: self.engine, database, _postgres: postgres, data: self.data }
    }
}

impl Shop {
    /// A shop with nothing in it, on this engine, with rate limits off.
    pub async fn start(engine: Engine) -> Self {
        ShopSetup::new(engine).start().await
    }

    /// A client without a token.
    #[must_use]
    pub fn anonymous(&self) -> Client {
        self.server.client()
    }

    /// The data folder.
    #[must_use]
    pub fn data(&self) -> &std::path::Path {
        self.data.path()
    }

    /// Registers a user of this name.
    pub async fn buyer(&self, username: &str) -> Buyer {
        let body = json!({
            "username": username, "email": format!("{username}@example.com"), "password": PASSWORD,
        });
        let answer = self.anonymous().post("/api/v1/auth/register", &body).await.ok(201);
        Buyer {
            client: self.anonymous().with_token(text(&answer, "/access_token")),
            id: text(&answer, "/user/id").to_owned(),
            username: username.to_owned(),
            password: PASSWORD,
        }
    }

    /// Clients of `count` users that are made at once, without a registration each. They share their
    /// connections. Every call gives the same users first.
    pub async fn crowd(&self, count: usize) -> Vec<Client> {
        self.load_users(count, "user").await
    }

    /// Clients of `count` sellers, in a shop without a crowd.
    pub async fn sellers(&self, count: usize) -> Vec<Client> {
        self.load_users(count, "seller").await
    }

    async fn load_users(&self, count: usize, role: &str) -> Vec<Client> {
        let visitor = self.anonymous();
        let mut clients = Vec::with_capacity(count);
        while clients.len() < count {
            let part = (count - clients.len()).min(USERS_AT_ONCE);
            let body = json!({ "from": clients.len() + 1, "count": part, "role": role });
            let answer = self.admin.post("/api/v1/admin/load-users", &body).await;
            assert!((200..300).contains(&answer.status), "no users: {}", answer.text());
            let users = answer.json["users"].as_array().expect("a list of users");
            assert_eq!(users.len(), part, "as many users as were asked for");
            let client = |user: &Value| visitor.with_token(text(user, "/access_token"));
            clients.extend(users.iter().map(client));
        }
        clients
    }

    /// A product on the shelf with this price and stock.
    pub async fn product(&self, price: &str, stock: u64) -> Product {
        let body = json!({ "name": format!("A thing of {price}"), "price": price, "stock": stock, "status": "active" });
        let answer = self.admin.post("/api/v1/products", &body).await.ok(201);
        Product { id: text(&answer, "/id").to_owned(), sku_id: text(&answer, "/default_sku_id").to_owned() }
    }

    /// A flash sale of a product's SKU; its id.
    pub async fn flash_sale(&self, product: &Product, sale: &FlashSale) -> String {
        let body = json!({
            "sku_id": product.sku_id, "price": sale.price, "quantity": sale.quantity,
            "per_user_limit": sale.per_user_limit, "starts_at": from_now(sale.starts_in),
            "ends_at": from_now(sale.ends_in), "pay_within_seconds": sale.pay_within,
        });
        let opened = self.admin.post("/api/v1/flash-sales", &body).await;
        let location = opened.header("location").to_owned();
        let id = text(&opened.ok(201), "/id").to_owned();
        assert_eq!(location, format!("/api/v1/flash-sales/{id}"));
        id
    }

    /// The stock of a SKU, after checking that it adds up, pool by pool and together.
    pub async fn stock(&self, sku_id: &str) -> Value {
        let stock = self.admin.get(&format!("/api/v1/skus/{sku_id}/stock")).await.ok(200);
        let units = |of: &Value, member: &str| {
            of[member].as_i64().unwrap_or_else(|| panic!("no `{member}` in {of}, of {stock}"))
        };
        let members = ["available", "held", "sold"];
        let parts = members.map(|member| units(&stock, member));
        assert!(parts.iter().all(|part| *part >= 0), "a negative part: {stock}");
        assert_eq!(
            units(&stock, "received"),
            parts.iter().sum::<i64>(),
            "units were lost or made up: {stock}"
        );
        assert_eq!(units(&stock, "received"), units(&stock, "on_hand") + units(&stock, "sold"), "{stock}");
        let pools = stock["pools"].as_array().unwrap_or_else(|| panic!("no pools in {stock}"));
        let mut sums = [0; 3];
        for pool in pools {
            let parts = members.map(|member| units(pool, member));
            assert!(parts.iter().all(|part| *part >= 0), "a negative part of a pool: {stock}");
            assert_eq!(units(pool, "allotted"), parts.iter().sum::<i64>(), "a pool does not add up: {stock}");
            sums = std::array::from_fn(|part| sums[part] + parts[part]);
        }
        assert_eq!(sums, parts, "the pools are not the whole: {stock}");
        stock
    }

    /// One flash sale's pool of a SKU: its units available, held and sold.
    pub async fn pool(&self, sku_id: &str, sale: &str) -> [i64; 3] {
        self.pool_where(sku_id, |pool| pool["flash_sale_id"] == sale).await
    }

    /// The regular pool of a SKU: its units available, held and sold.
    pub async fn regular(&self, sku_id: &str) -> [i64; 3] {
        self.pool_where(sku_id, |pool| pool["kind"] == "regular").await
    }

    async fn pool_where(&self, sku_id: &str, wanted: impl Fn(&Value) -> bool) -> [i64; 3] {
        let stock = self.stock(sku_id).await;
        let pool = stock["pools"].as_array().and_then(|pools| pools.iter().find(|pool| wanted(pool)));
        let Some(pool) = pool else { panic!("no such pool in {stock}") };
        ["available", "held", "sold"].map(|member| pool[member].as_i64().unwrap_or(-1))
    }

    /// Waits until memory, tables and journal agree; panics when they differ for good.
    pub async fn agrees(&self) {
        let agreed = || async {
            let report = self.admin.get("/api/v1/admin/reconciliation").await.ok(200);
            let differences = report["differences"].as_array().expect("a list of differences");
            (report["lag"] == 0 && differences.is_empty()).then_some(())
        };
        eventually(agreed, "memory, tables and journal agree").await;
    }

    /// Stops the server in an orderly way and lets `stampede reconcile` compare what it left.
    pub async fn stop_and_reconcile(&mut self) {
        let status = self.server.sigterm().await;
        assert_eq!(status.code(), Some(0), "an orderly end: {}", self.server.log());
        let data = self.data().to_string_lossy().into_owned();
        let output = self.server.launch().run(&["reconcile", "--data", &data]);
        let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
        assert_eq!(output.status.code(), Some(0), "{}", said.concat());
    }

    /// The numbers of every order of a flash sale, by the administrator's list.
    pub async fn sale_orders(&self, sale: &str) -> Vec<String> {
        let mut numbers = Vec::new();
        for page in 1.. {
            let path = format!("/api/v1/admin/orders?flash_sale_id={sale}&page={page}&page_size=100");
            let answer = self.admin.get(&path).await.ok(200);
            let orders = answer["data"].as_array().expect("a list of orders");
            numbers.extend(orders.iter().map(|order| text(order, "/order_no").to_owned()));
            if answer["total_pages"].as_u64().expect("a number of pages") <= page {
                break;
            }
        }
        numbers
    }

    /// Buys directly; the order's number, status and total, once the order is there.
    pub async fn order(&self, buyer: &Client, product: &Product, quantity: u64) -> Value {
        let body = json!({ "items": [{ "sku_id": product.sku_id, "quantity": quantity }] });
        let bought = buyer.post("/api/v1/orders", &body).await;
        let location = bought.header("location").to_owned();
        let order = if bought.status == 202 { shown(buyer, &bought.json).await } else { bought.ok(201) };
        assert_eq!(location, format!("/api/v1/orders/{}", text(&order, "/order_no")));
        order
    }
}

/// A buyer's own order, which may follow its purchase (202), once it is there.
pub async fn shown(buyer: &Client, order: &Value) -> Value {
    let path = format!("/api/v1/orders/{}", text(order, "/order_no"));
    let there = || async {
        let reply = buyer.get(&path).await;
        (reply.status != 404).then_some(reply)
    };
    eventually(there, "the order shows").await.ok(200)
}

impl Buyer {
    /// The user's own orders, first page.
    pub async fn orders(&self) -> Value {
        self.client.get("/api/v1/orders").await.ok(200)
    }
}

/// Logs in; a client with the token.
async fn login(client: &Client, login: &str, password: &str) -> Client {
    let answer =
        client.post("/api/v1/auth/login", &json!({ "login": login, "password": password })).await.ok(200);
    client.with_token(text(&answer, "/access_token"))
}

fn from_now(seconds: i64) -> String {
    let moment = OffsetDateTime::now_utc() + Duration::seconds(seconds);
    moment.format(&Rfc3339).expect("a moment can be written")
}

/// The text at a JSON pointer.
fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    match value.pointer(pointer).and_then(Value::as_str) {
        Some(text) => text,
        None => panic!("no text at {pointer} in {value}"),
    }
}
