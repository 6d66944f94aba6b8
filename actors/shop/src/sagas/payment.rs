//! Payment: order `Paid` -> stock `Confirm` for every line.

use stampede_domain::{
    order::{Event, Order},
    stock::{Command, Confirm},
};
use stampede_platform::journal::Entry;

use super::{NextCommand, Saga};

pub const PAYMENT: Saga = Saga { name: "payment", next };

fn next(entry: &Entry) -> Result<Vec<NextCommand>, serde_json::Error> {
    let Some((_, event)) = entry.event_of::<Order>()? else { return Ok(Vec::new()) };
    Ok(match &*event {
        Event::Paid { reservations, .. } => reservations
            .iter()
            .map(|line| NextCommand::Stock {
                sku: line.sku,
                command: Command::Confirm(Confirm { reservation: line.reservation }),
            })
            .collect(),
        Event::Opened(_)
        | Event::Cancelled { .. }
        | Event::Shipped { .. }
        | Event::Delivered { .. }
        | Event::Completed { .. } => Vec::new(),
    })
}
