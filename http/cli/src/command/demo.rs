//! `stampede demo`: a shop with a catalog and a flash sale run against itself over real HTTP.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Args;
use stampede_loadtest::{News, Pace, Plan, client::Endpoint, output::Output};
use stampede_platform::engine::clock;
use stampede_shop::services::{accounts, catalog_seed};
use uuid::Uuid;

use super::{DONE, Failure, Settings, serve::in_system};
use crate::{
    config::{Config, Live, Sources},
    startup::Node,
    telemetry,
};

/// Connections that the buyers share.
const CONNECTIONS: usize = 256;
/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the tables may take to follow the journal.
const DRAIN: Duration = Duration::from_secs(60);

#[derive(Debug, Args)]
#[command(after_help = "\
Needs nothing installed: the shop runs on the embedded Postgres in ./data unless DATABASE_URL is set.
Exit status: 0 every check held, 1 a check failed or the work could not be done, 2 wrong usage.")]
pub struct Demo {
    #[command(flatten)]
    settings: Settings,
    /// Buyers, each of whom tries once
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    buyers: u32,
    /// Units in the flash sale
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    stock: u32,
    /// End after the report instead of serving on
    #[arg(long)]
    once: bool,
    /// The file to write the report to, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The address to listen on; port 0 lets the system choose
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
}

impl Demo {
    pub fn run(self) -> Result<ExitCode, Failure> {
        let mut sources = self.settings.sources();
        if let Some(listen) = &self.listen {
            sources.options.push(("--listen", "server.listen", listen.clone()));
        }
        // What is printed here is for a person; log lines come when something is wrong.
        if !sources.variables.contains_key("STAMPEDE_TELEMETRY__LEVEL") {
            sources.options.push(("the demo", "telemetry.level", "error".to_owned()));
        }
        let config = Config::load(&sources)?;
        let json = self.json.as_deref().map(Output::open).transpose()?;
        in_system(self.play(config, sources, json))?
    }

    async fn play(self, config: Config, sources: Sources, json: Option<Output>) -> Result<ExitCode, Failure> {
        let telemetry = telemetry::install(&config)?;
        let engine = if config.database.url.is_empty() {
            format!("the embedded Postgres in {}", config.data.dir.display())
        } else {
            "the Postgres of DATABASE_URL".to_owned()
        };
        note(&format!("[1/5] opening the shop on {engine}"));
        let mut node = Node::open(Live::new(config.clone(), sources)).await?;
        match node.admin_password.take() {
            Some(password) => {
                note(&format!("      administrator: admin, password: {password}   (shown only this once)"));
            }
            None => {
                note("      administrator: admin, with the password of before or of STAMPEDE_ADMIN_PASSWORD")
            }
        }
        note("[2/5] filling the catalog");
        let seeded = catalog_seed::seed(&node.shop.services, |_, _| {}).await?;
        note(&format!("      {} SKUs made, {} stocked", seeded.added, seeded.stocked));
        let token = admin_token(&node).await?;
        let bound = node.bind(&config)?;
        let address = bound.addresses.first().copied().ok_or("the server listens nowhere")?;
        let endpoint: Endpoint = format!("http://{address}").parse()?;
        let handle = bound.server.handle();
        let stop_after = self.once;
        let sale = actix_web::rt::spawn(async move {
            let outcome = self.sell(endpoint, token, json).await;
            if stop_after || outcome.is_err() {
                handle.stop(true).await;
            } else {
                tell_addresses(&address.to_string());
            }
            outcome.map_err(|error| error.to_string())
        });
        node.serve(bound, telemetry).await?;
        let held = sale.await??;
        Ok(if held { DONE } else { ExitCode::FAILURE })
    }

    /// Runs the sale over HTTP and tells how it went; answers whether every check held.
    async fn sell(&self, endpoint: Endpoint, token: String, json: Option<Output>) -> Result<bool, Failure> {
        let mut shop = stampede_loadtest::Shop::with_token(endpoint.clone(), token)?;
        note(&format!("[3/5] making {} buyers", self.buyers));
        let buyers =
            stampede_loadtest::setup::users(&mut shop, usize::try_from(self.buyers)?, |_| {}).await?;
        note(&format!("[4/5] a flash sale of {} units opens", self.stock));
        let sale = stampede_loadtest::setup::sale(&mut shop, u64::from(self.stock), 1).await?;
        let plan = Plan {
            endpoint,
            flash_sale: sale.id,
            buyers,
            connections: CONNECTIONS.min(usize::try_from(self.buyers)?),
            threads: 1,
            pace: Pace::Closed,
            lasting: None,
            tries: Some(1),
            warm_up: Duration::ZERO,
            quantity: 1,
            retries: 3,
            patience: PATIENCE,
        };
        let began = Instant::now();
        let report = stampede_loadtest::measure(&mut shop, plan, DRAIN, |news| match news {
            News::Load(now) => note(&format!(
                "      {:>5.1} s   accepted {:>7}   refused {:>7}",
                now.elapsed.as_secs_f64(),
                now.accepted,
                now.refused
            )),
            News::Waiting(what) => note(&format!("      {what}")),
        })
        .await?;
        note(&format!("[5/5] checked in {:.1} s", began.elapsed().as_secs_f64()));
        if let Some(json) = json {
            json.json(&report)?;
        }
        let mut out = io::stdout().lock();
        write!(out, "{report}")?;
        out.flush()?;
        Ok(report.held)
    }
}

/// A token of the administrator, who need not log in to an own shop.
async fn admin_token(node: &Node) -> Result<String, Failure> {
    let admin =
        accounts::by_username(&node.shop.services, "admin").await?.ok_or("there is no administrator")?;
    let issued = node.edge.signer.issue(admin.id, admin.role, Uuid::now_v7(), clock::now())?;
    Ok(issued.access_token)
}

fn tell_addresses(address: &str) {
    note(&format!(
        "\nThe shop goes on serving; Ctrl-C ends it.\n  \
         API and its description   http://{address}/docs\n  \
         health                    http://{address}/health\n  \
         metrics                   http://{address}/metrics\n  \
         products                  http://{address}/api/v1/products\n  \
         flash sales               http://{address}/api/v1/flash-sales"
    ));
}

/// Says `line` on stderr. Progress that nobody can read is no reason to stop.
fn note(line: &str) {
    drop(writeln!(io::stderr().lock(), "{line}"));
}
