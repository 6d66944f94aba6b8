//! Buyers at the doors of several nodes, and when each of their purchases began and was accepted.
//!
//! `stampede loadtest` buys as fast as one door lets it, and says how long purchases took. These buyers
//! are few and pause between purchases, so that what they wait for is the shop and not their turn; they
//! leave a door as a balancer has them do it; and they say when they waited, so that it can be held
//! against what was done to the nodes at that moment. Like any good client they insist: a purchase
//! without an answer, or with "later", is tried again with the same key until it is accepted.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use hyper::Method;
use stampede_tests::{Client, Told, buy, eventually};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Interval, MissedTickBehavior, interval_at},
};
use uuid::Uuid;

/// The least time between two purchases of one buyer.
const PURCHASE_INTERVAL: Duration = Duration::from_millis(50);
/// How often a balancer looks whether a door is open.
const DOOR_INTERVAL: Duration = Duration::from_millis(50);

/// A purchase by its buyer's clock.
#[derive(Debug, Clone)]
pub struct Purchase {
    pub began: Instant,
    pub accepted: Instant,
    pub order_no: String,
}

/// What the buyers have had so far.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    pub purchases: Vec<Purchase>,
    /// Tries that were not answered, or with "later".
    pub troubles: u64,
}

/// A span of time in which something was done to the nodes.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    pub began: Instant,
    pub ended: Instant,
}

/// The doors that buyers may go to.
pub struct Doors(Vec<Door>);

/// A node, as a balancer sees it.
struct Door {
    node: Client,
    open: AtomicBool,
}

/// Buyers at work; they end when dropped.
pub struct Buyers {
    ledger: Arc<Mutex<Ledger>>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// One of them.
struct Buyer {
    /// This user as a client of every door.
    at: Vec<Client>,
    doors: Arc<Doors>,
    preferred: usize,
    sale: String,
    ledger: Arc<Mutex<Ledger>>,
    stopped: watch::Receiver<bool>,
}

impl Span {
    fn touches(self, purchase: &Purchase) -> bool {
        purchase.began < self.ended && purchase.accepted > self.began
    }
}

impl Doors {
    /// Doors that stay open.
    pub fn open(nodes: impl IntoIterator<Item = Client>) -> Arc<Self> {
        let door = |node| Door { node, open: AtomicBool::new(true) };
        Arc::new(Self(nodes.into_iter().map(door).collect()))
    }

    /// Doors that are closed while their node does not call itself ready.
    pub fn balanced(nodes: impl IntoIterator<Item = Client>) -> Arc<Self> {
        let doors = Self::open(nodes);
        for door in 0..doors.0.len() {
            tokio::spawn(watch_over(Arc::downgrade(&doors), door));
        }
        doors
    }

    /// The preferred door or the next one that is open; the preferred one if all are closed.
    fn choose(&self, preferred: usize) -> usize {
        let count = self.0.len();
        let open = |door: &usize| self.0[*door].open.load(Ordering::Relaxed);
        (0..count).map(|further| (preferred + further) % count).find(open).unwrap_or(preferred)
    }
}

/// Looks after a door for as long as somebody may go through it.
async fn watch_over(doors: Weak<Doors>, door: usize) {
    let mut ticks = pace(Instant::now(), DOOR_INTERVAL);
    loop {
        ticks.tick().await;
        let Some(doors) = doors.upgrade() else { return };
        let Door { node, open } = &doors.0[door];
        let answer = node.request(Method::GET, "/ready").try_send().await;
        open.store(answer.is_ok_and(|reply| reply.status == 200), Ordering::Relaxed);
    }
}

impl Buyers {
    /// Lets these users buy one unit after the other in a sale, which must let them, spread over the
    /// doors.
    pub fn start(crowd: &[Client], doors: &Arc<Doors>, sale: &str) -> Self {
        let ledger = Arc::<Mutex<Ledger>>::default();
        let stop = watch::Sender::new(false);
        let tasks = crowd.iter().enumerate().map(|(number, user)| {
            let token = user.token().expect("a user has a token");
            let buyer = Buyer {
                at: doors.0.iter().map(|door| Client::new(door.node.address()).with_token(token)).collect(),
                doors: doors.clone(),
                preferred: number % doors.0.len(),
                sale: sale.to_owned(),
                ledger: ledger.clone(),
                stopped: stop.subscribe(),
            };
            // Not all at once, which no crowd does that buys at its own pace.
            let first = Instant::now() + PURCHASE_INTERVAL.mul_f64(number as f64 / crowd.len() as f64);
            tokio::spawn(buyer.go_on_buying(first))
        });
        let tasks = tasks.collect();
        Self { ledger, stop, tasks }
    }

    /// Waits until a purchase was accepted that began after this moment.
    pub async fn accepted_after(&self, moment: Instant) {
        let accepted = || {
            let ledger = lock(&self.ledger);
            let there = ledger.purchases.iter().rev().any(|purchase| purchase.began > moment);
            std::future::ready(there.then_some(()))
        };
        eventually(accepted, "a purchase is accepted").await;
    }

    /// Lets every buyer end what is under way; what they have had.
    pub async fn stop(mut self) -> Ledger {
        self.stop.send_replace(true);
        for task in std::mem::take(&mut self.tasks) {
            task.await.expect("a buyer failed");
        }
        std::mem::take(&mut lock(&self.ledger))
    }
}

impl Drop for Buyers {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Buyer {
    async fn go_on_buying(self, first: Instant) {
        let mut ticks = pace(first, PURCHASE_INTERVAL);
        loop {
            ticks.tick().await;
            if *self.stopped.borrow() {
                return;
            }
            let began = Instant::now();
            let order_no = self.insist_on_buying(&Uuid::new_v4().to_string()).await;
            let purchase = Purchase { began, accepted: Instant::now(), order_no };
            lock(&self.ledger).purchases.push(purchase);
        }
    }

    async fn insist_on_buying(&self, key: &str) -> String {
        let accepted = || async {
            let door = self.doors.choose(self.preferred);
            match buy(&self.at[door], &self.sale, key).await {
                Told::Accepted { order_no, .. } => Some(order_no),
                Told::Refused(code) => panic!("a purchase was refused: {code}"),
                Told::Later(_) | Told::Nothing(_) => {
                    lock(&self.ledger).troubles += 1;
                    None
                }
            }
        };
        eventually(accepted, "a purchase is accepted").await
    }
}

impl Ledger {
    /// When the first purchase was accepted that began after this moment.
    pub fn first_accepted(&self, after: Instant) -> Option<Instant> {
        let began_after = self.purchases.iter().filter(|purchase| purchase.began > after);
        began_after.map(|purchase| purchase.accepted).min()
    }

    /// The longest that a purchase took that was under way in this span.
    pub fn longest_in(&self, span: Span) -> Duration {
        self.longest(|purchase| span.touches(purchase))
    }

    /// The longest that a purchase took that was under way in none of these spans.
    pub fn longest_outside(&self, spans: &[Span]) -> Duration {
        self.longest(|purchase| !spans.iter().any(|span| span.touches(purchase)))
    }

    fn longest(&self, counts: impl Fn(&Purchase) -> bool) -> Duration {
        let purchases = self.purchases.iter().filter(|purchase| counts(purchase));
        purchases.map(|purchase| purchase.accepted - purchase.began).max().unwrap_or_default()
    }

    /// The longest time in a span in which no purchase was accepted.
    pub fn longest_silence(&self, span: Span) -> Duration {
        let inside = |moment: &Instant| (span.began..span.ended).contains(moment);
        let accepted = self.purchases.iter().map(|purchase| purchase.accepted).filter(inside);
        let mut moments: Vec<Instant> = accepted.chain([span.began, span.ended]).collect();
        moments.sort_unstable();
        moments.windows(2).map(|two| two[1] - two[0]).max().unwrap_or_default()
    }
}

/// Ticks that are never closer to each other than this, however late one was.
fn pace(first: Instant, apart: Duration) -> Interval {
    let mut ticks = interval_at(first.into(), apart);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}
