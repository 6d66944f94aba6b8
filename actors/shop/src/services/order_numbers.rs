//! Order numbers.

use std::sync::atomic::{AtomicU64, Ordering};

use rand::RngCore as _;
use stampede_kernel::{OrderNo, Timestamp};

/// Generates order numbers: those of one process never repeat, and those of several hardly ever.
pub(super) struct OrderNumbers {
    process: u64,
    next: AtomicU64,
}

/// Lower bits of an order number that a process counts through within a millisecond and beyond.
const COUNTER_BITS: u32 = 20;

impl OrderNumbers {
    pub(super) fn new() -> Self {
        let mut random = rand::rng();
        Self { process: random.next_u64(), next: AtomicU64::new(random.next_u64()) }
    }

    /// The number of an order made now.
    pub(super) fn next(&self, now: Timestamp) -> OrderNo {
        let count = self.next.fetch_add(1, Ordering::Relaxed) & ((1 << COUNTER_BITS) - 1);
        OrderNo::new(now, self.process << COUNTER_BITS | count)
    }
}
