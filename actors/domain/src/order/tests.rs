//! Tables of an order's life: every status with every command.

use stampede_kernel::{
    Currency, Digest, Entity, IdempotencyKey, Money, OrderNo, ProductId, ReservationId, SkuId, Timestamp,
    UserId,
};
use uuid::Uuid;

use super::{
    Order,
    decide::{PAYMENT_TIMEOUT, apply, decide},
    model::*,
};

const BUYER: UserId = UserId(Uuid::from_u128(1));
const STRANGER: UserId = UserId(Uuid::from_u128(2));
const ADMIN: UserId = UserId(Uuid::from_u128(3));

/// A moment, in seconds after the opening; the deadline is at 60.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_795_000_000_000 + seconds * 1_000)
}

fn open() -> Open {
    let line = OrderLine {
        sku_id: SkuId(Uuid::from_u128(10)),
        product_id: ProductId(Uuid::from_u128(11)),
        name: "a thing".into(),
        specs: Default::default(),
        quantity: 2,
        unit_price: Money::from_minor(1_990),
        currency: Currency::CNY,
        reservation: ReservationId(Uuid::from_u128(12)),
    };
    Open {
        order_no: OrderNo::new(at(0), 7),
        user: BUYER,
        total: line.subtotal(),
        currency: Currency::CNY,
        lines: vec![line],
        flash_sale: None,
        note: None,
        created_at: at(0),
        pay_before: at(60),
    }
}

fn key(text: &str, body: &str) -> Option<IdempotencyKey> {
    Some(IdempotencyKey { key: Digest::of(&[text.as_bytes()]), body: Digest::of(&[body.as_bytes()]) })
}

fn pay(user: UserId) -> Command {
    Command::Pay { user, key: None }
}

fn cancel(owner: UserId) -> Command {
    Command::Cancel { owner, by: owner, reason: Some("too late".into()), key: None }
}

fn ship() -> Command {
    Command::Ship { by: ADMIN, remark: Some("by rail".into()) }
}

fn after(commands: &[(i64, Command)]) -> State {
    let mut state = State::default();
    for (seconds, command) in commands {
        match decide(&state, command, at(*seconds)) {
            Ok(events) => events.iter().for_each(|event| apply(&mut state, event)),
            Err(refusal) => panic!("{command:?}: {refusal:?}"),
        }
    }
    state
}

/// An order of each status, by the way that leads there.
fn in_status(status: Status) -> State {
    let way = [
        (0, Command::Open(Box::new(open()))),
        (10, pay(BUYER)),
        (20, ship()),
        (30, Command::Deliver { by: ADMIN }),
        (40, Command::Complete { user: BUYER }),
    ];
    match status {
        Status::PendingPayment => after(&way[..1]),
        Status::Paid => after(&way[..2]),
        Status::Shipped => after(&way[..3]),
        Status::Delivered => after(&way[..4]),
        Status::Completed => after(&way),
        Status::Cancelled => after(&[way[0].clone(), (10, cancel(BUYER))]),
    }
}

const STATUSES: [Status; 6] = [
    Status::PendingPayment,
    Status::Paid,
    Status::Shipped,
    Status::Delivered,
    Status::Completed,
    Status::Cancelled,
];

/// What follows: the event, nothing, or a refusal for the state.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Then {
    Does(&'static str),
    Nothing,
    No,
}

#[test]
fn every_command_in_every_status() {
    use Then::{Does, No, Nothing};
    // In the order of `STATUSES`: pending, paid, shipped, delivered, completed, cancelled.
    for (command, seconds, expected) in [
        (pay(BUYER), 50, [Does("paid"), No, No, No, No, No]),
        (pay(BUYER), 60, [Does("cancelled"), No, No, No, No, No]),
        (cancel(BUYER), 50, [Does("cancelled"), No, No, No, No, No]),
        (cancel(BUYER), 70, [Does("cancelled"), No, No, No, No, No]),
        (Command::Expire, 59, [Nothing; 6]),
        (Command::Expire, 60, [Does("cancelled"), Nothing, Nothing, Nothing, Nothing, Nothing]),
        (ship(), 50, [No, Does("shipped"), Nothing, No, No, No]),
        (Command::Deliver { by: ADMIN }, 50, [No, No, Does("delivered"), Nothing, No, No]),
        (Command::Complete { user: BUYER }, 50, [No, No, No, Does("completed"), Nothing, No]),
        (Command::Open(Box::new(open())), 50, [Nothing; 6]),
    ] {
        for (status, expected) in STATUSES.into_iter().zip(expected) {
            let state = in_status(status);
            let then = match decide(&state, &command, at(seconds)) {
                Ok(events) => match events.as_slice() {
                    [] => Nothing,
                    [event] => Does(Order::event_type(event)),
                    more => panic!("{command:?} at {status:?}: {more:?}"),
                },
                Err(Refusal::State { status: told, .. }) => {
                    assert_eq!(told, status, "{command:?}");
                    No
                }
                Err(refusal) => panic!("{command:?} at {status:?}: {refusal:?}"),
            };
            assert_eq!(then, expected, "{command:?} at {status:?}");
        }
    }
}

#[test]
fn strangers_find_nothing() {
    for status in STATUSES {
        let state = in_status(status);
        for command in [pay(STRANGER), cancel(STRANGER), Command::Complete { user: STRANGER }] {
            assert_eq!(decide(&state, &command, at(50)), Err(Refusal::NotFound), "{command:?} at {status:?}");
        }
        let look = Order::query(&state, &Query::Get { owner: STRANGER }, at(50));
        assert_eq!(look, Some(Err(Refusal::NotFound)));
        let wait = Order::query(&state, &Query::Await { owner: STRANGER }, at(50));
        assert_eq!(wait, Some(Err(Refusal::NotFound)), "another's order never becomes one's own");
    }
}

#[test]
fn what_was_never_opened_is_not_there() {
    let none = State::default();
    for command in [
        pay(BUYER),
        cancel(BUYER),
        Command::Expire,
        ship(),
        Command::Deliver { by: ADMIN },
        Command::Complete { user: BUYER },
    ] {
        assert_eq!(decide(&none, &command, at(1)), Err(Refusal::NotFound), "{command:?}");
    }
    assert_eq!(Order::query(&none, &Query::Get { owner: BUYER }, at(1)), Some(Err(Refusal::NotFound)));
    assert_eq!(Order::query(&none, &Query::Await { owner: BUYER }, at(1)), None, "it may still come");
}

#[test]
fn an_order_is_opened_once_and_its_number_is_its_own() {
    let state = in_status(Status::PendingPayment);
    let other_lines = || {
        let mut other = open();
        other.lines[0].quantity = 1;
        other
    };
    for (what, again, expected) in [
        ("the same", open(), Ok(vec![])),
        ("another's", Open { user: STRANGER, ..open() }, Err(Refusal::NumberTaken)),
        ("of other units", other_lines(), Err(Refusal::NumberTaken)),
    ] {
        assert_eq!(decide(&state, &Command::Open(Box::new(again)), at(1)), expected, "{what}");
    }
}

#[test]
fn paying_at_the_deadline_cancels_and_says_so() {
    for seconds in [60, 61, 1_000_000] {
        let mut state = in_status(Status::PendingPayment);
        let late = Command::Pay { user: BUYER, key: key("k", "b") };
        let Ok(events) = decide(&state, &late, at(seconds)) else { panic!("it decides the cancellation") };
        events.iter().for_each(|event| apply(&mut state, event));
        let reason = Some(PAYMENT_TIMEOUT.to_owned());
        let refusal = Refusal::State { status: Status::Cancelled, reason };
        assert_eq!(Order::answer(&state, &late, at(seconds)), Err(refusal.clone()));
        assert_eq!(decide(&state, &late, at(seconds)), Err(refusal), "a repeat is told the same");
        assert!(state.keys.is_empty(), "only acceptances are remembered");
        let order = state.order.as_ref();
        let last = order.and_then(|order| order.log.last()).map(|entry| (entry.action, entry.by));
        assert_eq!(last, Some((Action::Cancelled, None)), "the shop itself did it");
    }
}

#[test]
fn a_key_is_answered_again_whatever_came_after() {
    let paid = Command::Pay { user: BUYER, key: key("k", "b") };
    let mismatch = Command::Pay { user: BUYER, key: key("k", "other") };
    let opened = || (0, Command::Open(Box::new(open())));
    for later in [vec![], vec![(20, ship())], vec![(20, ship()), (30, Command::Deliver { by: ADMIN })]] {
        let mut commands = vec![opened(), (10, paid.clone())];
        commands.extend(later);
        let state = after(&commands);
        assert_eq!(decide(&state, &paid, at(90)), Ok(vec![]));
        assert!(Order::answer(&state, &paid, at(90)).is_ok());
        assert_eq!(decide(&state, &mismatch, at(90)), Err(Refusal::IdempotencyMismatch));
    }
    let cancelled = Command::Cancel { owner: BUYER, by: ADMIN, reason: None, key: key("c", "b") };
    let state = after(&[opened(), (10, cancelled.clone())]);
    assert_eq!(decide(&state, &cancelled, at(90)), Ok(vec![]));
    assert!(Order::answer(&state, &cancelled, at(90)).is_ok());
}

#[test]
fn every_move_is_in_the_log_and_ends_name_the_units() {
    let state = in_status(Status::Completed);
    let Some(order) = &state.order else { panic!("it is open") };
    let log: Vec<_> = order.log.iter().map(|entry| (entry.action, entry.at, entry.by)).collect();
    let moves = [
        (Action::Opened, at(0), Some(BUYER)),
        (Action::Paid, at(10), Some(BUYER)),
        (Action::Shipped, at(20), Some(ADMIN)),
        (Action::Delivered, at(30), Some(ADMIN)),
        (Action::Completed, at(40), Some(BUYER)),
    ];
    assert_eq!(log, moves);
    let moments = [order.paid_at, order.shipped_at, order.delivered_at, order.completed_at];
    assert_eq!(moments, [Some(at(10)), Some(at(20)), Some(at(30)), Some(at(40))]);
    let pending = in_status(Status::PendingPayment);
    for command in [pay(BUYER), cancel(BUYER)] {
        let events = decide(&pending, &command, at(50));
        let (Ok([Event::Paid { reservations, .. }]) | Ok([Event::Cancelled { reservations, .. }])) =
            events.as_deref()
        else {
            panic!("{command:?}: {events:?}")
        };
        let line = &open().lines[0];
        assert_eq!(reservations, &[ReservedLine { sku: line.sku_id, reservation: line.reservation }]);
    }
}
