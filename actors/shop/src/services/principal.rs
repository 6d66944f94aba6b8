//! On whose behalf a use case runs.

use stampede_kernel::UserId;

use crate::records::account::Role;

/// The user for whom a use case runs, as the edge has authenticated them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Principal {
    pub user: UserId,
    pub role: Role,
}
