//! Available units of SKUs: cached, because a crowd looks at one product.

use std::{collections::HashMap, time::Duration};

use moka::future::Cache;
use stampede_kernel::SkuId;
use stampede_platform::engine::{Database, DatabaseError};

use super::limits::{AVAILABLE_CACHED_MAX, AVAILABLE_TTL_MS};
use crate::projections;

pub(super) struct Availability {
    database: Database,
    units: Cache<SkuId, i64>,
}

impl Availability {
    pub(super) fn new(database: Database) -> Self {
        let ttl = Duration::from_millis(AVAILABLE_TTL_MS);
        let units = Cache::builder().max_capacity(AVAILABLE_CACHED_MAX).time_to_live(ttl).build();
        Self { database, units }
    }

    /// Available units of each SKU's regular pool; may lag by a second.
    pub(super) async fn of(&self, skus: &[SkuId]) -> Result<HashMap<SkuId, i64>, DatabaseError> {
        let mut units = HashMap::with_capacity(skus.len());
        let mut missing = Vec::new();
        for &sku in skus {
            match self.units.get(&sku).await {
                Some(available) => drop(units.insert(sku, available)),
                None => missing.push(sku),
            }
        }
        if missing.is_empty() {
            return Ok(units);
        }
        let read = projections::available_of(&self.database, &missing).await?;
        for sku in missing {
            let shown = read.get(&sku).copied().unwrap_or(0);
            // What an actor answered meanwhile is newer than the tables.
            let entry = self.units.entry(sku).or_insert(shown).await;
            units.insert(sku, entry.into_value());
        }
        Ok(units)
    }

    /// Remembers what an actor answered, so that whoever changed a stock sees it before the tables do.
    pub(super) async fn remember(&self, sku: SkuId, units: i64) {
        self.units.insert(sku, units).await;
    }
}
