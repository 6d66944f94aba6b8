//! What the load was answered: every acceptance by its order number, every refusal by its code,
//! latencies in HDR histograms.
//!
//! One thread of the load owns one tally; they are added up at the end. What is answered before the
//! end of the warm-up is left out of latencies and rates, never out of the acceptances, for the proof needs
//! them all.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use serde::{Serialize, Serializer, ser::SerializeMap};
use stampede_kernel::OrderNo;

/// Significant decimal digits of a recorded latency.
const LATENCY_DIGITS: u8 = 3;
/// The longest latency told apart, in microseconds; a longer one counts as this.
const LATENCY_US_MAX: u64 = 600_000_000;
/// Codes told apart; a server that invents more has them counted as `other`.
const CODES_MAX: usize = 64;

/// One purchase that the server accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acceptance {
    /// Who bought, by the place in the list of buyers.
    pub buyer: u32,
    pub order_no: OrderNo,
}

/// How one purchase ended, after its retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome<'a> {
    Accepted {
        order_no: OrderNo,
        replayed: bool,
    },
    /// Certainly not bought, with the problem's code.
    Refused {
        code: &'a str,
    },
    /// Nobody told whether it was bought, with the cause.
    Unknown {
        cause: &'a str,
    },
}

/// Numbers by code, in the order of their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Codes(BTreeMap<Box<str>, u64>);

impl Codes {
    pub(super) fn add(&mut self, code: &str, count: u64) {
        if let Some(known) = self.0.get_mut(code) {
            *known += count;
        } else if self.0.len() < CODES_MAX || code == "other" {
            self.0.insert(code.into(), count);
        } else {
            self.add("other", count);
        }
    }

    fn merge(&mut self, other: &Self) {
        for (code, count) in other.iter() {
            self.add(code, count);
        }
    }

    /// All of them together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// How many had this code.
    #[must_use]
    pub fn get(&self, code: &str) -> u64 {
        self.0.get(code).copied().unwrap_or(0)
    }

    /// Each code with its number.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(code, count)| (code.as_ref(), *count))
    }
}

impl Serialize for Codes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (code, count) in self.iter() {
            map.serialize_entry(code, &count)?;
        }
        map.end()
    }
}

/// The measured answers of one kind.
#[derive(Debug, Clone)]
pub struct Lane {
    latency: Option<Histogram<u64>>,
    count: u64,
    first: Option<Instant>,
    last: Option<Instant>,
}

/// Percentiles of a latency, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p99_9: u64,
    pub max: u64,
}

impl Lane {
    fn new() -> Self {
        // The bounds are constants that the histogram admits.
        let latency = Histogram::new_with_bounds(1, LATENCY_US_MAX, LATENCY_DIGITS).ok();
        Self { latency, count: 0, first: None, last: None }
    }

    fn record(&mut self, at: Instant, took: Duration) {
        self.count += 1;
        self.first.get_or_insert(at);
        self.last = Some(at);
        if let Some(latency) = &mut self.latency {
            latency.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        }
    }

    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.first = [self.first, other.first].into_iter().flatten().min();
        self.last = self.last.max(other.last);
        if let (Some(latency), Some(added)) = (&mut self.latency, &other.latency) {
            // Both were made with the same bounds, so that this cannot fail.
            latency.add(added).unwrap_or_default();
        }
    }

    /// Answers measured.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// When the first and the last of them came.
    #[must_use]
    pub fn span(&self) -> Option<(Instant, Instant)> {
        self.first.zip(self.last)
    }

    /// The latencies' percentiles.
    #[must_use]
    pub fn percentiles(&self) -> Percentiles {
        let Some(latency) = &self.latency else { return Percentiles::default() };
        let at = |quantile| latency.value_at_quantile(quantile).min(latency.max());
        Percentiles { p50: at(0.5), p90: at(0.9), p99: at(0.99), p99_9: at(0.999), max: latency.max() }
    }
}

/// Everything that was answered.
#[derive(Debug, Clone)]
pub struct Tally {
    /// Every acceptance, also of the warm-up.
    pub accepted: Vec<Acceptance>,
    /// Refusals by code, also of the warm-up.
    pub refused: Codes,
    /// Purchases of which nobody told whether they were made, by cause.
    pub unknown: Codes,
    /// Requests sent again with the same key, by what made them so.
    pub retries: Codes,
    /// Acceptances that were earlier answers again, since the first answer had been lost.
    pub replayed: u64,
    /// Connections opened again.
    pub reconnects: u64,
    /// Purchases whose requests were sent, also of the warm-up.
    pub attempts: u64,
    /// Measured acceptances.
    pub accepted_lane: Lane,
    /// Measured refusals.
    pub refused_lane: Lane,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            accepted: Vec::new(),
            refused: Codes::default(),
            unknown: Codes::default(),
            retries: Codes::default(),
            replayed: 0,
            reconnects: 0,
            attempts: 0,
            accepted_lane: Lane::new(),
            refused_lane: Lane::new(),
        }
    }

    /// Counts a purchase of `buyer` that ended at `at`, `took` after it was due.
    pub(super) fn record(
        &mut self,
        buyer: u32,
        outcome: Outcome<'_>,
        at: Instant,
        took: Duration,
        measured: bool,
    ) {
        self.attempts += 1;
        match outcome {
            Outcome::Accepted { order_no, replayed } => {
                self.accepted.push(Acceptance { buyer, order_no });
                self.replayed += u64::from(replayed);
                if measured {
                    self.accepted_lane.record(at, took);
                }
            }
            Outcome::Refused { code } => {
                self.refused.add(code, 1);
                if measured {
                    self.refused_lane.record(at, took);
                }
            }
            Outcome::Unknown { cause } => self.unknown.add(cause, 1),
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.refused.merge(&other.refused);
        self.unknown.merge(&other.unknown);
        self.retries.merge(&other.retries);
        self.replayed += other.replayed;
        self.reconnects += other.reconnects;
        self.attempts += other.attempts;
        self.accepted_lane.merge(&other.accepted_lane);
        self.refused_lane.merge(&other.refused_lane);
        self.accepted.extend(other.accepted);
    }
}

#[cfg(test)]
mod tests {
    use stampede_kernel::Timestamp;

    use super::*;

    #[test]
    fn two_tallies_add_up() {
        let start = Instant::now();
        let order_no = OrderNo::new(Timestamp::from_millis(0), 1);
        let accepted = Outcome::Accepted { order_no, replayed: true };
        let (mut one, mut two) = (Tally::new(), Tally::new());
        one.record(0, accepted, start, Duration::from_millis(1), true);
        two.record(1, accepted, start + Duration::from_secs(1), Duration::from_millis(9), true);
        two.record(2, accepted, start, Duration::from_secs(9), false);
        two.record(3, Outcome::Refused { code: "sold_out" }, start, Duration::from_millis(2), true);
        two.record(4, Outcome::Unknown { cause: "timed_out" }, start, Duration::from_secs(1), true);
        one.merge(two);
        assert_eq!((one.attempts, one.accepted.len(), one.replayed), (5, 3, 3));
        assert_eq!((one.refused.get("sold_out"), one.unknown.total()), (1, 1));
        assert_eq!(one.accepted_lane.count(), 2, "the warm-up is not measured");
        assert_eq!(one.accepted_lane.span(), Some((start, start + Duration::from_secs(1))));
        let latency = one.accepted_lane.percentiles();
        assert!((999..=1_001).contains(&latency.p50), "{latency:?}");
        assert!((8_990..=9_010).contains(&latency.max), "{latency:?}");
    }

    #[test]
    fn a_server_that_invents_codes_fills_no_memory() {
        let mut codes = Codes::default();
        for number in 0..10_000 {
            codes.add(&format!("code_{number}"), 1);
        }
        assert_eq!(codes.total(), 10_000);
        assert!(codes.iter().count() <= CODES_MAX + 1);
    }
}
