//! `stampede seed`: a catalog to begin with, and its stock.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Args;
use futures_util::{StreamExt as _, stream};
use stampede_domain::stock::{Command, Refusal, Stock};
use stampede_kernel::{Entity as _, SkuId};
use stampede_platform::{
    cluster,
    engine::{Database, Source},
    journal,
    runtime::AskError,
};
use stampede_shop::records::catalog::SeedError;
use stampede_shop::services::Services;

use super::{DONE, Failure, Settings, offline, say, serve::in_system, tell};
use crate::{
    config::Config,
    startup::{RunningShop, source},
};

/// SKUs that are stocked at once.
const STOCKING_MAX: usize = 64;
/// SKUs between two words of progress.
const PROGRESS_SKUS: usize = 100;
/// How long a running server may take to stock what was seeded.
const SERVER_STOCKS_MAX: Duration = Duration::from_secs(60);
/// Pause between two looks at what it has stocked.
const SERVER_STOCKS_POLL: Duration = Duration::from_millis(250);

#[derive(Debug, Args)]
#[command(after_help = "\
Adds some two hundred invented products in sixteen categories, with stock. A second run adds nothing,
even if the products were changed or removed since; it only completes what a crash left out.
The embedded shop must not be in use by a server; with DATABASE_URL a server may run.")]
pub struct Seed {
    #[command(flatten)]
    settings: Settings,
}

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

impl Seed {
    pub fn run(&self) -> Result<ExitCode, Failure> {
        in_system(run(self.settings.load()?))?
    }
}

/// Fills an unseeded catalog, then makes sure that every seeded SKU has its first stock. `progress` is
/// told how many of how many SKUs are done.
///
/// # Errors
/// When the catalog could not be written, or an actor did not take its stock; a repeat completes it.
pub async fn seed(shop: &Services, mut progress: impl FnMut(usize, usize)) -> Result<Seeded, SeedFailure> {
    let added = shop.catalog.seed().await?.len();
    let stock = shop.catalog.seeded_stock().await?;
    let all = stock.len();
    let mut asked = stream::iter(stock)
        .map(|(sku, quantity)| async move {
            let answer = shop
                .actors
                .stock
                .command(sku.0, sku, Command::Initialize(stampede_domain::stock::Initialize { quantity }))
                .await;
            // A SKU that has been stocked before answers as a repeat.
            answer.map(|answered| !answered.replayed).map_err(|source| SeedFailure::Stock { sku, source })
        })
        .buffer_unordered(STOCKING_MAX);
    let (mut done, mut stocked) = (0, 0);
    while let Some(is_new) = asked.next().await {
        stocked += usize::from(is_new?);
        done += 1;
        progress(done, all);
    }
    Ok(Seeded { added, stocked })
}

async fn run(mut config: Config) -> Result<ExitCode, Failure> {
    const OTHERWISE: &str = "stop its server first";
    if let Source::Url(_) = source(&config) {
        let database = offline::open(&config, offline::Missing::Make, OTHERWISE).await?;
        if let Some(node) = cluster::running_node(&database).await? {
            tell(&format!("a server runs on this database ({node}); it will stock what is added"));
            return beside_server(database).await;
        }
        database.close().await;
    }
    // Nobody else runs on it, so there is nobody to be linked with.
    config.nats.url.clear();
    let opened = RunningShop::open(&config).await;
    let shop = opened.map_err(|error| offline::explained(error, OTHERWISE))?;
    let seeded = seed(&shop.services, |done, all| {
        if done % PROGRESS_SKUS == 0 || done == all {
            tell(&format!("stock: {done} of {all} SKUs"));
        }
    })
    .await;
    shop.close().await;
    let Seeded { added, stocked } = seeded?;
    say(&match (added, stocked) {
        (0, 0) => "nothing to do: the catalog is seeded and stocked\n".to_owned(),
        (0, stocked) => format!("the catalog was seeded before; stocked {stocked} SKUs that were not\n"),
        (added, _) => format!("added products with {added} SKUs, and stocked them\n"),
    })?;
    Ok(DONE)
}

/// Adds the products only: the running server follows the catalog's events and stocks their SKUs.
async fn beside_server(database: Database) -> Result<ExitCode, Failure> {
    let catalog = stampede_shop::records::catalog::Catalog::new(database.clone());
    let added = catalog.seed().await?.len();
    let wanted = catalog.seeded_stock().await?;
    let since = Instant::now();
    loop {
        let known = journal::fold_source(&database, Stock::KIND).await?;
        let missing = wanted.iter().filter(|(sku, _)| !known.contains_key(&sku.to_string())).count();
        if missing == 0 {
            break;
        }
        if since.elapsed() > SERVER_STOCKS_MAX {
            return Err(format!("the server has not stocked {missing} SKUs yet; run it again to look").into());
        }
        tokio::time::sleep(SERVER_STOCKS_POLL).await;
    }
    database.close().await;
    say(&match added {
        0 => "nothing to do: the catalog is seeded and stocked\n".to_owned(),
        added => format!("added products with {added} SKUs; the server has stocked them\n"),
    })?;
    Ok(DONE)
}
