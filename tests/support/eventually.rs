//! Waiting for a condition, with an end, and keeping a pace: the only place in the tests that knows a
//! timer.

use std::{future::Future, time::Duration};

/// How long a condition may take to come true.
pub const EVENTUALLY_MAX: Duration = Duration::from_secs(30);

const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Asks `check` again and again until it gives a value. Panics, naming `what`, after
/// [`EVENTUALLY_MAX`].
pub async fn eventually<T, F, Fut>(check: F, what: &str) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    within(EVENTUALLY_MAX, check, what).await
}

/// Like [`eventually`], with a deadline of the caller's.
pub async fn within<T, F, Fut>(deadline: Duration, mut check: F, what: &str) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let mut ticks = tokio::time::interval(POLL_INTERVAL);
    let polling = async {
        loop {
            ticks.tick().await;
            if let Some(value) = check().await {
                return value;
            }
        }
    };
    match tokio::time::timeout(deadline, polling).await {
        Ok(value) => value,
        Err(_) => panic!("not within {deadline:?}: {what}"),
    }
}

/// So often and no more often.
pub struct Pace(tokio::time::Interval);

impl Pace {
    /// Once in every `each`.
    #[must_use]
    pub fn new(each: Duration) -> Self {
        Self(tokio::time::interval(each))
    }

    /// Waits until it is time again.
    pub async fn next(&mut self) {
        self.0.tick().await;
    }
}
