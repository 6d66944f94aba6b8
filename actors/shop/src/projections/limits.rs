//! The limits of this room, by name and unit.

/// Events that one transaction of the projector takes in.
pub const PROJECTED_EVENTS_MAX: usize = 2_000;
