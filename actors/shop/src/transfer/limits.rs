//! Limits of exports and imports.

/// Rows that an import inserts with one statement.
pub const BATCH_ROWS_MAX: usize = 500;
/// Bytes beyond which a statement of an import takes no further row.
pub const BATCH_BYTES_MAX: usize = 4 << 20;
/// Bytes of a line that an import reads; a larger value would not fit its column either.
pub const LINE_BYTES_MAX: u64 = 512 << 20;
