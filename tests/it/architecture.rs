//! The walls of the building, checked by reading its sources. Cargo keeps those between the members; what
//! these checks keep is listed in ARCHITECTURE.md.

mod edge;
mod habits;
mod members;
mod purity;
mod rooms;
mod source;

use stampede_tests::Case;

/// The tests of this folder.
pub fn cases() -> Vec<Case> {
    [edge::cases(), habits::cases(), members::cases(), purity::cases(), rooms::cases(), source::cases()]
        .concat()
}

fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}
