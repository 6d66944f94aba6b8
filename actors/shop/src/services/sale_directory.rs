//! Which SKU a flash sale is of, and which sale of a SKU is open: cached, for addresses that name the one and
//! mean the other.

use std::time::Duration;

use moka::future::Cache;
use stampede_kernel::{FlashSaleId, SkuId};
use stampede_platform::engine::{Database, DatabaseError};

use super::limits::{
    OPEN_SALE_TTL_MS, SALE_SHOWN_MS_MAX, SALES_CACHED_MAX, TABLES_POLL_MS, UNKNOWN_SALE_TTL_MS,
};
use crate::projections;

pub(super) struct SaleDirectory {
    database: Database,
    skus: Cache<FlashSaleId, SkuId>,
    unknown: Cache<FlashSaleId, ()>,
    open: Cache<SkuId, Option<FlashSaleId>>,
}

impl SaleDirectory {
    pub(super) fn new(database: Database) -> Self {
        let (unknown, open) =
            (Duration::from_millis(UNKNOWN_SALE_TTL_MS), Duration::from_millis(OPEN_SALE_TTL_MS));
        Self {
            database,
            skus: Cache::new(SALES_CACHED_MAX),
            unknown: Cache::builder().max_capacity(SALES_CACHED_MAX).time_to_live(unknown).build(),
            open: Cache::builder().max_capacity(SALES_CACHED_MAX).time_to_live(open).build(),
        }
    }

    /// The SKU of a flash sale, which says which actor to ask.
    pub(super) async fn sku_of(&self, sale: FlashSaleId) -> Result<Option<SkuId>, DatabaseError> {
        if let Some(sku) = self.skus.get(&sale).await {
            return Ok(Some(sku));
        }
        if self.unknown.contains_key(&sale) {
            return Ok(None);
        }
        let sku = projections::sale_by_id(&self.database, sale).await?.map(|row| row.sku);
        match sku {
            Some(sku) => self.skus.insert(sale, sku).await,
            None => self.unknown.insert(sale, ()).await,
        }
        Ok(sku)
    }

    /// The flash sale of a SKU that is open now or opens next.
    pub(super) async fn open_sale_of(&self, sku: SkuId) -> Result<Option<FlashSaleId>, DatabaseError> {
        if let Some(known) = self.open.get(&sku).await {
            return Ok(known);
        }
        let sale = projections::open_sale_of(&self.database, sku).await?.map(|row| row.id);
        // A sale that was remembered meanwhile is newer than what the tables had.
        Ok(self.open.entry(sku).or_insert(sale).await.into_value())
    }

    /// Remembers a new sale of a SKU once the tables show it.
    pub(super) async fn remember(&self, sale: FlashSaleId, sku: SkuId) {
        self.until_shown(sale).await;
        self.skus.insert(sale, sku).await;
        self.open.invalidate(&sku).await;
    }

    /// Remembers that this is the sale of a SKU to buy from, once the tables show it.
    pub(super) async fn remember_open(&self, sale: FlashSaleId, sku: SkuId) {
        self.until_shown(sale).await;
        self.skus.insert(sale, sku).await;
        self.open.insert(sku, Some(sale)).await;
    }

    /// Waits until the tables show a new sale: other nodes find it there, and this one after a restart. If
    /// they do not in time, the sale exists all the same.
    async fn until_shown(&self, sale: FlashSaleId) {
        let shown = async {
            while !matches!(projections::sale_by_id(&self.database, sale).await, Ok(Some(_))) {
                tokio::time::sleep(Duration::from_millis(TABLES_POLL_MS)).await;
            }
        };
        if tokio::time::timeout(Duration::from_millis(SALE_SHOWN_MS_MAX), shown).await.is_err() {
            tracing::warn!(%sale, "the tables do not show a new flash sale yet");
        }
    }
}
