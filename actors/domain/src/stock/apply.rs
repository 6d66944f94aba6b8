//! What an event does to the ledger, on the way to the journal and on every replay.

use stampede_kernel::{
    FlashSaleId, IdempotencyKey, Money, OrderNo, ReservationId, Timestamp, UserId, limits::FORGET_AFTER_MS,
};

use super::{
    model::{
        Buyer, Event, Forgettable, Pool, Remembered, Reservation, ReservationStatus, Reserved, Sale, State,
    },
    view::StockView,
};

/// Changes the ledger, then checks it. A ledger that does not add up is a programmer's error: the
/// actor panics before anything is enqueued.
pub fn apply(state: &mut State, event: &Event) {
    match event {
        Event::Initialized { quantity, .. } => {
            state.initialized = true;
            add_to_regular(state, *quantity);
        }
        Event::Received { quantity, at, key, .. } => {
            add_to_regular(state, *quantity);
            remember_stock(state, *key, *at);
        }
        Event::Adjusted { delta, at, key, .. } => {
            add_to_regular(state, *delta);
            remember_stock(state, *key, *at);
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
                opened_under: key.map(|key| key.key),
            };
            state.sales.insert(*sale, opened);
            remember(state, *key, *at, None, Some(*sale));
        }
        Event::SaleExtended { sale, quantity, at, key } => {
            take_from_regular(state, *quantity);
            let pool = &mut sale_of(state, *sale).pool;
            pool.allotted += quantity;
            pool.available += quantity;
            remember(state, *key, *at, None, Some(*sale));
        }
        Event::SaleAmended { sale, terms, .. } => {
            sale_of(state, *sale).terms = (**terms).clone();
        }
        Event::SalePaused { sale, .. } => sale_of(state, *sale).paused = true,
        Event::SaleResumed { sale, .. } => sale_of(state, *sale).paused = false,
        Event::SaleClosed { sale, returned, at } => {
            let sale = sale_of(state, *sale);
            sale.pool.allotted -= returned;
            sale.pool.available -= returned;
            sale.closed_at = Some(*at);
            // The limit is over; only those stay whose reservations are still known.
            sale.buyers.retain(|_, buyer| !buyer.reservations.is_empty());
            state.regular.allotted += returned;
            state.regular.available += returned;
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
    if let Some(sale) = reserved.sale {
        let buyer: &mut Buyer = sale_of(state, sale).buyers.entry(reserved.user).or_default();
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

fn release(state: &mut State, sale: Option<FlashSaleId>, quantity: u32, to_regular: bool, user: UserId) {
    let units = i64::from(quantity);
    let pool = pool_of(state, sale);
    pool.held -= units;
    pool.allotted -= units;
    let back = if to_regular { &mut state.regular } else { pool_of(state, sale) };
    back.allotted += units;
    back.available += units;
    // After the sale has closed its buyers are forgotten with their reservations.
    if let Some(buyer) = sale.and_then(|id| sale_of(state, id).buyers.get_mut(&user)) {
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

/// Ends a held reservation; returns its user.
fn end(state: &mut State, id: ReservationId, status: ReservationStatus, at: Timestamp) -> UserId {
    state.forgettable.push_back((at, Forgettable::Reservation(id)));
    let Some(known) = state.reservations.get_mut(&id) else {
        panic!("reservation {id} ends, but the ledger does not know it");
    };
    assert_eq!(known.status, ReservationStatus::Held, "reservation {id} ends twice");
    known.status = status;
    known.user
}

fn pool_of(state: &mut State, sale: Option<FlashSaleId>) -> &mut Pool {
    match sale {
        Some(id) => &mut sale_of(state, id).pool,
        None => &mut state.regular,
    }
}

/// A sale that an event names. The ledger never falls back to another pool.
fn sale_of(state: &mut State, id: FlashSaleId) -> &mut Sale {
    match state.sales.get_mut(&id) {
        Some(sale) => sale,
        None => panic!("an event names flash sale {id}, but the ledger does not know it"),
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

fn remember(
    state: &mut State,
    key: Option<IdempotencyKey>,
    at: Timestamp,
    reservation: Option<ReservationId>,
    sale: Option<FlashSaleId>,
) {
    let Some(key) = key else { return };
    state.keys.insert(key.key, Remembered { body: key.body, reservation, sale, stock: None });
    state.forgettable.push_back((at, Forgettable::Key(key.key)));
}

/// Remembers the ledger's numbers as they are now as the answer to the key.
fn remember_stock(state: &mut State, key: Option<IdempotencyKey>, at: Timestamp) {
    remember(state, key, at, None, None);
    let stock = Box::new(StockView::of(state));
    if let Some(known) = key.and_then(|key| state.keys.get_mut(&key.key)) {
        known.stock = Some(stock);
    }
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
