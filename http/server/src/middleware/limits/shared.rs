//! The limits as all nodes count them together: one script in Redis, one round trip for each request.
//!
//! Redis's clock is the one that counts. What stands in Redis is hashed with a secret of the shop's,
//! so that neither a user nor an address can be read out of it, or guessed.

use std::{sync::LazyLock, time::Duration};

use prometheus::{IntCounter, IntGauge};
use stampede_kernel::Digest;
use stampede_platform::engine::{Redis, RedisConnection, RedisError};

use super::{Key, local::Rate};
use crate::{middleware::metrics, problem::chain};

/// What Redis is to run for every request.
pub const SCRIPT: &str = include_str!("limit.lua");

struct Metrics {
    shared: IntGauge,
    fallbacks: IntCounter,
}

static METRICS: LazyLock<Metrics> = LazyLock::new(|| Metrics {
    shared: metrics::gauge(
        "stampede_rate_limit_shared",
        "1 while rate limits are counted by all nodes through Redis, 0 while by this node alone.",
    ),
    fallbacks: metrics::counter(
        "stampede_rate_limit_fallbacks_total",
        "Requests that this node's own limits decided on, though Redis is configured.",
    ),
});

/// Lets the metrics show from the start.
pub(super) fn show_metrics() {
    LazyLock::force(&METRICS);
}

/// Keeps the connection that limits are shared through, for ever.
pub async fn keep(redis: Redis) {
    redis.keep(tell).await;
}

fn tell(change: Result<(), RedisError>) {
    let answers = i64::from(change.is_ok());
    match change {
        Ok(()) => tracing::info!("rate limits are shared through Redis"),
        Err(error) => {
            tracing::warn!(error = chain(&error), "Redis is away, this node counts rate limits by itself");
        }
    }
    METRICS.shared.set(answers);
}

/// Counts callers in Redis.
pub struct Shared {
    redis: Redis,
    secret: Digest,
}

/// One request that Redis can be asked about.
#[derive(Debug)]
pub(super) struct Question {
    line: RedisConnection,
    keys: Vec<String>,
    args: Vec<i64>,
}

impl Shared {
    /// `secret` is what the nodes that count together have in common, and nobody else.
    #[must_use]
    pub fn new(redis: Redis, secret: Digest) -> Self {
        Self { redis, secret }
    }

    /// `None` while Redis is away.
    pub(super) fn question(&self, rate: &Rate, key: &Key) -> Option<Question> {
        let Some(line) = self.redis.line() else {
            METRICS.fallbacks.inc();
            return None;
        };
        let caller = self.digest(key);
        let mut keys = vec![format!("stampede:limit:{}:{caller}", rate.name)];
        let mut args = vec![micros(rate.each), i64::from(rate.burst.get())];
        if let Some((window, most)) = rate.window {
            keys.push(format!("stampede:limit:{}-window:{caller}", rate.name));
            args.extend([micros(window), i64::from(most)]);
        }
        Some(Question { line, keys, args })
    }

    fn digest(&self, key: &Key) -> Digest {
        let secret = self.secret.as_uuid();
        let of = |kind: &[u8], bytes: &[u8]| Digest::of(&[secret.as_bytes(), kind, bytes]);
        match key {
            Key::User(user) => of(b"user", &user.to_be_bytes()),
            Key::Address(address) => of(b"address", &address.to_be_bytes()),
            Key::Account(login) => of(b"account", login.as_uuid().as_bytes()),
        }
    }
}

impl Question {
    /// Whether the request may go on, or how long until it may; `None` when Redis does not say.
    pub async fn answer(self) -> Option<Result<(), Duration>> {
        match self.line.run(self.keys, self.args).await {
            Ok(wait_us) => Some(match u64::try_from(wait_us) {
                Ok(wait_us @ 1..) => Err(Duration::from_micros(wait_us)),
                Ok(0) | Err(_) => Ok(()),
            }),
            // The change is told where the connection is kept.
            Err(_) => {
                METRICS.fallbacks.inc();
                None
            }
        }
    }
}

/// Whole microseconds, rounded down: never stricter than the setting. A rate beyond one a microsecond
/// is as good as the fastest there is.
fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
    use stampede_tests as support;

    use super::*;

    /// Some moment of a server's clock, in microseconds.
    const NOON: i64 = 1_795_000_000_000_000;
    const SECOND: i64 = 1_000_000;
    const HOUR: i64 = 3_600 * SECOND;

    /// The script over a real server, by a clock that the test sets.
    struct Desk {
        redis: support::Redis,
        now: i64,
    }

    impl Desk {
        async fn open() -> Self {
            Self { redis: support::Redis::start().await, now: NOON }
        }

        /// One request at the present moment; 0, or how long to wait.
        async fn ask(&self, caller: &str, limit: &Limit) -> i64 {
            let clock = "redis.call('TIME')";
            assert_eq!(SCRIPT.matches(clock).count(), 1, "the script asks for the time once");
            let now = format!("{{'{}', '{}'}}", self.now / SECOND, self.now % SECOND);
            let mut keys = vec![format!("{caller}:bucket")];
            let mut args = vec![limit.each, limit.burst];
            if let Some((window, most)) = limit.window {
                keys.push(format!("{caller}:window"));
                args.extend([window, most]);
            }
            let mut words = vec!["EVAL".to_owned(), SCRIPT.replace(clock, &now), keys.len().to_string()];
            words.extend(keys);
            words.extend(args.iter().map(i64::to_string));
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            self.redis.ask(&words).await[0].parse().unwrap()
        }
    }

    #[derive(Clone, Copy)]
    struct Limit {
        each: i64,
        burst: i64,
        window: Option<(i64, i64)>,
    }

    /// What the script is to say, written the long way.
    #[derive(Default)]
    struct Model {
        /// When the bucket will be full.
        full: i64,
        let_through: VecDeque<i64>,
    }

    impl Model {
        fn ask(&mut self, now: i64, limit: &Limit) -> i64 {
            let level = limit.burst * limit.each - (self.full - now).max(0);
            let mut wait = (limit.each - level).max(0);
            if let Some((window, most)) = limit.window {
                self.let_through.retain(|moment| *moment > now - window);
                let over = self.let_through.len() as i64 - most;
                if over >= 0 {
                    wait = wait.max(self.let_through[over as usize] + window - now);
                }
            }
            if wait == 0 {
                self.full = self.full.max(now) + limit.each;
                self.let_through.push_back(now);
            }
            wait
        }
    }

    #[actix_web::test]
    async fn a_bucket_lets_its_burst_through_and_then_one_at_a_time() {
        let mut desk = Desk::open().await;
        let limit = Limit { each: HOUR, burst: 3, window: None };
        for _ in 0..3 {
            assert_eq!(desk.ask("a", &limit).await, 0);
        }
        assert_eq!(desk.ask("a", &limit).await, HOUR);
        assert_eq!(desk.ask("a", &limit).await, HOUR, "a refused request costs nothing");
        assert_eq!(desk.ask("b", &limit).await, 0, "another caller has another bucket");
        desk.now += HOUR - 1;
        assert_eq!(desk.ask("a", &limit).await, 1);
        desk.now += 1;
        assert_eq!(desk.ask("a", &limit).await, 0);
        assert_eq!(desk.ask("a", &limit).await, HOUR);
        desk.now += 100 * HOUR;
        for _ in 0..3 {
            assert_eq!(desk.ask("a", &limit).await, 0, "full, and no fuller");
        }
        assert_eq!(desk.ask("a", &limit).await, HOUR);
    }

    #[actix_web::test]
    async fn waiting_for_a_minutes_end_gains_nothing() {
        let mut desk = Desk::open().await;
        let limit = Limit { each: 6 * SECOND, burst: 10, window: Some((60 * SECOND, 10)) };
        // One try opens the window, the others come at its very end.
        assert_eq!(desk.ask("lin", &limit).await, 0);
        desk.now += 59 * SECOND;
        for _ in 0..9 {
            assert_eq!(desk.ask("lin", &limit).await, 0);
        }
        assert_eq!(desk.ask("lin", &limit).await, SECOND);
        desk.now += SECOND;
        assert_eq!(desk.ask("lin", &limit).await, 0, "the first try is a minute old");
        assert_eq!(desk.ask("lin", &limit).await, 59 * SECOND, "the bucket would say 5");
    }

    #[actix_web::test]
    async fn other_limits_and_a_clock_that_went_back_lock_nobody_out() {
        let mut desk = Desk::open().await;
        let (slow, fast) = (
            Limit { each: HOUR, burst: 3, window: Some((60 * SECOND, 3)) },
            Limit { each: 60 * SECOND, burst: 5, window: Some((60 * SECOND, 5)) },
        );
        for _ in 0..3 {
            assert_eq!(desk.ask("a", &slow).await, 0);
        }
        assert_eq!(desk.ask("a", &fast).await, 60 * SECOND, "empty, by the new limit");
        desk.now -= 24 * HOUR;
        assert_eq!(desk.ask("a", &fast).await, 60 * SECOND, "empty, by the new clock");
        desk.now += 60 * SECOND;
        assert_eq!(desk.ask("a", &fast).await, 0);
        let narrow = Limit { burst: 4, ..slow };
        for _ in 0..3 {
            assert_eq!(desk.ask("c", &narrow).await, 0);
        }
        assert_eq!(desk.ask("c", &narrow).await, 60 * SECOND);
        desk.now -= 24 * HOUR;
        assert_eq!(desk.ask("c", &narrow).await, HOUR, "what is ahead of the clock is no window");
        desk.now += HOUR;
        assert_eq!(desk.ask("c", &narrow).await, 0);
        // A lower limit holds at once, over what was let through before it.
        let low = Limit { each: 1, burst: 2, window: Some((60 * SECOND, 2)) };
        for moment in 0..5 {
            assert_eq!(desk.ask("b", &Limit { window: Some((60 * SECOND, 5)), ..low }).await, 0, "{moment}");
            desk.now += SECOND;
        }
        assert_eq!(desk.ask("b", &low).await, 58 * SECOND, "until only one of the last five counts");
    }

    #[actix_web::test]
    async fn the_script_counts_as_the_model_does() {
        let mut desk = Desk::open().await;
        for seed in 0..20 {
            let mut random = StdRng::seed_from_u64(seed);
            // Hours, so that nothing expires by the server's own clock meanwhile.
            let each = [HOUR / 3 + 1, HOUR, 7 * HOUR - 1][random.random_range(0..3)];
            let burst = random.random_range(1..8);
            let window = random.random_bool(0.5).then(|| (10 * HOUR, random.random_range(1..10)));
            let limit = Limit { each, burst, window };
            let mut model = Model::default();
            for step in 0..60 {
                desk.now += random.random_range(0..=2 * each);
                let (said, meant) = (desk.ask(&seed.to_string(), &limit).await, model.ask(desk.now, &limit));
                assert_eq!(said, meant, "seed {seed}, step {step}: {each} {burst} {window:?}");
            }
        }
    }

    #[actix_web::test]
    async fn what_says_nothing_any_more_is_forgotten() {
        let desk = Desk::open().await;
        let limit = Limit { each: HOUR, burst: 3, window: Some((60 * SECOND, 3)) };
        assert_eq!(desk.ask("a", &limit).await, 0);
        for (key, ms_max) in [("a:bucket", 3_600_000), ("a:window", 60_000)] {
            let left: i64 = desk.redis.ask(&["PTTL", key]).await[0].parse().unwrap();
            assert!((1..=ms_max).contains(&left), "{key}: {left}");
        }
    }

    #[test]
    fn a_digest_shows_neither_who_nor_to_whom() {
        let shared = |secret: &[u8]| {
            let redis = Redis::new("redis://localhost", None, SCRIPT).unwrap();
            Shared::new(redis, Digest::of(&[secret]))
        };
        let (ours, theirs) = (shared(b"ours"), shared(b"theirs"));
        let keys = [Key::User(1), Key::Address(1), Key::Account(Digest::of(&[b"lin"])), Key::User(2)];
        let digests: std::collections::HashSet<_> = keys.iter().map(|key| ours.digest(key)).collect();
        assert_eq!(digests.len(), keys.len());
        assert_eq!(ours.digest(&keys[0]), shared(b"ours").digest(&keys[0]), "every node's is the same");
        assert_ne!(ours.digest(&keys[0]), theirs.digest(&keys[0]), "another shop's is not");
    }
}
