//! Rate limits of this node: token buckets by caller and class of route. The limits change on reload;
//! buckets start full then.

use std::{
    net::IpAddr,
    num::NonZeroU32,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use actix_web::http::header::{HeaderName, HeaderValue};
use governor::{
    DefaultDirectRateLimiter, DefaultKeyedRateLimiter, NotUntil, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock, QuantaInstant},
};
use stampede_actors::kernel::{Code, Digest, UserId};

use super::address::bucket;
use crate::{config::Limits, problem::Problem};

/// Callers that one class remembers; past it all of its buckets are forgotten at once, which is lenient
/// but bounded.
pub const CALLERS_MAX: usize = 500_000;
/// How often callers whose bucket is full again are forgotten.
pub const SWEEP_INTERVAL: Duration = Duration::from_secs(5);

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Which limit a route is under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Nothing: probes, metrics and documentation.
    Free,
    Api,
    /// Buying in a flash sale.
    Flash,
    /// Logging in and registering; by address, whoever the token says it is.
    Login,
}

/// Who a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    User(u128),
    Address(u128),
    Account(Digest),
}

type Keyed = DefaultKeyedRateLimiter<Key>;

/// One class's buckets.
struct Buckets {
    keyed: Keyed,
    quota: Quota,
}

struct Classes {
    api: Buckets,
    flash: Buckets,
    login: Buckets,
    account: Buckets,
    node: Option<Arc<(DefaultDirectRateLimiter, u32)>>,
}

/// The limits in force. Clones share them.
#[derive(Clone)]
pub struct Limiter {
    /// `None` while limits are off.
    classes: Arc<RwLock<Option<Arc<Classes>>>>,
    clock: DefaultClock,
}

impl Limiter {
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        let classes = Arc::new(RwLock::new(Classes::new(limits)));
        Self { classes, clock: DefaultClock::default() }
    }

    /// Takes up other limits.
    pub fn reload(&self, limits: &Limits) {
        *self.classes.write().unwrap_or_else(PoisonError::into_inner) = Classes::new(limits);
    }

    fn classes(&self) -> Option<Arc<Classes>> {
        self.classes.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a request may go on: `user` is who a valid token speaks for, `address` is asked for only
    /// when it is needed.
    pub fn check(
        &self,
        class: Class,
        user: Option<UserId>,
        address: impl FnOnce() -> IpAddr,
    ) -> Result<(), Problem> {
        if class == Class::Free {
            return Ok(());
        }
        let Some(classes) = self.classes() else { return Ok(()) };
        if let Some((node, burst)) = classes.node.as_deref() {
            node.check().map_err(|until| self.refuse(&until, *burst))?;
        }
        let user = user.filter(|_| class != Class::Login);
        let key = match user {
            Some(user) => Key::User(user.0.as_u128()),
            None => Key::Address(bucket(address())),
        };
        let buckets = match class {
            Class::Free => return Ok(()),
            Class::Api => &classes.api,
            Class::Flash => &classes.flash,
            Class::Login => &classes.login,
        };
        self.take(buckets, &key)
    }

    /// Whether one more try to log in to an account may go on, wherever it comes from.
    pub fn check_account(&self, login: &str) -> Result<(), Problem> {
        let Some(classes) = self.classes() else { return Ok(()) };
        self.take(&classes.account, &Key::Account(Digest::of(&[login.trim().to_lowercase().as_bytes()])))
    }

    fn take(&self, buckets: &Buckets, key: &Key) -> Result<(), Problem> {
        buckets.keyed.check_key(key).map_err(|until| self.refuse(&until, buckets.quota.burst_size().get()))
    }

    fn refuse(&self, until: &NotUntil<QuantaInstant>, burst: u32) -> Problem {
        let wait = until.wait_time_from(self.clock.now());
        // Rounded up: whoever comes back then is let in.
        let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let seconds = u32::try_from(whole).unwrap_or(u32::MAX).max(1);
        Problem::new(Code::RateLimited)
            .retry_after(seconds)
            .header(LIMIT, HeaderValue::from(burst))
            .header(REMAINING, HeaderValue::from(0_u32))
            .header(RESET, HeaderValue::from(seconds))
    }

    /// Forgets callers whose bucket is full again; to be called every `SWEEP_INTERVAL`.
    pub fn sweep(&self) {
        let Some(classes) = self.classes() else { return };
        let mut crowded = false;
        for buckets in [&classes.api, &classes.flash, &classes.login, &classes.account] {
            buckets.keyed.retain_recent();
            buckets.keyed.shrink_to_fit();
            crowded |= buckets.keyed.len() > CALLERS_MAX;
        }
        if crowded {
            tracing::warn!(callers_max = CALLERS_MAX, "too many callers to count, rate limits start anew");
            let fresh = classes.emptied();
            *self.classes.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(fresh));
        }
    }

    /// Callers that are remembered now.
    #[must_use]
    pub fn callers(&self) -> usize {
        self.classes().map_or(0, |classes| {
            [&classes.api, &classes.flash, &classes.login, &classes.account]
                .iter()
                .map(|b| b.keyed.len())
                .sum()
        })
    }
}

impl Classes {
    fn new(limits: &Limits) -> Option<Arc<Self>> {
        if !limits.enabled {
            return None;
        }
        let second = |rate, burst| Buckets::new(quota(rate, Duration::from_secs(1), burst));
        let node = (limits.node_per_second > 0).then(|| {
            let quota = quota(
                limits.node_per_second,
                Duration::from_secs(1),
                limits.node_burst.max(limits.node_per_second),
            );
            Arc::new((RateLimiter::direct(quota), quota.burst_size().get()))
        });
        Some(Arc::new(Self {
            api: second(limits.api_per_second, limits.api_burst),
            flash: second(limits.flash_per_second, limits.flash_burst),
            login: second(limits.login_per_second, limits.login_burst),
            account: Buckets::new(quota(
                limits.login_account_per_minute,
                Duration::from_secs(60),
                limits.login_account_burst,
            )),
            node,
        }))
    }

    fn emptied(&self) -> Self {
        let empty = |buckets: &Buckets| Buckets::new(buckets.quota);
        Self {
            api: empty(&self.api),
            flash: empty(&self.flash),
            login: empty(&self.login),
            account: empty(&self.account),
            node: self.node.clone(),
        }
    }
}

impl Buckets {
    fn new(quota: Quota) -> Self {
        Self { keyed: RateLimiter::dashmap(quota), quota }
    }
}

/// `rate` for every `period`, and at most `burst` at once.
fn quota(rate: u32, period: Duration, burst: u32) -> Quota {
    let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
    let each = period / rate.max(1);
    // A rate beyond one a nanosecond is as good as the fastest there is.
    Quota::with_period(each.max(Duration::from_nanos(1)))
        .unwrap_or_else(|| Quota::per_second(burst))
        .allow_burst(burst)
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError as _;
    use uuid::Uuid;

    use super::*;
    use crate::config::{Config, Sources};

    fn limits() -> Limits {
        let sources = Sources { folder: "/nonexistent".into(), ..Sources::default() };
        let mut limits = Config::load(&sources).unwrap().limits;
        limits.flash_per_second = 1;
        limits.flash_burst = 3;
        limits.login_per_second = 1;
        limits.login_burst = 2;
        limits
    }

    fn here() -> IpAddr {
        "192.0.2.1".parse().unwrap()
    }

    fn there() -> IpAddr {
        "192.0.2.2".parse().unwrap()
    }

    fn user() -> Option<UserId> {
        Some(UserId(Uuid::now_v7()))
    }

    #[test]
    fn a_caller_has_a_burst_and_is_then_told_when_to_come_back() {
        let limiter = Limiter::new(&limits());
        let one = user();
        for _ in 0..3 {
            limiter.check(Class::Flash, one, here).unwrap();
        }
        let response = limiter.check(Class::Flash, one, here).unwrap_err().error_response();
        let header =
            |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(response.status(), 429);
        assert_eq!(header("retry-after").as_deref(), Some("1"));
        assert_eq!(header("ratelimit-limit").as_deref(), Some("3"));
        assert_eq!(header("ratelimit-remaining").as_deref(), Some("0"));
        assert_eq!(header("ratelimit-reset").as_deref(), Some("1"));
        limiter.check(Class::Flash, user(), here).unwrap();
        limiter.check(Class::Api, one, here).unwrap();
    }

    #[test]
    fn without_a_token_the_address_counts_and_for_logins_it_always_does() {
        let limiter = Limiter::new(&limits());
        for _ in 0..3 {
            limiter.check(Class::Flash, None, here).unwrap();
        }
        assert!(limiter.check(Class::Flash, None, here).is_err());
        limiter.check(Class::Flash, None, there).unwrap();
        for _ in 0..2 {
            limiter.check(Class::Login, user(), here).unwrap();
        }
        assert!(limiter.check(Class::Login, user(), here).is_err(), "another token is no way around");
    }

    #[test]
    fn an_account_has_its_own_limit() {
        let mut limits = limits();
        limits.login_account_burst = 2;
        let limiter = Limiter::new(&limits);
        limiter.check_account("Alice").unwrap();
        limiter.check_account("alice ").unwrap();
        assert!(limiter.check_account("ALICE").is_err());
        limiter.check_account("bob").unwrap();
    }

    #[test]
    fn the_whole_node_has_a_limit_when_it_is_set() {
        let mut limits = limits();
        limits.node_per_second = 1;
        limits.node_burst = 2;
        let limiter = Limiter::new(&limits);
        limiter.check(Class::Api, user(), here).unwrap();
        limiter.check(Class::Flash, user(), here).unwrap();
        assert!(limiter.check(Class::Api, user(), here).is_err());
        limiter.check(Class::Free, None, here).unwrap();
    }

    #[test]
    fn limits_change_and_go_without_a_restart() {
        let mut limits = limits();
        let limiter = Limiter::new(&limits);
        let one = user();
        while limiter.check(Class::Flash, one, here).is_ok() {}
        limits.flash_burst = 5;
        limiter.reload(&limits);
        for _ in 0..5 {
            limiter.check(Class::Flash, one, here).unwrap();
        }
        assert!(limiter.check(Class::Flash, one, here).is_err());
        limits.enabled = false;
        limiter.reload(&limits);
        limiter.check(Class::Flash, one, here).unwrap();
    }

    #[test]
    fn callers_are_forgotten_when_they_may_do_everything_again() {
        let mut limits = limits();
        limits.api_per_second = 1_000_000_000;
        let limiter = Limiter::new(&limits);
        for _ in 0..100 {
            limiter.check(Class::Api, user(), here).unwrap();
        }
        limiter.check(Class::Flash, user(), here).unwrap();
        limiter.sweep();
        assert_eq!(limiter.callers(), 1, "only the one whose bucket is not full again");
    }
}
