//! Makes what a load needs, through the public API: buyers with their tokens, and a flash sale.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use serde::Deserialize;
use serde_json::json;
use stampede_kernel::{FlashSaleId, Millis, SkuId, Timestamp};

use super::{
    LoadtestError,
    shop::{Sale, Shop},
};

/// Users asked for at once.
const USERS_PER_CALL: usize = 5_000;
/// The price that the sale's product has outside of the sale, and in it.
const PRICES: (&str, &str) = ("100.00", "59.00");
/// How long the sale lasts.
const SALE_MS: Millis = 24 * 3_600_000;
/// How long a buyer may take to pay: longer than a load lasts, so that no unit comes back in it.
const PAY_WITHIN_SECONDS: u32 = 1_800;
/// How long a new sale may take to open.
const OPENING_MAX: Duration = Duration::from_secs(10);
/// Pause between two looks at a sale that has not opened.
const OPENING_POLL: Duration = Duration::from_millis(50);

/// Somebody who buys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buyer {
    /// The access token.
    pub token: String,
}

/// Makes `count` users, or takes those that earlier loads made, and gives each a token.
///
/// # Errors
/// When the server refuses or gives fewer users than asked for.
pub async fn users(
    shop: &mut Shop,
    count: usize,
    mut on_progress: impl FnMut(usize),
) -> Result<Arc<[Buyer]>, LoadtestError> {
    #[derive(Deserialize)]
    struct Users {
        users: Vec<User>,
    }
    #[derive(Deserialize)]
    struct User {
        access_token: String,
    }
    let mut buyers = Vec::with_capacity(count);
    while buyers.len() < count {
        let wanted = USERS_PER_CALL.min(count - buyers.len());
        let body = json!({"from": buyers.len() + 1, "count": wanted});
        let page: Users = shop.post("/api/v1/admin/load-users", &body).await?;
        if page.users.len() != wanted {
            return Err(LoadtestError::Users { wanted, given: page.users.len() });
        }
        buyers.extend(page.users.into_iter().map(|user| Buyer { token: user.access_token }));
        on_progress(buyers.len());
    }
    Ok(buyers.into())
}

/// Reads tokens, one a line; no more than `count` if that is given.
///
/// # Errors
/// When the file cannot be read, holds too few tokens, or a line that is none.
pub fn tokens(path: &Path, count: Option<usize>) -> Result<Arc<[Buyer]>, LoadtestError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| LoadtestError::TokensUnread { path: path.to_owned(), source })?;
    let mut buyers = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let token = line.trim();
        if token.is_empty() {
            continue;
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(LoadtestError::NoToken { path: path.to_owned(), line: index + 1 });
        }
        buyers.push(Buyer { token: token.to_owned() });
    }
    let wanted = count.unwrap_or(1);
    if buyers.len() < wanted {
        return Err(LoadtestError::TokensFew { path: path.to_owned(), wanted, there: buyers.len() });
    }
    buyers.truncate(count.unwrap_or(buyers.len()));
    Ok(buyers.into())
}

/// Makes a product with `stock` units and a flash sale of them all, and waits until it runs.
///
/// # Errors
/// When the server refuses, or the sale does not open.
pub async fn sale(shop: &mut Shop, stock: u64, per_user_limit: u64) -> Result<Sale, LoadtestError> {
    #[derive(Deserialize)]
    struct Product {
        default_sku_id: SkuId,
    }
    #[derive(Deserialize)]
    struct Created {
        id: FlashSaleId,
    }
    let name = format!("Load test of {}", now());
    let product = json!({"name": name, "price": PRICES.0, "stock": stock, "status": "active"});
    let product: Product = shop.post("/api/v1/products", &product).await?;
    let starts_at = now();
    let sale = json!({
        "sku_id": product.default_sku_id,
        "price": PRICES.1,
        "quantity": stock,
        "per_user_limit": per_user_limit,
        "starts_at": starts_at.to_string(),
        "ends_at": starts_at.plus(SALE_MS).to_string(),
        "pay_within_seconds": PAY_WITHIN_SECONDS,
    });
    let created: Created = shop.post("/api/v1/flash-sales", &sale).await?;
    let since = Instant::now();
    loop {
        let sale = shop.sale(created.id).await?;
        if sale.state == "running" {
            return Ok(sale);
        }
        if since.elapsed() > OPENING_MAX {
            return Err(LoadtestError::NotOpened { sale: created.id, state: sale.state });
        }
        tokio::time::sleep(OPENING_POLL).await;
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::after_epoch(since)
}
