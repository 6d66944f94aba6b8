//! Golden files of what journals and snapshots hold of the entities; see `stampede_kernel::golden`.

use std::collections::BTreeMap;

use stampede_kernel::{
    Currency, Digest, Entity, FlashSaleId, IdempotencyKey, Money, OrderNo, ProductId, ReservationId, SkuId,
    Timestamp, UserId, golden,
};
use uuid::Uuid;

use crate::{cart, order, stock};

/// A sample of every variant. A variant without a sample does not compile.
macro_rules! every {
    ($kind:ty, $($pattern:pat => $sample:expr),+ $(,)?) => {{
        let _exhaustive = |event: &<$kind as Entity>::Event| match event { $($pattern => ()),+ };
        $({
            let sample: <$kind as Entity>::Event = $sample;
            assert!(matches!(&sample, $pattern), "the sample of another event");
            golden!().is_kept_as(&format!("{}/{}", <$kind>::KIND, <$kind>::event_type(&sample)), &sample);
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
    golden!().is_kept_as("stock/reserved.least", &Event::Reserved(Box::new(least)));
    golden!()
        .is_kept_as("stock/received.least", &Event::Received { quantity: 1, reason, at: at(0), key: None });
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
    golden!().is_kept_as("order/cancelled.least", &expired);
    let least = order::Open { flash_sale: None, note: None, ..opened() };
    golden!().is_kept_as("order/opened.least", &Event::Opened(Box::new(least)));
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
    golden!().is_kept_as("stock/state.answered", &stock);
    let mut unanswered = stock;
    unanswered.keys.values_mut().for_each(|known| known.stock = None);
    golden!().is_kept_as("stock/state", &unanswered);
    let opened_under_a_key =
        stock::Event::SaleOpened { sale, terms: Box::new(terms()), quantity: 0, at: at(1), key: key() };
    golden!().is_kept_as("stock/state.opened_under", &folded::<stock::Stock>(&[opened_under_a_key]));
    let cart = folded::<cart::Cart>(&[cart::Event::LineSet { line: cart_line() }]);
    golden!().is_kept_as("cart/state", &cart);
    let by = UserId(uuid(3));
    let order = folded::<order::Order>(&[
        order::Event::Opened(Box::new(opened())),
        order::Event::Paid { at: at(160), by, reservations: vec![], key: key() },
        order::Event::Shipped { at: at(170), by, remark: Some("by rail".into()) },
        order::Event::Delivered { at: at(180), by },
        order::Event::Completed { at: at(190), by },
    ]);
    golden!().is_kept_as("order/state", &order);
    // The table of orders keeps the view as its document.
    golden!().is_kept_as("order/document", &order.order.expect("it was opened"));
}
