//! What is wrong with the fields of a request, all of it at once.

use std::fmt;

/// One field that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The field's path as the caller wrote it, such as `skus[0].price`.
    pub field: String,
    /// A stable word for programs: `required`, `too_long`, `format`...
    pub code: &'static str,
    /// For people, without a capital and a full stop: `must not be empty`. It never repeats a secret.
    pub detail: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.detail)
    }
}

/// Collects what is wrong, so that a caller gets all of it in one answer.
#[derive(Debug, Default)]
pub struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// Nothing wrong so far.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an error of `field` unless `holds`.
    pub fn require(&mut self, holds: bool, field: &str, code: &'static str, detail: impl Into<String>) {
        if !holds {
            self.0.push(FieldError { field: field.to_owned(), code, detail: detail.into() });
        }
    }

    /// Adds an error if `text` holds control characters; jsonb cannot hold U+0000 and no line of
    /// text needs the others.
    pub fn require_line(&mut self, text: &str, field: &str) {
        let plain = !text.chars().any(char::is_control);
        self.require(plain, field, "characters", "must not contain control characters");
    }

    /// The same for text of several lines, which may hold line breaks and tabs.
    pub fn require_text(&mut self, text: &str, field: &str) {
        let plain = !text.chars().any(|char| char.is_control() && !matches!(char, '\n' | '\r' | '\t'));
        self.require(plain, field, "characters", "must not contain control characters");
    }

    /// `Ok` if nothing was wrong.
    pub fn finish(self) -> Result<(), Vec<FieldError>> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0) }
    }
}
