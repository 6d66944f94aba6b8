//! Sagas: from an event of one actor to the commands that must follow at others.
//!
//! A saga is a pure function; the [`Driver`] delivers what it says at least once. Receivers recognise
//! a repeat, because every command names what it is about (an order number, a reservation). The
//! journal is the durable queue: the driver's checkpoint is the low-water mark of what receivers
//! answered after their own commit.

mod dead_letters;
mod deadline;
mod driver;
mod expiry;
pub mod limits;
mod payment;
mod purchase;
mod stocking;
mod window;

use serde::{Deserialize, Serialize};

pub use dead_letters::{DeadLetter, dead_letters, retry_dead_letters};
pub use deadline::Deadlines;
pub use driver::{Driver, SagaMetrics};
pub use expiry::EXPIRY;
pub use payment::PAYMENT;
pub use purchase::PURCHASE;
use stampede_domain::{order, stock};
use stampede_kernel::{OrderNo, SkuId, UserId};
use stampede_platform::journal::Entry;
pub use stocking::STOCKING;

/// A command on its way to another actor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NextCommand {
    Stock { sku: SkuId, command: stock::Command },
    Order { user: UserId, order_no: OrderNo, command: Box<order::Command> },
}

/// One saga.
#[derive(Clone, Copy)]
pub struct Saga {
    /// Its name in metrics and dead letters.
    pub name: &'static str,
    /// The commands that must follow an entry; none for most.
    pub next: fn(&Entry) -> Result<Vec<NextCommand>, serde_json::Error>,
}
