//! The limits of this room, by name and unit.

/// Characters of a note or reason.
pub const NOTE_CHARS_MAX: usize = 500;
/// The longest life of an access token.
pub const ACCESS_TOKEN_SECONDS_MAX: u32 = 86_400;
