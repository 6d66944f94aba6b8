//! What every use case may meet, whatever it is about.

use stampede_platform::{engine::DatabaseError, runtime::AskError};

use crate::records::catalog::ReadError;

/// Why a use case got no answer from what it needs.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    #[error("the database did not answer")]
    Database(#[from] DatabaseError),
    #[error("the catalog cannot be read")]
    Catalog(#[from] ReadError),
    /// Too many requests wait; nothing was done.
    #[error("too many requests are waiting")]
    Overloaded,
    /// The actor cannot be reached at the moment; nothing was done.
    #[error("the actor is not available")]
    Unavailable,
    /// It may or may not have been done; a retry with the same key tells.
    #[error("the outcome is unknown")]
    OutcomeUnknown,
}

/// What an actor decided against, or why there is no answer.
pub(super) fn refusal<R: std::fmt::Debug>(error: AskError<R>) -> Result<R, Unanswered> {
    match error {
        AskError::Refused(refusal) => Ok(refusal),
        AskError::Overloaded => Err(Unanswered::Overloaded),
        AskError::Unavailable => Err(Unanswered::Unavailable),
        AskError::OutcomeUnknown => Err(Unanswered::OutcomeUnknown),
    }
}

/// An error of a use case that asks one kind of actor.
macro_rules! from_ask_error {
    ($error:ty, $refusal:ty) => {
        impl From<stampede_platform::runtime::AskError<$refusal>> for $error {
            fn from(error: stampede_platform::runtime::AskError<$refusal>) -> Self {
                match $crate::services::error::refusal(error) {
                    Ok(refusal) => Self::Refused(refusal),
                    Err(unanswered) => Self::Unanswered(unanswered),
                }
            }
        }
    };
}
pub(super) use from_ask_error;
