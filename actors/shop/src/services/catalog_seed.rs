//! Filling an empty catalog, with the first stock of its SKUs.

use futures_util::{StreamExt as _, stream};
use stampede_domain::stock::{Initialize, Refusal};
use stampede_kernel::SkuId;
use stampede_platform::runtime::AskError;

use super::{Services, limits::SEED_STOCKING_MAX};
use crate::records::catalog::SeedError;

/// What seeding did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seeded {
    /// SKUs that were added to the catalog.
    pub added: usize,
    /// SKUs that got their first stock.
    pub stocked: usize,
}

/// Why the shop was not seeded.
#[derive(Debug, thiserror::Error)]
pub enum SeedFailure {
    #[error(transparent)]
    Catalog(#[from] SeedError),
    #[error("SKU {sku} was not stocked; run it again")]
    Stock { sku: SkuId, source: AskError<Refusal> },
}

/// Fills a catalog that was never seeded, then makes sure that every seeded SKU has its first stock.
/// `progress` gets how many of how many SKUs are done.
///
/// # Errors
/// When the catalog could not be written, or an actor did not take its stock; a repeat completes it.
pub async fn seed(
    services: &Services,
    mut progress: impl FnMut(usize, usize),
) -> Result<Seeded, SeedFailure> {
    let added = services.catalog.seed().await?.len();
    let stock = services.catalog.seeded_stock().await?;
    let all = stock.len();
    let mut asked = stream::iter(stock)
        .map(|(sku, quantity)| async move {
            let answer = services.actors.stock.request(sku.0, sku, Initialize { quantity }).await;
            // A SKU that has been stocked before answers as a repeat.
            answer.map(|answered| !answered.replayed).map_err(|source| SeedFailure::Stock { sku, source })
        })
        .buffer_unordered(SEED_STOCKING_MAX);
    let (mut done, mut stocked) = (0, 0);
    while let Some(is_new) = asked.next().await {
        stocked += usize::from(is_new?);
        done += 1;
        progress(done, all);
    }
    Ok(Seeded { added, stocked })
}
