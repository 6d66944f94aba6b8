//! What must be true of the shop after the load, asked through its public API.
//!
//! Every acceptance is a promise with an order number. The proof holds the shop to it: one order for
//! each, nobody over the limit, as many units gone from the sale as were accepted, and a ledger that
//! adds up. What a missing password hides is said to be unchecked, never passed over.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Serialize;
use stampede_kernel::FlashSaleId;

use super::{
    judge::SALE_REFUSALS,
    orders::{self, OrdersRead},
    setup::Buyer,
    shop::{Sale, Shop, Stock},
    tally::{Acceptance, Tally},
};
use crate::client::ClientError;

/// Pause between two looks at what has not arrived yet.
const POLL: Duration = Duration::from_millis(250);
/// Codes on the way to the sale that a load may well meet.
const EXPECTED_ON_THE_WAY: [&str; 5] =
    ["rate_limited", "overloaded", "unavailable", "outcome_unknown", "connect_failed"];

/// Whether a thing is as it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Held,
    Failed,
    /// It could not be looked at; the detail says why.
    Unchecked,
}

/// One thing that must be true.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// A stable name for scripts.
    pub name: &'static str,
    pub verdict: Verdict,
    /// What was required.
    pub requires: &'static str,
    /// What was found.
    pub found: String,
}

/// Everything that was checked.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Proof {
    pub checks: Vec<Check>,
    /// Orders read one by one.
    pub orders_read: u64,
    /// Whether those were all acceptances.
    pub orders_read_all: bool,
    /// Seconds from the last answer until the list of orders had every one of them.
    pub drain_seconds: Option<f64>,
}

impl Proof {
    /// The checks that failed.
    pub fn failed(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| check.verdict == Verdict::Failed)
    }

    fn add(
        &mut self,
        name: &'static str,
        requires: &'static str,
        verdict: Verdict,
        found: impl Into<String>,
    ) {
        self.checks.push(Check { name, verdict, requires, found: found.into() });
    }

    fn check(&mut self, name: &'static str, requires: &'static str, held: bool, found: impl Into<String>) {
        self.add(name, requires, if held { Verdict::Held } else { Verdict::Failed }, found);
    }

    fn unread(&mut self, name: &'static str, requires: &'static str, error: &ClientError) {
        self.add(name, requires, Verdict::Failed, format!("could not be read: {error}"));
    }
}

/// How the shop stood before the load.
#[derive(Debug, Clone)]
pub struct Before {
    pub sale: Sale,
    /// As far as the caller may see it.
    stock: Option<Stock>,
    /// Only an administrator sees how many orders there are.
    orders: Option<u64>,
}

/// Notes how the shop stands before the load.
///
/// # Errors
/// When the sale cannot be read, or as administrator its stock or the number of its orders; to others
/// the server may refuse both.
pub async fn before(shop: &mut Shop, sale: FlashSaleId) -> Result<Before, ClientError> {
    let sale = shop.sale(sale).await?;
    let stock = match shop.stock(sale.sku_id).await {
        Ok(stock) => Some(stock),
        Err(error) if shop.is_admin() => return Err(error),
        Err(error) if error.refusal().is_some() => None,
        Err(error) => return Err(error),
    };
    let orders = if shop.is_admin() { Some(shop.orders_total(sale.id).await?) } else { None };
    Ok(Before { sale, stock, orders })
}

/// What the load says has happened.
#[derive(Debug, Clone)]
pub struct Claim<'a> {
    pub buyers: Arc<[Buyer]>,
    pub tally: &'a Tally,
    /// Units of one purchase.
    pub quantity: u32,
    /// When the last answer had come.
    pub ended: Instant,
    /// How long what follows from an acceptance may take to show.
    pub drain: Duration,
}

/// The number that a thing may be after the load: unknown outcomes leave a range.
#[derive(Debug, Clone, Copy)]
struct Expected {
    least: i64,
    most: i64,
}

impl Expected {
    fn admits(self, number: i64) -> bool {
        (self.least..=self.most).contains(&number)
    }

    fn words(self) -> String {
        if self.least == self.most {
            self.least.to_string()
        } else {
            format!("{} to {}", self.least, self.most)
        }
    }
}

/// Holds the shop to what it answered. Waits, up to the claim's `drain`, for what may lag.
pub async fn prove(
    shop: &mut Shop,
    before: &Before,
    claim: &Claim<'_>,
    mut on_wait: impl FnMut(&str),
) -> Proof {
    let mut proof = Proof::default();
    let deadline = Instant::now() + claim.drain;
    check_answers(&mut proof, claim);
    check_order_numbers(&mut proof, claim);
    check_orders_total(&mut proof, shop, before, claim, deadline, &mut on_wait).await;
    let read = orders::read(shop, before.sale.id, claim, deadline, &mut on_wait).await;
    check_orders(&mut proof, claim, &read);
    check_limit(&mut proof, before, claim, &read);
    if before.stock.is_some() {
        check_stock(&mut proof, shop, before, claim, &read, &mut on_wait).await;
    } else {
        check_sale(&mut proof, shop, before, claim, &read, &mut on_wait).await;
        proof.add(
            "ledger",
            "sold + held + available = received",
            Verdict::Unchecked,
            "the server does not show the stock to everybody: set STAMPEDE_ADMIN_PASSWORD",
        );
    }
    proof
}

fn check_answers(proof: &mut Proof, claim: &Claim<'_>) {
    let tally = claim.tally;
    let odd: Vec<_> = tally
        .refused
        .iter()
        .chain(tally.unknown.iter())
        .filter(|(code, _)| {
            let lost = ["connection_lost", "timed_out"].contains(code);
            !lost && !SALE_REFUSALS.contains(code) && !EXPECTED_ON_THE_WAY.contains(code)
        })
        .map(|(code, count)| format!("{count} x {code}"))
        .collect();
    let found = match odd.as_slice() {
        [] if tally.attempts == 0 => "no purchase was tried".to_owned(),
        [] => format!("{} purchases tried", tally.attempts),
        odd => odd.join(", "),
    };
    let held = odd.is_empty() && tally.attempts > 0;
    proof.check("answers", "every answer was an acceptance or a refusal that a sale may give", held, found);
}

fn check_order_numbers(proof: &mut Proof, claim: &Claim<'_>) {
    let mut numbers: Vec<_> = claim.tally.accepted.iter().map(|accepted| accepted.order_no).collect();
    numbers.sort_unstable();
    let twice = numbers.windows(2).filter(|pair| pair[0] == pair[1]).count();
    let example = numbers.windows(2).find(|pair| pair[0] == pair[1]);
    let found = match example {
        Some(pair) => format!("{twice} of {} order numbers were given again, as {}", numbers.len(), pair[0]),
        None => format!("{} order numbers, all different", numbers.len()),
    };
    proof.check("order_numbers_unique", "every acceptance has an order number of its own", twice == 0, found);
}

/// Waits until the administrator's list counts every order; that is when the projections are up to
/// date.
async fn check_orders_total(
    proof: &mut Proof,
    shop: &mut Shop,
    before: &Before,
    claim: &Claim<'_>,
    deadline: Instant,
    on_wait: &mut impl FnMut(&str),
) {
    const NAME: &str = "orders_total";
    const REQUIRES: &str = "the shop lists one order for each acceptance";
    let Some(earlier) = before.orders else {
        let why = "only the administrator sees all orders: set STAMPEDE_ADMIN_PASSWORD";
        return proof.add(NAME, REQUIRES, Verdict::Unchecked, why);
    };
    let accepted = claim.tally.accepted.len() as i64;
    let expected = Expected { least: accepted, most: accepted + claim.tally.unknown.total() as i64 };
    loop {
        let listed = match shop.orders_total(before.sale.id).await {
            Ok(total) => total as i64 - earlier as i64,
            Err(error) => return proof.unread(NAME, REQUIRES, &error),
        };
        let waited = claim.ended.elapsed().as_secs_f64();
        if expected.admits(listed) {
            proof.drain_seconds = Some(waited);
            let found =
                format!("{listed} orders for {accepted} acceptances, {waited:.1} s after the last answer");
            return proof.check(NAME, REQUIRES, true, found);
        }
        if Instant::now() >= deadline || listed > expected.most {
            let found = format!(
                "{listed} orders, {} expected, {waited:.1} s after the last answer",
                expected.words()
            );
            return proof.check(NAME, REQUIRES, false, found);
        }
        on_wait(&format!("the list of orders has {listed} of {accepted}"));
        tokio::time::sleep(POLL).await;
    }
}

fn check_orders(proof: &mut Proof, claim: &Claim<'_>, read: &OrdersRead) {
    const REQUIRES: &str = "each acceptance's order is there, is its buyer's, and is what was bought";
    let all = claim.tally.accepted.len() as u64;
    proof.orders_read = read.read;
    proof.orders_read_all = read.read == all;
    let which = if read.read == all {
        format!("all {all} read")
    } else {
        format!("{} of {all} read, at random", read.read)
    };
    let found = if read.wrong == 0 {
        format!("{which} by their buyers")
    } else {
        format!("{which}, {} not as they must be: {}", read.wrong, read.examples.join("; "))
    };
    proof.check("orders_exist", REQUIRES, read.wrong == 0, found);
}

fn check_limit(proof: &mut Proof, before: &Before, claim: &Claim<'_>, read: &OrdersRead) {
    const NAME: &str = "per_user_limit";
    const REQUIRES: &str = "nobody holds more units than one buyer may";
    let Some(limit) = before.sale.per_user_limit else {
        return proof.add(NAME, REQUIRES, Verdict::Unchecked, "the sale has no limit per user");
    };
    let mut units: HashMap<u32, u64> = HashMap::new();
    for Acceptance { buyer, order_no } in &claim.tally.accepted {
        // A cancelled purchase gives its units back to the buyer's limit.
        if !read.cancelled.contains(order_no) {
            *units.entry(*buyer).or_default() += u64::from(claim.quantity);
        }
    }
    let over = units.values().filter(|units| **units > limit).count();
    let most = units.values().max().copied().unwrap_or(0);
    let found = if over == 0 {
        format!("{} buyers, none over {limit}", units.len())
    } else {
        format!("{over} buyers over the limit of {limit}; one bought {most}")
    };
    proof.check(NAME, REQUIRES, over == 0, found);
}

/// How many units must have left the sale.
fn units_expected(claim: &Claim<'_>, read: &OrdersRead) -> Expected {
    let quantity = i64::from(claim.quantity);
    let accepted = claim.tally.accepted.len() as i64 * quantity;
    let cancelled = read.cancelled.len() as i64 * quantity;
    let unknown = claim.tally.unknown.total() as i64 * quantity;
    let most = accepted - cancelled + unknown;
    // Orders that were not read may be cancelled too, once one was.
    let all_read = read.read == claim.tally.accepted.len() as u64;
    let least = if cancelled > 0 && !all_read { 0 } else { accepted - cancelled };
    Expected { least, most }
}

const UNITS: &str = "units_accepted";
const UNITS_REQUIRE: &str = "as many units left the sale as were accepted: none oversold, none lost";

/// Where the stock is shown: the ledger of the SKU, of each pool, and the units that left the sale's pool.
async fn check_stock(
    proof: &mut Proof,
    shop: &mut Shop,
    before: &Before,
    claim: &Claim<'_>,
    read: &OrdersRead,
    on_wait: &mut impl FnMut(&str),
) {
    let expected = units_expected(claim, read);
    let gone = |stock: &Stock| stock.pool(before.sale.id).map(|pool| pool.held + pool.sold);
    let earlier = before.stock.as_ref().and_then(gone).unwrap_or(0);
    let deadline = Instant::now() + claim.drain;
    let (stock, left) = loop {
        let stock = match shop.stock(before.sale.sku_id).await {
            Ok(stock) => stock,
            Err(error) => return proof.unread("ledger", "sold + held + available = received", &error),
        };
        let left = gone(&stock).map(|gone| gone - earlier);
        let settled = left.is_some_and(|left| expected.admits(left)) && ledger_holds(&stock);
        if settled || Instant::now() >= deadline || left.is_some_and(|left| left > expected.most) {
            break (stock, left);
        }
        on_wait("the stock does not add up yet");
        tokio::time::sleep(POLL).await;
    };
    match left {
        Some(left) => {
            let found = units_found(left, expected);
            proof.check(UNITS, UNITS_REQUIRE, expected.admits(left), found);
        }
        None => proof.check(UNITS, UNITS_REQUIRE, false, "the stock has no pool of this sale"),
    }
    check_ledger(proof, &stock);
}

fn units_found(left: i64, expected: Expected) -> String {
    if expected.admits(left) {
        return format!("{left} units left the sale, {} accepted", expected.words());
    }
    format!("{left} units left the sale, but {} were accepted; was anybody else buying?", expected.words())
}

fn ledger_holds(stock: &Stock) -> bool {
    stock.received == stock.available + stock.held + stock.sold
        && stock.on_hand == stock.available + stock.held
}

fn check_ledger(proof: &mut Proof, stock: &Stock) {
    let Stock { received, on_hand, available, held, sold, pools } = stock;
    let sum = sold + held + available;
    let found = format!("{sold} + {held} + {available} = {sum}, received {received}");
    proof.check("ledger", "sold + held + available = received", sum == *received, found);
    let found = format!("{available} + {held} = {}, on hand {on_hand}", available + held);
    proof.check("on_hand", "available + held = on hand", available + held == *on_hand, found);
    let wrong: Vec<_> = pools
        .iter()
        .filter(|pool| {
            let sum = pool.available + pool.held + pool.sold;
            pool.allotted != sum || pool.available < 0 || pool.held < 0 || pool.sold < 0
        })
        .map(|pool| {
            format!(
                "{}: allotted {}, available {}, held {}, sold {}",
                pool.kind, pool.allotted, pool.available, pool.held, pool.sold
            )
        })
        .collect();
    let in_pools: i64 = pools.iter().map(|pool| pool.available + pool.held).sum();
    let found = match wrong.as_slice() {
        [] => format!("{} pools hold {in_pools} of {on_hand} on hand", pools.len()),
        wrong => wrong.join("; "),
    };
    let requires = "in each pool available + held + sold = allotted, none negative, together what is on hand";
    proof.check("pools", requires, wrong.is_empty() && in_pools == *on_hand, found);
}

/// Where it is not: the units that the sale shows as gone.
async fn check_sale(
    proof: &mut Proof,
    shop: &mut Shop,
    before: &Before,
    claim: &Claim<'_>,
    read: &OrdersRead,
    on_wait: &mut impl FnMut(&str),
) {
    let expected = units_expected(claim, read);
    let deadline = Instant::now() + claim.drain;
    loop {
        let sale = match shop.sale(before.sale.id).await {
            Ok(sale) => sale,
            Err(error) => return proof.unread(UNITS, UNITS_REQUIRE, &error),
        };
        let left = (sale.quantity - sale.available) - (before.sale.quantity - before.sale.available);
        if expected.admits(left) || Instant::now() >= deadline || left > expected.most {
            let found = units_found(left, expected);
            return proof.check(UNITS, UNITS_REQUIRE, expected.admits(left), found);
        }
        on_wait("the sale does not show every unit that was accepted yet");
        tokio::time::sleep(POLL).await;
    }
}
