//! Drives the load: connections that buy, paced by their own answers (closed loop) or by a
//! schedule (open loop).
//!
//! In the open loop a latency counts from the moment at which the request was due, not from when a
//! free connection sent it. So a server that stalls is charged for everybody who had to wait, and
//! there is no coordinated omission. The load runs on threads of its own, each with a runtime of one
//! thread: nothing is shared between connections that would need more than a counter.

use std::{
    cell::RefCell,
    io::Write as _,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use stampede_kernel::FlashSaleId;
use tokio::{
    sync::{Barrier, Semaphore},
    task::LocalSet,
};

use super::{
    LoadtestError,
    judge::{Bought, Judged, judge, settled},
    setup::Buyer,
    tally::Tally,
    wire::{Target, Wire},
};
use crate::client::Endpoint;

/// Acceptances kept for the proof; the load ends when there are so many.
const ACCEPTANCES_MAX: u64 = 50_000_000;
/// First pause before a request is sent again; it doubles.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// Longest pause before a request is sent again.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(1);
/// Shortest time between two looks at the open loop's schedule.
const PACER_TICK: Duration = Duration::from_micros(250);

/// What makes the next request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// Each connection buys again as soon as it has its answer.
    Closed,
    /// Requests are due at this rate, answered or not.
    Open { per_second: f64 },
}

/// The load.
#[derive(Debug, Clone)]
pub struct Plan {
    pub endpoint: Endpoint,
    pub flash_sale: FlashSaleId,
    pub buyers: Arc<[Buyer]>,
    pub connections: usize,
    pub threads: usize,
    pub pace: Pace,
    /// When to stop, if the tries do not end it before.
    pub lasting: Option<Duration>,
    /// Purchases that each buyer tries; without it only time ends the load.
    pub tries: Option<u32>,
    /// Left out of latencies and rates.
    pub warm_up: Duration,
    /// Units of one purchase.
    pub quantity: u32,
    /// Times that a request whose answer was lost is sent again with the same key.
    pub retries: u32,
    /// How long one answer may take.
    pub patience: Duration,
}

/// What has been answered so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    pub accepted: u64,
    pub refused: u64,
    pub unknown: u64,
    pub elapsed: Duration,
}

/// What the load came to.
#[derive(Debug)]
pub struct Driven {
    pub tally: Tally,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// When the warm-up ended.
    pub measured_from: Instant,
    /// When the last answer had come.
    pub ended: Instant,
    /// Requests of an open loop that were due but found no free connection before the end.
    pub unsent: u64,
}

/// What the threads of one run share.
struct Shared {
    plan: Plan,
    target: Target,
    parts: RequestParts,
    /// Set once every connection stands.
    start: std::sync::OnceLock<Instant>,
    /// The number of the next purchase.
    next: AtomicU64,
    purchases_max: u64,
    /// Purchases that are due in the open loop.
    due: Semaphore,
    stopped: AtomicBool,
    accepted: AtomicU64,
    refused: AtomicU64,
    unknown: AtomicU64,
    unconnected: AtomicU64,
}

/// The request around token and key, ready to be joined.
struct RequestParts {
    before_token: Vec<u8>,
    before_key: &'static [u8],
    after_key: Vec<u8>,
    /// Sets the keys of this run apart from every other's.
    run: u64,
}

/// Runs `plan` and tells `on_progress` how far it is, once in every `interval`.
///
/// # Errors
/// When the server cannot be reached with all connections, or a thread of the load fails.
pub async fn drive(
    plan: Plan,
    interval: Duration,
    mut on_progress: impl FnMut(Progress),
) -> Result<Driven, LoadtestError> {
    let shared = Arc::new(Shared::new(plan).await?);
    let threads = shared.plan.threads.clamp(1, shared.plan.connections.max(1));
    let barrier = Arc::new(Barrier::new(shared.plan.connections));
    let (done, mut results) = tokio::sync::mpsc::channel(threads);
    for thread in 0..threads {
        let connections = share(shared.plan.connections, threads, thread);
        let (shared, barrier, done) = (Arc::clone(&shared), Arc::clone(&barrier), done.clone());
        std::thread::Builder::new()
            .name(format!("load-{thread}"))
            .spawn(move || drop(done.blocking_send(run_thread(shared, barrier, connections))))
            .map_err(LoadtestError::Thread)?;
    }
    drop(done);
    let mut tally = Tally::new();
    let mut finished = 0;
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + interval, interval);
    while finished < threads {
        tokio::select! {
            result = results.recv() => {
                tally.merge(result.ok_or(LoadtestError::ThreadLost)??);
                finished += 1;
            }
            _ = ticks.tick() => on_progress(shared.progress()),
        }
    }
    on_progress(shared.progress());
    let unconnected = shared.unconnected.load(Ordering::Relaxed);
    if unconnected > 0 {
        return Err(LoadtestError::Connections {
            failed: unconnected,
            wanted: shared.plan.connections,
            server: shared.plan.endpoint.to_string(),
        });
    }
    let ended = Instant::now();
    let start = shared.start.get().copied().unwrap_or(ended);
    Ok(Driven {
        tally,
        elapsed: ended - start,
        measured_from: (start + shared.plan.warm_up).min(ended),
        ended,
        unsent: shared.due.available_permits() as u64,
    })
}

/// The part of `total` that falls to `index` of `parts`.
fn share(total: usize, parts: usize, index: usize) -> usize {
    total / parts + usize::from(index < total % parts)
}

impl Shared {
    async fn new(plan: Plan) -> Result<Self, LoadtestError> {
        if plan.buyers.is_empty() {
            return Err(LoadtestError::NoBuyers);
        }
        let purchases_max = match plan.tries {
            Some(tries) => plan.buyers.len() as u64 * u64::from(tries),
            None => u64::MAX,
        };
        Ok(Self {
            target: Target::of(&plan.endpoint).await?,
            parts: RequestParts::new(&plan),
            start: std::sync::OnceLock::new(),
            next: AtomicU64::new(0),
            purchases_max,
            due: Semaphore::new(0),
            stopped: AtomicBool::new(false),
            accepted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
            unconnected: AtomicU64::new(0),
            plan,
        })
    }

    fn progress(&self) -> Progress {
        Progress {
            accepted: self.accepted.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            unknown: self.unknown.load(Ordering::Relaxed),
            elapsed: self.start.get().map(Instant::elapsed).unwrap_or_default(),
        }
    }

    fn start(&self) -> Instant {
        *self.start.get_or_init(Instant::now)
    }

    /// The next purchase with the moment at which it is due, or nothing when the load is over.
    async fn next(&self, start: Instant) -> Option<(u64, Instant)> {
        if let Pace::Open { per_second } = self.plan.pace {
            self.due.acquire().await.ok()?.forget();
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            return Some((number, start + due_after(number, per_second)));
        }
        if self.stopped.load(Ordering::Relaxed) {
            return None;
        }
        let now = Instant::now();
        if self.plan.lasting.is_some_and(|lasting| now - start >= lasting) {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number < self.purchases_max).then_some((number, now))
    }

    /// Lets requests go as they fall due, until the schedule ends. A thread of its own, since the
    /// runtime's timers are only as fine as a millisecond.
    fn pace(&self, per_second: f64, start: Instant) {
        let scheduled = match self.plan.lasting {
            Some(lasting) => (lasting.as_secs_f64() * per_second) as u64,
            None => u64::MAX,
        };
        let total = scheduled.min(self.purchases_max);
        let mut released = 0;
        while released < total && !self.stopped.load(Ordering::Relaxed) {
            let wait = (start + due_after(released, per_second)).saturating_duration_since(Instant::now());
            std::thread::sleep(wait.max(PACER_TICK));
            let due = (start.elapsed().as_secs_f64() * per_second) as u64 + 1;
            let now_due = due.min(total).saturating_sub(released);
            self.due.add_permits(usize::try_from(now_due).unwrap_or(Semaphore::MAX_PERMITS));
            released += now_due;
        }
        // Connections that wait for a turn now find out that there is none.
        if released == total {
            self.finish_schedule(start);
        }
    }

    /// Waits until what is due has been taken, but not past the end of a timed load.
    fn finish_schedule(&self, start: Instant) {
        while self.due.available_permits() > 0
            && self.plan.lasting.is_none_or(|lasting| start.elapsed() < lasting)
        {
            std::thread::sleep(PACER_TICK);
        }
        self.stop();
    }

    /// Ends the load: what is under way is still answered.
    fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.due.close();
    }
}

/// When the request with this number is due, counted from the start.
fn due_after(number: u64, per_second: f64) -> Duration {
    Duration::from_secs_f64(number as f64 / per_second)
}

fn run_thread(
    shared: Arc<Shared>,
    barrier: Arc<Barrier>,
    connections: usize,
) -> Result<Tally, LoadtestError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(LoadtestError::Thread)?;
    let tally = Rc::new(RefCell::new(Tally::new()));
    let local = LocalSet::new();
    for _ in 0..connections {
        let (shared, barrier, tally) = (Arc::clone(&shared), Arc::clone(&barrier), Rc::clone(&tally));
        local.spawn_local(run_connection(shared, barrier, tally));
    }
    runtime.block_on(local);
    Ok(tally.replace(Tally::new()))
}

async fn run_connection(shared: Arc<Shared>, barrier: Arc<Barrier>, tally: Rc<RefCell<Tally>>) {
    let mut wire = Wire::new(&shared.target);
    if wire.connect().await.is_err() {
        shared.unconnected.fetch_add(1, Ordering::Relaxed);
        shared.stop();
    }
    // The clock starts when every connection stands, so that opening them is not measured.
    let leader = barrier.wait().await.is_leader();
    let start = shared.start();
    if leader && let Pace::Open { per_second } = shared.plan.pace {
        let pacer = Arc::clone(&shared);
        std::thread::spawn(move || pacer.pace(per_second, start));
    }
    let mut request = Vec::with_capacity(1 << 10);
    while let Some((number, due)) = shared.next(start).await {
        let buyer = (number % shared.plan.buyers.len() as u64) as usize;
        shared.parts.write(&mut request, &shared.plan.buyers[buyer].token, number);
        let bought = buy(&shared, &mut wire, &request, &tally).await;
        let now = Instant::now();
        // By its answer: under a rate that the server cannot keep, what falls due late is never sent.
        let measured = now >= start + shared.plan.warm_up;
        shared.count(&bought);
        tally.borrow_mut().record(
            buyer as u32,
            bought.outcome(),
            now,
            now.saturating_duration_since(due),
            measured,
        );
    }
}

impl Shared {
    fn count(&self, bought: &Bought) {
        match bought {
            Bought::Accepted { .. } => {
                if self.accepted.fetch_add(1, Ordering::Relaxed) + 1 >= ACCEPTANCES_MAX {
                    self.stop();
                }
            }
            Bought::Refused { .. } => drop(self.refused.fetch_add(1, Ordering::Relaxed)),
            Bought::Unknown { .. } => drop(self.unknown.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

/// Sends one purchase, again with the same key while its answer is lost and retries are left.
async fn buy(shared: &Shared, wire: &mut Wire<'_>, request: &[u8], tally: &RefCell<Tally>) -> Bought {
    let mut retries = 0;
    let mut maybe_bought = false;
    loop {
        if let Ok(true) = wire.connect().await {
            tally.borrow_mut().reconnects += 1;
        }
        let judged = match wire.exchange(request, shared.plan.patience).await {
            Ok(answer) => judge(&answer),
            Err(lost) => Judged::lost(lost),
        };
        let (bought, again) = match judged {
            Judged::Final(bought) => (bought, None),
            Judged::Again { bought, why } => (bought, Some(why)),
        };
        maybe_bought |= matches!(bought, Bought::Unknown { .. });
        match again {
            Some(why) if retries < shared.plan.retries => tally.borrow_mut().retries.add(why.as_str(), 1),
            Some(_) | None => return settled(bought, maybe_bought),
        }
        let pause = RETRY_PAUSE.saturating_mul(1 << retries.min(10)).min(RETRY_PAUSE_MAX);
        tokio::time::sleep(pause).await;
        retries += 1;
    }
}

impl RequestParts {
    fn new(plan: &Plan) -> Self {
        let path = plan.endpoint.target(&format!("/api/v1/flash-sales/{}/purchase", plan.flash_sale));
        let body = format!("{{\"quantity\":{}}}", plan.quantity);
        let before_token =
            format!("POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer ", plan.endpoint.authority());
        let after_key =
            format!("\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        Self {
            before_token: before_token.into_bytes(),
            before_key: b"\r\nIdempotency-Key: load-",
            after_key: after_key.into_bytes(),
            run: rand::random(),
        }
    }

    /// Writes the request of purchase `number`; the key says run and number.
    fn write(&self, request: &mut Vec<u8>, token: &str, number: u64) {
        request.clear();
        request.extend_from_slice(&self.before_token);
        request.extend_from_slice(token.as_bytes());
        request.extend_from_slice(self.before_key);
        // Writing to a vector cannot fail.
        drop(write!(request, "{:016x}-{number:x}", self.run));
        request.extend_from_slice(&self.after_key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_shared_out_whole() {
        for (total, parts) in [(256, 2), (7, 3), (1, 1)] {
            assert_eq!((0..parts).map(|index| share(total, parts, index)).sum::<usize>(), total);
        }
    }
}
