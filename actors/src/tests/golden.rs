//! Golden files: what stands in journals, snapshots and the outbox stays readable.
//!
//! Each file under `golden/` is a value as an earlier version wrote it. It must read back as the value
//! here, and the value must still be written as it stands there. A changed meaning is a new variant
//! with a new file; the old file stays. `GOLDEN=write` writes files that are missing, never others.

use std::{collections::BTreeMap, fmt::Debug, fs, path::PathBuf};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    account::Revocation,
    cart,
    catalog::Stale,
    cluster::{Answered, Asked, Envelope, News, NodeCommand, NodeReply},
    kernel::{
        Currency, Digest, FlashSaleId, IdempotencyKey, Money, OrderNo, ProductId, ReservationId, SkuId,
        Timestamp, UserId,
    },
    order,
    runtime::ActorState,
    runtime::{self, AskError, Body, Entity, RemoteAnswer, RemoteAsk},
    saga::Follow,
    stock,
};

/// Compares a value's JSON form with its file.
pub(crate) fn is_written_as(name: &str, value: &impl Serialize) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(format!("{name}.json"));
    let now = serde_json::to_value(value).expect("it has a JSON form");
    if !path.exists() && std::env::var_os("GOLDEN").is_some_and(|mode| mode == "write") {
        let folder = path.parent().expect("it lies in a folder");
        fs::create_dir_all(folder).expect("the folder can be made");
        fs::write(&path, format!("{now:#}\n")).expect("the file can be written");
    }
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("golden/{name}.json: {error}"));
    let then: Value = serde_json::from_str(&text).expect("the file is JSON");
    assert_eq!(now, then, "{name} is not written as it was");
}

/// And reads it back.
fn is_kept_as<T: Serialize + DeserializeOwned + PartialEq + Debug>(name: &str, value: &T) {
    is_written_as(name, value);
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(format!("{name}.json"));
    let text = fs::read_to_string(path).expect("it was read a moment ago");
    let read: T = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(&read, value, "{name} is not read as it was");
}

/// A sample of every variant. A variant without a sample does not compile.
macro_rules! every {
    ($kind:ty, $($pattern:pat => $sample:expr),+ $(,)?) => {{
        let _exhaustive = |event: &<$kind as Entity>::Event| match event { $($pattern => ()),+ };
        $({
            let sample: <$kind as Entity>::Event = $sample;
            assert!(matches!(&sample, $pattern), "the sample of another event");
            is_kept_as(&format!("{}/{}", <$kind>::KIND, <$kind>::event_type(&sample)), &sample);
        })+
    }};
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_795_000_000_123 + seconds * 1_000)
}

fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(0x019a_9d2c_1a00_7000_8000_0000_0000_0000 + number)
}

fn key() -> Option<IdempotencyKey> {
    Some(IdempotencyKey { key: Digest::of(&[b"key"]), body: Digest::of(&[b"body"]) })
}

fn line() -> stock::Line {
    stock::Line {
        product_id: ProductId(uuid(1)),
        name: "充电器 \"65 W\"".into(),
        specs: BTreeMap::from([("color".into(), "white".into())]),
        unit_price: Money::from_minor(1_990),
        currency: Currency::CNY,
    }
}

fn terms() -> stock::Terms {
    stock::Terms {
        line: line(),
        original_price: Money::from_minor(2_990),
        per_user_limit: 2,
        starts_at: at(100),
        ends_at: at(200),
        pay_within_ms: 900_000,
    }
}

fn reserved() -> stock::Reserved {
    stock::Reserved {
        reservation: ReservationId(uuid(4)),
        order_no: order_no(),
        user: UserId(uuid(3)),
        sale: Some(FlashSaleId(uuid(2))),
        quantity: 2,
        line: line(),
        at: at(150),
        pay_before: at(1_050),
        note: Some("ring twice".into()),
        key: key(),
    }
}

fn order_no() -> OrderNo {
    OrderNo::new(at(150), 42)
}

fn opened() -> order::Open {
    order::Open {
        order_no: order_no(),
        user: UserId(uuid(3)),
        lines: vec![order::OrderLine {
            sku_id: SkuId(uuid(5)),
            product_id: ProductId(uuid(1)),
            name: line().name,
            specs: line().specs,
            quantity: 2,
            unit_price: Money::from_minor(1_990),
            currency: Currency::CNY,
            reservation: ReservationId(uuid(4)),
        }],
        total: Money::from_minor(3_980),
        currency: Currency::CNY,
        flash_sale: Some(FlashSaleId(uuid(2))),
        note: Some("ring twice".into()),
        created_at: at(150),
        pay_before: at(1_050),
    }
}

#[test]
fn events_of_stock() {
    use stock::Event;
    let (sale, reservation, reason) = (FlashSaleId(uuid(2)), ReservationId(uuid(4)), String::from("restock"));
    let order_no = order_no();
    every!(stock::Stock,
        Event::Initialized { .. } => Event::Initialized { quantity: 500, at: at(0) },
        Event::Received { .. } => Event::Received { quantity: 100, reason: reason.clone(), at: at(0), key: key() },
        Event::Adjusted { .. } => Event::Adjusted { delta: -3, reason: reason.clone(), at: at(0), key: key() },
        Event::Reserved(_) => Event::Reserved(Box::new(reserved())),
        Event::Confirmed { .. } => Event::Confirmed { reservation, order_no, sale: Some(sale), quantity: 2, at: at(1) },
        Event::Released { .. } =>
            Event::Released { reservation, order_no, sale: Some(sale), quantity: 2, to_regular: true, at: at(1) },
        Event::Voided { .. } => Event::Voided { reservation, at: at(1) },
        Event::SaleOpened { .. } =>
            Event::SaleOpened { sale, terms: Box::new(terms()), quantity: 50, at: at(1), key: key() },
        Event::SaleExtended { .. } => Event::SaleExtended { sale, quantity: 5, at: at(1), key: key() },
        Event::SaleAmended { .. } => Event::SaleAmended { sale, terms: Box::new(terms()), at: at(1) },
        Event::SalePaused { .. } => Event::SalePaused { sale, at: at(1) },
        Event::SaleResumed { .. } => Event::SaleResumed { sale, at: at(1) },
        Event::SaleClosed { .. } => Event::SaleClosed { sale, returned: 7, at: at(1) },
    );
    let plain = stock::Line { specs: BTreeMap::new(), ..line() };
    let least = stock::Reserved { sale: None, note: None, key: None, line: plain, ..reserved() };
    is_kept_as("stock/reserved.least", &Event::Reserved(Box::new(least)));
    is_kept_as("stock/received.least", &Event::Received { quantity: 1, reason, at: at(0), key: None });
}

#[test]
fn events_of_orders() {
    use order::Event;
    let reservations =
        || vec![order::ReservedLine { sku: SkuId(uuid(5)), reservation: ReservationId(uuid(4)) }];
    let by = UserId(uuid(3));
    every!(order::Order,
        Event::Opened(_) => Event::Opened(Box::new(opened())),
        Event::Paid { .. } => Event::Paid { at: at(160), by, reservations: reservations(), key: key() },
        Event::Cancelled { .. } => Event::Cancelled {
            at: at(160),
            by: Some(by),
            reason: "changed my mind".into(),
            reservations: reservations(),
            key: key(),
        },
        Event::Shipped { .. } => Event::Shipped { at: at(170), by, remark: Some("by rail".into()) },
        Event::Delivered { .. } => Event::Delivered { at: at(180), by },
        Event::Completed { .. } => Event::Completed { at: at(190), by },
    );
    let reason = "payment_timeout".into();
    let expired = Event::Cancelled { at: at(1_050), by: None, reason, reservations: vec![], key: None };
    is_kept_as("order/cancelled.least", &expired);
    let least = order::Open { flash_sale: None, note: None, ..opened() };
    is_kept_as("order/opened.least", &Event::Opened(Box::new(least)));
}

fn cart_line() -> cart::Line {
    cart::Line { sku: SkuId(uuid(5)), quantity: 3, selected: true, added_at: at(0) }
}

#[test]
fn events_of_carts() {
    use cart::Event;
    every!(cart::Cart,
        Event::LineSet { .. } => Event::LineSet { line: cart_line() },
        Event::LineRemoved { .. } => Event::LineRemoved { sku: SkuId(uuid(5)), at: at(1) },
        Event::AllSelected { .. } => Event::AllSelected { selected: false, at: at(1) },
        Event::Cleared { .. } => Event::Cleared { at: at(1) },
    );
}

fn folded<E: Entity>(events: &[E::Event]) -> E::State {
    let mut state = E::State::default();
    events.iter().for_each(|event| E::apply(&mut state, event));
    state
}

#[test]
fn states_in_snapshots_and_documents() {
    let sale = FlashSaleId(uuid(2));
    let (reservation, order_no) = (ReservationId(uuid(4)), order_no());
    let stock = folded::<stock::Stock>(&[
        stock::Event::Received { quantity: 100, reason: "restock".into(), at: at(0), key: key() },
        stock::Event::SaleOpened { sale, terms: Box::new(terms()), quantity: 50, at: at(1), key: None },
        stock::Event::Reserved(Box::new(stock::Reserved { key: None, ..reserved() })),
        stock::Event::Confirmed { reservation, order_no, sale: Some(sale), quantity: 2, at: at(160) },
        stock::Event::Voided { reservation: ReservationId(uuid(9)), at: at(161) },
        stock::Event::SalePaused { sale, at: at(162) },
        stock::Event::SaleClosed { sale, returned: 48, at: at(200) },
    ]);
    is_kept_as("stock/state.answered", &stock);
    let mut unanswered = stock;
    unanswered.keys.values_mut().for_each(|known| known.stock = None);
    is_kept_as("stock/state", &unanswered);
    let opened_under_a_key =
        stock::Event::SaleOpened { sale, terms: Box::new(terms()), quantity: 0, at: at(1), key: key() };
    is_kept_as("stock/state.opened_under", &folded::<stock::Stock>(&[opened_under_a_key]));
    let cart = folded::<cart::Cart>(&[cart::Event::LineSet { line: cart_line() }]);
    is_kept_as("cart/state", &cart);
    let by = UserId(uuid(3));
    let order = folded::<order::Order>(&[
        order::Event::Opened(Box::new(opened())),
        order::Event::Paid { at: at(160), by, reservations: vec![], key: key() },
        order::Event::Shipped { at: at(170), by, remark: Some("by rail".into()) },
        order::Event::Delivered { at: at(180), by },
        order::Event::Completed { at: at(190), by },
    ]);
    is_kept_as("order/state", &order);
    // The table of orders keeps the view as its document.
    is_kept_as("order/document", &order.order.expect("it was opened"));
}

#[test]
fn commands_that_are_parked() {
    let release = stock::Command::Release { reservation: ReservationId(uuid(4)) };
    is_kept_as("saga/stock", &Follow::Stock { sku: SkuId(uuid(5)), command: release });
    let confirm = stock::Command::Confirm { reservation: ReservationId(uuid(4)) };
    is_kept_as("saga/stock.confirm", &Follow::Stock { sku: SkuId(uuid(5)), command: confirm });
    let command = Box::new(order::Command::Open(Box::new(opened())));
    is_kept_as("saga/order", &Follow::Order { user: UserId(uuid(3)), order_no: order_no(), command });
}

/// A message between nodes, as every version must go on reading it: what it says stays the same when it
/// is read and written again.
fn travels_as<T: Serialize + DeserializeOwned>(name: &str, body: T) {
    let envelope = Envelope { v: 1, from: "node-1_0a1b2c3d".into(), at: at(0), number: 7, body };
    is_written_as(name, &envelope);
    let text = serde_json::to_string(&envelope).expect("it has a JSON form");
    let read: Envelope<T> = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    is_written_as(name, &read);
}

#[test]
fn messages_between_nodes() {
    let (sku, buyer) = (SkuId(uuid(5)), UserId(uuid(3)));
    let reserve = stock::Command::Reserve(Box::new(stock::Reserve {
        reservation: ReservationId(uuid(4)),
        order_no: order_no(),
        user: buyer,
        source: stock::Source::Sale(FlashSaleId(uuid(2))),
        quantity: 2,
        note: Some("送朋友".into()),
        issued_at: at(100),
        key: key(),
    }));
    let trace = || Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned());
    let ask = |n, ask| Asked { n, ask: std::sync::Arc::new(ask) };
    let command = Body::<stock::Stock>::Command(reserve);
    let query = Body::<order::Order>::Query(order::Query::Await { owner: buyer });
    travels_as(
        "cluster/asks",
        vec![
            ask(1, RemoteAsk::new::<stock::Stock>(sku.0, &sku, &command, trace())),
            ask(2, RemoteAsk::new::<order::Order>(buyer.0, &order_no(), &query, None)),
            ask(3, RemoteAsk::new::<cart::Cart>(buyer.0, &buyer, &Body::Panic, None)),
        ],
    );
    let of = RemoteAnswer::of::<stock::Stock>;
    let refused = |refusal| of(Err(AskError::Refused(refusal)));
    let answers = [
        of(Ok(runtime::Answered { answer: stock::Answer::Done, replayed: true })),
        refused(stock::Refusal::SoldOut),
        refused(stock::Refusal::LimitReached { limit: 2, have: 1 }),
        of(Err(AskError::Overloaded)),
        of(Err(AskError::Unavailable)),
        of(Err(AskError::OutcomeUnknown)),
        RemoteAnswer::Elsewhere,
        RemoteAnswer::Unreadable,
    ];
    let answers = (1..).zip(answers).map(|(n, answer)| Answered { n, answer });
    travels_as("cluster/answers", answers.collect::<Vec<_>>());
    travels_as("cluster/shards", ());
    let stale = [Stale::Product { id: ProductId(uuid(6)), skus: vec![sku] }, Stale::Categories];
    let ended = |session| Revocation { user: buyer, session, revoked_at: at(1), expires_at: at(900_000) };
    let revoked = [ended(Some(uuid(8))), ended(None)];
    let news = stale.map(News::Stale).into_iter().chain(revoked.map(News::Revoked));
    travels_as("cluster/news", news.collect::<Vec<_>>());
    let to = |to: Option<&str>| NodeCommand::HandOver { shard: 7, to: to.map(str::to_owned) };
    let (empty, resume, report) = (NodeCommand::Empty, NodeCommand::Resume, NodeCommand::Report);
    travels_as("cluster/node_commands", vec![to(Some("node-2")), to(None), empty, resume, report]);
    let actors = NodeReply::Actors(BTreeMap::from([(7, 3), (12, 1)]));
    let (done, not_held, nobody) = (NodeReply::Done, NodeReply::NotHeld, NodeReply::NobodyThere);
    let replies = vec![done, actors, not_held, nobody, NodeReply::Busy, NodeReply::Failed];
    travels_as("cluster/node_replies", replies);
    let (kind, actor) = ("stock".to_owned(), Uuid::from_u128(7));
    let state = NodeCommand::State { kind: kind.clone(), actor };
    travels_as("cluster/actor_commands", vec![state, NodeCommand::Reset { kind, actor }]);
    let live = ActorState::Live { waiting: 2, idle_ms: 30 };
    let states = [live, ActorState::Restarting, ActorState::Quarantined, ActorState::Asleep];
    let replies = states.map(NodeReply::State).into_iter().chain([NodeReply::NotQuarantined]);
    travels_as("cluster/actor_replies", replies.collect::<Vec<_>>());
}
