//! The limits as this node counts them by itself: one set of buckets for each class, in memory.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use governor::{
    DefaultDirectRateLimiter, DefaultKeyedRateLimiter, NotUntil, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock, QuantaInstant},
};

use super::Key;
use crate::settings::Limits;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// What one limit allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    /// Names the limit among others, in Redis.
    pub name: &'static str,
    /// The time in which a bucket gains one request.
    pub each: Duration,
    /// The requests that a bucket holds.
    pub burst: NonZeroU32,
    /// Where nodes count together: in any such time, at most so many requests.
    pub window: Option<(Duration, u32)>,
}

impl Rate {
    /// `count` for every `period`, and at most `burst` at once.
    fn new(name: &'static str, count: u32, period: Duration, burst: u32) -> Self {
        // A rate beyond one a nanosecond is as good as the fastest there is.
        let each = (period / count.max(1)).max(Duration::from_nanos(1));
        Self { name, each, burst: NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN), window: None }
    }

    fn quota(&self) -> Quota {
        let quota = Quota::with_period(self.each).unwrap_or_else(|| Quota::per_second(self.burst));
        quota.allow_burst(self.burst)
    }
}

/// One class's buckets.
pub(super) struct Buckets {
    keyed: DefaultKeyedRateLimiter<Key>,
    clock: DefaultClock,
    pub rate: Rate,
}

impl Buckets {
    fn new(rate: Rate) -> Self {
        Self { keyed: RateLimiter::dashmap(rate.quota()), clock: DefaultClock::default(), rate }
    }

    /// Takes one request out of a caller's bucket; when there is none, how long until there is.
    pub fn take(&self, key: &Key) -> Result<(), Duration> {
        self.keyed.check_key(key).map_err(|until| wait(&until, &self.clock))
    }
}

/// The bucket of everybody together.
pub(super) struct NodeBucket {
    direct: DefaultDirectRateLimiter,
    clock: DefaultClock,
    pub burst: NonZeroU32,
}

impl NodeBucket {
    fn new(rate: &Rate) -> Self {
        Self { direct: RateLimiter::direct(rate.quota()), clock: DefaultClock::default(), burst: rate.burst }
    }

    pub fn take(&self) -> Result<(), Duration> {
        self.direct.check().map_err(|until| wait(&until, &self.clock))
    }
}

fn wait(until: &NotUntil<QuantaInstant>, clock: &DefaultClock) -> Duration {
    until.wait_time_from(clock.now())
}

/// The buckets of every class.
pub(super) struct Classes {
    pub api: Buckets,
    pub flash: Buckets,
    pub login: Buckets,
    pub account: Buckets,
    pub node: Option<Arc<NodeBucket>>,
}

impl Classes {
    /// With full buckets; `None` while limits are off.
    pub fn new(limits: &Limits) -> Option<Arc<Self>> {
        if !limits.enabled {
            return None;
        }
        let buckets = |name, per_second, burst| Buckets::new(Rate::new(name, per_second, SECOND, burst));
        let node = (limits.node_per_second > 0).then(|| {
            let burst = limits.node_burst.max(limits.node_per_second);
            Arc::new(NodeBucket::new(&Rate::new("node", limits.node_per_second, SECOND, burst)))
        });
        let (per_minute, burst) = (limits.login_account_per_minute, limits.login_account_burst);
        let account = Rate {
            window: Some((MINUTE, per_minute.max(burst))),
            ..Rate::new("account", per_minute, MINUTE, burst)
        };
        Some(Arc::new(Self {
            api: buckets("api", limits.api_per_second, limits.api_burst),
            flash: buckets("flash", limits.flash_per_second, limits.flash_burst),
            login: buckets("login", limits.login_per_second, limits.login_burst),
            account: Buckets::new(account),
            node,
        }))
    }

    /// The same limits with nobody in them.
    pub fn emptied(&self) -> Self {
        let empty = |buckets: &Buckets| Buckets::new(buckets.rate);
        Self {
            api: empty(&self.api),
            flash: empty(&self.flash),
            login: empty(&self.login),
            account: empty(&self.account),
            node: self.node.clone(),
        }
    }

    /// Forgets callers whose bucket is full again; the most that one class still remembers.
    pub fn sweep(&self) -> usize {
        let mut most = 0;
        for buckets in self.all() {
            buckets.keyed.retain_recent();
            buckets.keyed.shrink_to_fit();
            most = most.max(buckets.keyed.len());
        }
        most
    }

    /// Callers that are remembered.
    pub fn callers(&self) -> usize {
        self.all().iter().map(|buckets| buckets.keyed.len()).sum()
    }

    fn all(&self) -> [&Buckets; 4] {
        [&self.api, &self.flash, &self.login, &self.account]
    }
}
