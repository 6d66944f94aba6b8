//! The rules of an order's life.

use stampede_kernel::{IdempotencyKey, Timestamp, UserId};

use super::model::{Action, Command, Event, LogEntry, Open, OrderView, Refusal, ReservedLine, State, Status};

/// The reason of a cancellation by the payment deadline.
pub(super) const PAYMENT_TIMEOUT: &str = "payment_timeout";

/// Events that follow from a command; none if it was done before.
pub fn decide(state: &State, command: &Command, now: Timestamp) -> Result<Vec<Event>, Refusal> {
    if let Command::Open(open) = command {
        return decide_open(state, open);
    }
    let Some(order) = &state.order else { return Err(Refusal::NotFound) };
    match command {
        Command::Open(_) => Ok(Vec::new()),
        Command::Pay { user, key } => decide_pay(state, order, *user, *key, now),
        Command::Cancel { owner, by, reason, key } => {
            owned(order, *owner)?;
            if repeats(state, *key)? {
                return Ok(Vec::new());
            }
            match order.status {
                Status::PendingPayment => {
                    let reason = reason.clone().unwrap_or_else(|| "cancelled by the buyer".to_owned());
                    Ok(vec![cancelled(order, now, Some(*by), reason, *key)])
                }
                Status::Paid
                | Status::Shipped
                | Status::Delivered
                | Status::Completed
                | Status::Cancelled => Err(wrong_state(order)),
            }
        }
        Command::Expire => match order.status {
            Status::PendingPayment if now >= order.pay_before => {
                Ok(vec![cancelled(order, now, None, PAYMENT_TIMEOUT.to_owned(), None)])
            }
            Status::PendingPayment
            | Status::Paid
            | Status::Shipped
            | Status::Delivered
            | Status::Completed
            | Status::Cancelled => Ok(Vec::new()),
        },
        Command::Ship { by, remark } => moved(
            order,
            Status::Paid,
            Status::Shipped,
            Event::Shipped { at: now, by: *by, remark: remark.clone() },
        ),
        Command::Deliver { by } => {
            moved(order, Status::Shipped, Status::Delivered, Event::Delivered { at: now, by: *by })
        }
        Command::Complete { user } => {
            owned(order, *user)?;
            moved(order, Status::Delivered, Status::Completed, Event::Completed { at: now, by: *user })
        }
    }
}

fn decide_open(state: &State, open: &Open) -> Result<Vec<Event>, Refusal> {
    match &state.order {
        None => Ok(vec![Event::Opened(Box::new(open.clone()))]),
        Some(order) if order.user == open.user && order.lines == open.lines => Ok(Vec::new()),
        Some(_) => Err(Refusal::NumberTaken),
    }
}

/// Paying at or after the deadline is refused, and itself decides the cancellation: the answer to it
/// tells of the cancelled order.
fn decide_pay(
    state: &State,
    order: &OrderView,
    user: UserId,
    key: Option<IdempotencyKey>,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    owned(order, user)?;
    if repeats(state, key)? {
        return Ok(Vec::new());
    }
    match order.status {
        Status::PendingPayment if now >= order.pay_before => {
            Ok(vec![cancelled(order, now, None, PAYMENT_TIMEOUT.to_owned(), None)])
        }
        Status::PendingPayment => {
            Ok(vec![Event::Paid { at: now, by: user, reservations: reservations(order), key }])
        }
        Status::Paid | Status::Shipped | Status::Delivered | Status::Completed | Status::Cancelled => {
            Err(wrong_state(order))
        }
    }
}

fn owned(order: &OrderView, user: UserId) -> Result<(), Refusal> {
    if order.user == user { Ok(()) } else { Err(Refusal::NotFound) }
}

fn moved(order: &OrderView, from: Status, to: Status, event: Event) -> Result<Vec<Event>, Refusal> {
    if order.status == from {
        Ok(vec![event])
    } else if order.status == to {
        Ok(Vec::new())
    } else {
        Err(wrong_state(order))
    }
}

fn cancelled(
    order: &OrderView,
    at: Timestamp,
    by: Option<UserId>,
    reason: String,
    key: Option<IdempotencyKey>,
) -> Event {
    Event::Cancelled { at, by, reason, reservations: reservations(order), key }
}

fn reservations(order: &OrderView) -> Vec<ReservedLine> {
    order.lines.iter().map(|line| ReservedLine { sku: line.sku_id, reservation: line.reservation }).collect()
}

pub(super) fn wrong_state(order: &OrderView) -> Refusal {
    Refusal::State { status: order.status, reason: order.cancel_reason.clone() }
}

/// Whether the key stands for an accepted command; an error if that had another body.
fn repeats(state: &State, key: Option<IdempotencyKey>) -> Result<bool, Refusal> {
    match key.and_then(|key| state.keys.get(&key.key).map(|known| *known == key.body)) {
        None => Ok(false),
        Some(true) => Ok(true),
        Some(false) => Err(Refusal::IdempotencyMismatch),
    }
}

/// Changes the order.
pub fn apply(state: &mut State, event: &Event) {
    let State { order, keys } = state;
    if let Event::Opened(open) = event {
        *order = Some(opened(open));
        return;
    }
    let Some(order) = order else { return };
    let (action, at, by, remark) = match event {
        Event::Opened(_) => return,
        Event::Paid { at, by, key, .. } => {
            order.status = Status::Paid;
            order.paid_at = Some(*at);
            keys.extend(key.map(|key| (key.key, key.body)));
            (Action::Paid, *at, Some(*by), None)
        }
        Event::Cancelled { at, by, reason, key, .. } => {
            order.status = Status::Cancelled;
            order.cancelled_at = Some(*at);
            order.cancel_reason = Some(reason.clone());
            keys.extend(key.map(|key| (key.key, key.body)));
            (Action::Cancelled, *at, *by, Some(reason.clone()))
        }
        Event::Shipped { at, by, remark } => {
            order.status = Status::Shipped;
            order.shipped_at = Some(*at);
            (Action::Shipped, *at, Some(*by), remark.clone())
        }
        Event::Delivered { at, by } => {
            order.status = Status::Delivered;
            order.delivered_at = Some(*at);
            (Action::Delivered, *at, Some(*by), None)
        }
        Event::Completed { at, by } => {
            order.status = Status::Completed;
            order.completed_at = Some(*at);
            (Action::Completed, *at, Some(*by), None)
        }
    };
    order.log.push(LogEntry { at, action, by, remark });
}

fn opened(open: &Open) -> OrderView {
    OrderView {
        order_no: open.order_no,
        user: open.user,
        status: Status::PendingPayment,
        lines: open.lines.clone(),
        total: open.total,
        currency: open.currency,
        flash_sale: open.flash_sale,
        note: open.note.clone(),
        created_at: open.created_at,
        pay_before: open.pay_before,
        paid_at: None,
        shipped_at: None,
        delivered_at: None,
        completed_at: None,
        cancelled_at: None,
        cancel_reason: None,
        log: vec![LogEntry {
            at: open.created_at,
            action: Action::Opened,
            by: Some(open.user),
            remark: None,
        }],
    }
}
