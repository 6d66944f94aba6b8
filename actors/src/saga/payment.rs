//! Payment: order `Paid` -> stock `Confirm` for every line.

use std::sync::Arc;

use super::Follow;
use crate::{
    journal::Entry,
    order::{self, Order},
    runtime::Entity,
    stock,
};

pub(super) fn follow(entry: &Entry) -> Result<Vec<Follow>, serde_json::Error> {
    if &*entry.kind != Order::KIND || &*entry.event_type != "paid" {
        return Ok(Vec::new());
    }
    let event: Arc<order::Event> = entry.event()?;
    let order::Event::Paid { reservations, .. } = &*event else { return Ok(Vec::new()) };
    Ok(reservations
        .iter()
        .map(|line| Follow::Stock {
            sku: line.sku,
            command: stock::Command::Confirm { reservation: line.reservation },
        })
        .collect())
}
