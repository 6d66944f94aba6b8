//! Why the catalog did not do as asked.

use std::sync::Arc;

use stampede_kernel::FieldError;

use crate::records::idempotency::ClaimError;

/// Why nothing could be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// Shared, because everybody who waited for the same row gets it.
    #[error("the database did not answer")]
    Database(#[source] Arc<sqlx::Error>),
}

impl From<sqlx::Error> for ReadError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(Arc::new(error))
    }
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("the fields are not valid")]
    Invalid(Vec<FieldError>),
    #[error("there is no such product")]
    NotFound,
    #[error("the product has changed meanwhile")]
    VersionConflict,
    #[error("a SKU's code is taken")]
    SkuCodeTaken,
    #[error("there is a category of that name")]
    CategoryNameTaken,
    #[error("the idempotency key came with another body before")]
    IdempotencyMismatch,
    #[error(transparent)]
    Read(ReadError),
    #[error("the database did not answer")]
    Database(#[source] sqlx::Error),
}

impl From<ClaimError> for WriteError {
    fn from(error: ClaimError) -> Self {
        match error {
            ClaimError::Mismatch => Self::IdempotencyMismatch,
            ClaimError::Database(error) => Self::Database(error),
        }
    }
}

impl From<sqlx::Error> for WriteError {
    fn from(error: sqlx::Error) -> Self {
        let unknown = |field: &str| {
            let detail = "there is no such category".to_owned();
            Self::Invalid(vec![FieldError { field: field.to_owned(), code: "unknown", detail }])
        };
        match error.as_database_error().and_then(|error| error.constraint()) {
            Some("sku_code_key") => Self::SkuCodeTaken,
            Some("category_name_key") => Self::CategoryNameTaken,
            Some("product_category_fkey") => unknown("category_id"),
            Some("category_parent_id_fkey") => unknown("parent_id"),
            Some(_) | None => Self::Database(error),
        }
    }
}
