//! Projections: the journal folded into tables, and the queries that reads are served from.
//!
//! Owns `orders`, `stock_pool`, `stock_ledger` and `flash_sale`. The rows and the checkpoint move in
//! one transaction, so that each event counts once. Lists may lag by at most a second at rest.

pub mod limits;
mod orders;
mod projection;
mod projector;
pub mod reconcile;
mod sales;
mod stock;
mod stock_changes;

pub use orders::{ORDER, OrderFilter, OrderStatistics, order_owner, order_page, order_statistics};
pub use projection::{Projection, ProjectionOf};
pub use projector::{ProjectError, Projector, ProjectorMetrics, catch_up, rebuild};
pub use reconcile::{Progress, progress};
pub use sales::{SaleRow, open_sale_of, sale_by_id, sale_page};
pub use stock::{available_of, skus_with_stock, stock_of};
pub use stock_changes::STOCK;
