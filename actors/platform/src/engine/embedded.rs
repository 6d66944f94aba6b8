//! Postgres in this process.
//!
//! It runs with `fsync` off: nothing committed is lost when the process dies, but a power cut is
//! not survived. Production uses a server by URL.

use std::{path::PathBuf, sync::Mutex};

use pglite_oxide::PgliteServer;

use super::database::OpenError;

/// A running embedded server.
pub(super) struct Embedded {
    url: String,
    server: Mutex<Option<PgliteServer>>,
}

impl Embedded {
    /// Starts the server on its files, made if missing. It listens on a free loopback port.
    pub(super) async fn start(data: PathBuf) -> Result<Self, OpenError> {
        let path = data.join("postgres");
        let failed = |cause: String| {
            // The engine has no error of its own for it.
            if cause.contains("already in use") {
                return OpenError::InUse { path: data.clone() };
            }
            OpenError::Embedded { path: data.join("postgres"), cause }
        };
        let root = path.clone();
        let started = tokio::task::spawn_blocking(move || PgliteServer::builder().path(root).start()).await;
        let server = started
            .map_err(|error| failed(error.to_string()))?
            .map_err(|error| failed(format!("{error:#}")))?;
        Ok(Self { url: server.database_url(), server: Mutex::new(Some(server)) })
    }

    pub(super) fn url(&self) -> String {
        self.url.clone()
    }

    /// Stops the server once its clients are gone.
    pub(super) async fn stop(&self) {
        let server = self.server.lock().ok().and_then(|mut server| server.take());
        let Some(server) = server else { return };
        match tokio::task::spawn_blocking(move || server.shutdown()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("the embedded Postgres did not stop cleanly: {error:#}"),
            Err(error) => tracing::warn!(%error, "the embedded Postgres did not stop cleanly"),
        }
    }
}
