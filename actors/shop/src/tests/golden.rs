//! Golden files of what records, sagas and invalidations write; see `stampede_kernel::golden`.

use std::collections::BTreeMap;

use serde_json::json;
use stampede_domain::{order, stock};
use stampede_kernel::{
    Currency, FlashSaleId, Money, OrderNo, ProductId, ReservationId, SkuId, Timestamp, UserId, golden,
};
use stampede_platform::cluster::Envelope;
use uuid::Uuid;

use crate::{
    records::{account::Revocation, catalog::Stale},
    sagas::NextCommand,
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_795_000_000_123 + seconds * 1_000)
}

fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(0x019a_9d2c_1a00_7000_8000_0000_0000_0000 + number)
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
            name: "充电器 \"65 W\"".into(),
            specs: BTreeMap::from([("color".into(), "white".into())]),
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
fn commands_that_are_parked() {
    let release = stock::Command::Release(stock::Release { reservation: ReservationId(uuid(4)) });
    golden!().is_kept_as("saga/stock", &NextCommand::Stock { sku: SkuId(uuid(5)), command: release });
    let confirm = stock::Command::Confirm(stock::Confirm { reservation: ReservationId(uuid(4)) });
    golden!().is_kept_as("saga/stock.confirm", &NextCommand::Stock { sku: SkuId(uuid(5)), command: confirm });
    let command = Box::new(order::Command::Open(Box::new(opened())));
    golden!().is_kept_as(
        "saga/order",
        &NextCommand::Order { user: UserId(uuid(3)), order_no: order_no(), command },
    );
}

#[test]
fn invalidations_between_nodes() {
    let (sku, buyer) = (SkuId(uuid(5)), UserId(uuid(3)));
    let stale = [Stale::Product { id: ProductId(uuid(6)), skus: vec![sku] }, Stale::Categories];
    let ended = |session| Revocation { user: buyer, session, revoked_at: at(1), expires_at: at(900_000) };
    let revoked = [ended(Some(uuid(8))), ended(None)];
    let stale = stale.iter().map(|stale| json!({ "stale": stale }));
    let messages: Vec<_> = stale.chain(revoked.iter().map(|ended| json!({ "revoked": ended }))).collect();
    let envelope = Envelope { v: 1, from: "node-1_0a1b2c3d".into(), at: at(0), number: 7, body: &messages };
    golden!().is_written_as("cluster/news", &envelope);
    for (message, topic) in messages.iter().zip(["stale", "stale", "revoked", "revoked"]) {
        let read = match topic {
            "stale" => serde_json::from_value::<Stale>(message[topic].clone()).map(|read| json!(read)),
            _ => serde_json::from_value::<Revocation>(message[topic].clone()).map(|read| json!(read)),
        };
        assert_eq!(read.expect("it is read as it was written"), message[topic]);
    }
}
