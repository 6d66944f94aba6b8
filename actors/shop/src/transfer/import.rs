//! From a file into an empty shop.

use std::io::{BufRead, Read as _};

use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use sqlx::{Connection as _, PgConnection};
use stampede_platform::engine::{Database, versions};

use super::{FORMAT, Header, PATIENT, Progress, TRAILER_START, Trailer, TransferError, VERSION};
use crate::{
    rooms::{self, ExportTable},
    transfer::limits::{BATCH_BYTES_MAX, BATCH_ROWS_MAX, LINE_BYTES_MAX},
};

/// Fills the shop from `input` and answers how many rows that were. The database must be migrated.
///
/// # Errors
/// When the shop is not empty, the file is not a whole and unaltered export of the same tables, or the
/// database does not answer. The shop is unchanged then.
pub async fn import(
    database: &Database,
    input: &mut impl BufRead,
    mut progress: impl FnMut(Progress),
) -> Result<u64, TransferError> {
    let mut lines = Lines { input, line: Vec::new(), number: 0, hash: Sha256::new() };
    let header = lines.header()?;
    let mut connection = database.connection().await?;
    let mut transaction = connection.begin().await?;
    sqlx::query(PATIENT).execute(&mut *transaction).await?;
    let epoch = clear(&mut transaction).await?;
    let mut rows = 0;
    let mut batch = Batch::default();
    let trailer = loop {
        lines.read()?;
        if lines.line.is_empty() {
            return Err(TransferError::Truncated);
        }
        if lines.line.starts_with(TRAILER_START) {
            break lines.trailer()?;
        }
        let (table, row) = lines.row()?;
        if !batch.takes(table, row) {
            batch.insert(&mut transaction, lines.number).await?;
            progress(Progress { table: table.name, rows });
        }
        batch.push(table, row);
        rows += 1;
        lines.hash.update(&lines.line);
    };
    batch.insert(&mut transaction, lines.number).await?;
    let whole = trailer.rows == rows && trailer.sha256 == format!("{:x}", lines.hash.clone().finalize());
    lines.read()?;
    if !whole || !lines.line.is_empty() {
        return Err(TransferError::Altered);
    }
    settle(&mut transaction, epoch, header.outbox_id).await?;
    transaction.commit().await?;
    Ok(rows)
}

/// Locks the shop, makes sure that it is empty, and takes its shards away; answers their highest epoch.
async fn clear(connection: &mut PgConnection) -> Result<i64, TransferError> {
    sqlx::query("LOCK TABLE shop, shard, journal, account, product, orders IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *connection)
        .await?;
    for table in rooms::tables().filter(|table| !WRITTEN_WHEN_OPENED.contains(&table.name)) {
        if sqlx::query_scalar(table.any).fetch_one(&mut *connection).await? {
            return Err(TransferError::NotEmpty { table: table.name });
        }
    }
    let epoch =
        sqlx::query_scalar("SELECT coalesce(max(epoch), 0) FROM shard").fetch_one(&mut *connection).await?;
    for delete in ["DELETE FROM shop", "DELETE FROM shard", "DELETE FROM checkpoint"] {
        sqlx::query(delete).execute(&mut *connection).await?;
    }
    Ok(epoch)
}

/// Tables that opening a shop fills, which makes it no less empty.
const WRITTEN_WHEN_OPENED: [&str; 3] = ["shop", "shard", "checkpoint"];

/// Sets what the rows do not say: epochs beyond all that came before, and the next id of the outbox.
async fn settle(connection: &mut PgConnection, epoch: i64, outbox_id: i64) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE shard SET epoch = greatest(epoch, $1) + 1, owner = NULL")
        .bind(epoch)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "SELECT setval(pg_get_serial_sequence('outbox', 'id'), given.id)
         FROM (SELECT greatest($1, (SELECT max(id) FROM outbox)) AS id) AS given WHERE given.id > 0",
    )
    .bind(outbox_id)
    .execute(connection)
    .await
    .map(drop)
}

/// A line that holds a row.
#[derive(Deserialize)]
struct Row<'a> {
    t: &'a str,
    #[serde(borrow)]
    r: &'a RawValue,
}

/// The file, line by line.
struct Lines<'a, R> {
    input: &'a mut R,
    /// The line read last, with its end; empty at the end of the file.
    line: Vec<u8>,
    number: u64,
    /// Of the lines before the last one.
    hash: Sha256,
}

impl<R: BufRead> Lines<'_, R> {
    fn read(&mut self) -> Result<(), TransferError> {
        self.line.clear();
        self.number += 1;
        let mut limited = self.input.take(LINE_BYTES_MAX);
        limited.read_until(b'\n', &mut self.line).map_err(TransferError::Read)?;
        if self.line.is_empty() || self.line.ends_with(b"\n") {
            return Ok(());
        }
        // A last line without its end was cut, too.
        Err(if self.line.len() as u64 == LINE_BYTES_MAX {
            TransferError::Line { line: self.number }
        } else {
            TransferError::Truncated
        })
    }

    fn header(&mut self) -> Result<Header, TransferError> {
        // Any file may be named by mistake, and it need not have lines.
        match self.read() {
            Ok(()) => {}
            Err(TransferError::Truncated | TransferError::Line { .. }) => return Err(TransferError::Foreign),
            Err(error) => return Err(error),
        }
        /// What every version of the header holds.
        #[derive(Deserialize)]
        struct Format {
            format: String,
            version: u32,
        }
        let format: Format = serde_json::from_slice(&self.line).map_err(|_| TransferError::Foreign)?;
        if format.format != FORMAT {
            return Err(TransferError::Foreign);
        }
        if format.version != VERSION {
            return Err(TransferError::Version { found: format.version });
        }
        let header: Header = serde_json::from_slice(&self.line).map_err(|_| TransferError::Foreign)?;
        let here = versions();
        if header.migrations != here {
            return Err(TransferError::Schema { found: header.migrations, here });
        }
        self.hash.update(&self.line);
        Ok(header)
    }

    fn row(&self) -> Result<(&'static ExportTable, &RawValue), TransferError> {
        let unreadable = TransferError::Line { line: self.number };
        let Ok(row) = serde_json::from_slice::<Row<'_>>(&self.line) else { return Err(unreadable) };
        let table = rooms::tables().find(|table| table.name == row.t).ok_or(unreadable)?;
        Ok((table, row.r))
    }

    fn trailer(&self) -> Result<Trailer, TransferError> {
        serde_json::from_slice(&self.line).map_err(|_| TransferError::Line { line: self.number })
    }
}

/// Rows of one table, as a JSON array that is not closed yet.
#[derive(Default)]
struct Batch {
    table: Option<&'static ExportTable>,
    rows: usize,
    json: String,
}

impl Batch {
    fn takes(&self, table: &ExportTable, row: &RawValue) -> bool {
        self.table.is_none_or(|own| own.name == table.name)
            && self.rows < BATCH_ROWS_MAX
            && (self.rows == 0 || self.json.len() + row.get().len() < BATCH_BYTES_MAX)
    }

    fn push(&mut self, table: &'static ExportTable, row: &RawValue) {
        self.json.push(if self.rows == 0 { '[' } else { ',' });
        self.json.push_str(row.get());
        self.table = Some(table);
        self.rows += 1;
    }

    /// Inserts what is gathered. `line` is the line that was read last.
    async fn insert(&mut self, connection: &mut PgConnection, line: u64) -> Result<(), TransferError> {
        let Some(table) = self.table.take() else { return Ok(()) };
        let mut json = std::mem::take(&mut self.json);
        self.rows = 0;
        json.push(']');
        match sqlx::query(table.insert).bind(json).execute(connection).await {
            Ok(_) => Ok(()),
            Err(source @ sqlx::Error::Database(_)) => Err(TransferError::Row { line, source }),
            Err(error) => Err(error.into()),
        }
    }
}
