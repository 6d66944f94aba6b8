//! A subscriber to the shop's events, in Python, as a process.

use std::{collections::BTreeMap, path::PathBuf, process::Command, sync::LazyLock, time::Duration};

use serde::Deserialize;
use tempfile::TempDir;

use crate::{
    cluster::Cluster,
    eventually::within,
    nats::Role,
    process::{Process, bound_command},
    stampede::workspace,
};

/// How long a subscriber may take to hear a whole journal again.
const REFILL_MAX: Duration = Duration::from_secs(60);

/// How far the subscriber has come.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Heard {
    /// By shard, the last event before which none is missing.
    pub shards: BTreeMap<u16, u64>,
    /// Events, each once.
    pub events: u64,
    /// Events that came again.
    pub again: u64,
}

/// A subscriber at work; it stops when dropped.
pub struct Subscriber {
    _process: Process,
    file: PathBuf,
    _home: TempDir,
}

/// The Python in which `tests/setup` has installed the client.
fn python() -> PathBuf {
    static PYTHON: LazyLock<PathBuf> = LazyLock::new(|| {
        let output = Command::new(workspace().join("tests/setup")).arg("python").output().expect("it runs");
        let path = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        assert!(output.status.success() && !path.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        path.into()
    });
    PYTHON.clone()
}

impl Subscriber {
    /// Starts to listen to a broker that lets anybody in.
    #[must_use]
    pub fn start(url: &str) -> Self {
        Self::begin(url, Role::Node.inbox())
    }

    /// Starts to listen under the role that subscribers have; the URL says so too.
    #[must_use]
    pub fn start_in_its_role(url: &str) -> Self {
        Self::begin(url, Role::Subscriber.inbox())
    }

    fn begin(url: &str, inbox: &str) -> Self {
        let home = tempfile::Builder::new().prefix("stampede-subscriber-").tempdir().expect("a folder");
        let file = home.path().join("heard.json");
        let mut command = bound_command(&python(), "KILL");
        command.arg(workspace().join("tests/support/subscriber.py")).arg(url).arg(&file).arg(inbox);
        let process = Process::start("subscriber", command, home.path()).expect("the subscriber starts");
        Self { _process: process, file, _home: home }
    }

    /// How far it has come.
    #[must_use]
    pub fn heard(&self) -> Heard {
        let text = std::fs::read(&self.file).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Waits until it has heard every entry of the journal.
    pub async fn hears_everything(&self, cluster: &Cluster) {
        let everything = || async {
            let heads = cluster.heads().await;
            let heard = self.heard();
            (heard.shards == heads && heard.events == heads.values().sum::<u64>()).then_some(())
        };
        within(REFILL_MAX, everything, "the subscriber has heard every entry, each once").await;
    }
}
