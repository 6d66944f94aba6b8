//! What a projection is: one room's events folded into its tables.

use futures_util::future::BoxFuture;
use sqlx::PgConnection;
use stampede_platform::journal::Entry;

/// The changes that a run of entries makes in one room's tables: gathered first, so that each table is written
/// once.
pub trait Projection: Send + Sync {
    /// Takes in one entry; those of other kinds change nothing.
    ///
    /// # Errors
    /// When the entry is of its kind and cannot be read.
    fn gather(&mut self, entry: &Entry) -> Result<(), serde_json::Error>;

    /// Writes what was gathered, in the caller's transaction. Rows are locked in one order, whatever the order
    /// of the entries.
    fn write<'a>(&'a self, connection: &'a mut PgConnection) -> BoxFuture<'a, Result<(), sqlx::Error>>;
}

/// A projection of a room.
#[derive(Clone, Copy)]
pub struct ProjectionOf {
    /// One that has gathered nothing yet.
    pub new: fn() -> Box<dyn Projection>,
    /// The statements that empty its tables, before they are made anew from the journal.
    pub clear: &'static [&'static str],
}
