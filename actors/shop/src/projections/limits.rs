//! Limits of the projections.

/// Events that one transaction of the projector takes in.
pub const PROJECTED_EVENTS_MAX: usize = 2_000;
/// Entities whose histories one query of the reconciliation reads.
pub const RECONCILED_TOGETHER_MAX: usize = 200;
