//! How a statement of the writer failed, by what that says about the journal.

/// How one statement ended, short of success.
pub(super) enum Failure {
    /// Nothing of it is in the journal; `data` when the cause is in the events themselves.
    Definite { error: sqlx::Error, data: bool },
    /// The server may have committed it.
    Unknown(sqlx::Error),
}

/// Sorts an error of the append statement by what it says about the journal.
pub(super) fn classify(error: sqlx::Error) -> Failure {
    let Some(code) = error.as_database_error().and_then(|error| error.code()) else {
        return Failure::Unknown(error);
    };
    // Classes 08 (connection), 40003 (statement completion unknown) and 57P (shutdown, crash) say
    // that the connection ended; the server may have committed before.
    if code.starts_with("08") || code.starts_with("57P") || code == "40003" {
        return Failure::Unknown(error);
    }
    // Classes 22 (data exception) and 23 (constraint violation) are about the events themselves.
    let data = code.starts_with("22") || code.starts_with("23");
    Failure::Definite { error, data }
}

pub(super) fn is_position_conflict(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.constraint()) == Some("journal_pkey")
}

/// An error with its causes, for the log.
pub(super) struct Chain<'a>(pub(super) &'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
