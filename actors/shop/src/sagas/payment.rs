//! Payment: order `Paid` -> stock `Confirm` for every line.

use std::sync::Arc;

use stampede_domain::{
    order::{self, Order},
    stock,
};
use stampede_kernel::Entity;
use stampede_platform::journal::Entry;

use super::NextCommand;

pub(super) fn follow(entry: &Entry) -> Result<Vec<NextCommand>, serde_json::Error> {
    if &*entry.kind != Order::KIND || &*entry.event_type != "paid" {
        return Ok(Vec::new());
    }
    let event: Arc<order::Event> = entry.event()?;
    let order::Event::Paid { reservations, .. } = &*event else { return Ok(Vec::new()) };
    Ok(reservations
        .iter()
        .map(|line| NextCommand::Stock {
            sku: line.sku,
            command: stock::Command::Confirm(stock::Confirm { reservation: line.reservation }),
        })
        .collect())
}
