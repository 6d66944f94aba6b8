//! From the database into a file.

use std::io::Write;

use sha2::{Digest as _, Sha256};
use sqlx::{Connection as _, PgConnection};
use stampede_kernel::Timestamp;
use stampede_platform::engine::{Database, versions};
use time::OffsetDateTime;

use super::{FORMAT, Header, PATIENT, Progress, Trailer, TransferError, VERSION};
use crate::rooms::{self, ExportTable};

/// Raises every epoch and gives every shard up. A node that still runs accepts nothing more; this waits
/// for the batches that it has under way. Answers how many shards there are.
pub async fn fence(database: &Database) -> Result<u64, sqlx::Error> {
    let mut connection = database.connection().await?;
    let done = sqlx::query(
        "WITH every AS (SELECT id FROM shard ORDER BY id FOR UPDATE)
         UPDATE shard SET epoch = shard.epoch + 1, owner = NULL FROM every WHERE shard.id = every.id",
    )
    .execute(&mut *connection)
    .await?;
    Ok(done.rows_affected())
}

/// Writes the whole shop to `out`, after fencing it; answers how many rows those are.
///
/// # Errors
/// When there is no shop, the database does not answer, or `out` cannot be written; the shop is fenced
/// then, and otherwise unchanged.
pub async fn export(
    database: &Database,
    out: &mut impl Write,
    mut progress: impl FnMut(Progress),
) -> Result<u64, TransferError> {
    if fence(database).await? == 0 {
        return Err(TransferError::NoShop);
    }
    let mut connection = database.connection().await?;
    // One snapshot for every table, taken after the fence.
    let mut transaction = connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    sqlx::query("SET LOCAL timezone = 'UTC'").execute(&mut *transaction).await?;
    sqlx::query(PATIENT).execute(&mut *transaction).await?;
    let mut lines = Lines { out, hash: Sha256::new(), rows: 0 };
    lines.header(&mut transaction).await?;
    for table in rooms::tables() {
        lines.table(&mut transaction, table, &mut progress).await?;
    }
    let rows = lines.finish()?;
    transaction.rollback().await?;
    Ok(rows)
}

/// The file so far.
struct Lines<'a, W> {
    out: &'a mut W,
    hash: Sha256,
    rows: u64,
}

impl<W: Write> Lines<'_, W> {
    async fn header(&mut self, connection: &mut PgConnection) -> Result<(), TransferError> {
        let outbox_id: i64 = sqlx::query_scalar(
            "SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence('outbox', 'id')::regclass), 0)",
        )
        .fetch_one(connection)
        .await?;
        let header = Header {
            format: FORMAT.to_owned(),
            version: VERSION,
            migrations: versions(),
            exported_at: Timestamp::from(OffsetDateTime::now_utc()).to_string(),
            outbox_id,
        };
        self.hashed(&line(&header)?)
    }

    async fn table(
        &mut self,
        connection: &mut PgConnection,
        table: &ExportTable,
        progress: &mut impl FnMut(Progress),
    ) -> Result<(), TransferError> {
        sqlx::query(table.declare).execute(&mut *connection).await?;
        loop {
            // Not kept as prepared: the next table's cursor has the same name.
            let rows: Vec<String> =
                sqlx::query_scalar(table.fetch).persistent(false).fetch_all(&mut *connection).await?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                self.hashed(format!("{{\"t\":\"{}\",\"r\":{row}}}\n", table.name).as_bytes())?;
            }
            self.rows += rows.len() as u64;
            progress(Progress { table: table.name, rows: self.rows });
        }
        sqlx::query("CLOSE export_rows").execute(connection).await?;
        Ok(())
    }

    fn hashed(&mut self, line: &[u8]) -> Result<(), TransferError> {
        self.hash.update(line);
        self.out.write_all(line).map_err(TransferError::Write)
    }

    fn finish(self) -> Result<u64, TransferError> {
        let trailer = Trailer { end: true, rows: self.rows, sha256: format!("{:x}", self.hash.finalize()) };
        self.out.write_all(&line(&trailer)?).map_err(TransferError::Write)?;
        self.out.flush().map_err(TransferError::Write)?;
        Ok(self.rows)
    }
}

fn line(value: &impl serde::Serialize) -> Result<Vec<u8>, TransferError> {
    let mut line = serde_json::to_vec(value).map_err(|error| TransferError::Write(error.into()))?;
    line.push(b'\n');
    Ok(line)
}
