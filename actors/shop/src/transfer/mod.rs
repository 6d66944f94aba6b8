//! A whole shop as a text file: to move it between engines, and to back it up.
//!
//! The first line is a header in JSON, then comes one JSON object for each row,
//! `{"t":table,"r":row}`, and the last line holds the number of rows and the SHA-256 of every line
//! before it. So a file that was cut or altered is refused.
//!
//! Invariants:
//! - the export raises every epoch before it reads, and gives every shard up: a node that still runs
//!   is fenced off, and nothing that it accepted is missing from the file;
//! - the rows are those of one snapshot of the database, in an order in which each can be inserted;
//! - the import fills an empty shop or changes nothing, and leaves every epoch higher than the file's
//!   and than the shop's own before;
//! - neither holds more of the shop in memory than one batch.

mod export;
mod import;
pub mod limits;
#[cfg(test)]
mod tests;

use std::io;

use serde::{Deserialize, Serialize};

pub use export::{export, fence};
pub use import::import;

/// What the header calls the format.
const FORMAT: &str = "stampede-export";
/// The format's version; a change of the lines' shape raises it.
const VERSION: u32 = 1;

/// Whoever writes or reads the file may be slow: the transaction may be idle meanwhile.
const PATIENT: &str = "SET LOCAL idle_in_transaction_session_timeout = 0";

/// Why a shop was not moved.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    #[error("the database did not answer")]
    Database(#[from] sqlx::Error),
    #[error("there is no shop in this database")]
    NoShop,
    #[error("the file could not be written")]
    Write(#[source] io::Error),
    #[error("the file could not be read")]
    Read(#[source] io::Error),
    #[error("the file is not an export of stampede")]
    Foreign,
    #[error("the file has version {found} of the format, this program reads version {VERSION}")]
    Version { found: u32 },
    #[error(
        "the file's tables are those of migrations {found:?}, this program's are {here:?}; \
         migrate the shop that it came from with this program, then export it again"
    )]
    Schema { found: Vec<i64>, here: Vec<i64> },
    #[error("this shop is not empty: the table {table} has rows; import into a new database or data folder")]
    NotEmpty { table: &'static str },
    #[error("line {line} is not a row of an export")]
    Line { line: u64 },
    #[error("the rows before line {line} do not fit the tables; the file was altered")]
    Row { line: u64, source: sqlx::Error },
    #[error("the file ends before its last line; it was cut")]
    Truncated,
    #[error("the file was altered: its checksum or its number of rows is not what its last line says")]
    Altered,
}

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: String,
    version: u32,
    migrations: Vec<i64>,
    exported_at: String,
    /// The last id that the outbox has given out.
    outbox_id: i64,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
struct Trailer {
    end: bool,
    rows: u64,
    sha256: String,
}

/// What the last line begins with, and no row does.
const TRAILER_START: &[u8] = b"{\"end\"";

/// How far a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub table: &'static str,
    /// Rows of all tables so far.
    pub rows: u64,
}
