//! What the shop counts of its business.

use prometheus::{IntCounter, IntGaugeVec};

use crate::projections::SaleRow;

/// Business counts.
#[derive(Clone)]
pub struct ShopMetrics {
    pub orders_created: IntCounter,
    pub seckill_requests: IntCounter,
    pub seckill_success: IntCounter,
    pub user_logins: IntCounter,
    pub sale_units: IntGaugeVec,
}

impl ShopMetrics {
    /// Sets the units of the running sales, and forgets those of the others.
    pub fn show_sales<'a>(&self, sales: impl Iterator<Item = &'a SaleRow>) {
        self.sale_units.reset();
        for sale in sales {
            let id = sale.id.to_string();
            let set = |part: &str, units| self.sale_units.with_label_values(&[&*id, part]).set(units);
            set("available", sale.pool.available);
            set("held", sale.pool.held);
            set("sold", sale.pool.sold);
        }
    }
}
