//! What goes wrong, and what must not come of it.

mod bad_input;
mod connections;
mod crash;
mod hostile;
mod panic;
mod unknown_outcome;

use stampede_tests::Case;

/// The tests of this folder.
pub fn cases() -> Vec<Case> {
    [
        bad_input::cases(),
        connections::cases(),
        crash::cases(),
        hostile::cases(),
        panic::cases(),
        unknown_outcome::cases(),
    ]
    .concat()
}
