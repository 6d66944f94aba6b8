//! Records: rows without contention behind plain async functions, no actor. Each change leaves a row in
//! `outbox` where others must hear of it.

pub mod account;
pub mod catalog;
pub mod idempotency;
mod invalidated;

use stampede_platform::journal::RecordKind;

pub use invalidated::remembered;

/// The kinds of records that leave events.
pub const RECORD_KINDS: &[RecordKind] =
    &[RecordKind { kind: "product", events: &["created", "updated", "deleted"] }];
