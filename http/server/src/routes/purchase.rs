//! Buying: from units to an order. A flash sale's purchase and a direct buy are the same street.

use std::time::Duration;

use serde_json::json;
use stampede_domain::{
    order::{OrderView, Query},
    stock::{self, Answer, Command, ReservationView, Reserve, Source},
};
use stampede_kernel::Code;
use stampede_kernel::{IdempotencyKey, ReservationId, SkuId, UserId};
use stampede_platform::runtime::AskError;
use stampede_shop::services::Services;
use stampede_shop::services::limits::ORDER_WAIT_MS;
use uuid::Uuid;

use super::{claimed::claimed, refusal};
use crate::problem::Problem;

/// What somebody wants to buy.
pub struct Wish {
    pub user: UserId,
    pub sku: SkuId,
    pub source: Source,
    pub quantity: u32,
    pub note: Option<String>,
    pub key: Option<IdempotencyKey>,
    /// Whether the key has to be claimed for its body, once the buyer is let in.
    pub claim: bool,
}

/// Units that are the buyer's, and the order for them unless it is still on its way.
pub struct Bought {
    pub reservation: ReservationView,
    pub order: Option<Box<OrderView>>,
    pub replayed: bool,
}

/// Reserves the units; durable when this answers. The order cannot be refused after that, and is
/// waited for briefly.
pub async fn buy(shop: &Services, wish: Wish) -> Result<Bought, Problem> {
    let now = shop.now();
    let reserve = Reserve {
        reservation: ReservationId(Uuid::now_v7()),
        order_no: shop.order_numbers.next(now),
        user: wish.user,
        source: wish.source,
        quantity: wish.quantity,
        note: wish.note,
        issued_at: now,
        key: wish.key,
    };
    let stock = &shop.actors.stock;
    let reserve = Command::Reserve(Box::new(reserve));
    let claim = if wish.claim { wish.key } else { None };
    if claim.is_some()
        && let Some(refused) = stock.refuses(wish.sku.0, &reserve)
    {
        // A crowd that is too late costs the database nothing.
        return Err(refusal::stock(AskError::Refused(refused)));
    }
    let answered = claimed(shop, claim, wish.sku, async |sku| {
        let answered = stock.command(sku.0, sku, reserve).await;
        answered.map_err(|error| with_line(refusal::stock(error), sku, wish.quantity))
    });
    let answered = answered.await?;
    // The reservation has been forgotten, but its key has not.
    let Answer::Reservation(reservation) = answered.answer else {
        return Err(Problem::new(Code::ReservationExpired));
    };
    let bought = with_order(shop, wish.user, reservation, answered.replayed).await;
    if bought.order.is_some() && !bought.replayed {
        shop.metrics.orders_created.inc();
    }
    Ok(bought)
}

/// What was bought under a key before, if anything was.
pub async fn bought_before(
    shop: &Services,
    user: UserId,
    sku: SkuId,
    key: Option<IdempotencyKey>,
) -> Result<Option<Bought>, Problem> {
    let Some(key) = key else { return Ok(None) };
    match shop.actors.stock.query(sku.0, sku, stock::Query::Made(key)).await.map_err(refusal::stock)? {
        Answer::Reservation(reservation) => Ok(Some(with_order(shop, user, reservation, true).await)),
        Answer::Done | Answer::Stock(_) | Answer::Sale(_) | Answer::Mine(_) => Ok(None),
    }
}

/// Waits briefly for the order that a reservation leads to.
async fn with_order(shop: &Services, user: UserId, reservation: ReservationView, replayed: bool) -> Bought {
    let opened = shop.actors.order.query(user.0, reservation.order_no, Query::Await { owner: user });
    let order = tokio::time::timeout(Duration::from_millis(ORDER_WAIT_MS), opened).await;
    Bought { reservation, order: order.ok().and_then(Result::ok), replayed }
}

/// Names the line that there is not enough for.
fn with_line(problem: Problem, sku: SkuId, quantity: u32) -> Problem {
    if problem.code() != Code::InsufficientStock {
        return problem;
    }
    problem.with("lines", json!([{ "sku_id": sku.0, "quantity": quantity }]))
}
