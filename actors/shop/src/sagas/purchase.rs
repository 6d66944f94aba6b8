//! Purchase: stock `Reserved` -> order `Open`.
//!
//! Opening cannot be refused, so there is no step to undo: once the units are reserved, the order
//! comes to be.

use std::sync::Arc;

use stampede_domain::{
    order::{self, OrderLine},
    stock::{self, Stock},
};
use stampede_kernel::{Entity, SkuId};
use stampede_platform::journal::Entry;

use super::NextCommand;

pub(super) fn follow(entry: &Entry) -> Result<Vec<NextCommand>, serde_json::Error> {
    if &*entry.kind != Stock::KIND || &*entry.event_type != "reserved" {
        return Ok(Vec::new());
    }
    let event: Arc<stock::Event> = entry.event()?;
    let stock::Event::Reserved(reserved) = &*event else { return Ok(Vec::new()) };
    let sku: SkuId = entry.id.parse().map_err(serde::de::Error::custom)?;
    let line = OrderLine {
        sku_id: sku,
        product_id: reserved.line.product_id,
        name: reserved.line.name.clone(),
        specs: reserved.line.specs.clone(),
        quantity: reserved.quantity,
        unit_price: reserved.line.unit_price,
        currency: reserved.line.currency,
        reservation: reserved.reservation,
    };
    let open = order::Open {
        order_no: reserved.order_no,
        user: reserved.user,
        total: line.subtotal(),
        currency: line.currency,
        lines: vec![line],
        flash_sale: reserved.sale,
        note: reserved.note.clone(),
        created_at: reserved.at,
        pay_before: reserved.pay_before,
    };
    Ok(vec![NextCommand::Order {
        user: reserved.user,
        order_no: reserved.order_no,
        command: Box::new(order::Command::Open(Box::new(open))),
    }])
}
