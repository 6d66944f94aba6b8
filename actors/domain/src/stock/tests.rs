//! Tables of what is given, when a command comes, then what follows.

use stampede_kernel::{
    Currency, Digest, FlashSaleId, IdempotencyKey, Money, OrderNo, ProductId, ReservationId, Timestamp,
    UserId,
    limits::{FORGET_AFTER_MS, QUANTITY_MAX, UNITS_MAX},
};
use uuid::Uuid;

use super::{apply::apply, decide::decide, model::*};
use crate::stock::limits::{OPEN_SALES_MAX, RESERVE_AGE_MS_MAX};

mod published_view;
mod random;
mod sales;
mod units;

/// A moment of the tests, in seconds after their beginning.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_795_000_000_000 + seconds * 1_000)
}

const HOUR: i64 = 3_600;
const SALE: FlashSaleId = FlashSaleId(Uuid::from_u128(0x5a1e));

fn user(number: u128) -> UserId {
    UserId(Uuid::from_u128(number))
}

/// A reservation's id whose time is the tests' beginning.
fn id(number: u128) -> ReservationId {
    made_at(at(0), number)
}

fn made_at(moment: Timestamp, number: u128) -> ReservationId {
    let millis = u128::from(moment.as_millis().unsigned_abs());
    ReservationId(Uuid::from_u128(millis << 80 | 0x7 << 76 | 0x2 << 62 | number))
}

fn key(key: &str, body: &str) -> Option<IdempotencyKey> {
    Some(IdempotencyKey { key: Digest::of(&[key.as_bytes()]), body: Digest::of(&[body.as_bytes()]) })
}

fn line(price: i64) -> Line {
    Line {
        product_id: ProductId(Uuid::from_u128(0xb0b)),
        name: "a thing".into(),
        specs: Default::default(),
        unit_price: Money::from_minor(price),
        currency: Currency::CNY,
    }
}

/// From 100 s to 200 s, two for each buyer, a minute to pay.
fn terms() -> Terms {
    Terms {
        line: line(1_990),
        original_price: Money::from_minor(2_990),
        per_user_limit: 2,
        starts_at: at(100),
        ends_at: at(200),
        pay_within_ms: 60_000,
    }
}

fn receive(quantity: i64) -> Command {
    Command::Receive(Receive { quantity, reason: "test".into(), key: None })
}

fn adjust(delta: i64) -> Command {
    Command::Adjust(Adjust { delta, reason: "test".into(), key: None })
}

fn adjust_to(available: i64) -> Command {
    Command::AdjustTo(AdjustTo { available, reason: "test".into(), key: None })
}

fn open(quantity: i64) -> Command {
    open_with(SALE, terms(), quantity, false)
}

fn open_with(sale: FlashSaleId, terms: Terms, quantity: i64, receive_missing: bool) -> Command {
    Command::OpenSale(Box::new(OpenSale { sale, terms, quantity, receive_missing, key: None }))
}

fn extend(quantity: i64) -> Command {
    Command::ExtendSale(ExtendSale { sale: SALE, quantity, key: None })
}

fn amend(amendment: Amendment) -> Command {
    Command::AmendSale(AmendSale { sale: SALE, amendment })
}

/// A purchase in the sale, of units for a user; the reservation is the user's number.
fn buy(buyer: u128, quantity: u32) -> Reserve {
    Reserve {
        reservation: id(buyer),
        order_no: OrderNo::new(at(0), u64::try_from(buyer).expect("a small number")),
        user: user(buyer),
        source: Source::Sale(SALE),
        quantity,
        note: None,
        issued_at: at(0),
        key: None,
    }
}

/// The same from the regular pool.
fn buy_regular(buyer: u128, quantity: u32) -> Reserve {
    Reserve { source: Source::Regular { line: line(2_990), pay_within_ms: 60_000 }, ..buy(buyer, quantity) }
}

fn reserve(reserve: Reserve) -> Command {
    Command::Reserve(Box::new(reserve))
}

fn confirm(reservation: ReservationId) -> Command {
    Command::Confirm(Confirm { reservation })
}

fn release(reservation: ReservationId) -> Command {
    Command::Release(Release { reservation })
}

const PAUSE: Command = Command::PauseSale(PauseSale { sale: SALE });
const RESUME: Command = Command::ResumeSale(ResumeSale { sale: SALE });
const CLOSE: Command = Command::CloseSale(CloseSale { sale: SALE });

/// A ledger in which the commands were accepted at their moments.
fn given(commands: &[(i64, Command)]) -> State {
    let mut state = State::default();
    for (seconds, command) in commands {
        match decide(&state, command, at(*seconds)) {
            Ok(events) => events.iter().for_each(|event| apply(&mut state, event)),
            Err(refusal) => panic!("given {command:?}: {refusal:?}"),
        }
    }
    state
}

/// Ten units, of which five are in the sale.
fn on_sale() -> State {
    given(&[(0, receive(10)), (0, open(5))])
}

fn and(mut state: State, commands: &[(i64, Command)]) -> State {
    for (seconds, command) in commands {
        match decide(&state, command, at(*seconds)) {
            Ok(events) => events.iter().for_each(|event| apply(&mut state, event)),
            Err(refusal) => panic!("and {command:?}: {refusal:?}"),
        }
    }
    state
}

/// The names of the events that follow.
fn then(state: &State, seconds: i64, command: &Command) -> Result<Vec<&'static str>, Refusal> {
    use stampede_kernel::Entity;
    let events = decide(state, command, at(seconds))?;
    let mut after = state.clone();
    events.iter().for_each(|event| apply(&mut after, event));
    Ok(events.iter().map(super::Stock::event_type).collect())
}

fn pool(available: i64, held: i64, sold: i64) -> Pool {
    Pool { allotted: available + held + sold, available, held, sold }
}

fn invalid(field: &str) -> impl Fn(&Result<Vec<&'static str>, Refusal>) -> bool {
    move |result| matches!(result, Err(Refusal::Invalid { field: found, .. }) if found == field)
}
