//! For administrators: single actors, what sagas gave up, and reconciliation.

use stampede_kernel::{ShardId, shard_of};
use stampede_platform::{
    cluster::{NodeCommand, NodeCommandError},
    runtime::{ActorState, Directory},
};
use uuid::Uuid;

use super::{Services, Unanswered, limits::DEAD_LETTERS_LISTED_MAX};
use crate::{
    projections::reconcile::{self, Report},
    sagas::{self, DeadLetter},
};

/// How many actors of a kind this node knows.
#[derive(Debug, Clone, Copy)]
pub struct KindOfActor {
    pub kind: &'static str,
    pub live: usize,
}

/// One actor, wherever it lives.
#[derive(Debug, Clone)]
pub struct ActorReport {
    pub kind: &'static str,
    pub id: Uuid,
    pub state: ActorState,
    pub shard: ShardId,
    /// The node that owns its shard.
    pub node: String,
}

/// Why an actor was not shown or changed.
#[derive(Debug, thiserror::Error)]
pub enum ActorError {
    #[error("there is no such kind of actor")]
    UnknownKind,
    #[error("fault injection is switched off")]
    FaultsSwitchedOff,
    #[error("an actor of this kind holds more than one entity")]
    NotInjectable,
    #[error("no node owns the actor's shard at the moment")]
    Unowned,
    #[error(transparent)]
    Command(#[from] NodeCommandError),
}

/// The kinds of actors, with how many of each this node knows.
#[must_use]
pub fn kinds(services: &Services) -> Vec<KindOfActor> {
    let kind = |directory: &std::sync::Arc<dyn Directory>| KindOfActor {
        kind: directory.kind(),
        live: directory.known(),
    };
    services.directories.iter().map(kind).collect()
}

/// One actor: a SKU's stock, a user's orders or cart.
pub async fn actor(services: &Services, kind: &str, id: Uuid) -> Result<ActorReport, ActorError> {
    let (kind, shard, node) = owner(services, kind, id)?;
    let state = services.nodes.state(&node, kind, id).await?;
    Ok(ActorReport { kind, id, state, shard, node })
}

/// Ends the quarantine of an actor that panicked too often.
pub async fn reset(services: &Services, kind: &str, id: Uuid) -> Result<ActorReport, ActorError> {
    let (known, _, node) = owner(services, kind, id)?;
    let reset = NodeCommand::Reset { kind: known.to_owned(), actor: id };
    services.nodes.command(&node, reset).await?;
    actor(services, kind, id).await
}

/// Makes an actor of one entity panic, to rehearse a failure.
pub async fn inject_panic(services: &Services, kind: &str, id: Uuid) -> Result<(), ActorError> {
    if !services.settings.faults {
        return Err(ActorError::FaultsSwitchedOff);
    }
    let directory = services.directories.iter().find(|directory| directory.kind() == kind);
    match directory.and_then(|directory| directory.clone().inject_panic(id)) {
        Some(panicked) => {
            panicked.await;
            Ok(())
        }
        None => Err(ActorError::NotInjectable),
    }
}

/// The kind and the shard of an actor, and the node that owns it.
fn owner(services: &Services, kind: &str, id: Uuid) -> Result<(&'static str, ShardId, String), ActorError> {
    let kinds = services.directories.iter().map(|directory| directory.kind());
    let kind = kinds.into_iter().find(|known| *known == kind).ok_or(ActorError::UnknownKind)?;
    let shard = shard_of(kind, id, services.journal.owned_shards().count());
    let owner = services.routing.table().into_iter().nth(shard.index()).and_then(|route| route.owner);
    Ok((kind, shard, owner.ok_or(ActorError::Unowned)?))
}

/// Compares memory, tables and the folded journal. Reads the whole journal: for quiet hours.
pub async fn reconcile(services: &Services) -> Result<Report, Unanswered> {
    Ok(reconcile::reconcile(&services.database, Some(&services.actors.stock)).await?)
}

/// Commands that sagas gave up, oldest first.
pub async fn dead_letters(services: &Services) -> Result<Vec<DeadLetter>, Unanswered> {
    Ok(sagas::dead_letters(&services.database, DEAD_LETTERS_LISTED_MAX).await?)
}

/// Tries the dead letters once more; returns how many were done.
pub async fn retry_dead_letters(services: &Services) -> Result<usize, Unanswered> {
    let retried =
        sagas::retry_dead_letters(&services.database, &services.actors, DEAD_LETTERS_LISTED_MAX).await;
    Ok(retried?)
}
