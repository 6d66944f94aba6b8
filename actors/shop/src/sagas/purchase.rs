//! Purchase: stock `Reserved` -> order `Open`.
//!
//! Opening cannot be refused, so there is no step to undo: once the units are reserved, the order follows.

use stampede_domain::{
    order::{Command, Open, OrderLine},
    stock::{Event, Reserved, Stock},
};
use stampede_kernel::SkuId;
use stampede_platform::journal::Entry;

use super::{NextCommand, Saga};

pub const PURCHASE: Saga = Saga { name: "purchase", next };

fn next(entry: &Entry) -> Result<Vec<NextCommand>, serde_json::Error> {
    let Some((sku, event)) = entry.event_of::<Stock>()? else { return Ok(Vec::new()) };
    Ok(match &*event {
        Event::Reserved(reserved) => vec![open(sku, reserved)],
        Event::Initialized { .. }
        | Event::Received { .. }
        | Event::Adjusted { .. }
        | Event::Confirmed { .. }
        | Event::Released { .. }
        | Event::Voided { .. }
        | Event::SaleOpened { .. }
        | Event::SaleExtended { .. }
        | Event::SaleAmended { .. }
        | Event::SalePaused { .. }
        | Event::SaleResumed { .. }
        | Event::SaleClosed { .. } => Vec::new(),
    })
}

fn open(sku: SkuId, reserved: &Reserved) -> NextCommand {
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
    let open = Open {
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
    NextCommand::Order {
        user: reserved.user,
        order_no: reserved.order_no,
        command: Box::new(Command::Open(Box::new(open))),
    }
}
