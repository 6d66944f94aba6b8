//! The journal: every change that the shop has accepted, in order, per shard.
//!
//! Owns the tables `journal`, `snapshot`, `shard` and `checkpoint`. One [`Writer`] per node appends
//! in groups: while one batch commits, the next gathers. A batch is one statement that checks under
//! lock that this node still holds the shards it writes to, at the epoch it thinks it holds them at;
//! so a node that has lost a shard writes nothing to it, whatever it believes.
//!
//! Invariants: positions are contiguous per shard; versions are contiguous per entity; an append is
//! settled exactly once, in the order of its entity's appends.

mod append;
mod entry;
mod failure;
mod feed;
mod fence;
mod incarnation;
pub mod limits;
mod outbox;
mod owned_shards;
mod replay;
mod snapshot;
mod subscription;
mod writer;

pub use append::{Append, NewEvent, Settled};
pub use entry::{Entry, Position};
pub use feed::{Committed, Feed};
pub use fence::{FenceError, TakeScope, initialize};
pub use incarnation::Incarnation;
pub use outbox::{Outbox, RecordKind};
pub use owned_shards::OwnedShards;
pub use replay::{History, HistoryRequest, fold_source, read_after, read_histories};
pub use snapshot::{Snapshot, write_snapshot};
pub use subscription::{
    Run, Subscription, advance_checkpoints, checkpoints, exchange_checkpoints, set_checkpoints_back,
};
pub use writer::{Journal, Writer, WriterMetrics};
