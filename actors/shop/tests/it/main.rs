//! The journal, the runtime, the sagas and the projections together, on the embedded engine.

mod journal;
mod passivation;
mod purchase;
mod runtime;
mod subscriptions;
mod support;
