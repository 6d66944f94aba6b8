//! Buying: from units to an order. A flash sale's purchase and a direct buy are the same street.

use std::time::Duration;

use serde_json::json;
use stampede_actors::kernel::Code;
use stampede_actors::{
    kernel::{IdempotencyKey, ReservationId, SkuId, UserId, limits::ORDER_WAIT_MS},
    order::{OrderView, Query},
    stock::{self, Answer, ReservationView, Reserve, Source},
};
use uuid::Uuid;

use super::refusal;
use crate::{problem::Problem, startup::Shop};

/// What somebody wants to buy.
pub struct Wish {
    pub user: UserId,
    pub sku: SkuId,
    pub source: Source,
    pub quantity: u32,
    pub note: Option<String>,
    pub key: Option<IdempotencyKey>,
}

/// Units that are the buyer's, and the order for them unless it is still on its way.
pub struct Bought {
    pub reservation: ReservationView,
    pub order: Option<Box<OrderView>>,
    pub replayed: bool,
}

/// Reserves the units; durable when this answers. The order cannot be refused after that, and is
/// waited for briefly.
pub async fn buy(shop: &Shop, wish: Wish) -> Result<Bought, Problem> {
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
    let answered = stock::reserve(&shop.actors.stock, wish.sku, reserve, now).await;
    let answered = answered.map_err(|error| with_line(refusal::stock(error), wish.sku, wish.quantity))?;
    let reservation = match answered.answer {
        Answer::Reservation(reservation) => reservation,
        Answer::Done | Answer::Stock(_) | Answer::Sale(_) | Answer::Mine(_) => {
            // The reservation has been forgotten, but its key has not.
            return Err(Problem::new(Code::ReservationExpired));
        }
    };
    let opened =
        shop.actors.order.query(wish.user.0, reservation.order_no, Query::Await { owner: wish.user });
    let order = tokio::time::timeout(Duration::from_millis(ORDER_WAIT_MS), opened).await;
    let order = order.ok().and_then(Result::ok);
    if order.is_some() && !answered.replayed {
        shop.metrics.orders_created.inc();
    }
    Ok(Bought { reservation, order, replayed: answered.replayed })
}

/// Names the line that there is not enough for.
fn with_line(problem: Problem, sku: SkuId, quantity: u32) -> Problem {
    if problem.code() != Code::InsufficientStock {
        return problem;
    }
    problem.with("lines", json!([{ "sku_id": sku.0, "quantity": quantity }]))
}
