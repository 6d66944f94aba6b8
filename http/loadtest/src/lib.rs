//! `stampede loadtest`: buys like a crowd, measures, then holds the shop to what it answered.
//!
//! Owns nothing of the shop and imports nothing of it but the kernel's words: everything goes through
//! the public HTTP API, so that it works the same against one node, many, or somebody else's copy.
//! `setup` makes buyers and a sale, `drive` buys over `wire` connections, `judge` reads the answers
//! and `tally` counts, `proof` and `orders` ask the `shop` afterwards, `report` tells. The
//! demonstration uses the same pieces.

pub mod client;
pub mod drive;
mod judge;
mod orders;
pub mod output;
pub mod proof;
pub mod report;
pub mod setup;
pub mod shop;
pub mod tally;
mod tls;
mod wire;

#[cfg(test)]
mod tests;

use std::{
    io::{self, Write as _},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use stampede_kernel::FlashSaleId;

use self::{drive::drive, proof::Claim, report::Grouped};
pub use self::{
    drive::{Pace, Plan, Progress},
    report::Report,
    setup::Buyer,
    shop::Shop,
};
use crate::{
    client::{ClientError, Endpoint},
    output::{Output, OutputError},
};

/// The environment variable that makes the load test an administrator.
const ADMIN_PASSWORD: &str = "STAMPEDE_ADMIN_PASSWORD";
/// How often it says how far it is.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);
/// Buyers, when nobody says how many.
const USERS: usize = 1_000;

/// Why a load test could not be made, or did not find what it must.
#[derive(Debug, thiserror::Error)]
pub enum LoadtestError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("{failed} of {wanted} connections to {server} could not be opened; is `ulimit -n` large enough?")]
    Connections { failed: u64, wanted: usize, server: String },
    #[error("there is nobody to buy")]
    NoBuyers,
    #[error(
        "no buyers: give their tokens by --tokens FILE, or set {ADMIN_PASSWORD} so that they can be made"
    )]
    NoTokens,
    #[error("--setup needs the administrator's password in {ADMIN_PASSWORD}")]
    NoPassword,
    #[error("{wanted} users were asked for, {given} were given")]
    Users { wanted: usize, given: usize },
    #[error("{path} cannot be read")]
    TokensUnread { path: PathBuf, source: io::Error },
    #[error("line {line} of {path} is no token")]
    NoToken { path: PathBuf, line: usize },
    #[error("{path} holds {there} tokens, {wanted} are needed")]
    TokensFew { path: PathBuf, wanted: usize, there: usize },
    #[error("flash sale {sale} did not open, it is {state}")]
    NotOpened { sale: FlashSaleId, state: String },
    #[error("a thread of the load could not be started")]
    Thread(#[source] io::Error),
    #[error("a thread of the load ended before its work")]
    ThreadLost,
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("the report could not be printed")]
    Print(#[source] io::Error),
    #[error("the shop does not hold what it must: {}", .0.failures().join("; "))]
    NotHeld(Box<Report>),
}

/// Puts a flash sale under load, measures, and proves that nothing was oversold, lost or doubled.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
The administrator's password comes from STAMPEDE_ADMIN_PASSWORD. With it buyers are made and the
stock's ledger is proved; without it give --tokens, and what stays unchecked is said.
Exit status: 0 every check held, 1 a check failed or the work could not be done, 2 wrong usage.")]
pub struct LoadtestArgs {
    /// The server, as http://host:port or https://host:port
    #[arg(long, value_name = "URL")]
    pub url: Endpoint,
    /// The flash sale to buy from
    #[arg(long, value_name = "ID", required_unless_present = "setup", conflicts_with = "setup")]
    pub flash_sale: Option<FlashSaleId>,
    /// Make a product and a flash sale for this load, as administrator
    #[arg(long, requires = "stock")]
    pub setup: bool,
    /// Units in the sale that --setup makes
    #[arg(long, value_name = "N", requires = "setup", conflicts_with = "flash_sale", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub stock: Option<u64>,
    /// Units that one user may buy in the sale that --setup makes
    #[arg(long, value_name = "N", default_value_t = 1, requires = "setup", conflicts_with = "flash_sale", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub per_user_limit: u64,
    /// Buyers: made as administrator, or the first of --tokens [default: 1000, or all of --tokens]
    #[arg(long, value_name = "N", value_parser = whole::<1_000_000>)]
    pub users: Option<usize>,
    /// Buyers' access tokens, one a line, as `stampede token` writes them
    #[arg(long, value_name = "FILE")]
    pub tokens: Option<PathBuf>,
    /// Connections
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = whole::<60_000>)]
    pub connections: usize,
    /// Requests that fall due each second (open loop); without it each connection buys again as soon
    /// as it has its answer (closed loop)
    #[arg(long, value_name = "R", value_parser = rate)]
    pub rate: Option<f64>,
    /// Seconds that the load lasts [default: until each buyer has had its --tries]
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub seconds: Option<Duration>,
    /// Purchases that each buyer tries [default: 1 without --seconds, else no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub tries: Option<u32>,
    /// Units of one purchase
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub quantity: u32,
    /// Seconds at the start that rates and latencies leave out
    #[arg(long, value_name = "S", default_value = "0", value_parser = seconds_or_none)]
    pub warm_up: Duration,
    /// Times that a purchase is sent again, with the same idempotency key, when its answer was lost or
    /// the server said to come back (503)
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub retries: u32,
    /// Seconds that an answer may take
    #[arg(long, value_name = "S", default_value = "10", value_parser = seconds)]
    pub timeout: Duration,
    /// Seconds that lists and tables may lag behind the last answer before a check fails
    #[arg(long, value_name = "S", default_value = "30", value_parser = seconds_or_none)]
    pub drain: Duration,
    /// Threads that make the load
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole::<64>)]
    pub threads: usize,
    /// Write the report as JSON to this file as well
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

fn whole<const MAX: usize>(text: &str) -> Result<usize, String> {
    let number = text.parse().map_err(|_| "it is not a whole number".to_owned())?;
    if (1..=MAX).contains(&number) { Ok(number) } else { Err(format!("it must be 1 to {MAX}")) }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.01..=10_000_000.0).contains(&rate) => Ok(rate),
        Ok(_) | Err(_) => Err("it must be a number of requests each second, above 0".to_owned()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    seconds_or_none(text)
        .and_then(|span| if span.is_zero() { Err("it must be above 0".to_owned()) } else { Ok(span) })
}

fn seconds_or_none(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        Ok(_) | Err(_) => Err("it must be a number of seconds, at most 86400".to_owned()),
    }
}

/// How far a load test is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News<'a> {
    /// The load, once a second.
    Load(Progress),
    /// What the proof waits for.
    Waiting(&'a str),
}

/// Makes the load test that `args` ask for: progress on stderr, the report on stdout and in the file.
///
/// # Errors
/// When it cannot be made, and `NotHeld` when a check failed.
pub async fn run(args: LoadtestArgs) -> Result<Report, LoadtestError> {
    run_as(args, std::env::var(ADMIN_PASSWORD).ok().filter(|password| !password.is_empty())).await
}

/// As [`run`], with the administrator's password as an argument.
async fn run_as(args: LoadtestArgs, admin_password: Option<String>) -> Result<Report, LoadtestError> {
    if args.setup && admin_password.is_none() {
        return Err(LoadtestError::NoPassword);
    }
    let json = args.json.as_deref().map(Output::open).transpose()?;
    let mut shop = Shop::new(args.url.clone(), admin_password)?;
    let buyers = buyers(&mut shop, &args).await?;
    let flash_sale = match (args.flash_sale, args.stock) {
        (Some(id), _) => id,
        (None, stock) => setup::sale(&mut shop, stock.unwrap_or(1), args.per_user_limit).await?.id,
    };
    let mut last = Progress::default();
    let report = measure(&mut shop, plan(&args, flash_sale, buyers), args.drain, |news| {
        let line = match news {
            News::Load(now) => {
                let line = progress_line(&last, &now);
                last = now;
                line
            }
            News::Waiting(what) => format!("proof: {what}"),
        };
        note(&line);
    })
    .await?;
    if let Some(json) = json {
        json.json(&report)?;
    }
    write!(io::stdout().lock(), "{report}").map_err(LoadtestError::Print)?;
    if report.held { Ok(report) } else { Err(LoadtestError::NotHeld(Box::new(report))) }
}

async fn buyers(shop: &mut Shop, args: &LoadtestArgs) -> Result<Arc<[Buyer]>, LoadtestError> {
    if let Some(path) = &args.tokens {
        return setup::tokens(path, args.users);
    }
    if !shop.is_admin() {
        return Err(LoadtestError::NoTokens);
    }
    let wanted = args.users.unwrap_or(USERS);
    setup::users(shop, wanted, |made| note(&format!("{} of {} buyers", Grouped(made as u64), wanted))).await
}

fn plan(args: &LoadtestArgs, flash_sale: FlashSaleId, buyers: Arc<[Buyer]>) -> Plan {
    Plan {
        endpoint: args.url.clone(),
        flash_sale,
        buyers,
        connections: args.connections,
        threads: args.threads,
        pace: args.rate.map_or(Pace::Closed, |per_second| Pace::Open { per_second }),
        lasting: args.seconds,
        tries: args.tries.or(if args.seconds.is_none() { Some(1) } else { None }),
        warm_up: args.warm_up,
        quantity: args.quantity,
        retries: args.retries,
        patience: args.timeout,
    }
}

/// Notes how the shop stands, drives the load, proves, and reports. A failed check is in the report
/// and is no error here.
///
/// # Errors
/// When the sale cannot be read or the load cannot be driven.
pub async fn measure(
    shop: &mut Shop,
    plan: Plan,
    drain: Duration,
    mut on_news: impl FnMut(News<'_>),
) -> Result<Report, LoadtestError> {
    let before = proof::before(shop, plan.flash_sale).await?;
    let cpu_before = cpu_seconds();
    let driven = drive(plan.clone(), PROGRESS_INTERVAL, |progress| on_news(News::Load(progress))).await?;
    let cpu = cpu_seconds().zip(cpu_before).map(|(after, before)| after - before);
    let claim = Claim {
        buyers: Arc::clone(&plan.buyers),
        tally: &driven.tally,
        quantity: plan.quantity,
        ended: driven.ended,
        drain,
    };
    let proof = proof::prove(shop, &before, &claim, |what| on_news(News::Waiting(what))).await;
    Ok(Report::new(&plan, driven, proof, cpu))
}

fn progress_line(last: &Progress, now: &Progress) -> String {
    let seconds = (now.elapsed.saturating_sub(last.elapsed)).as_secs_f64();
    let rate = |now: u64, last: u64| {
        if seconds > 0.0 { Grouped((now.saturating_sub(last) as f64 / seconds) as u64) } else { Grouped(0) }
    };
    format!(
        "{:>5.1} s   accepted {:>11} ({}/s)   refused {:>11} ({}/s)   unknown {}",
        now.elapsed.as_secs_f64(),
        Grouped(now.accepted).to_string(),
        rate(now.accepted, last.accepted),
        Grouped(now.refused).to_string(),
        rate(now.refused, last.refused),
        Grouped(now.unknown),
    )
}

/// Says `line` on stderr. Progress that nobody can read is no reason to stop.
fn note(line: &str) {
    drop(writeln!(io::stderr().lock(), "{line}"));
}

/// Processor time of this process so far, where `/proc` tells it.
fn cpu_seconds() -> Option<f64> {
    /// Ticks of `/proc` in a second: fixed by Linux's interface, whatever the kernel's own rate.
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name, in brackets, may hold spaces.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}
