//! Rate limits: token buckets by caller and class of route. Each node counts by itself; with Redis all
//! nodes count together, and by themselves again while it is away. The limits change on reload; a
//! node's own buckets start full then.

mod local;
mod shared;

use std::{
    net::IpAddr,
    num::NonZeroU32,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use actix_web::http::header::{HeaderName, HeaderValue};
use stampede_kernel::{Code, Digest, UserId};

use self::{
    local::{Buckets, Classes},
    shared::Question,
};
use super::address::bucket;
use crate::{limits::CALLERS_MAX, problem::Problem, settings::Limits};

pub use shared::{SCRIPT, Shared, keep};

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

/// The limits in force. Clones share them.
#[derive(Clone)]
pub struct Limiter {
    /// `None` while limits are off.
    classes: Arc<RwLock<Option<Arc<Classes>>>>,
    /// `None` where this node counts by itself for good.
    shared: Option<Arc<Shared>>,
}

/// A request that all nodes' count decides on.
#[derive(Debug)]
pub struct Ask {
    question: Question,
    /// What this node alone would say; it holds when there is no answer.
    own: Result<(), Duration>,
    burst: NonZeroU32,
}

impl Ask {
    /// Whether the request may go on; known within a few milliseconds, whatever Redis does.
    pub async fn answer(self) -> Result<(), Problem> {
        let verdict = self.question.answer().await.unwrap_or(self.own);
        verdict.map_err(|wait| refusal(wait, self.burst))
    }
}

impl Limiter {
    /// Counts by itself.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        shared::show_metrics();
        Self { classes: Arc::new(RwLock::new(Classes::new(limits))), shared: None }
    }

    /// Counts together with other nodes from now on.
    #[must_use]
    pub fn sharing(self, shared: Shared) -> Self {
        Self { shared: Some(Arc::new(shared)), ..self }
    }

    /// Takes up other limits.
    pub fn reload(&self, limits: &Limits) {
        *self.classes.write().unwrap_or_else(PoisonError::into_inner) = Classes::new(limits);
    }

    /// Whether anything is limited.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.classes().is_some()
    }

    fn classes(&self) -> Option<Arc<Classes>> {
        self.classes.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a request may go on, or who is to be asked: `user` is who a valid token speaks for,
    /// `address` is asked for only when it is needed. Without Redis nobody is ever to be asked.
    pub fn check(
        &self,
        class: Class,
        user: Option<UserId>,
        address: impl FnOnce() -> IpAddr,
    ) -> Result<Option<Box<Ask>>, Problem> {
        if class == Class::Free {
            return Ok(None);
        }
        let Some(classes) = self.classes() else { return Ok(None) };
        if let Some(node) = classes.node.as_deref() {
            node.take().map_err(|wait| refusal(wait, node.burst))?;
        }
        let user = user.filter(|_| class != Class::Login);
        let key = match user {
            Some(user) => Key::User(user.0.as_u128()),
            None => Key::Address(bucket(address())),
        };
        let buckets = match class {
            Class::Free => return Ok(None),
            Class::Api => &classes.api,
            Class::Flash => &classes.flash,
            Class::Login => &classes.login,
        };
        self.take(buckets, &key)
    }

    /// Whether one more try to log in to an account may go on, wherever it comes from. Where there is no
    /// such account its name is counted, as it was looked for: this tells nobody whether there is one.
    pub async fn check_account(&self, account: Option<UserId>, name: &str) -> Result<(), Problem> {
        let ask = match self.classes() {
            None => None,
            Some(classes) => {
                let digest = match account {
                    Some(account) => Digest::of(&[account.0.as_bytes()]),
                    None => Digest::of(&[name.as_bytes()]),
                };
                self.take(&classes.account, &Key::Account(digest))?
            }
        };
        match ask {
            None => Ok(()),
            Some(ask) => ask.answer().await,
        }
    }

    /// This node counts every request, so that it knows its callers when Redis goes away.
    fn take(&self, buckets: &Buckets, key: &Key) -> Result<Option<Box<Ask>>, Problem> {
        let own = buckets.take(key);
        let burst = buckets.rate.burst;
        match self.shared.as_ref().and_then(|shared| shared.question(&buckets.rate, key)) {
            Some(question) => Ok(Some(Box::new(Ask { question, own, burst }))),
            None => own.map(|()| None).map_err(|wait| refusal(wait, burst)),
        }
    }

    /// Forgets callers whose bucket is full again; to be called every `CALLERS_SWEEP_INTERVAL_MS`.
    pub fn sweep(&self) {
        let Some(classes) = self.classes() else { return };
        if classes.sweep() > CALLERS_MAX {
            tracing::warn!(callers_max = CALLERS_MAX, "too many callers to count, rate limits start anew");
            let fresh = classes.emptied();
            *self.classes.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(fresh));
        }
    }

    /// Callers that are remembered now.
    #[must_use]
    pub fn callers(&self) -> usize {
        self.classes().map_or(0, |classes| classes.callers())
    }
}

/// A caller who has to wait, out of a bucket that holds `burst`.
fn refusal(wait: Duration, burst: NonZeroU32) -> Problem {
    // Rounded up: whoever comes back then is let in.
    let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let seconds = u32::try_from(whole).unwrap_or(u32::MAX).max(1);
    Problem::new(Code::RateLimited)
        .retry_after(seconds)
        .header(LIMIT, HeaderValue::from(burst.get()))
        .header(REMAINING, HeaderValue::from(0_u32))
        .header(RESET, HeaderValue::from(seconds))
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError as _;
    use uuid::Uuid;

    use super::*;
    use crate::settings::shipped;

    fn limits() -> Limits {
        let mut limits = shipped().limits;
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

    #[actix_web::test]
    async fn an_account_has_its_own_limit() {
        let mut limits = limits();
        limits.login_account_burst = 2;
        let limiter = Limiter::new(&limits);
        limiter.check_account(None, "alice").await.unwrap();
        limiter.check_account(None, "alice").await.unwrap();
        assert!(limiter.check_account(None, "alice").await.is_err());
        limiter.check_account(None, "bob").await.unwrap();
        let bob = Some(UserId(Uuid::from_u128(7)));
        limiter.check_account(bob, "bob").await.unwrap();
        limiter.check_account(bob, "bob@example.com").await.unwrap();
        assert!(limiter.check_account(bob, "bob").await.is_err());
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
