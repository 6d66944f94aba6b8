//! `stampede export` and `stampede import`: a whole shop as a file, between engines and as a backup.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, BufReader, BufWriter},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Args;
use stampede_loadtest::output::Output;
use stampede_platform::{cluster, engine::Database};

use stampede_shop::transfer::{self, Progress};

use super::{DONE, Failure, Settings, offline, say, serve::in_system, tell};
use crate::config::Config;

/// What to do when the data folder is in use.
const OTHERWISE: &str = "stop its server first";
/// Bytes that are gathered before they are read or written.
const BUFFER_BYTES: usize = 1 << 20;
/// Time between two words of progress.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
#[command(after_help = "\
The file holds everything: journal, catalog, accounts (with password hashes) and orders; keep it as
safe as the database. It can be imported into either engine.
A server that runs on this database meanwhile loses its shards, so that it accepts nothing that the
file would lack; start it again to go on. Stop it before to be sure of accounts and products, too.")]
pub struct Export {
    /// The file to write; it must not exist
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The shop must be empty: a new data folder (--data), or a new database (DATABASE_URL). The file is
taken whole or not at all; one that was cut or altered is refused.")]
pub struct Import {
    /// The file that `stampede export` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    settings: Settings,
}

impl Export {
    pub fn run(self) -> Result<ExitCode, Failure> {
        if self.file.exists() {
            return Err(format!("{} exists already; name another file", self.file.display()).into());
        }
        let rows = in_system(export(self.settings.load()?, &self.file))??;
        say(&format!("exported {rows} rows to {}\n", self.file.display()))?;
        Ok(DONE)
    }
}

impl Import {
    pub fn run(self) -> Result<ExitCode, Failure> {
        let file = File::open(&self.file)
            .map_err(|error| format!("{} cannot be read: {error}", self.file.display()))?;
        let rows = in_system(import(self.settings.load()?, file))??;
        say(&format!("imported {rows} rows from {}\n", self.file.display()))?;
        Ok(DONE)
    }
}

async fn export(config: Config, path: &Path) -> Result<u64, Failure> {
    // Under its own name only once it is whole.
    let partial = partial(path);
    let out = Output::private(&partial)?;
    let database = offline::open(&config, offline::Missing::Refuse, OTHERWISE).await?;
    if let Some(node) = running(&database).await? {
        tell(&format!("the server that runs on this database ({node}) accepts nothing from now on"));
    }
    let written = write(&database, out).await;
    database.close().await;
    let rows = written?;
    fs::rename(&partial, path)?;
    Ok(rows)
}

async fn write(database: &Database, out: Output) -> Result<u64, Failure> {
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, out);
    let rows = transfer::export(database, &mut out, now_and_then("exported")).await?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?.finish()?;
    Ok(rows)
}

async fn import(config: Config, file: File) -> Result<u64, Failure> {
    let database = offline::open_bare(&config, offline::Missing::Make, OTHERWISE).await?;
    let imported = async {
        if !database.is_embedded() {
            offline::refuse_if_running(&database, OTHERWISE).await?;
        }
        let mut input = BufReader::with_capacity(BUFFER_BYTES, file);
        Ok(transfer::import(&database, &mut input, now_and_then("imported")).await?)
    }
    .await;
    database.close().await;
    imported
}

async fn running(database: &Database) -> Result<Option<String>, Failure> {
    if database.is_embedded() {
        return Ok(None);
    }
    Ok(cluster::running_node(database).await?)
}

fn partial(path: &Path) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

fn now_and_then(done: &'static str) -> impl FnMut(Progress) {
    let mut last = Instant::now();
    move |progress| {
        if last.elapsed() >= PROGRESS_INTERVAL {
            last = Instant::now();
            tell(&format!("{done} {} rows, now {}", progress.rows, progress.table));
        }
    }
}
