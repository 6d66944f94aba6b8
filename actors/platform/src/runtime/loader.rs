//! Reads the histories of entities that are activated, many with one query.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tracing::warn;

use crate::{
    engine::Database,
    journal::{History, HistoryRequest, read_histories},
    runtime::limits::LOAD_BATCH_MAX,
};

/// A history could not be read.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the database did not answer")]
pub struct LoadError(#[source] pub Arc<sqlx::Error>);

type Reply = oneshot::Sender<Result<History, LoadError>>;

/// A handle to the loader. Its queue is bounded by the admitted messages: each waits for at most one load.
#[derive(Clone)]
pub struct Loader {
    requests: mpsc::UnboundedSender<(HistoryRequest, Reply)>,
}

/// The task behind [`Loader`].
pub struct LoaderTask {
    database: Database,
    requests: mpsc::UnboundedReceiver<(HistoryRequest, Reply)>,
}

impl Loader {
    /// A loader and its task.
    #[must_use]
    pub fn new(database: Database) -> (Loader, LoaderTask) {
        let (sender, requests) = mpsc::unbounded_channel();
        (Loader { requests: sender }, LoaderTask { database, requests })
    }

    /// The history of one entity.
    pub async fn load(&self, request: HistoryRequest) -> Result<History, LoadError> {
        let closed = || LoadError(Arc::new(sqlx::Error::PoolClosed));
        let (reply, loaded) = oneshot::channel();
        self.requests.send((request, reply)).map_err(|_| closed())?;
        loaded.await.unwrap_or_else(|_| Err(closed()))
    }
}

impl LoaderTask {
    /// Runs until every [`Loader`] is dropped.
    pub async fn run(mut self) {
        let mut gathered = Vec::with_capacity(LOAD_BATCH_MAX);
        while self.requests.recv_many(&mut gathered, LOAD_BATCH_MAX).await > 0 {
            let (requests, replies): (Vec<HistoryRequest>, Vec<Reply>) = gathered.drain(..).unzip();
            match read_histories(&self.database, &requests).await {
                Ok(histories) => {
                    for (reply, history) in replies.into_iter().zip(histories) {
                        let _ = reply.send(Ok(history));
                    }
                }
                Err(error) => {
                    warn!(%error, entities = requests.len(), "entities could not be loaded");
                    let error = Arc::new(error);
                    for reply in replies {
                        let _ = reply.send(Err(LoadError(error.clone())));
                    }
                }
            }
        }
    }
}
