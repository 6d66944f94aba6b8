//! What the load test asks of the shop besides buying: as administrator where it may, else as
//! anybody.

use std::time::{Duration, Instant};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;
use stampede_kernel::{FlashSaleId, OrderNo, SkuId};

use crate::client::{Client, ClientError, Endpoint};

/// The administrator's name.
const ADMIN: &str = "admin";
/// An access token is used for this long, then the administrator logs in again.
const TOKEN_AGE_MAX: Duration = Duration::from_secs(5 * 60);

/// A flash sale, as far as the proof needs it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Sale {
    pub id: FlashSaleId,
    pub sku_id: SkuId,
    #[serde(default)]
    pub name: String,
    pub quantity: i64,
    pub available: i64,
    pub per_user_limit: Option<u64>,
    pub state: String,
}

/// A SKU's stock.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Stock {
    pub received: i64,
    pub on_hand: i64,
    pub available: i64,
    pub held: i64,
    pub sold: i64,
    pub pools: Vec<Pool>,
}

/// A part of a SKU's stock.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Pool {
    pub kind: String,
    pub flash_sale_id: Option<FlashSaleId>,
    pub allotted: i64,
    pub available: i64,
    pub held: i64,
    pub sold: i64,
}

impl Stock {
    /// The pool of one flash sale.
    #[must_use]
    pub fn pool(&self, sale: FlashSaleId) -> Option<&Pool> {
        self.pools.iter().find(|pool| pool.flash_sale_id == Some(sale))
    }
}

/// An order, as far as the proof needs it.
#[derive(Debug, Clone, Deserialize)]
pub struct Order {
    pub order_no: OrderNo,
    pub status: String,
    pub items: Vec<Item>,
    pub flash_sale_id: Option<FlashSaleId>,
}

/// A line of an order.
#[derive(Debug, Clone, Deserialize)]
pub struct Item {
    pub quantity: u64,
}

/// The shop's public API, and the administrator's password if there is one.
pub struct Shop {
    client: Client,
    password: Option<String>,
    token: Option<(String, Instant)>,
}

impl Shop {
    /// A shop to be asked; it connects with the first question.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn new(endpoint: Endpoint, admin_password: Option<String>) -> Result<Self, ClientError> {
        Ok(Self { client: Client::new(endpoint)?, password: admin_password, token: None })
    }

    /// A shop to be asked with an administrator's token, for as long as that lasts.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn with_token(endpoint: Endpoint, token: String) -> Result<Self, ClientError> {
        Ok(Self { client: Client::new(endpoint)?, password: None, token: Some((token, Instant::now())) })
    }

    /// The client, for questions with other tokens.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Whether there is a password to be administrator with.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.password.is_some() || self.token.is_some()
    }

    /// GETs `path`, as administrator if there is a password.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, ClientError> {
        self.log_in().await?;
        self.client.get(path, self.token()).await
    }

    /// POSTs `body` to `path`, as administrator if there is a password.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn post<T: DeserializeOwned>(
        &mut self,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<T, ClientError> {
        self.log_in().await?;
        self.client.post(path, self.token(), body).await
    }

    fn token(&self) -> Option<&str> {
        self.token.as_ref().map(|(token, _)| token.as_str())
    }

    async fn log_in(&mut self) -> Result<(), ClientError> {
        #[derive(Deserialize)]
        struct LoggedIn {
            access_token: String,
        }
        let Some(password) = &self.password else { return Ok(()) };
        if self.token.as_ref().is_some_and(|(_, since)| since.elapsed() < TOKEN_AGE_MAX) {
            return Ok(());
        }
        let body = json!({"login": ADMIN, "password": password});
        let answer: LoggedIn = self.client.post("/api/v1/auth/login", None, &body).await?;
        self.token = Some((answer.access_token, Instant::now()));
        Ok(())
    }

    /// A flash sale.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn sale(&mut self, id: FlashSaleId) -> Result<Sale, ClientError> {
        self.get(&format!("/api/v1/flash-sales/{id}")).await
    }

    /// A SKU's stock.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn stock(&mut self, id: SkuId) -> Result<Stock, ClientError> {
        self.get(&format!("/api/v1/skus/{id}/stock")).await
    }

    /// How many orders of a flash sale the administrator's list counts.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn orders_total(&mut self, id: FlashSaleId) -> Result<u64, ClientError> {
        #[derive(Deserialize)]
        struct Total {
            total: u64,
        }
        let path = format!("/api/v1/admin/orders?flash_sale_id={id}&page_size=1");
        Ok(self.get::<Total>(&path).await?.total)
    }
}
