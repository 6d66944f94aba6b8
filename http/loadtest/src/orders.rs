//! Reads the orders that were promised, each with its buyer's token.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use stampede_kernel::{FlashSaleId, OrderNo};
use tokio::task::JoinSet;

use super::{
    proof::Claim,
    setup::Buyer,
    shop::{Order, Shop},
    tally::Acceptance,
};
use crate::client::{Client, ClientError};

/// Acceptances up to which every order is read.
pub(super) const ORDERS_READ_ALL_MAX: usize = 20_000;
/// Orders read, at random, of more acceptances than that.
pub(super) const ORDERS_SAMPLED: usize = 2_000;
/// Orders read at once, each on a connection of its own.
const READERS: usize = 16;
/// Pause before an order that is not there yet, or was refused for now, is asked for again.
const PAUSE: Duration = Duration::from_millis(100);
/// Wrong orders that are described.
const EXAMPLES_MAX: usize = 3;

/// What reading the orders came to.
#[derive(Debug, Default)]
pub(super) struct OrdersRead {
    pub read: u64,
    pub wrong: u64,
    /// What was wrong with some of them.
    pub examples: Vec<String>,
    pub cancelled: HashSet<OrderNo>,
}

/// What every reader needs.
struct Reading {
    client: Client,
    buyers: Arc<[Buyer]>,
    chosen: Vec<Acceptance>,
    sale: FlashSaleId,
    quantity: u32,
    deadline: Instant,
}

/// Reads the order of every acceptance, or of a random sample when there are many.
pub(super) async fn read(
    shop: &Shop,
    sale: FlashSaleId,
    claim: &Claim<'_>,
    deadline: Instant,
    on_wait: &mut impl FnMut(&str),
) -> OrdersRead {
    let reading = Arc::new(Reading {
        client: shop.client().clone(),
        buyers: Arc::clone(&claim.buyers),
        chosen: choose(&claim.tally.accepted),
        sale,
        quantity: claim.quantity,
        deadline,
    });
    on_wait(&format!("reading {} orders", reading.chosen.len()));
    let mut readers = JoinSet::new();
    for first in 0..READERS.min(reading.chosen.len()) {
        readers.spawn(read_every(Arc::clone(&reading), first));
    }
    let mut all = OrdersRead::default();
    while let Some(joined) = readers.join_next().await {
        let Ok(part) = joined else {
            all.wrong += 1;
            all.examples.push("a reader failed".to_owned());
            continue;
        };
        all.read += part.read;
        all.wrong += part.wrong;
        all.cancelled.extend(part.cancelled);
        all.examples.extend(part.examples);
        all.examples.truncate(EXAMPLES_MAX);
    }
    all
}

fn choose(accepted: &[Acceptance]) -> Vec<Acceptance> {
    if accepted.len() <= ORDERS_READ_ALL_MAX {
        return accepted.to_vec();
    }
    let chosen = rand::seq::index::sample(&mut rand::rng(), accepted.len(), ORDERS_SAMPLED);
    chosen.into_iter().map(|index| accepted[index]).collect()
}

/// Reads every [`READERS`]th order from `first` on.
async fn read_every(reading: Arc<Reading>, first: usize) -> OrdersRead {
    let mut part = OrdersRead::default();
    for acceptance in reading.chosen.iter().skip(first).step_by(READERS) {
        part.read += 1;
        let found = match read_one(&reading, acceptance).await {
            Ok(order) => verify(&order, acceptance, &reading).map(|()| order),
            Err(error) => Err(error.to_string()),
        };
        match found {
            Ok(order) if order.status == "cancelled" => drop(part.cancelled.insert(order.order_no)),
            Ok(_) => {}
            Err(why) => {
                part.wrong += 1;
                if part.examples.len() < EXAMPLES_MAX {
                    part.examples.push(format!("{}: {why}", acceptance.order_no));
                }
            }
        }
    }
    part
}

/// One order; what is not there yet, or not answered for now, is asked for again until the deadline.
async fn read_one(reading: &Reading, acceptance: &Acceptance) -> Result<Order, ClientError> {
    let path = format!("/api/v1/orders/{}", acceptance.order_no);
    let token = &reading.buyers[acceptance.buyer as usize].token;
    loop {
        let error = match reading.client.get(&path, Some(token)).await {
            Ok(order) => return Ok(order),
            Err(error) => error,
        };
        let passing = error.refusal().is_none_or(|refusal| matches!(refusal.status, 404 | 429 | 503));
        if !passing || Instant::now() >= reading.deadline {
            return Err(error);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn verify(order: &Order, acceptance: &Acceptance, reading: &Reading) -> Result<(), String> {
    let units: u64 = order.items.iter().map(|item| item.quantity).sum();
    if order.order_no != acceptance.order_no {
        return Err(format!("the answer is order {}", order.order_no));
    }
    if units != u64::from(reading.quantity) {
        return Err(format!("it has {units} units instead of {}", reading.quantity));
    }
    match order.flash_sale_id {
        Some(sale) if sale == reading.sale => Ok(()),
        Some(other) => Err(format!("it belongs to flash sale {other}")),
        None => Err("it belongs to no flash sale".to_owned()),
    }
}
