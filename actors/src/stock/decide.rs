//! The rules of the ledger.

use super::model::{
    Amendment, Buyer, Command, Event, Forgettable, OpenSale, Pool, Refusal, Remembered, Reservation,
    ReservationStatus, Reserve, Reserved, Sale, Source, State, Terms,
};
use crate::kernel::{
    FlashSaleId, IdempotencyKey, Money, OrderNo, ReservationId, Timestamp, UserId,
    limits::{FORGET_AFTER_MS, OPEN_SALES_MAX, QUANTITY_MAX, RESERVE_AGE_MS_MAX, UNITS_MAX},
};

/// Units that a SKU may have received before it receives more.
const RECEIVED_MAX: i64 = UNITS_MAX * 1_000;

/// Events that follow from a command; none if it was done before.
pub fn decide(state: &State, command: &Command, now: Timestamp) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::Reserve(reserve) => decide_reserve(state, reserve, now),
        Command::Confirm { reservation } => Ok(decide_confirm(state, *reservation, now)),
        Command::Release { reservation } => Ok(decide_release(state, *reservation, now)),
        Command::Initialize { .. } if state.initialized => Ok(Vec::new()),
        Command::Initialize { quantity } => {
            if !(0..=UNITS_MAX).contains(quantity) {
                return Err(out_of_bounds("stock", 0, UNITS_MAX));
            }
            Ok(vec![Event::Initialized { quantity: *quantity, at: now }])
        }
        Command::Receive { quantity, reason, key } => decide_receive(state, *quantity, reason, *key, now),
        Command::Adjust { delta, reason, key } => decide_adjust(state, *delta, reason, *key, now),
        Command::AdjustTo { available, reason, key } => {
            if *available < 0 || *available > UNITS_MAX {
                return Err(out_of_bounds("stock", 0, UNITS_MAX));
            }
            decide_adjust(state, available - state.regular.available, reason, *key, now)
        }
        Command::OpenSale(open) => decide_open(state, open, now),
        Command::ExtendSale { sale, quantity, key } => decide_extend(state, *sale, *quantity, *key, now),
        Command::AmendSale { sale, amendment } => decide_amend(state, *sale, amendment, now),
        Command::PauseSale { sale } => decide_pause(state, *sale, now),
        Command::ResumeSale { sale } => decide_resume(state, *sale, now),
        Command::CloseSale { sale } => decide_close(state, *sale, now),
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
        // It overtook the reservation, which must find it; or it is long forgotten.
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
        return Err(invalid("ends_at", "lies in the past"));
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
    const PAY_WITHIN_MS: std::ops::RangeInclusive<i64> = 1_000..=7 * 86_400_000;
    if !PAY_WITHIN_MS.contains(&terms.pay_within_ms) {
        return Err(out_of_bounds("pay_within_seconds", 1, 7 * 86_400));
    }
    Ok(())
}

/// Whether the key stands for an accepted command; an error if that had another body.
fn repeats(state: &State, key: Option<IdempotencyKey>) -> Result<bool, Refusal> {
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

/// Changes the ledger, then checks it. A broken ledger is a programmer's error: the actor panics
/// before anything is enqueued.
pub fn apply(state: &mut State, event: &Event) {
    match event {
        Event::Initialized { quantity, .. } => {
            state.initialized = true;
            add_to_regular(state, *quantity);
        }
        Event::Received { quantity, at, key, .. } => {
            add_to_regular(state, *quantity);
            remember(state, *key, *at, None, None);
        }
        Event::Adjusted { delta, at, key, .. } => {
            add_to_regular(state, *delta);
            remember(state, *key, *at, None, None);
        }
        Event::Reserved(reserved) => apply_reserved(state, reserved),
        Event::Confirmed { reservation, sale, quantity, at, .. } => {
            end(state, *reservation, ReservationStatus::Confirmed, *at);
            let pool = pool_of(state, *sale);
            pool.held -= i64::from(*quantity);
            pool.sold += i64::from(*quantity);
        }
        Event::Released { reservation, sale, quantity, to_regular, at, .. } => {
            let user = end(state, *reservation, ReservationStatus::Released, *at);
            release(state, *sale, *quantity, *to_regular, user);
        }
        Event::Voided { reservation, at } => apply_voided(state, *reservation, *at),
        Event::SaleOpened { sale, terms, quantity, at, key } => {
            take_from_regular(state, *quantity);
            let pool = Pool { allotted: *quantity, available: *quantity, held: 0, sold: 0 };
            let opened = Sale {
                terms: (**terms).clone(),
                pool,
                paused: false,
                closed_at: None,
                buyers: std::collections::HashMap::new(),
            };
            state.sales.insert(*sale, opened);
            remember(state, *key, *at, None, Some(*sale));
        }
        Event::SaleExtended { sale, quantity, at, key } => {
            take_from_regular(state, *quantity);
            if let Some(sale) = state.sales.get_mut(sale) {
                sale.pool.allotted += quantity;
                sale.pool.available += quantity;
            }
            remember(state, *key, *at, None, Some(*sale));
        }
        Event::SaleAmended { sale, terms, .. } => {
            if let Some(sale) = state.sales.get_mut(sale) {
                sale.terms = (**terms).clone();
            }
        }
        Event::SalePaused { sale, .. } => set_paused(state, *sale, true),
        Event::SaleResumed { sale, .. } => set_paused(state, *sale, false),
        Event::SaleClosed { sale, returned, at } => {
            if let Some(sale) = state.sales.get_mut(sale) {
                sale.pool.allotted -= returned;
                sale.pool.available -= returned;
                sale.closed_at = Some(*at);
                // The limit is over; only those stay whose reservations are still known.
                sale.buyers.retain(|_, buyer| !buyer.reservations.is_empty());
                state.regular.allotted += returned;
                state.regular.available += returned;
            }
        }
    }
    forget(state, at(event));
    check(state);
}

fn apply_reserved(state: &mut State, reserved: &Reserved) {
    let quantity = i64::from(reserved.quantity);
    let pool = pool_of(state, reserved.sale);
    pool.available -= quantity;
    pool.held += quantity;
    if let Some(sale) = reserved.sale.and_then(|id| state.sales.get_mut(&id)) {
        let buyer: &mut Buyer = sale.buyers.entry(reserved.user).or_default();
        buyer.units += reserved.quantity;
        buyer.reservations.push(reserved.reservation);
    }
    state.reservations.insert(
        reserved.reservation,
        Reservation {
            user: reserved.user,
            sale: reserved.sale,
            quantity: reserved.quantity,
            unit_price: reserved.line.unit_price,
            order_no: reserved.order_no,
            status: ReservationStatus::Held,
            at: reserved.at,
            pay_before: reserved.pay_before,
        },
    );
    remember(state, reserved.key, reserved.at, Some(reserved.reservation), None);
}

fn release(
    state: &mut State,
    sale: Option<FlashSaleId>,
    quantity: u32,
    to_regular: bool,
    user: Option<UserId>,
) {
    let units = i64::from(quantity);
    let pool = pool_of(state, sale);
    pool.held -= units;
    pool.allotted -= units;
    let back = if to_regular { &mut state.regular } else { pool_of(state, sale) };
    back.allotted += units;
    back.available += units;
    let sale = sale.and_then(|id| state.sales.get_mut(&id));
    if let Some(buyer) = sale.zip(user).and_then(|(sale, user)| sale.buyers.get_mut(&user)) {
        buyer.units = buyer.units.saturating_sub(quantity);
    }
}

fn apply_voided(state: &mut State, reservation: ReservationId, at: Timestamp) {
    state.reservations.insert(
        reservation,
        Reservation {
            user: UserId(uuid::Uuid::nil()),
            sale: None,
            quantity: 0,
            unit_price: Money::ZERO,
            order_no: OrderNo::new(at, 0),
            status: ReservationStatus::Void,
            at,
            pay_before: at,
        },
    );
    state.forgettable.push_back((at, Forgettable::Reservation(reservation)));
}

/// Ends a held reservation; its user.
fn end(state: &mut State, id: ReservationId, status: ReservationStatus, at: Timestamp) -> Option<UserId> {
    state.forgettable.push_back((at, Forgettable::Reservation(id)));
    let known = state.reservations.get_mut(&id)?;
    known.status = status;
    Some(known.user)
}

fn pool_of(state: &mut State, sale: Option<FlashSaleId>) -> &mut Pool {
    match sale.and_then(|id| state.sales.get_mut(&id)) {
        Some(sale) => &mut sale.pool,
        None => &mut state.regular,
    }
}

fn add_to_regular(state: &mut State, units: i64) {
    state.received += units;
    state.regular.allotted += units;
    state.regular.available += units;
}

fn take_from_regular(state: &mut State, units: i64) {
    state.regular.allotted -= units;
    state.regular.available -= units;
}

fn set_paused(state: &mut State, sale: FlashSaleId, paused: bool) {
    if let Some(sale) = state.sales.get_mut(&sale) {
        sale.paused = paused;
    }
}

fn remember(
    state: &mut State,
    key: Option<IdempotencyKey>,
    at: Timestamp,
    reservation: Option<ReservationId>,
    sale: Option<FlashSaleId>,
) {
    let Some(key) = key else { return };
    state.keys.insert(key.key, Remembered { body: key.body, reservation, sale });
    state.forgettable.push_back((at, Forgettable::Key(key.key)));
}

/// Forgets what ended long ago, by the time of the event: the same on every replay.
fn forget(state: &mut State, now: Timestamp) {
    while let Some((ended, what)) = state.forgettable.front().copied() {
        if now.since(ended) <= FORGET_AFTER_MS {
            return;
        }
        state.forgettable.pop_front();
        match what {
            Forgettable::Key(key) => {
                state.keys.remove(&key);
            }
            Forgettable::Reservation(id) => forget_reservation(state, id),
        }
    }
}

fn forget_reservation(state: &mut State, id: ReservationId) {
    let Some(known) = state.reservations.remove(&id) else { return };
    let Some(sale) = known.sale.and_then(|sale| state.sales.get_mut(&sale)) else { return };
    let Some(buyer) = sale.buyers.get_mut(&known.user) else { return };
    buyer.reservations.retain(|reservation| *reservation != id);
    // What was bought counts towards the limit until the sale closes.
    if buyer.reservations.is_empty() && (buyer.units == 0 || sale.closed_at.is_some()) {
        sale.buyers.remove(&known.user);
    }
}

fn at(event: &Event) -> Timestamp {
    match event {
        Event::Reserved(reserved) => reserved.at,
        Event::Initialized { at, .. }
        | Event::Received { at, .. }
        | Event::Adjusted { at, .. }
        | Event::Confirmed { at, .. }
        | Event::Released { at, .. }
        | Event::Voided { at, .. }
        | Event::SaleOpened { at, .. }
        | Event::SaleExtended { at, .. }
        | Event::SaleAmended { at, .. }
        | Event::SalePaused { at, .. }
        | Event::SaleResumed { at, .. }
        | Event::SaleClosed { at, .. } => *at,
    }
}

/// The ledger's equations.
fn check(state: &State) {
    check_pool(&state.regular);
    let mut allotted = state.regular.allotted;
    for sale in state.sales.values() {
        check_pool(&sale.pool);
        allotted += sale.pool.allotted;
    }
    assert_eq!(state.received, allotted, "units received are not the units allotted");
}

fn check_pool(pool: &Pool) {
    assert!(pool.available >= 0 && pool.held >= 0 && pool.sold >= 0, "a pool went negative: {pool:?}");
    assert_eq!(pool.allotted, pool.available + pool.held + pool.sold, "a pool does not add up: {pool:?}");
}
