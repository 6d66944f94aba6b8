//! The measures, in the order in which they build on each other.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde_json::json;
use stampede_tests::{Client, Engine, FlashSale, Postgres, Shop, ShopSetup, eventually};

use crate::{
    asked::Asked,
    baseline::{self, Baseline, SALE},
    load::{self, Finding, Target},
    note, sync_time,
    table::{Aim, Row, Table},
};

/// Length of one load, unless `STAMPEDE_BENCH_SECONDS` says another.
const SECONDS: u64 = 8;
/// Seconds at the start of every load that are not counted.
pub const WARM_UP_SECONDS: u64 = 2;
/// Connections of a load, unless the measure is about them.
pub const CONNECTIONS: usize = 256;
/// Buyers: so many that their tokens are not all in any cache.
pub const BUYERS: usize = 20_000;
/// Purchases that one buyer may make where acceptances are counted.
pub const PER_USER_LIMIT: u64 = 10_000;
/// Units where acceptances are counted: more than any load buys.
pub const STOCK: u64 = 100_000_000;
/// Pool sizes among which the row-lock baseline has its best.
const POOLS: [u32; 4] = [2, 4, 8, 32];
/// Seconds of the short loads that find the best pool.
const POOL_SECONDS: u64 = 4;
/// The aim for durable orders a second on one SKU, with the load on the same two cores.
const ORDERS_PER_SECOND: f64 = 30_000.0;
/// The overload, in multiples of the peak, and the connections that carry it.
const OVERLOAD: f64 = 5.0;
const OVERLOAD_CONNECTIONS: usize = 8_192;
/// Panics of the stock actor in one load, and how long it may be away.
const PANICS: u32 = 4;
const AWAY_MAX: Duration = Duration::from_millis(100);

/// Makes the measures of `program` that were asked for.
pub async fn all(program: &Path, asked: &Asked) -> Table {
    note(&format!("measuring {}", program.display()));
    let mut bench = Bench {
        postgres: Postgres::start().await,
        table: Table { fdatasync: sync_time::median(), ..Table::default() },
        peak: None,
        seconds: seconds(),
        tokens: tempfile::Builder::new().prefix("stampede-tokens-").tempdir().expect("a temporary folder"),
    };
    baseline::write_tokens(&bench.tokens_file(), BUYERS);
    for number in asked.numbers() {
        match number {
            "P1" => bench.refusals().await,
            "P2" => drop(bench.measured_peak().await),
            "P3" => bench.row_lock().await,
            "P6" => bench.connections().await,
            "P7" => bench.half_load().await,
            "P8" => bench.remote_owner().await,
            "P9" => bench.overload().await,
            "P11" => {
                bench.takeover().await;
                bench.handoff().await;
            }
            "R14" => bench.rolling_restart().await,
            "R15" => bench.recovery().await,
            other => panic!("{other} is no measure"),
        }
    }
    bench.table
}

fn seconds() -> u64 {
    let given = std::env::var("STAMPEDE_BENCH_SECONDS").ok().and_then(|text| text.parse().ok());
    given.unwrap_or(SECONDS).max(WARM_UP_SECONDS + 1)
}

/// What every measure needs, and what was found so far.
pub struct Bench {
    pub postgres: Postgres,
    pub table: Table,
    /// Orders a second on one SKU, once they were measured.
    pub peak: Option<f64>,
    seconds: u64,
    tokens: tempfile::TempDir,
}

impl Bench {
    fn tokens_file(&self) -> PathBuf {
        self.tokens.path().join("tokens")
    }

    async fn shop(&self) -> Shop {
        let database = self.postgres.create_database().await;
        ShopSetup::new(Engine::Postgres).database_url(&self.postgres.url(&database)).start().await
    }

    async fn row_lock_server(&self, connections: u32) -> Baseline {
        let database = self.postgres.create_database().await;
        Baseline::row_lock(&self.postgres.url(&database), connections).await
    }

    /// Writes the tokens of a shop's own users to a file.
    pub fn write_tokens(&self, crowd: &[Client]) -> PathBuf {
        let file = self.tokens.path().join("crowd");
        let lines: String =
            crowd.iter().filter_map(Client::token).map(|token| format!("{token}\n")).collect();
        std::fs::write(&file, lines).expect("the tokens can be written");
        file
    }

    pub fn row(
        &mut self,
        number: &'static str,
        measure: &'static str,
        (value, against, unit): (f64, f64, &'static str),
        aim: Aim,
        note: String,
    ) {
        self.table.rows.push(Row { number, measure, value, against, unit, aim, note });
    }

    /// Runs a load and keeps what its checks found.
    pub fn load(&mut self, name: &str, target: Target<'_>, options: &[String]) -> Finding {
        note(name);
        let finding = load::run(target, options);
        self.table.unproven.extend(finding.failures.iter().map(|failure| format!("{name}: {failure}")));
        finding
    }

    pub fn closed(&self, connections: usize) -> Vec<String> {
        options(connections, self.seconds)
    }

    fn open(&self, connections: usize, rate: f64) -> Vec<String> {
        let mut options = self.closed(connections);
        options.extend(["--rate".to_owned(), format!("{rate:.0}")]);
        options
    }

    /// P1: a sold out sale against a handler that does nothing but refuse.
    async fn refusals(&mut self) {
        let options = self.closed(CONNECTIONS);
        let tokens = self.tokens_file();
        let bare = Baseline::bare().await;
        let target = Target::Baseline { url: &bare.url, sale: SALE, tokens: &tokens };
        let baseline = self.load("refusals of a bare handler", target, &options);
        drop(bare);
        let shop = self.shop().await;
        let target = Target::Shop { url: shop.server.url(), users: BUYERS, stock: 1, per_user_limit: 1 };
        let stampede = self.load("refusals when sold out", target, &options);
        let values = (stampede.refused_per_second, baseline.refused_per_second, "1/s");
        self.row("P1", "refusals when sold out / a bare handler's", values, Aim::AtLeast(0.9), String::new());
    }

    /// The orders a second of P2, on which others build.
    async fn measured_peak(&mut self) -> f64 {
        match self.peak {
            Some(peak) => peak,
            None => self.orders().await,
        }
    }

    /// P2: durable orders a second on one SKU.
    async fn orders(&mut self) -> f64 {
        let shop = self.shop().await;
        let finding = self.load("orders on one SKU", selling(&shop), &self.closed(CONNECTIONS));
        let drain = finding.drain_seconds.map_or("never".to_owned(), |seconds| format!("{seconds:.1} s"));
        let values = (finding.accepted_per_second, ORDERS_PER_SECOND, "1/s");
        let lag = format!("every order listed {drain} after the last answer");
        self.row("P2", "durable orders on one SKU / 30,000", values, Aim::AtLeast(1.0), lag);
        *self.peak.insert(finding.accepted_per_second)
    }

    /// P3: the same against a transaction for each purchase.
    async fn row_lock(&mut self) {
        let peak = self.measured_peak().await;
        let tokens = self.tokens_file();
        let mut best = (0, 0.0);
        for size in POOLS {
            let server = self.row_lock_server(size).await;
            let target = Target::Baseline { url: &server.url, sale: SALE, tokens: &tokens };
            let options = options(CONNECTIONS, POOL_SECONDS);
            let found = self.load(&format!("row lock, {size} connections to PostgreSQL"), target, &options);
            if found.accepted_per_second > best.1 {
                best = (size, found.accepted_per_second);
            }
        }
        for (size, measure, aim) in [
            (256, "orders on one SKU / a row lock's, a connection for each client", 20.0),
            (best.0, "orders on one SKU / a row lock's, its best pool", 5.0),
        ] {
            let server = self.row_lock_server(size).await;
            let target = Target::Baseline { url: &server.url, sale: SALE, tokens: &tokens };
            let found =
                self.load(&format!("row lock, {size} connections"), target, &self.closed(CONNECTIONS));
            let values = (peak, found.accepted_per_second, "1/s");
            let pool = format!("{size} connections to PostgreSQL");
            self.row("P3", measure, values, Aim::AtLeast(aim), pool);
        }
    }

    /// P6: many connections against few.
    async fn connections(&mut self) {
        let shop = self.shop().await;
        let few = self.load("64 connections", selling(&shop), &self.closed(64));
        let many = self.load("4,096 connections", selling(&shop), &self.closed(4_096));
        let values = (many.accepted_per_second, few.accepted_per_second, "1/s");
        self.row("P6", "orders at 4,096 connections / at 64", values, Aim::AtLeast(0.9), String::new());
    }

    /// P7: how long an order takes at half of the peak.
    async fn half_load(&mut self) {
        let peak = self.measured_peak().await;
        let shop = self.shop().await;
        let found = self.load("half load", selling(&shop), &self.open(CONNECTIONS, peak / 2.0));
        let allowed = self.table.fdatasync * 4 + Duration::from_millis(5);
        let values = (found.accepted_p99_ms, allowed.as_secs_f64() * 1e3, "ms");
        let unsent = format!("open loop; {} requests found no free connection", found.unsent);
        self.row("P7", "99% of orders within, at half load / 4F + 5 ms", values, Aim::AtMost(1.0), unsent);
    }

    /// P9: what is left of the peak when far more is asked for.
    async fn overload(&mut self) {
        let peak = self.measured_peak().await;
        let shop = self.shop().await;
        let mut options = self.open(OVERLOAD_CONNECTIONS, peak * OVERLOAD);
        options.extend(["--retries", "0"].map(str::to_owned));
        let found = self.load("overload", selling(&shop), &options);
        let values = (found.accepted_per_second, peak, "1/s");
        let unsent = format!("open loop; {} requests found no free connection", found.unsent);
        self.row("P9", "orders at 5 times the peak / the peak", values, Aim::AtLeast(0.9), unsent);
    }

    /// R15: how long a stock actor that panics under load is away. That it comes back with the right
    /// stock is among the checks of the load.
    async fn recovery(&mut self) {
        let database = self.postgres.create_database().await;
        let setup = ShopSetup::new(Engine::Postgres).database_url(&self.postgres.url(&database));
        let shop = setup.env("STAMPEDE_FAULTS__ENABLED", "true").start().await;
        let product = shop.product("19.90", STOCK).await;
        let terms = FlashSale { per_user_limit: PER_USER_LIMIT, ..FlashSale::of(STOCK / 2) };
        let sale = shop.flash_sale(&product, &terms).await;
        let tokens = self.write_tokens(&shop.crowd(CONNECTIONS).await);
        let seconds = WARM_UP_SECONDS + u64::from(PANICS) + 2;
        note("panics under load");
        let url = shop.server.url().to_owned();
        let load = tokio::task::spawn_blocking(move || {
            let target = Target::Sale { url: &url, sale: &sale, tokens: &tokens };
            load::run(target, &options(CONNECTIONS, seconds))
        });
        let times = away(&shop, &product.sku_id).await;
        let found = load.await.expect("the load ends");
        self.table.unproven.extend(found.failures.iter().map(|failure| format!("panics: {failure}")));
        let milliseconds = |time: &Duration| time.as_secs_f64() * 1e3;
        let values = (times.first().map_or(0.0, milliseconds), milliseconds(&AWAY_MAX), "ms");
        let longest = times.iter().skip(1).map(milliseconds).fold(0.0, f64::max);
        let under = format!(
            "under {:.0} orders/s; panicking again at once, from the journal of all of them: {longest:.0} ms",
            found.accepted_per_second
        );
        self.row("R15", "a stock actor back after a panic / 100 ms", values, Aim::AtMost(1.0), under);
    }
}

/// From the order to panic, given in the middle of a load, to the first purchase that the actor
/// accepts again; each of several times.
async fn away(shop: &Shop, sku_id: &str) -> Vec<Duration> {
    let panic = format!("/api/v1/admin/actors/stock/{sku_id}/panic");
    let buyer = shop.buyer("patient").await.client;
    let body = json!({ "items": [{ "sku_id": sku_id, "quantity": 1 }] });
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    // Past the warm-up of the load.
    for _ in 0..=WARM_UP_SECONDS {
        ticks.tick().await;
    }
    let mut times = Vec::new();
    for _ in 0..PANICS {
        ticks.tick().await;
        let began = Instant::now();
        let told = shop.admin.post(&panic, &json!({})).await;
        assert!((200..300).contains(&told.status), "{} {}", told.status, told.text());
        let sells = || async {
            // The direct buy asks the same actor, and leaves the sale to the load that is counted.
            ([201, 202].contains(&buyer.post("/api/v1/orders", &body).await.status)).then_some(())
        };
        eventually(sells, "the actor sells again").await;
        times.push(began.elapsed());
    }
    times
}

/// The options of a closed loop.
fn options(connections: usize, seconds: u64) -> Vec<String> {
    let words = format!("--connections {connections} --seconds {seconds} --warm-up {WARM_UP_SECONDS}");
    words.split(' ').map(str::to_owned).collect()
}

/// A sale that does not run out.
fn selling(shop: &Shop) -> Target<'_> {
    Target::Shop { url: shop.server.url(), users: BUYERS, stock: STOCK, per_user_limit: PER_USER_LIMIT }
}
