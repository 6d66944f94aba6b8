//! Stocking: product `Created` or `Updated` with new SKUs -> stock `Initialize` for each of them.
//!
//! The route that makes a product asks for this itself before it answers; this saga makes sure of it
//! when the node dies in between.

use serde::Deserialize;
use stampede_domain::stock;
use stampede_kernel::SkuId;
use stampede_platform::journal::Entry;

use super::{NextCommand, Saga};
use crate::records::catalog::PRODUCT;

/// The part of a product's event that is about stock.
#[derive(Debug, Deserialize)]
struct Stocked {
    #[serde(default)]
    initial_stock: Vec<Initial>,
}

#[derive(Debug, Deserialize)]
struct Initial {
    sku_id: SkuId,
    units: i64,
}

pub const STOCKING: Saga = Saga { name: "stocking", next };

fn next(entry: &Entry) -> Result<Vec<NextCommand>, serde_json::Error> {
    if &*entry.kind != PRODUCT {
        return Ok(Vec::new());
    }
    let stocked: Stocked = serde_json::from_str(&entry.payload)?;
    Ok(stocked
        .initial_stock
        .into_iter()
        .map(|initial| NextCommand::Stock {
            sku: initial.sku_id,
            command: stock::Command::Initialize(stock::Initialize { quantity: initial.units }),
        })
        .collect())
}
