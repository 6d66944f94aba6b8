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
use stampede_domain::{order, stock};
use stampede_kernel::{OrderNo, SkuId, UserId};
use stampede_platform::journal::Entry;

/// A command on its way to another actor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NextCommand {
    Stock { sku: SkuId, command: stock::Command },
    Order { user: UserId, order_no: OrderNo, command: Box<order::Command> },
}

/// One saga.
struct Saga {
    name: &'static str,
    follow: fn(&Entry) -> Result<Vec<NextCommand>, serde_json::Error>,
}

/// Every saga of the shop. A checkout of a cart will be one more.
const SAGAS: &[Saga] = &[
    Saga { name: "purchase", follow: purchase::follow },
    Saga { name: "payment", follow: payment::follow },
    Saga { name: "expiry", follow: expiry::follow },
    Saga { name: "stocking", follow: stocking::follow },
];
