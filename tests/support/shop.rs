//! A shop ready to be bought from, and builders for what stands in it, all through the public API.

use std::{fmt, sync::Arc};

use serde_json::{Value, json};
use tempfile::TempDir;
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    client::Client,
    postgres::Postgres,
    stampede::{Launch, Stampede},
};

/// The administrator's password in every test.
pub const ADMIN_PASSWORD: &str = "the keys of the whole shop";
/// Every buyer's password.
const PASSWORD: &str = "eleven lamps over the river";
/// What signs every shop's tokens, so that a test can forge them.
pub const SIGNING_KEY: &str = "a signing key for tests alone, 32 bytes and more";

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
        let setup = Self { engine, environment: Vec::new(), arguments: Vec::new(), database_url: None };
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

    /// Starts the shop.
    pub async fn start(self) -> Shop {
        let data = tempfile::Builder::new().prefix("stampede-data-").tempdir().expect("a temporary folder");
        let mut launch = Launch::new(data.path());
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
        Shop { server, admin, engine: self.engine, database, _postgres: postgres, data }
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

    /// Clients of `count` users that are made at once, without a registration each.
    pub async fn crowd(&self, count: usize) -> Vec<Client> {
        let launch = self.server.launch().clone();
        let url = self.server.url().to_owned();
        let output = tokio::task::spawn_blocking(move || {
            launch.run(&["token", "--users", &count.to_string(), "--url", &url])
        })
        .await
        .expect("the task ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "`stampede token` ended with {}: {said}", output.status);
        let tokens = String::from_utf8(output.stdout).expect("tokens are text");
        let clients: Vec<Client> = tokens.lines().map(|token| self.anonymous().with_token(token)).collect();
        assert_eq!(clients.len(), count, "one token a user");
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
        let answer = self.admin.post("/api/v1/flash-sales", &body).await.ok(201);
        text(&answer, "/id").to_owned()
    }

    /// The stock of a SKU, after checking that it adds up.
    pub async fn stock(&self, sku_id: &str) -> Value {
        let stock = self.anonymous().get(&format!("/api/v1/skus/{sku_id}/stock")).await.ok(200);
        let units =
            |member: &str| stock[member].as_i64().unwrap_or_else(|| panic!("no `{member}` in {stock}"));
        let parts = ["available", "held", "sold"].map(units);
        assert!(parts.iter().all(|part| *part >= 0), "a negative part: {stock}");
        assert_eq!(units("received"), parts.iter().sum::<i64>(), "units were lost or made up: {stock}");
        assert_eq!(units("received"), units("on_hand") + units("sold"), "{stock}");
        stock
    }

    /// Buys directly; the order.
    pub async fn order(&self, buyer: &Client, product: &Product, quantity: u64) -> Value {
        let body = json!({ "items": [{ "sku_id": product.sku_id, "quantity": quantity }] });
        buyer.post("/api/v1/orders", &body).await.ok(201)
    }
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
