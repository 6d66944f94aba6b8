//! What the shop stands on, whatever it sells: connections, the journal, the actors' runtime and the
//! cluster. Knows the kernel and no entity by name; each room knows only the rooms above it here.

pub mod engine;

pub mod journal;

pub mod runtime;

pub mod cluster;

#[cfg(test)]
mod golden;
