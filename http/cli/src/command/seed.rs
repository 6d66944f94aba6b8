//! `stampede seed`: a catalog to begin with, and its stock.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Args;
use stampede_domain::stock::Stock;
use stampede_kernel::Entity as _;
use stampede_platform::{
    cluster,
    engine::{Database, Source},
    journal,
};
use stampede_shop::{
    records::catalog::Catalog,
    services::catalog_seed::{Seeded, seed},
};

use super::{DONE, Failure, Settings, offline, say, serve::in_system, tell};
use crate::{
    config::Config,
    startup::{RunningShop, source},
};

/// SKUs between two lines of progress.
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

impl Seed {
    pub fn run(&self) -> Result<ExitCode, Failure> {
        in_system(run(self.settings.load()?))?
    }
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
    let catalog = Catalog::new(database.clone());
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
