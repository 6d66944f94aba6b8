//! Expiry and cancelling: order `Cancelled` -> stock `Release` for every line.
//!
//! Whether an order expires or is paid is the order actor's decision alone; the deadline only asks it.

use stampede_domain::{
    order::{Event, Order},
    stock::{Command, Release},
};
use stampede_platform::journal::Entry;

use super::{NextCommand, Saga};

pub const EXPIRY: Saga = Saga { name: "expiry", next };

fn next(entry: &Entry) -> Result<Vec<NextCommand>, serde_json::Error> {
    let Some((_, event)) = entry.event_of::<Order>()? else { return Ok(Vec::new()) };
    Ok(match &*event {
        Event::Cancelled { reservations, .. } => reservations
            .iter()
            .map(|line| NextCommand::Stock {
                sku: line.sku,
                command: Command::Release(Release { reservation: line.reservation }),
            })
            .collect(),
        Event::Opened(_)
        | Event::Paid { .. }
        | Event::Shipped { .. }
        | Event::Delivered { .. }
        | Event::Completed { .. } => Vec::new(),
    })
}
