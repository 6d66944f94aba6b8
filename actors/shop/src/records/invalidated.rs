//! What this node remembers of records, and forgets when another node changes it.

use std::sync::Arc;

use futures_util::{future::BoxFuture, stream::BoxStream};
use serde_json::value::RawValue;
use stampede_platform::cluster::{Invalidated, changes};

use super::{account::Revocations, catalog::Catalog};

impl Invalidated for Catalog {
    fn topic(&self) -> &'static str {
        "stale"
    }

    fn changed_here(&self) -> BoxStream<'static, Box<RawValue>> {
        changes(Catalog::changed_here(self))
    }

    fn forget<'a>(&'a self, change: &'a RawValue) -> BoxFuture<'a, Result<(), serde_json::Error>> {
        Box::pin(async move {
            Catalog::forget(self, &serde_json::from_str(change.get())?).await;
            Ok(())
        })
    }
}

impl Invalidated for Revocations {
    fn topic(&self) -> &'static str {
        "revoked"
    }

    fn changed_here(&self) -> BoxStream<'static, Box<RawValue>> {
        changes(self.made_here())
    }

    fn forget<'a>(&'a self, change: &'a RawValue) -> BoxFuture<'a, Result<(), serde_json::Error>> {
        Box::pin(async move {
            self.take_in(&serde_json::from_str(change.get())?);
            Ok(())
        })
    }
}

/// Everything that a node remembers of records.
#[must_use]
pub fn remembered(catalog: &Catalog, revocations: &Arc<Revocations>) -> Vec<Arc<dyn Invalidated>> {
    vec![Arc::new(catalog.clone()), revocations.clone()]
}
