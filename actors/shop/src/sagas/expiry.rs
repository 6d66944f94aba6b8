//! Expiry and cancelling: order `Cancelled` -> stock `Release` for every line.
//!
//! Whether an order expires or is paid is the order actor's decision alone; the deadline only asks it.

use std::sync::Arc;

use stampede_domain::{
    order::{self, Order},
    stock,
};
use stampede_kernel::Entity;
use stampede_platform::journal::Entry;

use super::NextCommand;

pub(super) fn follow(entry: &Entry) -> Result<Vec<NextCommand>, serde_json::Error> {
    if &*entry.kind != Order::KIND || &*entry.event_type != "cancelled" {
        return Ok(Vec::new());
    }
    let event: Arc<order::Event> = entry.event()?;
    let order::Event::Cancelled { reservations, .. } = &*event else { return Ok(Vec::new()) };
    Ok(reservations
        .iter()
        .map(|line| NextCommand::Stock {
            sku: line.sku,
            command: stock::Command::Release(stock::Release { reservation: line.reservation }),
        })
        .collect())
}
