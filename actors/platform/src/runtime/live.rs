//! The entities that an actor holds in memory.

use std::{collections::HashMap, sync::Arc};

use stampede_kernel::Entity;
use tracing::error;

use super::{
    Ask, Loader,
    fold::{FoldError, fold},
    limits::{FOLDED_BYTES_MAX, FOLDED_EVENTS_MAX},
};
use crate::journal::{History, HistoryRequest};

pub(super) enum Slot<E: Entity> {
    Loading(Vec<Ask<E>>),
    Live(Box<Live<E>>),
}

/// The state that survives a panicked actor: exactly what it had enqueued.
pub(super) struct Survivors<E: Entity>(pub(super) HashMap<E::Id, Box<Live<E>>>);

pub(super) struct Live<E: Entity> {
    pub(super) name: Arc<str>,
    pub(super) state: E::State,
    pub(super) version: i64,
    pub(super) snapshot_at: i64,
    pub(super) parked: Vec<Ask<E>>,
}

impl<E: Entity> Survivors<E> {
    /// Parked queries are dropped, so their callers get `unavailable`.
    pub(super) fn of(entities: HashMap<E::Id, Slot<E>>) -> Self {
        let live = entities.into_iter().filter_map(|(id, slot)| match slot {
            Slot::Loading(_) => None,
            Slot::Live(live) => Some((id, Box::new(Live { parked: Vec::new(), ..*live }))),
        });
        Self(live.collect())
    }
}

/// Reads an entity's history and folds it: a long one on another thread, since other actors share this one.
/// None if it cannot be read; an error if the fold panicked.
pub(super) async fn rebuild<E: Entity>(
    loader: Loader,
    name: Arc<str>,
) -> std::thread::Result<Option<Live<E>>> {
    let request = HistoryRequest { kind: E::KIND, id: name.clone(), snapshots: E::SNAPSHOTS };
    let Ok(history) = loader.load(request).await else { return Ok(None) };
    let snapshot_bytes = history.snapshot.as_ref().map_or(0, |snapshot| snapshot.state.len());
    let long = history.events.len() > FOLDED_EVENTS_MAX || snapshot_bytes > FOLDED_BYTES_MAX;
    let folding = move || match Live::of(name, &history) {
        Ok(live) => Some(live),
        Err(cause) => {
            error!(%cause, "an entity's history cannot be read");
            None
        }
    };
    if !long {
        return std::panic::catch_unwind(std::panic::AssertUnwindSafe(folding));
    }
    match tokio::task::spawn_blocking(folding).await {
        Ok(live) => Ok(live),
        Err(error) => error.try_into_panic().map_or(Ok(None), Err),
    }
}

impl<E: Entity> Live<E> {
    /// One without any events yet.
    pub(super) fn new(name: Arc<str>) -> Self {
        Self { name, state: E::State::default(), version: 0, snapshot_at: 0, parked: Vec::new() }
    }

    pub(super) fn of(name: Arc<str>, history: &History) -> Result<Self, FoldError> {
        let (state, version) = fold::<E>(&name, history)?;
        let snapshot_at = history.snapshot.as_ref().map_or(0, |snapshot| snapshot.version);
        Ok(Self { name, state, version, snapshot_at, parked: Vec::new() })
    }

    /// Events since the last snapshot that was requested.
    pub(super) fn unfolded(&self) -> u64 {
        // A snapshot is never newer than its entity.
        self.version.abs_diff(self.snapshot_at)
    }

    /// Whether it does not exist and no query waits for it.
    pub(super) fn is_empty(&self) -> bool {
        self.version == 0 && self.parked.is_empty()
    }
}
