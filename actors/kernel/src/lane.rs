//! Which messages to an actor compete for places in its mailbox.

/// A lane of an actor's mailbox. Each has a limit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// New business and queries.
    Normal,
    /// What ends something: pay, cancel, release, confirm. Goes through when new business does not.
    Ending,
}
