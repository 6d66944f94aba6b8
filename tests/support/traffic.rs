//! Buyers who go on buying in the background, and keep a ledger of what they were promised.
//!
//! A buyer insists: a purchase that was not answered, or with "later", is tried again with the same
//! key until it is accepted or refused. So a buyer is stopped by nothing but the test, and what the
//! shop could not do at once is counted by its code.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use hyper::Method;
use serde_json::json;
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    client::{Client, Lost, Reply},
    eventually::{Pace, eventually, within},
    purchase::{Told, buy},
    shop::Shop,
};

/// Purchases that [`Traffic::goes_on`] waits for.
const MORE: usize = 20;
/// What a request without an answer is counted as.
pub const NO_ANSWER: &str = "no answer";

/// A purchase that a buyer was promised.
#[derive(Clone)]
pub struct Bought {
    /// The buyer.
    pub client: Client,
    /// The key of the purchase.
    pub key: String,
    /// The number of the order.
    pub order_no: String,
    /// Whether the shop said that it is paid.
    pub paid: bool,
}

/// The longest waits so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Waits {
    /// From one accepted purchase to the next, whoever made them.
    pub between_purchases: Duration,
    /// From a buyer's first try to the acceptance.
    pub for_one_purchase: Duration,
}

/// What every buyer writes to.
#[derive(Default)]
struct Ledger {
    bought: Vec<Bought>,
    /// How often a buyer had to try again, by the code of the reason.
    troubles: BTreeMap<String, usize>,
    waits: Waits,
    /// When a purchase was accepted last.
    accepted_at: Option<Instant>,
}

impl Ledger {
    /// Notes a purchase that was first tried at `began` and is accepted now; its place.
    fn accept(&mut self, bought: Bought, began: Instant) -> usize {
        let now = Instant::now();
        let last = self.accepted_at.replace(now).unwrap_or(now);
        self.waits.between_purchases = self.waits.between_purchases.max(now - last);
        self.waits.for_one_purchase = self.waits.for_one_purchase.max(now - began);
        self.bought.push(bought);
        self.bought.len() - 1
    }
}

/// Buyers at work; they end when dropped.
pub struct Traffic {
    sale: String,
    ledger: Arc<Mutex<Ledger>>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Traffic {
    /// Lets these buyers buy one unit after the other in a sale, which must let them; with `paying`
    /// every second purchase is paid for.
    pub async fn start(buyers: &[Client], sale: &str, paying: bool) -> Self {
        Self::begin(buyers, sale, paying, None).await
    }

    /// The same with buyers who buy no more often than once in `pace` each.
    pub async fn at_leisure(buyers: &[Client], sale: &str, paying: bool, pace: Duration) -> Self {
        Self::begin(buyers, sale, paying, Some(pace)).await
    }

    async fn begin(buyers: &[Client], sale: &str, paying: bool, pace: Option<Duration>) -> Self {
        let ledger = Arc::<Mutex<Ledger>>::default();
        let stop = watch::Sender::new(false);
        let tasks = buyers.iter().map(|client| {
            let buyer = Buyer {
                client: client.clone(),
                sale: sale.to_owned(),
                ledger: ledger.clone(),
                stopped: stop.subscribe(),
                paying,
                pace: pace.map(Pace::new),
            };
            tokio::spawn(buyer.go_on_buying())
        });
        let tasks = tasks.collect();
        let traffic = Self { sale: sale.to_owned(), ledger, stop, tasks };
        traffic.goes_on().await;
        traffic
    }

    /// Waits until a good many more purchases were accepted. Panics when a buyer had to give up.
    pub async fn goes_on(&self) {
        let enough = lock(&self.ledger).bought.len() + MORE;
        let more = || {
            let failed = self.tasks.iter().any(JoinHandle::is_finished);
            let there = lock(&self.ledger).bought.len() >= enough;
            async move { (failed || there).then_some(failed) }
        };
        assert!(!eventually(more, "the buyers go on buying").await, "a buyer failed, see above");
    }

    /// What was promised so far.
    #[must_use]
    pub fn promised(&self) -> Vec<Bought> {
        lock(&self.ledger).bought.clone()
    }

    /// How often buyers had to try again so far, by the code of the reason.
    #[must_use]
    pub fn troubles(&self) -> BTreeMap<String, usize> {
        lock(&self.ledger).troubles.clone()
    }

    /// The longest that buyers had to wait so far.
    #[must_use]
    pub fn longest_waits(&self) -> Waits {
        lock(&self.ledger).waits
    }

    /// Asserts that buyers had to try again for no other reasons than these.
    #[track_caller]
    pub fn troubled_by(&self, codes: &[&str]) {
        let troubles = self.troubles();
        assert!(troubles.keys().all(|code| codes.contains(&&**code)), "{troubles:?}");
    }

    /// Lets every buyer end what is under way; everything that was promised.
    pub async fn stop(mut self) -> Vec<Bought> {
        self.stop.send_replace(true);
        for task in std::mem::take(&mut self.tasks) {
            task.await.expect("a buyer failed");
        }
        self.promised()
    }

    /// [`Traffic::adds_up`] when nobody else is at work in the shop: then everything must agree, too.
    pub async fn ends_well(self, shop: &Shop, sku_id: &str) {
        self.adds_up(shop, sku_id).await;
        shop.agrees().await;
    }

    /// Stops, and shows that the shop has exactly what was promised: an order for each purchase and
    /// no other, and the units of each held or sold.
    pub async fn adds_up(self, shop: &Shop, sku_id: &str) {
        let sale = self.sale.clone();
        let bought = self.stop().await;
        let numbers: HashSet<_> = bought.iter().map(|bought| bought.order_no.clone()).collect();
        assert_eq!(numbers.len(), bought.len(), "two purchases share an order");
        all_there(&bought).await;
        let listed = || async {
            let listed = shop.sale_orders(&sale).await;
            let distinct: HashSet<_> = listed.iter().cloned().collect();
            (listed.len() == numbers.len() && distinct == numbers).then_some(())
        };
        eventually(listed, "the shop has the promised orders and no other").await;
        let paid = bought.iter().filter(|bought| bought.paid).count();
        let [held, sold] = [bought.len() - paid, paid].map(|units| i64::try_from(units).expect("a count"));
        let settled = || async {
            let [_, now_held, now_sold] = shop.pool(sku_id, &sale).await;
            ([now_held, now_sold] == [held, sold]).then_some(())
        };
        eventually(settled, &format!("{held} units are held and {sold} are sold")).await;
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("what kept buyers from buying: {:?}", self.troubles());
        }
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Orders that [`all_there`] looks for at once.
const CHECKS_MAX: usize = 256;

/// Shows that every promised order is there, for its buyer, and paid if that was promised too.
pub async fn all_there(bought: &[Bought]) {
    let checks = bought.iter().map(|bought| async {
        let path = format!("/api/v1/orders/{}", bought.order_no);
        let found = || async {
            let reply = bought.client.request(Method::GET, &path).try_send().await.ok()?;
            // An order may follow its purchase (202), and the shop may not be quite up yet.
            (reply.status != 404 && reply.status != 503).then_some(reply)
        };
        let order = eventually(found, &format!("the promised order {} is there", bought.order_no)).await;
        let order = order.ok(200);
        let status = order["status"].as_str().unwrap_or_default();
        let right =
            if bought.paid { status == "paid" } else { ["pending_payment", "paid"].contains(&status) };
        assert!(right, "paid: {}, and yet the order is {order}", bought.paid);
    });
    stream::iter(checks).buffer_unordered(CHECKS_MAX).collect::<()>().await;
}

/// How long an answer may take: longer than a handler may.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// One buyer.
struct Buyer {
    client: Client,
    sale: String,
    ledger: Arc<Mutex<Ledger>>,
    stopped: watch::Receiver<bool>,
    paying: bool,
    pace: Option<Pace>,
}

impl Buyer {
    async fn go_on_buying(mut self) {
        for number in 0_u64.. {
            if *self.stopped.borrow() {
                return;
            }
            if let Some(pace) = &mut self.pace {
                pace.next().await;
            }
            let key = format!("purchase {number}");
            let began = Instant::now();
            let order_no = self.insist_on_buying(&key).await;
            let bought = Bought { client: self.client.clone(), key, order_no: order_no.clone(), paid: false };
            let place = lock(&self.ledger).accept(bought, began);
            if self.paying && number % 2 == 1 {
                self.insist_on_paying(&order_no).await;
                lock(&self.ledger).bought[place].paid = true;
            }
        }
    }

    async fn insist_on_buying(&self, key: &str) -> String {
        let accepted = || async {
            // A request that is never answered is a fault of its own, and is told apart from bad luck.
            let answered = || async { Some(buy(&self.client, &self.sale, key).await) };
            match within(ANSWER_MAX, answered, "a purchase is answered, be it with a refusal").await {
                Told::Accepted { order_no, .. } => Some(order_no),
                Told::Refused(code) => panic!("a purchase was refused: {code}"),
                Told::Later(code) => self.again(&code),
                Told::Nothing(_) => self.again(NO_ANSWER),
            }
        };
        eventually(accepted, "a purchase is accepted").await
    }

    async fn insist_on_paying(&self, order_no: &str) {
        let path = format!("/api/v1/orders/{order_no}/pay");
        let paid = || async {
            let request = self.client.request(Method::POST, &path).json(&json!({})).key("pay");
            match request.try_send().await {
                Ok(reply) if reply.status == 503 => self.again(&refusal(reply)),
                // The order may follow its purchase (202).
                Ok(reply) if reply.status == 404 => None,
                Ok(reply) => {
                    reply.ok(200);
                    Some(())
                }
                Err(Lost::Unsent(_) | Lost::Broken(_) | Lost::Ended) => self.again(NO_ANSWER),
            }
        };
        eventually(paid, "an order is paid").await;
    }

    fn again<T>(&self, code: &str) -> Option<T> {
        *lock(&self.ledger).troubles.entry(code.to_owned()).or_default() += 1;
        None
    }
}

/// The code of a refusal, which must be a whole problem document.
fn refusal(reply: Reply) -> String {
    let (status, code) = (reply.status, reply.str("code").to_owned());
    reply.problem(status, &code);
    code
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}
