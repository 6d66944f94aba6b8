//! What a run of stock events changes in the tables.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use sqlx::PgConnection;
use stampede_domain::stock::{self, Pool, Stock, Terms};
use stampede_platform::journal::Entry;
use uuid::Uuid;

use super::{Projection, ProjectionOf};

/// The regular pool's id in the tables.
pub(super) const REGULAR: Uuid = Uuid::nil();

/// A change of one flash sale, in the order in which they come.
#[derive(Debug, Clone)]
pub(super) enum SaleChange {
    Terms { sku: Uuid, terms: Box<Terms> },
    Paused(bool),
    Closed(stampede_kernel::Timestamp),
}

/// What a run of stock events changes: in the tables of units, and in that of flash sales.
#[derive(Debug, Default)]
pub(super) struct StockChanges {
    /// What is added to each pool; ordered, so that rows are always locked in one order.
    pub pools: BTreeMap<(Uuid, Uuid), Pool>,
    pub received: BTreeMap<Uuid, i64>,
    pub sales: Vec<(Uuid, SaleChange)>,
}

/// The projection of stock.
pub const STOCK: ProjectionOf = ProjectionOf {
    new: || Box::<StockChanges>::default(),
    clear: &["DELETE FROM stock_pool", "DELETE FROM stock_ledger", "DELETE FROM flash_sale"],
};

impl Projection for StockChanges {
    fn gather(&mut self, entry: &Entry) -> Result<(), serde_json::Error> {
        if let Some((sku, event)) = entry.event_of::<Stock>()? {
            self.stock(sku.0, &event);
        }
        Ok(())
    }

    fn write<'a>(&'a self, connection: &'a mut PgConnection) -> BoxFuture<'a, Result<(), sqlx::Error>> {
        Box::pin(async move {
            super::stock::write(connection, self).await?;
            super::sales::write(connection, &self.sales).await
        })
    }
}

impl StockChanges {
    fn stock(&mut self, sku: Uuid, event: &stock::Event) {
        match event {
            stock::Event::Initialized { quantity: units, .. }
            | stock::Event::Received { quantity: units, .. }
            | stock::Event::Adjusted { delta: units, .. } => {
                *self.received.entry(sku).or_default() += units;
                self.pool(sku, REGULAR, [*units, *units, 0, 0]);
            }
            stock::Event::Reserved(reserved) => {
                let units = i64::from(reserved.quantity);
                self.pool(sku, pool_id(reserved.sale), [0, -units, units, 0]);
            }
            stock::Event::Confirmed { sale, quantity, .. } => {
                let units = i64::from(*quantity);
                self.pool(sku, pool_id(*sale), [0, 0, -units, units]);
            }
            stock::Event::Released { sale, quantity, to_regular, .. } => {
                let units = i64::from(*quantity);
                self.pool(sku, pool_id(*sale), [-units, 0, -units, 0]);
                let back = if *to_regular { REGULAR } else { pool_id(*sale) };
                self.pool(sku, back, [units, units, 0, 0]);
            }
            stock::Event::SaleOpened { sale, terms, quantity, .. } => {
                self.moved(sku, REGULAR, sale.0, *quantity);
                self.sales.push((sale.0, SaleChange::Terms { sku, terms: terms.clone() }));
            }
            stock::Event::SaleExtended { sale, quantity, .. } => self.moved(sku, REGULAR, sale.0, *quantity),
            stock::Event::SaleAmended { sale, terms, .. } => {
                self.sales.push((sale.0, SaleChange::Terms { sku, terms: terms.clone() }));
            }
            stock::Event::SalePaused { sale, .. } => self.sales.push((sale.0, SaleChange::Paused(true))),
            stock::Event::SaleResumed { sale, .. } => self.sales.push((sale.0, SaleChange::Paused(false))),
            stock::Event::SaleClosed { sale, returned, at } => {
                self.moved(sku, sale.0, REGULAR, *returned);
                self.sales.push((sale.0, SaleChange::Closed(*at)));
            }
            stock::Event::Voided { .. } => {}
        }
    }

    fn moved(&mut self, sku: Uuid, from: Uuid, to: Uuid, units: i64) {
        self.pool(sku, from, [-units, -units, 0, 0]);
        self.pool(sku, to, [units, units, 0, 0]);
    }

    fn pool(&mut self, sku: Uuid, pool: Uuid, [allotted, available, held, sold]: [i64; 4]) {
        let sum = self.pools.entry((sku, pool)).or_default();
        sum.allotted += allotted;
        sum.available += available;
        sum.held += held;
        sum.sold += sold;
    }
}

pub(super) fn pool_id(sale: Option<stampede_kernel::FlashSaleId>) -> Uuid {
    sale.map_or(REGULAR, |sale| sale.0)
}
