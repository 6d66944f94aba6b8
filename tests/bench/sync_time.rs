//! F: how long the disk under PostgreSQL takes to make one small write durable.

use std::{
    fs::File,
    io::{Seek, SeekFrom, Write},
    time::{Duration, Instant},
};

/// Writes that are timed.
const WRITES: usize = 400;
/// Writes before them.
const WARM_UP_WRITES: usize = 50;
/// Bytes of one write: PostgreSQL's log page.
const WRITE_BYTES: usize = 8 << 10;
/// Bytes of the file, which is written round and round, as PostgreSQL recycles its log.
const FILE_BYTES: u64 = 16 << 20;

/// The median time of one write with fdatasync, in the folder where the tests keep PostgreSQL's data.
pub fn median() -> Duration {
    let mut file = tempfile::Builder::new().prefix("stampede-sync-").tempfile().expect("a temporary file");
    fill(file.as_file_mut());
    let page = [7; WRITE_BYTES];
    let mut times: Vec<Duration> = (0..WARM_UP_WRITES + WRITES)
        .map(|index| {
            let at = (index * WRITE_BYTES) as u64 % FILE_BYTES;
            let since = Instant::now();
            let file = file.as_file_mut();
            file.seek(SeekFrom::Start(at)).expect("the file can be sought in");
            file.write_all(&page).expect("the file can be written");
            file.sync_data().expect("the file can be synced");
            since.elapsed()
        })
        .skip(WARM_UP_WRITES)
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

fn fill(file: &mut File) {
    let zeros = vec![0; usize::try_from(FILE_BYTES).expect("it fits")];
    file.write_all(&zeros).expect("the file can be written");
    file.sync_all().expect("the file can be synced");
}
