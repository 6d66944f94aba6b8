//! What the ledger allows: from a command to the events that follow.

use stampede_kernel::{
    FlashSaleId, IdempotencyKey, Money, ReservationId, Timestamp,
    limits::{QUANTITY_MAX, UNITS_MAX},
};

use super::model::{
    Adjust, AdjustTo, AmendSale, Amendment, CloseSale, Command, Confirm, Event, ExtendSale, Initialize,
    OpenSale, PauseSale, Pool, Receive, Refusal, Release, ReservationStatus, Reserve, Reserved, ResumeSale,
    Sale, Source, State, Terms,
};
use crate::stock::limits::{OPEN_SALES_MAX, PAY_WITHIN_SECONDS_MAX, RECEIVED_MAX, RESERVE_AGE_MS_MAX};

/// Events that follow from a command; none if it was done before.
pub fn decide(state: &State, command: &Command, now: Timestamp) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::Reserve(reserve) => decide_reserve(state, reserve, now),
        Command::Confirm(Confirm { reservation }) => Ok(decide_confirm(state, *reservation, now)),
        Command::Release(Release { reservation }) => Ok(decide_release(state, *reservation, now)),
        Command::Initialize(_) if state.initialized => Ok(Vec::new()),
        Command::Initialize(Initialize { quantity }) => {
            if !(0..=UNITS_MAX).contains(quantity) {
                return Err(out_of_bounds("stock", 0, UNITS_MAX));
            }
            Ok(vec![Event::Initialized { quantity: *quantity, at: now }])
        }
        Command::Receive(Receive { quantity, reason, key }) => {
            decide_receive(state, *quantity, reason, *key, now)
        }
        Command::Adjust(Adjust { delta, reason, key }) => decide_adjust(state, *delta, reason, *key, now),
        Command::AdjustTo(AdjustTo { available, reason, key }) => {
            if *available < 0 || *available > UNITS_MAX {
                return Err(out_of_bounds("stock", 0, UNITS_MAX));
            }
            decide_adjust(state, available - state.regular.available, reason, *key, now)
        }
        Command::OpenSale(open) => decide_open(state, open, now),
        Command::OfferSale(open) => match sale_that_is_on(state, now) {
            Some(sale) => decide_extend(state, sale, open.quantity, open.key, now),
            None => decide_open(state, open, now),
        },
        Command::ExtendSale(ExtendSale { sale, quantity, key }) => {
            decide_extend(state, *sale, *quantity, *key, now)
        }
        Command::AmendSale(AmendSale { sale, amendment }) => decide_amend(state, *sale, amendment, now),
        Command::PauseSale(PauseSale { sale }) => decide_pause(state, *sale, now),
        Command::ResumeSale(ResumeSale { sale }) => decide_resume(state, *sale, now),
        Command::CloseSale(CloseSale { sale }) => decide_close(state, *sale, now),
    }
}

fn decide_reserve(state: &State, reserve: &Reserve, now: Timestamp) -> Result<Vec<Event>, Refusal> {
    if repeats(state, reserve.key)? {
        return Ok(Vec::new());
    }
    if let Some(known) = state.reservations.get(&reserve.reservation) {
        return match known.status {
            ReservationStatus::Void => Err(Refusal::ReservationExpired),
            ReservationStatus::Held | ReservationStatus::Confirmed | ReservationStatus::Released => {
                Ok(Vec::new())
            }
        };
    }
    if now.since(reserve.issued_at) > RESERVE_AGE_MS_MAX {
        return Err(Refusal::ReservationExpired);
    }
    if reserve.quantity == 0 || reserve.quantity > QUANTITY_MAX {
        return Err(out_of_bounds("quantity", 1, i64::from(QUANTITY_MAX)));
    }
    let (sale, line, pay_within_ms) = match &reserve.source {
        Source::Regular { line, pay_within_ms } => {
            available(&state.regular, reserve.quantity, false)?;
            (None, line, *pay_within_ms)
        }
        Source::Sale(id) => {
            let sale = state.sales.get(id).ok_or(Refusal::UnknownSale)?;
            may_buy(sale, reserve, now)?;
            (Some(*id), &sale.terms.line, sale.terms.pay_within_ms)
        }
    };
    // An order's total is an amount like any other.
    if line.unit_price.as_minor().saturating_mul(i64::from(reserve.quantity)) > Money::MINOR_MAX {
        return Err(invalid("quantity", "the total must be at most 9999999999.99"));
    }
    Ok(vec![Event::Reserved(Box::new(Reserved {
        reservation: reserve.reservation,
        order_no: reserve.order_no,
        user: reserve.user,
        sale,
        quantity: reserve.quantity,
        line: line.clone(),
        at: now,
        pay_before: now.plus(pay_within_ms),
        note: reserve.note.clone(),
        key: reserve.key,
    }))])
}

fn may_buy(sale: &Sale, reserve: &Reserve, now: Timestamp) -> Result<(), Refusal> {
    if now < sale.terms.starts_at && sale.closed_at.is_none() {
        return Err(Refusal::NotStarted { starts_at: sale.terms.starts_at });
    }
    if now >= sale.terms.ends_at || sale.closed_at.is_some() {
        return Err(Refusal::Ended);
    }
    if sale.paused {
        return Err(Refusal::Paused);
    }
    let limit = sale.terms.per_user_limit;
    let have = sale.buyers.get(&reserve.user).map_or(0, |buyer| buyer.units);
    if have.saturating_add(reserve.quantity) > limit {
        return Err(Refusal::LimitReached { limit, have });
    }
    available(&sale.pool, reserve.quantity, true)
}

fn available(pool: &Pool, quantity: u32, flash: bool) -> Result<(), Refusal> {
    if pool.available >= i64::from(quantity) {
        return Ok(());
    }
    if flash && pool.available == 0 {
        return Err(Refusal::SoldOut);
    }
    Err(Refusal::InsufficientStock { available: pool.available })
}

fn decide_confirm(state: &State, reservation: ReservationId, now: Timestamp) -> Vec<Event> {
    match state.reservations.get(&reservation) {
        Some(held) if held.status == ReservationStatus::Held => vec![Event::Confirmed {
            reservation,
            order_no: held.order_no,
            sale: held.sale,
            quantity: held.quantity,
            at: now,
        }],
        Some(_) | None => Vec::new(),
    }
}

fn decide_release(state: &State, reservation: ReservationId, now: Timestamp) -> Vec<Event> {
    match state.reservations.get(&reservation) {
        Some(held) if held.status == ReservationStatus::Held => {
            let sale = held.sale.and_then(|id| state.sales.get(&id));
            vec![Event::Released {
                reservation,
                order_no: held.order_no,
                sale: held.sale,
                quantity: held.quantity,
                to_regular: sale.is_none_or(|sale| sale.closed_at.is_some()),
                at: now,
            }]
        }
        Some(_) => Vec::new(),
        // It arrived before its reservation, which must be refused then; or the reservation is forgotten.
        None if made_recently(reservation, now) => vec![Event::Voided { reservation, at: now }],
        None => Vec::new(),
    }
}

/// Whether a reservation's id (a UUIDv7, which holds its time) is younger than what is forgotten.
fn made_recently(reservation: ReservationId, now: Timestamp) -> bool {
    let Some(made) = reservation.0.get_timestamp() else { return true };
    let (seconds, nanos) = made.to_unix();
    let millis =
        i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000) + i64::from(nanos / 1_000_000);
    now.since(Timestamp::from_millis(millis)) <= RESERVE_AGE_MS_MAX
}

fn decide_receive(
    state: &State,
    quantity: i64,
    reason: &str,
    key: Option<IdempotencyKey>,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    if repeats(state, key)? {
        return Ok(Vec::new());
    }
    if quantity <= 0 || quantity > UNITS_MAX || state.received > RECEIVED_MAX {
        return Err(out_of_bounds("quantity", 1, UNITS_MAX));
    }
    Ok(vec![Event::Received { quantity, reason: reason.to_owned(), at: now, key }])
}

fn decide_adjust(
    state: &State,
    delta: i64,
    reason: &str,
    key: Option<IdempotencyKey>,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    // With a key, changing nothing is remembered too: units may have moved before it is repeated.
    if repeats(state, key)? || (delta == 0 && key.is_none()) {
        return Ok(Vec::new());
    }
    if !(-UNITS_MAX..=UNITS_MAX).contains(&delta) || (delta > 0 && state.received > RECEIVED_MAX) {
        return Err(out_of_bounds("delta", -UNITS_MAX, UNITS_MAX));
    }
    if state.regular.available + delta < 0 {
        return Err(Refusal::InsufficientStock { available: state.regular.available });
    }
    Ok(vec![Event::Adjusted { delta, reason: reason.to_owned(), at: now, key }])
}

fn decide_open(state: &State, open: &OpenSale, now: Timestamp) -> Result<Vec<Event>, Refusal> {
    if repeats(state, open.key)? {
        return Ok(Vec::new());
    }
    if state.sales.contains_key(&open.sale) {
        return Err(Refusal::SaleExists);
    }
    valid_terms(&open.terms)?;
    if open.terms.ends_at <= now {
        return Err(invalid("ends_at", "must not lie in the past"));
    }
    if open.quantity <= 0 || open.quantity > UNITS_MAX {
        return Err(out_of_bounds("quantity", 1, UNITS_MAX));
    }
    if state.sales.values().filter(|sale| sale.closed_at.is_none()).count() >= OPEN_SALES_MAX {
        return Err(Refusal::TooManySales);
    }
    let mut events = receive_missing(state, open.quantity, open.receive_missing, now)?;
    events.push(Event::SaleOpened {
        sale: open.sale,
        terms: Box::new(open.terms.clone()),
        quantity: open.quantity,
        at: now,
        key: open.key,
    });
    Ok(events)
}

fn receive_missing(
    state: &State,
    quantity: i64,
    allowed: bool,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    let missing = quantity - state.regular.available;
    if missing <= 0 {
        return Ok(Vec::new());
    }
    if !allowed {
        return Err(Refusal::InsufficientStock { available: state.regular.available });
    }
    if state.received > RECEIVED_MAX {
        return Err(invalid("quantity", "the SKU has received too many units"));
    }
    Ok(vec![Event::Received { quantity: missing, reason: "for a flash sale".to_owned(), at: now, key: None }])
}

fn decide_extend(
    state: &State,
    id: FlashSaleId,
    quantity: i64,
    key: Option<IdempotencyKey>,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    if repeats(state, key)? {
        return Ok(Vec::new());
    }
    open_sale(state, id)?;
    if quantity <= 0 || quantity > UNITS_MAX {
        return Err(out_of_bounds("quantity", 1, UNITS_MAX));
    }
    let mut events = receive_missing(state, quantity, true, now)?;
    events.push(Event::SaleExtended { sale: id, quantity, at: now, key });
    Ok(events)
}

/// The newest sale that can be bought from, or could if it were not sold out.
pub(super) fn sale_that_is_on(state: &State, now: Timestamp) -> Option<FlashSaleId> {
    // Ids grow with time.
    let on =
        |sale: &Sale| sale.closed_at.is_none() && sale.terms.starts_at <= now && now < sale.terms.ends_at;
    state.sales.iter().rev().find(|(_, sale)| on(sale)).map(|(id, _)| *id)
}

/// The newest sale that is not over: it may be bought from, or will be, or would be if it were not paused
/// or sold out.
pub(super) fn sale_that_is_not_over(state: &State, now: Timestamp) -> Option<FlashSaleId> {
    let open = |sale: &Sale| sale.closed_at.is_none() && now < sale.terms.ends_at;
    state.sales.iter().rev().find(|(_, sale)| open(sale)).map(|(id, _)| *id)
}

fn decide_amend(
    state: &State,
    id: FlashSaleId,
    amendment: &Amendment,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    let sale = open_sale(state, id)?;
    let mut terms = sale.terms.clone();
    terms.line.unit_price = amendment.price.unwrap_or(terms.line.unit_price);
    terms.per_user_limit = amendment.per_user_limit.unwrap_or(terms.per_user_limit);
    terms.starts_at = amendment.starts_at.unwrap_or(terms.starts_at);
    terms.ends_at = amendment.ends_at.unwrap_or(terms.ends_at);
    terms.pay_within_ms = amendment.pay_within_ms.unwrap_or(terms.pay_within_ms);
    valid_terms(&terms)?;
    if terms == sale.terms {
        return Ok(Vec::new());
    }
    Ok(vec![Event::SaleAmended { sale: id, terms: Box::new(terms), at: now }])
}

fn decide_pause(state: &State, id: FlashSaleId, now: Timestamp) -> Result<Vec<Event>, Refusal> {
    let sale = open_sale(state, id)?;
    Ok(if sale.paused { Vec::new() } else { vec![Event::SalePaused { sale: id, at: now }] })
}

fn decide_resume(state: &State, id: FlashSaleId, now: Timestamp) -> Result<Vec<Event>, Refusal> {
    let sale = open_sale(state, id)?;
    Ok(if sale.paused { vec![Event::SaleResumed { sale: id, at: now }] } else { Vec::new() })
}

fn decide_close(state: &State, id: FlashSaleId, now: Timestamp) -> Result<Vec<Event>, Refusal> {
    let sale = state.sales.get(&id).ok_or(Refusal::UnknownSale)?;
    if sale.closed_at.is_some() {
        return Ok(Vec::new());
    }
    Ok(vec![Event::SaleClosed { sale: id, returned: sale.pool.available, at: now }])
}

fn open_sale(state: &State, id: FlashSaleId) -> Result<&Sale, Refusal> {
    let sale = state.sales.get(&id).ok_or(Refusal::UnknownSale)?;
    if sale.closed_at.is_some() { Err(Refusal::Ended) } else { Ok(sale) }
}

fn valid_terms(terms: &Terms) -> Result<(), Refusal> {
    if terms.ends_at <= terms.starts_at {
        return Err(invalid("ends_at", "must be after starts_at"));
    }
    if terms.per_user_limit == 0 || terms.per_user_limit > QUANTITY_MAX {
        return Err(out_of_bounds("per_user_limit", 1, i64::from(QUANTITY_MAX)));
    }
    const PAY_WITHIN_MS: std::ops::RangeInclusive<i64> = 1_000..=PAY_WITHIN_SECONDS_MAX as i64 * 1_000;
    if !PAY_WITHIN_MS.contains(&terms.pay_within_ms) {
        return Err(out_of_bounds("pay_within_seconds", 1, i64::from(PAY_WITHIN_SECONDS_MAX)));
    }
    Ok(())
}

/// Whether the key stands for an accepted command; an error if that had another body.
pub(super) fn repeats(state: &State, key: Option<IdempotencyKey>) -> Result<bool, Refusal> {
    match key.and_then(|key| state.keys.get(&key.key).map(|known| (known.body, key.body))) {
        None => Ok(false),
        Some((known, given)) if known == given => Ok(true),
        Some(_) => Err(Refusal::IdempotencyMismatch),
    }
}

fn invalid(field: &str, detail: &str) -> Refusal {
    Refusal::Invalid { field: field.to_owned(), detail: detail.to_owned() }
}

fn out_of_bounds(field: &str, least: i64, most: i64) -> Refusal {
    invalid(field, &format!("must be from {least} to {most}"))
}
