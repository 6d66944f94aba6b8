//! The wall clock. Nothing else in this crate reads it: the rest is told the time.

use std::time::SystemTime;

use stampede_kernel::Timestamp;

/// Now, to the millisecond.
#[must_use]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::after_epoch(since)
}
