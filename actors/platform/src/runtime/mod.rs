//! Actors over actix: where they live, how they are asked, rebuilt and passivated.
//!
//! A [`Registry`] finds or starts the live actor of an id and admits messages to it. A [`Host`] is the
//! actix actor: it holds the entities of one actor and runs their pure core. The [`Supervisor`] rebuilds
//! an actor that has panicked and passivates idle ones. The [`Loader`] reads histories in batches.
//!
//! Invariants: at most one incarnation of an actor has anything pending in the journal; an answer other
//! than a refusal is sent after the commit of everything that it shows; a message is either
//! refused at once or answered.

mod asking;
mod directory;
mod fold;
mod host;
mod lane;
pub mod limits;
mod live;
mod loader;
mod metrics;
mod registry;
mod router;
mod supervisor;
mod wire;

pub use directory::Directory;
pub use fold::{Answered, AskError, FoldError, fold};
pub use host::{Answer, Ask, Body, Host};
pub use loader::{LoadError, Loader, LoaderTask};
pub use metrics::{ActorMetrics, KindMetrics};
pub use registry::{ActorState, Registry, Runtime};
pub use router::{Delivery, Place, Router};
pub use supervisor::{InProgress, Supervisor};
pub use wire::{RemoteAnswer, RemoteAsk, RemoteBody};
